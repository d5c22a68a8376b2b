//! What takes a look at more than one state: ways through a scope, and names across scopes.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use super::fields::{Place, Report};
use crate::fault::Rule;

type States = Map<String, Value>;

/// Reports the states that no way from `start_at` leads to, and a scope that no way leads out of.
pub(super) fn check_reachable(states: &States, start_at: Option<&str>, report: &Report) {
    // With a start that dangles all states would be unreachable, which says nothing new.
    let Some(start_at) = start_at.filter(|start| states.contains_key(*start)) else {
        return;
    };
    let mut reached = HashSet::new();
    let mut open = vec![start_at];
    while let Some(name) = open.pop() {
        if let Some(state) = states.get(name)
            && reached.insert(name)
        {
            open.extend(targets(state));
        }
    }
    for name in states.keys().filter(|name| !reached.contains(name.as_str())) {
        report.state(name).fault(Rule::Unreachable);
    }
    let ends = |state: &Value| {
        state.get("End").is_some() || matches!(state.get("Type").and_then(Value::as_str), Some("Succeed" | "Fail"))
    };
    if !reached.iter().any(|name| states.get(*name).is_some_and(ends)) {
        report.state(start_at).fault(Rule::Endless);
    }
}

/// The names of the states that `state` can lead to.
fn targets(state: &Value) -> Vec<&str> {
    let own = ["Next", "Default"].into_iter().filter_map(|field| state.get(field));
    let listed = ["Catch", "Choices"]
        .into_iter()
        .filter_map(|field| state.get(field).and_then(Value::as_array))
        .flatten()
        .filter_map(|entry| entry.get("Next"));
    own.chain(listed).filter_map(Value::as_str).collect()
}

/// Reports every state that has the name of another one, in whatever scope.
pub(super) fn check_names(machine: &Value, report: &Report) {
    let mut seen = HashSet::new();
    let mut scopes = vec![machine];
    while let Some(scope) = scopes.pop() {
        for (name, state) in states_of(scope) {
            if !seen.insert(name.as_str()) {
                report.state(name).fault(Rule::DuplicateState);
            }
            scopes.extend(branches_of(state));
        }
    }
}

/// Reports every variable that is assigned under a name that an outer scope assigns.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html>.
pub(super) fn check_variables(machine: &Value, report: &Report) {
    check_variables_in(machine, &BTreeSet::new(), report);
}

fn check_variables_in(scope: &Value, outer: &BTreeSet<&str>, report: &Report) {
    let mut visible = outer.clone();
    for (state_name, state) in states_of(scope) {
        for (path, variable) in assigned(state) {
            if outer.contains(variable) {
                let place: Place<'_> = report.state(state_name);
                place.at(path).fault(Rule::OuterVariable { name: variable.to_owned() });
            }
            visible.insert(variable);
        }
    }
    for (_, state) in states_of(scope) {
        for branch in branches_of(state) {
            check_variables_in(branch, &visible, report);
        }
    }
}

/// The variables that `state` assigns, each with the path of its `Assign` member.
fn assigned(state: &Value) -> impl Iterator<Item = (String, &str)> {
    let own = std::iter::once((String::new(), state));
    let listed = ["Catch", "Choices"].into_iter().flat_map(move |field| {
        let entries = state.get(field).and_then(Value::as_array).into_iter().flatten();
        entries.enumerate().map(move |(index, entry)| (format!("{field}/{index}/"), entry))
    });
    own.chain(listed).flat_map(|(prefix, holder)| {
        let names = holder.get("Assign").and_then(Value::as_object).into_iter().flatten();
        names.map(move |(name, _)| (format!("{prefix}Assign/{name}"), name.as_str()))
    })
}

fn states_of(scope: &Value) -> impl Iterator<Item = (&String, &Value)> {
    scope.get("States").and_then(Value::as_object).into_iter().flatten()
}

fn branches_of(state: &Value) -> impl Iterator<Item = &Value> {
    state.get("Branches").and_then(Value::as_array).into_iter().flatten()
}
