//! What the engine costs: `cargo bench -p engine`.
//!
//! It executes the shipped definition up to a confirmed order: eight states, four calls. The calls are
//! answered at once, so the time is the engine's own.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use divan::Bencher;
use engine::{Clock, History, Random, Start, StateMachine, Status, TaskError, TaskRequest, TaskRunner, fill};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const DEFINITION: &str = include_str!("../../../statemachine/order-saga.asl.json");

fn main() {
    divan::main();
}

fn filled() -> String {
    fill(DEFINITION, |name| Some(format!("arn:aws:lambda:us-east-1:000000000000:function:{name}"))).unwrap()
}

/// Answers every call as the functions do.
struct Shop;

impl TaskRunner for Shop {
    async fn run(&self, task: TaskRequest) -> Result<Value, TaskError> {
        let payload = match &*task.state {
            "PersistOrder" => order("PENDING"),
            "ConfirmOrder" => order("CONFIRMED"),
            "ReserveInventory" => json!({"reserved_ms": 1}),
            _ => json!({"posted_ms": 2}),
        };
        Ok(json!({"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200}))
    }
}

fn order(status: &str) -> Value {
    json!({
        "order_id": "o-1",
        "status": status,
        "customer_id": "c-1",
        "store_id": "s-1",
        "payment_terms": "PREPAID",
        "lines": [{"sku": "LAPTOP001", "quantity": 1, "price_minor": 129_900}],
        "currency": "EUR",
    })
}

/// A clock that needs no runtime, for executions that never wait.
struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> i64 {
        1_773_453_540_000
    }

    async fn sleep(&self, _: std::time::Duration) {
        std::future::pending::<()>().await;
    }
}

fn executes(bencher: Bencher, history: impl Fn() -> History + Sync) {
    let machine = StateMachine::load(&filled()).unwrap();
    let runtime = Runtime::new().unwrap();
    let random = Random::seeded(1);
    let input = Arc::new(json!({"order_id": "o-1", "order": order("PENDING"), "fingerprint": "v1:abc"}));
    bencher
        .with_inputs(|| (Start { input: Arc::clone(&input), ..Start::new("bench", Value::Null) }, history()))
        .bench_local_values(|(start, history)| {
            let outcome = runtime.block_on(machine.execute(start, &Shop, &Stopped, &history, &random));
            assert_eq!(outcome.status, Status::Succeeded);
            history
        });
}

/// At most 50 µs.
#[divan::bench]
fn an_order_is_confirmed(bencher: Bencher) {
    executes(bencher, History::off);
}

#[divan::bench]
fn an_order_is_confirmed_with_its_history(bencher: Bencher) {
    executes(bencher, History::new);
}

/// Once for each machine, expressions included.
#[divan::bench]
fn the_definition_is_loaded(bencher: Bencher) {
    let text = filled();
    bencher.bench_local(|| StateMachine::load(&text).unwrap());
}
