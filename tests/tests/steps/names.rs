//! The names of errors, from the functions to the definition and on to the reasons.

use std::collections::BTreeSet;

use local_stack::DEFINITION;
use order::Reason;
use serde_json::Value;
use strum::VariantNames;

/// The names under which a function can fail: its own errors, and those of every task.
fn names_of(placeholder: &str) -> BTreeSet<&'static str> {
    let own = match placeholder {
        "${PersistOrderFunctionArn}" => persist_order::PersistError::VARIANTS,
        "${ReserveInventoryFunctionArn}" => reserve_inventory::ReserveError::VARIANTS,
        "${PostAccountingFunctionArn}" => post_accounting::PostError::VARIANTS,
        other => panic!("no function is called {other}"),
    };
    own.iter().copied().chain(["InvalidOrder", "InvalidOutput", "Unavailable"]).collect()
}

/// Every Task state of the definition, with the placeholder of its function.
fn tasks(states: &Value, found: &mut Vec<(String, String, Value)>) {
    for (name, state) in states.as_object().unwrap() {
        if let Some(function) = state["Arguments"]["FunctionName"].as_str() {
            found.push((name.clone(), function.to_owned(), state.clone()));
        }
        for branch in state["Branches"].as_array().into_iter().flatten() {
            tasks(&branch["States"], found);
        }
    }
}

#[test]
fn every_error_that_the_definition_matches_is_one_that_its_function_can_return() {
    let definition: Value = serde_json::from_str(DEFINITION).unwrap();
    let mut found = Vec::new();
    tasks(&definition["States"], &mut found);
    assert_eq!(found.len(), 10);
    for (state, function, task) in found {
        let matched = ["Retry", "Catch"].into_iter().flat_map(|field| task[field].as_array().into_iter().flatten());
        let matched = matched.flat_map(|matcher| matcher["ErrorEquals"].as_array().unwrap());
        for name in matched.filter_map(Value::as_str) {
            let known =
                name.starts_with("States.") || name.starts_with("Lambda.") || names_of(&function).contains(name);
            assert!(known, "{state} matches {name}, which {function} never returns");
        }
    }
}

#[test]
fn every_task_retries_what_is_transient_and_nothing_else() {
    let definition: Value = serde_json::from_str(DEFINITION).unwrap();
    let mut found = Vec::new();
    tasks(&definition["States"], &mut found);
    for (state, _, task) in found {
        let retried: BTreeSet<&str> = task["Retry"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|retry| retry["ErrorEquals"].as_array().unwrap())
            .filter_map(Value::as_str)
            .collect();
        assert!(retried.contains("Unavailable") && retried.contains("Lambda.TooManyRequestsException"), "{state}");
        let all_transient = retried.iter().all(|name| *name == "Unavailable" || name.starts_with("Lambda."));
        assert!(all_transient && !retried.contains("Lambda.Unknown"), "{state} retries {retried:?}");
    }
}

#[test]
fn every_refusal_of_a_step_has_a_reason_of_its_own() {
    let steps = reserve_inventory::ReserveError::VARIANTS.iter().chain(post_accounting::PostError::VARIANTS);
    let mut refusals = BTreeSet::new();
    for name in steps {
        let reason = Reason::of_error(name);
        match *name {
            // A race that was lost, a mistake of ours: they say nothing about the order.
            "SagaCancelled" | "OtherContent" | "AlreadyConsumed" | "NotReserved" | "Unavailable" => {
                assert_eq!(reason, Reason::StepFailed);
            }
            refusal => {
                assert!(reason.is_refusal(), "{refusal} is a {reason}");
                assert_eq!(format!("{reason:?}"), refusal);
                refusals.insert(refusal);
            }
        }
    }
    assert_eq!(refusals.len(), 6);
}
