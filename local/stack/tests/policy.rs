//! What the definition is checked against, with the shipped handlers: the claims find what contradicts them,
//! and nothing real is larger than what is rehearsed.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::BTreeSet;

use engine::StateMachine;
use engine::lint::{self, largest_payload};
use local_stack::seed::Seed;
use local_stack::{Options, Stack, config, fill, policy};
use order::{Order, OrderRecord, PaymentTerms, Status};
use persist_order::PersistError;
use saga::NamedError;
use saga::task::{SERVING_ERRORS, TaskFailure};
use serde_json::{Value, json};
use statemachine::DEFINITION;
use statemachine::policy::{largest_order, largest_record};
use workflow::Ended;

/// The claims that the shipped definition violates once `from` is replaced by `to`.
async fn contradicted(from: &str, to: &str) -> Vec<String> {
    assert!(DEFINITION.contains(from), "{from}");
    let definition = fill(&DEFINITION.replacen(from, to, 1)).unwrap();
    let machine = StateMachine::load(&definition).unwrap();
    let findings = lint::check(&machine, &policy()).await.findings;
    let claims = findings.into_iter().filter_map(|finding| match finding.rule {
        lint::Rule::Contradicts { claim, .. } => Some(format!("{}: {claim}", finding.state.unwrap())),
        _ => None,
    });
    claims.collect()
}

const STATUS: &str = r#""status": "{% $states.result.Payload.status %}""#;

#[tokio::test]
async fn an_outcome_that_the_record_does_not_have_is_found() {
    assert_eq!(
        contradicted(STATUS, r#""status": "CONFIRMED""#).await,
        [
            "OrderConfirmed: an undecided order is not reported as a success",
            "OrderConfirmed: the end is named after the outcome that it reports",
        ]
    );
}

#[tokio::test]
async fn a_roll_back_of_an_order_that_is_not_cancelling_is_found() {
    assert_eq!(
        contradicted(STATUS, r#""status": "CANCELLING""#).await,
        [
            "ReverseAccounting: a step is undone only for an order whose record says CANCELLING",
            "ReleaseInventory: a step is undone only for an order whose record says CANCELLING",
            "ReverseAccounting: nothing is called for an order that was found confirmed",
            "ReleaseInventory: nothing is called for an order that was found confirmed",
            "CloseOrder: nothing is called for an order that was found confirmed",
            "ReverseAccounting: an order is fulfilled, and nothing else is done to it, if its record says FULFILLING",
            "ReleaseInventory: an order is fulfilled, and nothing else is done to it, if its record says FULFILLING",
            "CloseOrder: an order is fulfilled, and nothing else is done to it, if its record says FULFILLING",
            "RefundPayment: a step is undone only for an order whose record says CANCELLING",
            "ParkOrder: only an order that is being cancelled or handed over is parked",
            "RefundPayment: nothing is called for an order that was found confirmed",
            "ParkOrder: nothing is called for an order that was found confirmed",
            "RefundPayment: an order is fulfilled, and nothing else is done to it, if its record says FULFILLING",
        ]
    );
}

#[tokio::test]
async fn a_hand_over_of_an_order_that_is_not_fulfilling_is_found() {
    assert_eq!(
        contradicted(r#""Next": "OrderConfirmed""#, r#""Next": "HandOver""#).await,
        [
            "ConsumeInventory: nothing is called for an order that was found confirmed",
            "ConsumeInventory: an order is fulfilled, and nothing else is done to it, if its record says FULFILLING",
            "CompleteOrder: nothing is called for an order that was found confirmed",
            "CompleteOrder: an order is fulfilled, and nothing else is done to it, if its record says FULFILLING",
            "CollectPayment: nothing is called for an order that was found confirmed",
            "CollectPayment: an order is fulfilled, and nothing else is done to it, if its record says FULFILLING",
            "ParkOrder: nothing is called for an order that was found confirmed",
            "ParkOrder: only an order that is being cancelled or handed over is parked",
        ]
    );
}

#[tokio::test]
async fn a_failure_to_persist_that_nobody_decides_on_is_found() {
    assert_eq!(
        contradicted(r#""Next": "CancelOrder""#, r#""Next": "OrderUnfinished""#).await,
        ["PersistOrder: an order that could not be persisted is decided against"]
    );
}

/// A new variant does not compile here before it is in the list.
#[test]
fn every_error_of_serving_a_task_is_listed() {
    fn is_listed<E: NamedError>(failure: &TaskFailure<E>) -> bool {
        match failure {
            TaskFailure::InvalidOrder(_)
            | TaskFailure::InvalidOutput(_)
            | TaskFailure::Failed(_)
            | TaskFailure::Unavailable(_) => SERVING_ERRORS.contains(&failure.name()),
        }
    }
    let not_json = || serde_json::from_str::<Value>("").unwrap_err();
    assert!(is_listed::<PersistError>(&TaskFailure::InvalidOrder(not_json().into())));
    assert!(is_listed::<PersistError>(&TaskFailure::InvalidOutput(not_json())));
    let slow = saga::Unavailable::TooSlow { limit_ms: 1 };
    assert!(is_listed::<PersistError>(&TaskFailure::Unavailable(slow)));
}

#[test]
fn the_names_in_the_policy_are_error_names_of_the_functions() {
    let policy = policy();
    let errors: BTreeSet<&String> = policy.functions.iter().flat_map(|function| &function.errors).collect();
    for name in policy.transient.iter().chain(&policy.refused) {
        assert!(errors.contains(name), "{name}");
    }
}

/// Runs an order for which there is just enough stock, and returns its execution's largest payload and its
/// record.
async fn run(order: &Order) -> (usize, OrderRecord) {
    let stack = Stack::open(Options::in_memory().unwrap()).unwrap();
    let on_hand: Vec<Value> = order
        .lines
        .iter()
        .map(|line| json!({ "storeId": order.store_id, "sku": line.sku, "onHand": line.quantity }))
        .collect();
    let seed = Seed::parse(&json!({ "stock": on_hand }).to_string()).unwrap();
    seed.store(&aws_sdk_dynamodb::Client::new(&config(&stack.services))).await.unwrap();
    let ended = stack.workflow.run(order).await.unwrap();
    let Ended::Decided(record) = ended else { panic!("{ended:?}") };
    let largest = largest_payload(&stack.executions.all()[0].history).unwrap();
    (largest.bytes, *record)
}

/// The largest order, run for real: nothing is larger than the rehearsed answers.
#[tokio::test(start_paused = true)]
async fn no_real_record_is_larger_than_the_rehearsed_one() {
    let prepaid = largest_order(PaymentTerms::Prepaid);
    let mut invoiced = json!(prepaid);
    invoiced["payment_terms"] = json!(PaymentTerms::Invoice);
    let invoiced: Order = serde_json::from_value(invoiced).unwrap();
    for (order, status) in [(prepaid, Status::Confirmed), (invoiced, Status::Cancelled)] {
        let (largest_bytes, record) = run(&order).await;
        assert_eq!(record.status, status);
        let rehearsed_bytes = json!(largest_record(status, PaymentTerms::Prepaid)).to_string().len();
        let record_bytes = json!(record).to_string().len();
        // No order has both the fields of a confirmed one and those of a refused one.
        assert!((rehearsed_bytes / 3..=rehearsed_bytes).contains(&record_bytes), "{record_bytes}");
        // A result is the record and what Lambda wraps around it.
        assert!(largest_bytes < 2 * rehearsed_bytes, "{largest_bytes}");
    }
}
