//! What calls cost: requests and capacity units.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::layer::{Call, Layer, Next, Outcome};
use super::service::{Api, BoxFuture};

/// A [`Layer`] that counts DynamoDB requests and the capacity units they report, indexes included.
///
/// It requests `ReturnConsumedCapacity` itself, so no handler has to. DynamoDB bills a refused request (a
/// failed condition, a cancelled transaction) but reports no capacity for it, so it counts only as a request.
/// Each attempt of the SDK's retries is a request.
#[derive(Debug, Default)]
pub struct Tally {
    by_operation: Mutex<BTreeMap<String, Usage>>,
}

/// Requests and capacity units.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// How many requests.
    pub requests: u64,
    /// Write units. Those of a transaction count twice, as billed.
    pub write_units: f64,
    /// Read units; an eventually consistent read may take half a unit.
    pub read_units: f64,
}

impl Usage {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.write_units += other.write_units;
        self.read_units += other.read_units;
    }
}

impl Tally {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything since the start or the last [`reset`](Self::reset).
    pub fn total(&self) -> Usage {
        let mut total = Usage::default();
        for usage in self.by_operation().into_values() {
            total.add(usage);
        }
        total
    }

    /// The same by operation, so that a failing budget shows where it was spent.
    pub fn by_operation(&self) -> BTreeMap<String, Usage> {
        self.lock().clone()
    }

    /// Counts from zero again.
    pub fn reset(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Usage>> {
        self.by_operation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, operation: &str, answer: &Value) {
        let units = units(answer);
        let mut usage = Usage { requests: 1, ..Usage::default() };
        if writes(operation) {
            usage.write_units = units;
        } else {
            usage.read_units = units;
        }
        self.lock().entry(operation.to_owned()).or_default().add(usage);
    }
}

impl Layer for Tally {
    fn around<'a>(&'a self, mut call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        if call.api != Api::DynamoDb {
            return next.apply(&call);
        }
        if reports_capacity(&call.operation) {
            call.body["ReturnConsumedCapacity"] = "INDEXES".into();
        }
        Box::pin(async move {
            let outcome = next.apply(&call).await;
            let answer = outcome.as_ref().map(super::ServiceAnswer::json);
            self.count(&call.operation, &answer.unwrap_or_default());
            outcome
        })
    }
}

fn writes(operation: &str) -> bool {
    matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems")
}

fn reports_capacity(operation: &str) -> bool {
    writes(operation) || matches!(operation, "GetItem" | "Query" | "Scan" | "BatchGetItem" | "TransactGetItems")
}

/// One operation reports either one `ConsumedCapacity` or a list with one for each table. The units include
/// those of the indexes.
fn units(answer: &Value) -> f64 {
    let consumed = &answer["ConsumedCapacity"];
    let tables = consumed.as_array().map_or(std::slice::from_ref(consumed), Vec::as_slice);
    tables.iter().filter_map(|table| table["CapacityUnits"].as_f64()).sum()
}
