//! Retry and Catch: what is retried and how, whether everything is caught, and whether the names exist.

use std::collections::BTreeSet;

use super::call::{Call, function_name};
use super::errors::{REQUEST_ERRORS, TRANSIENT_LAMBDA_ERRORS, UNKNOWN_FAILURES};
use super::finding::{Findings, Rule};
use super::graph;
use super::policy::{Function, Policy};
use crate::definition::{Handling, Jitter, Kind, Machine, Retrier, State};
use crate::failure::{ALL, Failure, RUNTIME, TASK_FAILED, is_reserved};

pub(super) fn check(machine: &Machine, policy: &Policy, findings: &mut Findings) {
    for call in &policy.repeatable {
        if !graph::states(machine).into_iter().any(|state| call.is_made_by(state, policy)) {
            findings.at_machine("States", Rule::NeverCalled { call: call.to_string() });
        }
    }
    for state in graph::states(machine) {
        let Some(handling) = graph::handling(state) else { continue };
        let functions = functions(state, policy);
        if let Some(functions) = &functions {
            check_names(state, handling, functions, findings);
        }
        let last = handling.catchers.last();
        if last.is_none_or(|catcher| catcher.error_equals != [ALL]) {
            findings.at_state(&state.name, "Catch", Rule::NoCatchAll);
        }
        if matches!(state.kind, Kind::Task(_)) {
            let functions = functions.unwrap_or_default();
            check_retries(state, handling, &functions, policy, findings);
            check_caught(state, handling, &functions, findings);
        }
    }
}

/// The functions that a state invokes, including its branches. `None` if one of them is unknown, which is
/// a separate finding.
fn functions<'a>(state: &State, policy: &'a Policy) -> Option<Vec<&'a Function>> {
    let invoked = graph::with_inner(state).into_iter().filter_map(|state| match &state.kind {
        Kind::Task(task) => Some(function_name(task).and_then(|name| policy.function(name))),
        _ => None,
    });
    invoked.collect()
}

fn check_names(state: &State, handling: &Handling, functions: &[&Function], findings: &mut Findings) {
    let retried = handling.retriers.iter().map(|retrier| &retrier.error_equals);
    let caught = handling.catchers.iter().map(|catcher| &catcher.error_equals);
    let entries =
        retried.enumerate().map(|entry| ("Retry", entry)).chain(caught.enumerate().map(|entry| ("Catch", entry)));
    for (list, (index, names)) in entries {
        for (position, error) in names.iter().enumerate() {
            let field = format!("{list}/{index}/ErrorEquals/{position}");
            let error = error.clone();
            if error == RUNTIME {
                findings.at_state(&state.name, field, Rule::NeverCaught { error });
            } else if !is_known(&error, functions) {
                let names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
                findings.at_state(&state.name, field, Rule::UnknownError { error, functions: names.join(", ") });
            }
        }
    }
}

fn is_known(error: &str, functions: &[&Function]) -> bool {
    is_reserved(error)
        || TRANSIENT_LAMBDA_ERRORS.contains(&error)
        || UNKNOWN_FAILURES.contains(&error)
        || REQUEST_ERRORS.contains(&error)
        || functions.iter().any(|function| function.errors.contains(error))
}

fn check_retries(
    state: &State,
    handling: &Handling,
    functions: &[&Function],
    policy: &Policy,
    findings: &mut Findings,
) {
    let repeatable = policy.repeatable.iter().find(|call| call.is_made_by(state, policy));
    // The single retry of an unknown failure is not enough for a transient one.
    let is_retried = |error: &&str| {
        decides(error, handling)
            .map(|index| &handling.retriers[index])
            .is_some_and(|retrier| retrier.max_attempts > 0 && (repeatable.is_none() || retrier.error_equals != [ALL]))
    };
    let transient = TRANSIENT_LAMBDA_ERRORS.into_iter().chain(policy.transient.iter().map(String::as_str));
    let errors: Vec<String> = transient.filter(|error| !is_retried(error)).map(str::to_owned).collect();
    if !errors.is_empty() {
        findings.at_state(&state.name, "Retry", Rule::NotRetried { errors });
    }
    // A retrier without attempts only keeps its errors from the retriers after it.
    let retrying = handling.retriers.iter().enumerate().filter(|(_, retrier)| retrier.max_attempts > 0);
    for (index, retrier) in retrying {
        let field = |name: &str| format!("Retry/{index}/{name}");
        for (position, error) in retrier.error_equals.iter().enumerate() {
            let is_unknown = error == ALL && repeatable.is_some();
            // A task that timed out may still run. Only a call that may run twice at once is repeated.
            if !is_unknown && !policy.is_transient(error) {
                let rule = Rule::RetriesFinal { error: error.clone() };
                findings.at_state(&state.name, field(&format!("ErrorEquals/{position}")), rule);
            }
        }
        check_wildcard(state, index, handling, functions, policy, findings);
        check_pace(state, retrier, field, findings);
    }
    if let Some(call) = repeatable {
        check_repeatable(state, handling, call, findings);
    }
}

/// A function's final error is never retried: a wildcard must come after a retrier that takes the final
/// errors and allows no attempt.
fn check_wildcard(
    state: &State,
    index: usize,
    handling: &Handling,
    functions: &[&Function],
    policy: &Policy,
    findings: &mut Findings,
) {
    let retrier = &handling.retriers[index];
    if !retrier.error_equals.iter().any(|error| error == ALL || error == TASK_FAILED) {
        return;
    }
    let returned: BTreeSet<&String> = functions.iter().flat_map(|function| &function.errors).collect();
    let is_repeated = |error: &str| {
        let is_named = retrier.error_equals.iter().any(|name| name == error);
        !policy.is_transient(error) && !is_named && decides(error, handling) == Some(index)
    };
    let errors: Vec<String> = returned.into_iter().filter(|error| is_repeated(error)).cloned().collect();
    if !errors.is_empty() {
        findings.at_state(&state.name, format!("Retry/{index}/ErrorEquals"), Rule::RepeatsRefusals { errors });
    }
}

/// A failure that says nothing about the order is retried once, if the call is safe to repeat.
fn check_repeatable(state: &State, handling: &Handling, call: &Call, findings: &mut Findings) {
    let wildcard = handling.retriers.iter().position(|retrier| retrier.error_equals == [ALL]);
    let is_left = |error: &&str| wildcard.is_none() || decides(error, handling) != wildcard;
    let errors: Vec<String> = UNKNOWN_FAILURES.into_iter().filter(is_left).map(str::to_owned).collect();
    if !errors.is_empty() {
        findings.at_state(&state.name, "Retry", Rule::UnknownNotRetried { call: call.to_string(), errors });
    }
    if let Some(index) = wildcard
        && let found = handling.retriers[index].max_attempts
        && found != 1
    {
        findings.at_state(&state.name, format!("Retry/{index}/MaxAttempts"), Rule::UnknownAttempts { found });
    }
}

/// The index of the retrier that decides on an error: the first that matches, even if it allows no
/// attempt or has none left.
fn decides(error: &str, handling: &Handling) -> Option<usize> {
    let failure = Failure::new(error, "");
    handling.retriers.iter().position(|retrier| failure.matches(&retrier.error_equals))
}

/// Several retries back off, up to a bound. A single retry has nothing to back off from, but its delay is
/// random too.
fn check_pace(state: &State, retrier: &Retrier, field: impl Fn(&str) -> String, findings: &mut Findings) {
    if retrier.max_attempts > 1 {
        if retrier.backoff_rate <= 1.0 {
            findings.at_state(&state.name, field("BackoffRate"), Rule::NoBackoff);
        }
        if retrier.max_delay_s.is_none() {
            findings.at_state(&state.name, field("MaxDelaySeconds"), Rule::NoMaxDelay);
        }
    }
    if retrier.jitter != Jitter::Full {
        findings.at_state(&state.name, field("JitterStrategy"), Rule::NoJitter);
    }
}

fn check_caught(state: &State, handling: &Handling, functions: &[&Function], findings: &mut Findings) {
    let returned: BTreeSet<&String> = functions.iter().flat_map(|function| &function.errors).collect();
    let is_caught = |error: &str| {
        let failure = Failure::new(error, "");
        handling.catchers.iter().any(|catcher| failure.matches(&catcher.error_equals))
    };
    let errors: Vec<String> = returned.into_iter().filter(|error| !is_caught(error)).cloned().collect();
    if !errors.is_empty() {
        findings.at_state(&state.name, "Catch", Rule::Uncaught { errors });
    }
}
