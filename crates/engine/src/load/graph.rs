//! Checks that look at more than one state: paths through a scope, and names across scopes.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use super::fields::Place;
use crate::fault::Rule;

type States = Map<String, Value>;

/// Reports a scope without any end. If the scope has an end, reports the states that no path from
/// `start_at` reaches.
///
/// AWS does it in this order. For a workflow without a terminal state it reports only that. For a loop
/// whose only end is unreachable it reports that end.
pub(super) fn check_reachable<'a>(states: &'a States, start_at: Option<&str>, scope: &Place<'a>) {
    // If the start does not exist, all states would be unreachable, which adds nothing.
    let Some((start, _)) = start_at.and_then(|start| states.get_key_value(start)) else {
        return;
    };
    let ends = |state: &Value| {
        state.get("End").is_some() || matches!(state.get("Type").and_then(Value::as_str), Some("Succeed" | "Fail"))
    };
    if !states.values().any(ends) {
        scope.state(start).fault(Rule::Endless);
        return;
    }
    let mut reached = HashSet::new();
    let mut open = vec![start.as_str()];
    while let Some(name) = open.pop() {
        if let Some(state) = states.get(name)
            && reached.insert(name)
        {
            open.extend(targets(state));
        }
    }
    for name in states.keys().filter(|name| !reached.contains(name.as_str())) {
        scope.state(name).fault(Rule::Unreachable);
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

/// Reports every state that has the name of another one, in any scope.
pub(super) fn check_names<'a>(machine: &'a Value, place: &Place<'a>) {
    let mut seen = HashSet::new();
    let mut scopes = vec![(machine, place.clone())];
    while let Some((scope, place)) = scopes.pop() {
        for (name, state) in states_of(scope) {
            let state_place = place.state(name);
            if !seen.insert(name.as_str()) {
                state_place.fault(Rule::DuplicateState);
            }
            scopes.extend(inner_scopes(state, &state_place));
        }
    }
}

/// Reports every variable whose name an outer scope assigns too.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html>.
pub(super) fn check_variables<'a>(machine: &'a Value, place: &Place<'a>) {
    check_variables_in(machine, &BTreeSet::new(), place);
}

fn check_variables_in<'a>(scope: &'a Value, outer: &BTreeSet<&str>, place: &Place<'a>) {
    let mut visible = outer.clone();
    for (state_name, state) in states_of(scope) {
        for (holder, variable) in assigned(state, &place.state(state_name)) {
            if outer.contains(variable) {
                holder.at("Assign").at(variable).fault(Rule::OuterVariable { name: variable.to_owned() });
            }
            visible.insert(variable);
        }
    }
    for (state_name, state) in states_of(scope) {
        for (inner, place) in inner_scopes(state, &place.state(state_name)) {
            check_variables_in(inner, &visible, &place);
        }
    }
}

/// The variables that `state` assigns, each with the place of the object that has the `Assign`.
fn assigned<'a>(state: &'a Value, place: &Place<'a>) -> Vec<(Place<'a>, &'a str)> {
    let mut holders = vec![(place.clone(), state)];
    for field in ["Catch", "Choices"] {
        let entries = state.get(field).and_then(Value::as_array).into_iter().flatten().enumerate();
        holders.extend(entries.map(|(index, entry)| (place.at(field).at(index), entry)));
    }
    let mut found = Vec::new();
    for (place, holder) in holders {
        let names = holder.get("Assign").and_then(Value::as_object).into_iter().flatten();
        found.extend(names.map(|(name, _)| (place.clone(), name.as_str())));
    }
    found
}

fn states_of(scope: &Value) -> impl Iterator<Item = (&String, &Value)> {
    scope.get("States").and_then(Value::as_object).into_iter().flatten()
}

/// The branches of a Parallel and the item processor of a Map, with their places.
fn inner_scopes<'a>(state: &'a Value, place: &Place<'a>) -> Vec<(&'a Value, Place<'a>)> {
    let branches = state.get("Branches").and_then(Value::as_array).into_iter().flatten().enumerate();
    let branches = branches.map(|(index, branch)| (branch, place.at("Branches").at(index)));
    let processor = state.get("ItemProcessor").map(|processor| (processor, place.at("ItemProcessor")));
    branches.chain(processor).collect()
}
