//! Every variable that is read was assigned, on every path.
//!
//! A missing variable is an undefined value, which fails the expression. In a Choice or a Succeed state
//! nothing catches that.

use std::collections::{BTreeSet, VecDeque};

use super::finding::{Findings, Rule};
use super::{free, graph};
use crate::definition::{Machine, Scope};

type Names<'a> = BTreeSet<&'a str>;

pub(super) fn check(machine: &Machine, findings: &mut Findings) {
    check_scope(&machine.scope, &Names::new(), findings);
}

fn check_scope(scope: &Scope, outer: &Names<'_>, findings: &mut Findings) {
    for (state, entered) in scope.states.iter().zip(assigned_on_entry(scope, outer)) {
        // No path leads here; the loader has already refused that.
        let Some(entered) = entered else { continue };
        for expression in graph::expressions(state) {
            for variable in free::variables(expression.syntax()) {
                if !entered.contains(variable.as_str()) {
                    let path = path_without(scope, &variable, &state.name);
                    findings.at_state(&state.name, expression.field(), Rule::NotAssigned { variable, path });
                }
            }
        }
        // A branch sees what its state sees, and what it assigns stays inside.
        state.kind.branches().iter().for_each(|branch| check_scope(branch, &entered, findings));
    }
}

/// For each state the variables that are assigned on every path to it.
fn assigned_on_entry<'a>(scope: &'a Scope, outer: &Names<'a>) -> Vec<Option<Names<'a>>> {
    let mut entered: Vec<Option<Names<'a>>> = vec![None; scope.states.len()];
    entered[scope.start] = Some(outer.clone());
    let mut changed = VecDeque::from([scope.start]);
    while let Some(at) = changed.pop_front() {
        let Some(before) = entered[at].clone() else { continue };
        for leave in graph::leaves(&scope.states[at]) {
            let Some(to) = leave.to else { continue };
            let assigned = leave.exit.into_iter().flat_map(|exit| exit.assign.iter().map(|(name, _)| &**name));
            // A catcher starts from the variables at entry too: what the state itself assigns is lost.
            let after: Names<'a> = before.iter().copied().chain(assigned).collect();
            let met = match &entered[to] {
                None => after,
                Some(known) => known.intersection(&after).copied().collect(),
            };
            if entered[to].as_ref() != Some(&met) {
                entered[to] = Some(met);
                changed.push_back(to);
            }
        }
    }
    entered
}

/// A path to the state on which nothing assigns the variable.
fn path_without(scope: &Scope, variable: &str, state: &str) -> Vec<String> {
    let open = |_: &_, leave: &graph::Leave<'_>| {
        leave.exit.is_none_or(|exit| exit.assign.iter().all(|(name, _)| &**name != variable))
    };
    graph::path(scope, scope.start, open, |at| &*at.name == state).unwrap_or_default()
}
