//! This release reads what the previous one wrote: a data directory with orders in every state, some of them in the
//! middle of their sagas, with receipts under its names.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use api::Caller;
use http::{HeaderMap, Method};
use local_audit::Report;
use local_aws::DynamoDb;
use local_explorer::{Search, Wiring};
use local_stack::gateway::{PathParameters, event};
use local_stack::schedule::{poll_overflow, take_up_all};
use local_stack::{Options, Stack};
use order::{OrderRecord, Status};
use serde_json::Value;
use system_tests::orders::{REQUEST_ID, clerk};
use tempfile::TempDir;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/data-before-steps-by-name");

/// Orders that the previous release had parked; an operator has to finish them.
const PARKED: [&str; 2] = ["123dbf18", "f3a525b6"];

fn json(file: &str) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(Path::new(FIXTURE).join(file)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A copy of the directory, because opening it changes it.
fn copy() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(Path::new(FIXTURE).join("data")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    dir
}

fn count(report: &Report, status: Status) -> usize {
    report.orders[&status]
}

#[tokio::test]
async fn the_records_of_the_previous_release_are_complete() {
    let records = json("records.json");
    assert!(records.len() > 30);
    for (order_id, item) in records {
        let record: OrderRecord =
            serde_json::from_value(item.clone()).unwrap_or_else(|error| panic!("{order_id}: {error}"));
        let stored = item["receipts"].as_object().unwrap().len();
        let read = &record.receipts;
        assert_eq!(read.applied.len() + read.undone.len() + read.consumed.len(), stored, "{order_id}");
        let steps: Vec<&str> = declarations::steps().iter().map(|(function, _)| function.name.as_str()).collect();
        let named = read.applied.keys().chain(read.undone.keys()).chain(read.consumed.keys());
        assert!(named.into_iter().all(|name| steps.contains(&name.as_str())), "{order_id}: {read:?}");
    }
    let report = local_audit::run(&DynamoDb::open_existing(copy().path()).unwrap()).unwrap();
    assert!(report.holds, "{:?}", report.findings);
    assert_eq!((report.parked, report.waiting), (2, 1));
}

#[tokio::test]
async fn a_decided_order_is_shown_as_the_previous_release_showed_it() {
    let dir = copy();
    let stack = Stack::open(Options::in_dir(dir.path()).unwrap()).unwrap();
    let answers = json("answers.json");
    assert!(answers.len() > 10);
    for (order_id, shown) in answers {
        let path = PathParameters::from([("orderId".to_owned(), order_id.clone())]);
        let event = event(Method::GET, "/orders/{orderId}", HeaderMap::new(), path, b"");
        let answer = stack.answer(event, &Caller::of_an_open_api(), REQUEST_ID).await;
        assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), shown, "{order_id}");
    }
}

#[tokio::test]
async fn orders_that_the_previous_release_left_open_are_finished_by_this_one() {
    let dir = copy();
    let stack = Stack::open(Options::in_dir(dir.path()).unwrap()).unwrap();
    while poll_overflow(&stack, Duration::ZERO).await.unwrap().is_some() {}
    take_up_all(&stack, &clerk()).await;
    settle(&stack).await;
    let report = local_audit::run(&stack.store).unwrap();
    assert!(report.holds, "{:?}", report.findings);
    let counts = [Status::Pending, Status::Confirmed, Status::Fulfilled, Status::Cancelled].map(|s| count(&report, s));
    assert_eq!((counts, report.parked, report.waiting), ([0, 12, 5, 13], 2, 0));

    for order_id in json("records.json").into_keys().filter(|id| PARKED.iter().any(|start| id.starts_with(start))) {
        stack.recover_orders.take_up(&order_id.parse().unwrap(), &clerk()).await;
    }
    settle(&stack).await;
    let report = local_audit::run(&stack.store).unwrap();
    assert!(report.holds, "{:?}", report.findings);
    let open = [Status::Pending, Status::Fulfilling, Status::Cancelling].map(|status| count(&report, status));
    assert_eq!((open, count(&report, Status::Fulfilled), count(&report, Status::Cancelled)), ([0, 0, 0], 6, 14));
}

async fn settle(stack: &Stack) {
    for mut execution in stack.executions.all() {
        execution.outcome.wait_for(Option::is_some).await.unwrap();
    }
}

/// A deployment replaces functions and definition one after the other. No combination breaks an invariant, except that
/// with the old definition a single crash may cancel a healthy order (I7).
#[test]
fn the_previous_definition_survives_every_single_fault_on_the_current_functions() {
    let definition = std::fs::read_to_string(Path::new(FIXTURE).join("order-saga.asl.json")).unwrap();
    let wiring = Wiring { definition, ..Wiring::default() };
    for kind in ["prepaid", "over-limit", "fulfilled"] {
        let search = Search { kind: kind.parse().unwrap(), wiring: &wiring, stops_at_first: false };
        let found = search.exhaustive(1).unwrap();
        assert!(found.total().run > 50);
        for failure in found.failures {
            let broken: Vec<_> = failure.run.violations.iter().filter(|broken| !broken.starts_with("I7")).collect();
            let is_transient = failure.faults.iter().all(|fault| fault.kind.is_transient());
            assert!(broken.is_empty() && !is_transient, "{kind}/{:?}: {:?}", failure.faults, failure.run.violations);
        }
    }
}
