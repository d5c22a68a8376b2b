//! Recovery, the overflow queue, the customer's cancellation and the store's hand-over: open orders end without help.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

mod cancellation;
mod due;
mod fulfilment;
mod logs;
mod overflow;

use std::time::Duration;

use local_stack::schedule::recovery_period;
use recover_orders::{RUN_TIME, Report};
use system_tests::shops::{Shop, recovery};

/// Waits until no execution runs. Killed executions do not count.
async fn settle(shop: &Shop) {
    let mut seen = 0;
    loop {
        let executions = shop.executions.all();
        if executions.len() == seen {
            return;
        }
        for mut execution in executions.into_iter().skip(seen) {
            seen += 1;
            execution.outcome.wait_for(Option::is_some).await.ok();
        }
    }
}

/// One run of the schedule now, and the end of everything that it started.
async fn recover(shop: &Shop) -> Report {
    let report = shop.recover_orders.run(&recovery(), shop.now_ms(), RUN_TIME).await;
    settle(shop).await;
    report
}

/// Lets the schedule run for this long, and returns the reports of the runs that found something due.
async fn recover_for(shop: &Shop, time: Duration) -> Vec<Report> {
    let ends_ms = shop.now_ms() + i64::try_from(time.as_millis()).unwrap();
    let mut reports = Vec::new();
    loop {
        let books = shop.books();
        let open = books.orders.values().filter(|order| order.record.status.is_open() && !order.is_parked);
        let next_ms = shop.now_ms() + i64::try_from(recovery_period().as_millis()).unwrap();
        let Some(due_ms) = open.filter_map(|order| order.due_ms).min() else { return reports };
        if due_ms.max(next_ms) > ends_ms {
            return reports;
        }
        pass(shop, due_ms.max(next_ms)).await;
        let report = recover(shop).await;
        if !report.taken.is_empty() {
            reports.push(report);
        }
    }
}

/// Lets time pass until this moment.
async fn pass(shop: &Shop, until_ms: i64) {
    tokio::time::sleep(Duration::from_millis((until_ms - shop.now_ms()).max(0).unsigned_abs())).await;
}

/// Longer than all attempts at an order in one status, and shorter than those in two.
const ALL_ATTEMPTS: Duration = Duration::from_hours(6);
