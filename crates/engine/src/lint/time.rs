//! How long each path through the machine can take.
//!
//! Every attempt takes its whole `TimeoutSeconds`, every retrier uses all its attempts, and every
//! delay is as long as the jitter allows. A Parallel takes as long as its slowest branch. Choices are
//! free: a path counts if the graph has it, even if no order takes it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::finding::{Findings, Rule};
use super::policy::{Policy, Recovery};
use super::{cycles, graph};
use crate::definition::{Handling, Kind, Machine, Parallel, Retrier, Scope, State, Until, Whole};
use crate::outcome::EXPRESS_TIME_LIMIT;

/// The longest path to one end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Way {
    /// The state in which it ends.
    pub end: String,
    /// Its states, in order.
    pub legs: Vec<Leg>,
    /// How long it takes in total.
    pub total_s: f64,
}

/// A state on a path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Leg {
    /// The state's name.
    pub state: String,
    /// What takes the time.
    #[serde(flatten)]
    pub work: Work,
    /// Its maximum duration.
    pub total_s: f64,
}

/// What takes a state's time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// Nothing that takes time.
    None,
    /// The attempts of a Task, and the delays between them.
    Attempts {
        /// The first and all retries.
        attempts: u32,
        /// The maximum duration of one attempt.
        timeout_s: u32,
        /// The sum of the delays.
        delays_s: f64,
    },
    /// A Wait state.
    Wait,
    /// The branches of a Parallel.
    Branches {
        /// The first attempt and all retries.
        attempts: u32,
        /// The sum of the delays between them.
        delays_s: f64,
        /// The path through the slowest branch.
        slowest: Vec<Leg>,
    },
}

/// Delays are not added up beyond this: no Express execution runs that long.
const DELAYS_BOUND_S: f64 = 1_000_000.0;

/// The longest path to each end, the longest first; `None` if the definition does not bound them.
pub(super) fn check(machine: &Machine, policy: &Policy, findings: &mut Findings) -> Option<Vec<Way>> {
    check_limit(machine, &policy.recovery, findings);
    check_bounds(machine, findings);
    if cycles::any(machine) {
        return None;
    }
    let mut ways = ways(&machine.scope)?;
    ways.sort_by(|a, b| b.total_s.total_cmp(&a.total_s).then_with(|| a.end.cmp(&b.end)));
    if let Some(worst) = ways.first() {
        check_worst(worst, machine, policy, findings);
    }
    Some(ways)
}

fn check_worst(worst: &Way, machine: &Machine, policy: &Policy, findings: &mut Findings) {
    let (worst_s, max_s) = (worst.total_s, policy.max_path.as_secs_f64());
    let path = || worst.legs.iter().map(|leg| leg.state.clone()).collect();
    if let Some(limit_s) = machine.timeout_s.filter(|limit_s| worst_s >= f64::from(*limit_s)) {
        findings.at_machine("TimeoutSeconds", Rule::PathTooLong { worst_s, limit_s, path: path() });
    }
    if worst_s > max_s {
        findings.at_machine("States", Rule::PathOverBudget { worst_s, max_s, path: path() });
    }
}

fn check_limit(machine: &Machine, recovery: &Recovery, findings: &mut Findings) {
    const FIELD: &str = "TimeoutSeconds";
    let Some(limit_s) = machine.timeout_s else {
        findings.at_machine(FIELD, Rule::NoTimeLimit);
        return;
    };
    let express_s = EXPRESS_TIME_LIMIT.as_secs();
    if u64::from(limit_s) >= express_s {
        findings.at_machine(FIELD, Rule::TimeLimitTooLong { express_s, found_s: limit_s });
    }
    let (after_s, skew_s) = (recovery.after.as_secs(), recovery.clock_skew.as_secs());
    if u64::from(limit_s) + skew_s > after_s {
        findings.at_machine(FIELD, Rule::RecoveredTooEarly { limit_s, skew_s, after_s });
    }
}

/// The states whose time the definition does not bound, without Tasks, which have their own rule.
fn check_bounds(machine: &Machine, findings: &mut Findings) {
    for state in graph::states(machine) {
        match &state.kind {
            Kind::Wait(wait) => {
                let field = match &wait.until {
                    Until::Seconds(Whole::Constant(_)) => continue,
                    Until::Seconds(Whole::Expression(_)) => "Seconds",
                    Until::Moment(_) | Until::MomentOf(_) => "Timestamp",
                };
                findings.at_state(&state.name, field, Rule::UnboundedWait);
            }
            Kind::Map(_) => findings.at_state(&state.name, "Type", Rule::UnboundedMap),
            _ => {}
        }
    }
}

/// The longest path to each end of a scope without cycles.
fn ways(scope: &Scope) -> Option<Vec<Way>> {
    let mut longest: BTreeMap<usize, Vec<Leg>> = BTreeMap::new();
    let mut ends = Vec::new();
    for at in in_order(scope) {
        let state = &scope.states[at];
        let mut legs = longest.get(&at).cloned().unwrap_or_default();
        legs.push(leg(state)?);
        let leaves = graph::leaves(state);
        if leaves.is_empty() || leaves.iter().any(|leave| leave.to.is_none()) {
            ends.push(Way { end: state.name.to_string(), total_s: total_s(&legs), legs: legs.clone() });
        }
        for to in leaves.iter().filter_map(|leave| leave.to) {
            let known = longest.get(&to).map(|known| total_s(known));
            if known.is_none_or(|known| known < total_s(&legs)) {
                longest.insert(to, legs.clone());
            }
        }
    }
    Some(ends)
}

/// The scope's states, each after all states that lead to it.
fn in_order(scope: &Scope) -> Vec<usize> {
    fn visit(scope: &Scope, at: usize, seen: &mut [bool], order: &mut Vec<usize>) {
        if std::mem::replace(&mut seen[at], true) {
            return;
        }
        for to in graph::leaves(&scope.states[at]).iter().filter_map(|leave| leave.to) {
            visit(scope, to, seen, order);
        }
        order.push(at);
    }
    let mut order = Vec::with_capacity(scope.states.len());
    visit(scope, scope.start, &mut vec![false; scope.states.len()], &mut order);
    order.reverse();
    order
}

fn total_s(legs: &[Leg]) -> f64 {
    legs.iter().map(|leg| leg.total_s).sum()
}

/// `None` if the state's time has no bound.
pub(super) fn leg(state: &State) -> Option<Leg> {
    let (work, total_s) = match &state.kind {
        Kind::Task(task) => {
            let Some(Whole::Constant(timeout_s)) = task.timeout else { return None };
            let (attempts, delays_s) = attempts(&task.handling);
            let total_s = f64::from(attempts) * f64::from(timeout_s) + delays_s;
            (Work::Attempts { attempts, timeout_s, delays_s }, total_s)
        }
        Kind::Parallel(parallel) => {
            let slowest = slowest_branch(parallel)?;
            let (attempts, delays_s) = attempts(&parallel.handling);
            let total_s = f64::from(attempts) * slowest.total_s + delays_s;
            (Work::Branches { attempts, delays_s, slowest: slowest.legs }, total_s)
        }
        Kind::Wait(wait) => match wait.until {
            Until::Seconds(Whole::Constant(seconds)) => (Work::Wait, f64::from(seconds)),
            _ => return None,
        },
        // Only the input says how many iterations there are.
        Kind::Map(_) => return None,
        Kind::Pass(_) | Kind::Choice(_) | Kind::Succeed { .. } | Kind::Fail(_) => (Work::None, 0.0),
    };
    Some(Leg { state: state.name.to_string(), work, total_s })
}

fn slowest_branch(parallel: &Parallel) -> Option<Way> {
    let branches: Vec<Vec<Way>> = parallel.branches.iter().map(ways).collect::<Option<_>>()?;
    // The first of several equally slow ones.
    branches.into_iter().flatten().reduce(|slowest, way| if way.total_s > slowest.total_s { way } else { slowest })
}

/// The maximum number of attempts in one visit, and the sum of the delays between them. Each retrier
/// counts its own attempts, so different errors in turn can use up all of them.
fn attempts(handling: &Handling) -> (u32, f64) {
    let retries = handling.retriers.iter().fold(0_u32, |sum, retrier| sum.saturating_add(retrier.max_attempts));
    (retries.saturating_add(1), handling.retriers.iter().map(delays_s).sum())
}

fn delays_s(retrier: &Retrier) -> f64 {
    let most_s = retrier.max_delay_s.map_or(f64::INFINITY, f64::from);
    let mut backoff_s = f64::from(retrier.interval_s);
    let mut sum_s = 0.0;
    for _ in 0..retrier.max_attempts {
        sum_s += backoff_s.min(most_s);
        backoff_s *= retrier.backoff_rate;
        if sum_s > DELAYS_BOUND_S {
            break;
        }
    }
    sum_s
}
