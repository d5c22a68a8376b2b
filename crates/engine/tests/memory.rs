//! The memory of many concurrent executions, in a test binary of its own, so that it measures nothing else.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::{History, Random, Start, StateMachine, TaskError, TaskRequest, TaskRunner, TokioClock, fill};
use serde_json::{Value, json};

const EXECUTIONS: usize = 10_000;
const LIMIT_BYTES: usize = 500 * 1000 * 1000;

/// Answers every call before the accounting is posted, and never answers that one: the order stops half-way,
/// with all its data.
#[derive(Default)]
struct Stuck(AtomicUsize);

impl TaskRunner for Stuck {
    async fn run(&self, task: TaskRequest) -> Result<Value, TaskError> {
        if &*task.state == "PostAccounting" {
            self.0.fetch_add(1, Ordering::Relaxed);
            return std::future::pending().await;
        }
        let order = json!({"order_id": "o-1", "status": "PENDING", "lines": [{"sku": "LAPTOP001", "quantity": 1}]});
        Ok(json!({"ExecutedVersion": "$LATEST", "Payload": order, "StatusCode": 200}))
    }
}

/// The memory that the process has in use.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_executions_with_their_histories_fit_in_500_mb() {
    let definition = include_str!("../../../statemachine/order-saga.asl.json");
    let filled = fill(definition, |name| Some(format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")));
    let machine = StateMachine::load(&filled.unwrap()).unwrap();
    let (runner, clock, before) = (Arc::new(Stuck::default()), TokioClock::starting_at(0), resident_bytes());
    let executions: Vec<_> = (0..EXECUTIONS)
        .map(|number| {
            let (machine, runner) = (machine.clone(), Arc::clone(&runner));
            let input = json!({"order_id": format!("o-{number}"), "order": {"lines": []}, "fingerprint": "v1:abc"});
            tokio::spawn(async move {
                let start = Start::new(&format!("o-{number}"), input);
                machine.execute(start, &runner, &clock, &History::new(), &Random::seeded(1)).await
            })
        })
        .collect();
    while runner.0.load(Ordering::Relaxed) < EXECUTIONS {
        tokio::task::yield_now().await;
    }
    let bytes = resident_bytes() - before;
    println!("{} bytes an execution", bytes / EXECUTIONS);
    assert!(bytes < LIMIT_BYTES, "{bytes} bytes");
    executions.iter().for_each(tokio::task::JoinHandle::abort);
}
