//! No loops: only its time limit ends a looping Express execution, and then no Catch runs.

use super::finding::{Findings, Rule};
use super::graph;
use crate::definition::{Machine, Scope};

pub(super) fn check(machine: &Machine, findings: &mut Findings) {
    check_scope(&machine.scope, findings);
    for state in graph::states(machine) {
        state.kind.branches().iter().for_each(|branch| check_scope(branch, findings));
    }
}

/// Whether any scope of the machine has a loop.
pub(super) fn any(machine: &Machine) -> bool {
    let mut findings = Findings::default();
    check(machine, &mut findings);
    !findings.into_vec().is_empty()
}

fn check_scope(scope: &Scope, findings: &mut Findings) {
    let mut search = Search { scope, done: vec![false; scope.states.len()], open: Vec::new() };
    search.visit(scope.start, findings);
}

struct Search<'a> {
    scope: &'a Scope,
    done: Vec<bool>,
    /// The states on the path to the current one.
    open: Vec<usize>,
}

impl Search<'_> {
    fn visit(&mut self, at: usize, findings: &mut Findings) {
        if self.done[at] {
            return;
        }
        self.open.push(at);
        let state = &self.scope.states[at];
        for leave in graph::leaves(state) {
            let Some(to) = leave.to else { continue };
            match self.open.iter().position(|open| *open == to) {
                None => self.visit(to, findings),
                Some(first) => {
                    let name = |index: &usize| self.scope.states[*index].name.to_string();
                    let path = self.open[first..].iter().chain([&to]).map(name).collect();
                    findings.at_state(&state.name, leave.field, Rule::Cycle { path });
                }
            }
        }
        self.open.pop();
        self.done[at] = true;
    }
}
