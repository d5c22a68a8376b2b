//! The names of errors, from the functions through the definition to the reasons.

use std::collections::BTreeSet;

use declarations::{Function, Step};
use engine::lint::TRANSIENT_LAMBDA_ERRORS;
use order::Reason;
use reserve_inventory::StockRefusal;
use saga::StepError;
use saga::function::EXTERNAL_FINAL_ERRORS;
use serde_json::{Value, json};
use statemachine::DEFINITION;
use strum::VariantNames;
use system_tests::orders::order;
use system_tests::shops::{Shop, shop};

use crate::record::cancel;
use crate::step::persist;

/// The names under which a step can fail: its own refusals and the errors of every step. Opening a stack checks
/// whether its code has the refusals that it declares.
fn errors_of_step(step: &'static Step) -> impl Iterator<Item = &'static str> {
    // The variant for a refusal uses the refusal's own name.
    let is_external = step.external.is_some();
    let of_every_step = StepError::<StockRefusal>::VARIANTS.iter().copied().filter(|name| *name != "Refused");
    let has = move |name: &&str| is_external || !EXTERNAL_FINAL_ERRORS.contains(name);
    step.refusals.keys().map(String::as_str).chain(of_every_step.filter(has))
}

/// The names under which a function can fail: its own errors and those of every task.
fn names_of(placeholder: &str) -> BTreeSet<&'static str> {
    let is_called = |function: &&Function| format!("${{{}}}", function.placeholder()) == placeholder;
    let function = declarations::functions().iter().filter(|function| function.is_task()).find(is_called);
    let function = function.unwrap_or_else(|| panic!("no function is called {placeholder}"));
    let own: Vec<&str> = match &function.step {
        Some(step) => errors_of_step(step).collect(),
        None => persist_order::PersistError::VARIANTS.to_vec(),
    };
    own.into_iter().chain(["InvalidOrder", "InvalidOutput", "Unavailable"]).collect()
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
    let of_steps: usize = declarations::steps().iter().map(|(_, step)| step.actions().count()).sum();
    let of_record = declarations::functions().iter().filter_map(|function| function.record.as_ref());
    let of_record: usize = of_record.map(|record| record.actions.len()).sum();
    assert_eq!(found.len(), of_steps + of_record, "a state for each action");
    for (state, function, task) in found {
        let matched = ["Retry", "Catch"].into_iter().flat_map(|field| task[field].as_array().into_iter().flatten());
        let matched = matched.flat_map(|matcher| matcher["ErrorEquals"].as_array().unwrap());
        for name in matched.filter_map(Value::as_str) {
            let known = name.starts_with("States.")
                || TRANSIENT_LAMBDA_ERRORS.contains(&name)
                || names_of(&function).contains(name);
            assert!(known, "{state} matches {name}, which {function} never returns");
        }
    }
}

/// The error names in a task's retriers with this many attempts.
fn retried(task: &Value, matches: impl Fn(u64) -> bool) -> BTreeSet<&str> {
    let retriers = task["Retry"].as_array().unwrap().iter();
    let retriers = retriers.filter(|retrier| matches(retrier["MaxAttempts"].as_u64().unwrap()));
    retriers.flat_map(|retrier| retrier["ErrorEquals"].as_array().unwrap()).filter_map(Value::as_str).collect()
}

/// Whether a task's call comes before the decision, where a fence or the record's condition makes it safe to repeat.
fn is_repeatable(task: &Value) -> bool {
    match &task["Arguments"]["Payload"] {
        Value::String(payload) => payload.contains("'action': 'persist'"),
        payload => declarations::steps().iter().any(|(_, step)| payload["action"] == *step.action.name),
    }
}

#[test]
fn every_task_retries_transient_errors_and_before_the_decision_unknown_ones_once_but_nothing_else() {
    let definition: Value = serde_json::from_str(DEFINITION).unwrap();
    let mut found = Vec::new();
    tasks(&definition["States"], &mut found);
    let transient = TRANSIENT_LAMBDA_ERRORS.into_iter().chain(["Unavailable"]).collect::<BTreeSet<_>>();
    assert!(!transient.contains("Lambda.Unknown"));
    let mut repeatable = 0;
    for (state, function, task) in found {
        assert_eq!(retried(&task, |attempts| attempts > 1), transient, "{state}");
        if is_repeatable(&task) {
            repeatable += 1;
            assert_eq!(retried(&task, |attempts| attempts == 1), BTreeSet::from(["States.ALL"]), "{state}");
            // States.ALL would also repeat final errors.
            let mut last = names_of(&function);
            last.remove("Unavailable");
            assert_eq!(retried(&task, |attempts| attempts == 0), last, "{state}");
            let all = task["Retry"].as_array().unwrap().last().unwrap();
            assert_eq!(all["ErrorEquals"], json!(["States.ALL"]), "{state}: the first retrier that matches decides");
        } else {
            assert!(retried(&task, |attempts| attempts <= 1).is_empty(), "{state}");
        }
    }
    assert_eq!(repeatable, 1 + declarations::steps().len(), "to persist, and every step's action");
}

/// The API's name of a refusal: `OUT_OF_STOCK` for `OutOfStock`.
fn reason_of(refusal: &str) -> String {
    let letter =
        |letter: char| if letter.is_uppercase() { format!("_{letter}") } else { letter.to_uppercase().to_string() };
    refusal.chars().map(letter).collect::<String>().trim_start_matches('_').to_owned()
}

/// The reason of an order when a step fails with this error.
async fn reason_after(shop: &Shop, error: &str) -> Reason {
    let order = order(error).of("LAPTOP001", 1).placed();
    persist(shop, &order).await.unwrap();
    cancel(shop, &order, error).await.unwrap();
    shop.record(order.order_id()).reason.expect("an order that was cancelled has a reason")
}

#[tokio::test(start_paused = true)]
async fn every_refusal_of_a_step_has_a_reason_of_its_own() {
    let shop = shop().open().await;
    let mut refusals = BTreeSet::new();
    let steps = declarations::steps().iter().flat_map(|(_, step)| errors_of_step(step));
    for name in steps.collect::<BTreeSet<_>>() {
        let reason = reason_after(&shop, name).await;
        match name {
            // A lost race, a mistake of ours: they say nothing about the order.
            "SagaCancelled" | "OtherContent" | "AlreadyConsumed" | "NotApplied" | "UndoRefused" | "InvalidOrder"
            | "Unavailable" => {
                assert_eq!(reason, Reason::StepFailed, "{name}");
            }
            refusal => {
                assert!(reason.is_refusal(), "{refusal} is a {reason}");
                assert_eq!(reason.as_str(), reason_of(refusal));
                refusals.insert(reason);
            }
        }
    }
    assert_eq!(refusals.len(), declarations::refusals().count());
}
