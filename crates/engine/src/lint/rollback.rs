//! The roll-back on the graph: it begins only once it is decided, is complete before the execution
//! succeeds, and has branches that cannot stop each other.

use super::call::Call;
use super::finding::{Findings, Rule};
use super::graph::{self, How, Leave};
use super::policy::{Policy, Won};
use super::total::{is_boolean, is_total};
use crate::definition::{Choice, Condition, Kind, Machine, Scope, State};
use crate::expression::Expression;
use crate::failure::ALL;
use jsonata_core::ast::{AstNode, BinaryOp};

pub(super) fn check(machine: &Machine, policy: &Policy, findings: &mut Findings) {
    for step in &policy.steps {
        for call in [&step.action, &step.compensation] {
            if !graph::states(machine).into_iter().any(|state| call.is_made_by(state, policy)) {
                findings.at_machine("States", Rule::NeverCalled { call: call.to_string() });
            }
        }
        let only_if = step.only_if.as_deref();
        let rollback = RollBack { scope: &machine.scope, policy, compensation: &step.compensation, only_if };
        rollback.check_decided(findings);
        rollback.check_complete(findings);
        rollback.check_outcome(findings);
    }
    for state in graph::states(machine) {
        for branch in rollback_branches(state, policy) {
            check_branch(branch, findings);
        }
    }
}

/// One compensation, in the machine's outermost scope, where the execution ends. A choice inside a branch
/// decides nothing about its sibling branches.
struct RollBack<'a> {
    scope: &'a Scope,
    policy: &'a Policy,
    compensation: &'a Call,
    only_if: Option<&'a str>,
}

impl RollBack<'_> {
    /// Every path to the compensation goes through a choice that recognises a won decision.
    fn check_decided(&self, findings: &mut Findings) {
        let undecided = |state: &State, leave: &Leave<'_>| !is_won(state, leave, &self.policy.won);
        if let Some(path) = graph::path(self.scope, self.scope.start, undecided, |state| self.is_in(state)) {
            for name in self.states() {
                findings.at_state(name, "", Rule::CompensatesUndecided { path: path.clone() });
            }
        }
    }

    /// From a won decision, every path to a success goes through the compensation. The rehearsals check
    /// what the execution makes of a failed compensation.
    fn check_complete(&self, findings: &mut Findings) {
        let around = |state: &State, leave: &Leave<'_>| !self.is_passed(state, leave);
        for state in &self.scope.states {
            for leave in graph::leaves(state).into_iter().filter(|leave| is_won(state, leave, &self.policy.won)) {
                let Some(first) = leave.to else { continue };
                let path = graph::path(self.scope, first, around, |state| graph::ends(state, around));
                if let Some(path) = path {
                    let compensation = self.compensation.to_string();
                    findings.at_state(&state.name, leave.field, Rule::NotCompensated { compensation, path });
                }
            }
        }
    }

    /// From the compensation, no path leads to a success other than a cancellation.
    fn check_outcome(&self, findings: &mut Findings) {
        let any = |_: &State, _: &Leave<'_>| true;
        for (index, _) in self.scope.states.iter().enumerate().filter(|(_, state)| self.is_in(state)) {
            let other = |state: &State| graph::ends(state, any) && !self.policy.cancelled_ends.contains(&*state.name);
            if let Some(path) = graph::path(self.scope, index, any, other) {
                for name in self.states() {
                    findings.at_state(name, "", Rule::OtherOutcome { path: path.clone() });
                }
            }
        }
    }

    /// Whether the compensation is this state or inside it.
    fn is_in(&self, state: &State) -> bool {
        graph::with_inner(state).into_iter().any(|state| self.compensation.is_made_by(state, self.policy))
    }

    /// The names of the states that make the compensation.
    fn states(&self) -> Vec<&str> {
        let all = self.scope.states.iter().flat_map(graph::with_inner);
        all.filter(|state| self.compensation.is_made_by(state, self.policy)).map(|state| &*state.name).collect()
    }

    /// Whether the compensation was made, or is not needed, when `state` is left by `leave`. A catcher of the Parallel
    /// around it may have taken over before the compensation began.
    fn is_passed(&self, state: &State, leave: &Leave<'_>) -> bool {
        if self.compensation.is_made_by(state, self.policy) || self.is_not_needed(state, leave) {
            return true;
        }
        leave.how == How::Done && state.kind.branches().iter().any(|branch| self.is_passed_in(branch))
    }

    /// Whether this is the default of the choice that leads to the step, on its condition alone.
    fn is_not_needed(&self, state: &State, leave: &Leave<'_>) -> bool {
        let (Kind::Choice(Choice { rules, .. }), How::Otherwise) = (&state.kind, leave.how) else { return false };
        let [rule] = &**rules else { return false };
        let Condition::Expression(expression) = &rule.condition else { return false };
        self.only_if.is_some_and(|only_if| expression.source() == only_if)
    }

    fn is_passed_in(&self, branch: &Scope) -> bool {
        let around = |state: &State, leave: &Leave<'_>| !self.is_passed(state, leave);
        graph::path(branch, branch.start, around, |state| graph::ends(state, around)).is_none()
    }
}

/// Whether this way is taken exactly on a won decision: `$status = 'CANCELLING'`.
fn is_won(state: &State, leave: &Leave<'_>, won: &Won) -> bool {
    let (Kind::Choice(Choice { rules, .. }), How::Chosen(index)) = (&state.kind, leave.how) else { return false };
    let Condition::Expression(expression) = &rules[index].condition else { return false };
    let AstNode::Binary { op: BinaryOp::Equal, lhs, rhs } = expression.syntax() else { return false };
    let is_variable = |node: &AstNode| matches!(node, AstNode::Variable(name) if *name == won.variable);
    let is_value = |node: &AstNode| matches!(node, AstNode::String(text) if *text == won.value);
    (is_variable(lhs) && is_value(rhs)) || (is_value(lhs) && is_variable(rhs))
}

/// The parallel branches that compensate something.
fn rollback_branches<'a>(state: &'a State, policy: &Policy) -> &'a [Scope] {
    let branches = state.kind.branches();
    let compensates = |state: &State| policy.compensations().any(|call| call.is_made_by(state, policy));
    if graph::with_inner(state).into_iter().skip(1).any(compensates) { branches } else { &[] }
}

/// Nothing in the branch can fail it. A Task or a Parallel catches its own errors, but not those of its
/// catchers, and no other state catches anything.
fn check_branch(branch: &Scope, findings: &mut Findings) {
    for state in &branch.states {
        match &state.kind {
            Kind::Task(_) | Kind::Parallel(_) | Kind::Map(_) => check_caught(state, findings),
            Kind::Fail(_) => findings.at_state(&state.name, "Type", Rule::StopsOthers { why: "a Fail state" }),
            _ => check_uncaught(state, findings),
        }
    }
}

fn check_caught(state: &State, findings: &mut Findings) {
    let catchers = graph::handling(state).map(|handling| &*handling.catchers).unwrap_or_default();
    if catchers.last().is_none_or(|catcher| catcher.error_equals != [ALL]) {
        findings.at_state(&state.name, "Catch", Rule::StopsOthers { why: "its errors are not all caught" });
    }
    for expression in catchers.iter().flat_map(|catcher| graph::of_exit(&catcher.exit)) {
        if !is_total(expression.syntax()) {
            let why = "nothing catches errors in a catcher, and this expression may fail";
            findings.at_state(&state.name, expression.field(), Rule::StopsOthers { why });
        }
    }
}

fn check_uncaught(state: &State, findings: &mut Findings) {
    let cannot_fail = |expression: &Expression| {
        let is_condition = expression.field().ends_with("/Condition");
        let syntax = expression.syntax();
        // A condition that is neither true nor false is an error, and so are computed seconds that are
        // not a valid number.
        match &state.kind {
            Kind::Choice(_) if is_condition => is_boolean(syntax),
            Kind::Wait(_) if matches!(expression.field(), "Seconds" | "Timestamp") => false,
            _ => is_total(syntax),
        }
    };
    for expression in graph::expressions(state).into_iter().filter(|expression| !cannot_fail(expression)) {
        let why = "nothing catches errors here, and this expression may fail";
        findings.at_state(&state.name, expression.field(), Rule::StopsOthers { why });
    }
}
