//! `POST /orders`: every way it can end, and that no answer contradicts the records.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]
#![allow(clippy::inconsistent_digit_grouping, reason = "amounts are grouped as dollars and cents")]

mod bad_input;
mod decided;
mod keys;
mod respond_async;
mod store_is_down;
mod truth;
mod undecided;

use std::time::Duration;

use local_aws::{Api, WireError};
use order::Status;
use serde_json::json;
use system_tests::faults::{Calls, Fault};
use system_tests::orders::{OrderBuilder, Reply, order, order_id};
use system_tests::shops::Shop;

fn laptop(key: &str) -> OrderBuilder {
    order(key).of("LAPTOP001", 1)
}

/// Another order, sent with the same key.
fn other(key: &str) -> OrderBuilder {
    order(key).of("MOUSE001", 2)
}

/// Long after every saga has ended.
const LATER: Duration = Duration::from_mins(5);

fn dynamodb() -> Calls {
    Calls::to(Api::DynamoDb)
}

fn starts() -> Calls {
    Calls::to(Api::StepFunctions)
}

fn queue() -> Calls {
    Calls::to(Api::Sqs)
}

fn refuse(api: Api) -> Fault {
    Fault::Refuse(WireError::internal(api))
}

/// Asserts that the order is accepted, open, and due for recovery at once.
fn assert_kept(shop: &Shop, reply: &Reply, key: &str) {
    assert_eq!(reply.outcome(), (202, "PENDING", ""), "{reply:?}");
    assert_location(reply, key);
    assert_eq!(shop.record(&order_id(key)).status, Status::Pending);
    let due_ms = shop.due_ms(&order_id(key)).expect("an open order is in the work index");
    assert!(due_ms <= shop.now_ms(), "due at {due_ms}, but it is {}", shop.now_ms());
    shop.audit();
}

fn assert_location(reply: &Reply, key: &str) {
    assert_eq!(reply.header("location"), Some(&*format!("/orders/{}", order_id(key))));
    assert_eq!(reply.body["orderId"], order_id(key).as_str());
}

fn assert_conflict(reply: &Reply, key: &str) {
    assert_eq!((reply.http_status, &reply.body["type"]), (422, &json!("urn:order-saga:problem:idempotency-conflict")));
    assert_eq!(reply.body["orderId"], order_id(key).as_str());
    // Nothing of the other order is shown.
    let text = reply.body.to_string();
    assert!(!text.contains("LAPTOP001") && !text.contains("CONFIRMED"), "{text}");
}
