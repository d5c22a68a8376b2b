//! The runbook's way back from a backup: all tables are restored to one moment, with orders in flight, and the payment
//! provider knows what happened since. After the runbook's steps every invariant holds. See `docs/runbook.md`.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use local_audit::Books;
use local_aws::{BoxFuture, DynamoDb};
use local_payments::{Card, Intent};
use local_stack::Stack;
use local_stack::functions::Invoked;
use local_stack::lambda::{Functions, Invocation, InvocationLayer};
use order::{OrderId, Status};
use payments::Gateway;
use recover_orders::RUN_TIME;
use system_tests::orders::{OrderBuilder, cancel_order, fulfil_order, order};
use system_tests::shops::{Shop, recovery, shop};
use tempfile::TempDir;

/// How long a step takes, so that orders are seen in every one of their states.
const STEP: Duration = Duration::from_millis(40);

/// The time between two moments that the tables are restored to.
const BETWEEN: Duration = Duration::from_millis(75);

/// How many moments there are: the day ends before the last one.
const MOMENTS: usize = 20;

/// How long after the damage recovery starts: no execution of before is running.
const STANDSTILL_MS: i64 = 10 * 60 * 1000;

#[derive(Debug)]
struct Slow;

impl InvocationLayer for Slow {
    fn around<'a>(&'a self, invocation: Invocation, functions: &'a Functions) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            tokio::time::sleep(STEP / 2).await;
            let done = functions.invoke(&invocation.function, invocation.payload).await;
            tokio::time::sleep(STEP / 2).await;
            done
        })
    }
}

/// What a customer or a store does once the order is confirmed.
#[derive(Debug, Clone, Copy)]
enum Later {
    Nothing,
    Cancel,
    HandOver,
}

/// The orders of the day, in the order in which they come.
fn orders() -> Vec<(OrderBuilder, Later)> {
    let mut orders = Vec::new();
    for (number, later) in [Later::Nothing, Later::Cancel, Later::HandOver].into_iter().enumerate() {
        orders.push((order(&format!("prepaid-{number}")).of("LAPTOP001", 1), later));
        orders.push((order(&format!("invoice-{number}")).of("MOUSE001", 2).on_invoice(), later));
        let paid = order(&format!("paid-{number}")).of("LAPTOP001", 1).of("MOUSE001", 1);
        orders.push((paid.paid_with(&format!("pi_{number}")), later));
    }
    orders.push((order("too-much").of("LAPTOP001", 99), Later::Nothing));
    orders.push((order("declined").of("LAPTOP001", 1).paid_with("pi_declined"), Later::Nothing));
    orders
}

async fn live(stack: Stack, order: OrderBuilder, later: Later) {
    let order_id = order.order_id();
    order.place_order(&stack).await;
    tokio::time::sleep(STEP).await;
    match later {
        Later::Nothing => {}
        Later::Cancel => _ = cancel_order(&stack, order_id.as_str()).await,
        Later::HandOver => _ = fulfil_order(&stack, order_id.as_str()).await,
    }
}

/// A day in the shop, with a backup of each moment in `backups`. Returns the shop as the damage finds it, and the times of
/// the backups.
async fn day(backups: &Path) -> (Shop, Vec<i64>) {
    let shop = shop().invoked_through(&Arc::new(Slow)).open().await;
    for payment in ["pi_0", "pi_1", "pi_2", "pi_declined"] {
        let card = if payment == "pi_declined" { Card::Declined } else { Card::Good };
        let amount_minor = if payment == "pi_declined" { 10_00 } else { 20_00 };
        shop.payments.authorise_as(payment.parse().unwrap(), amount_minor, "USD".parse().unwrap(), card).await.unwrap();
    }
    let mut lives = tokio::task::JoinSet::new();
    let mut times = Vec::new();
    let mut coming = orders().into_iter();
    for moment in 0..MOMENTS {
        if let Some((order, later)) = coming.next() {
            lives.spawn(live(shop.stack.clone(), order, later));
        }
        tokio::time::sleep(BETWEEN).await;
        shop.store.save(&backups.join(moment.to_string())).unwrap();
        times.push(shop.now_ms());
    }
    assert_eq!(coming.len(), 0, "the day is too short for its orders");
    lives.join_all().await;
    (shop, times)
}

/// The tables as they were, and the payments as the provider has them now: it is not restored.
async fn restored(backup: &Path, damaged: &Shop) -> (DynamoDb, Vec<Intent>) {
    let store = DynamoDb::in_memory_like(backup).unwrap();
    let services = local_aws::Services::new().with(local_aws::Api::DynamoDb, Arc::new(store.clone()));
    let client = Client::new(&local_stack::config(&services));
    let mut now = damaged.store.snapshot(&[local_payments::TABLE]).unwrap();
    let items = now.remove(local_payments::TABLE).unwrap();
    let intents = items.iter().filter_map(Intent::of_item).collect();
    for item in items {
        client.put_item().table_name(local_payments::TABLE).set_item(Some(item)).send().await.unwrap();
    }
    (store, intents)
}

/// Step 6: what the provider captured for nobody is refunded in its dashboard.
async fn refund_unclaimed(shop: &Shop, intents: &[Intent]) {
    let claims = shop.books().claims;
    for intent in intents.iter().filter(|intent| !claims.contains_key(&intent.id)) {
        if intent.captured_minor > intent.refunded_minor {
            shop.payments.refund(&intent.id, "in the dashboard").await.unwrap();
        }
    }
}

/// Step 7: recovery alone, until no order is open.
async fn recover(shop: &Shop) {
    for _ in 0..20 {
        shop.recover_orders.run(&recovery(), shop.now_ms(), RUN_TIME).await;
        tokio::time::sleep(Duration::from_mins(10)).await;
        if shop.books().orders.values().all(|order| !order.record.status.is_open()) {
            return;
        }
    }
    panic!("open orders remain: {:#?}", shop.books().orders);
}

/// Step 9, for one order of step 5's list: what happened to it after the moment happens again.
async fn repeat(shop: &Shop, order: &OrderBuilder, was: Status, is: Option<Status>) {
    let order_id = order.order_id();
    if is.is_none() {
        order.place_order(shop).await;
    }
    match was {
        Status::Cancelled | Status::Cancelling => _ = cancel_order(shop, order_id.as_str()).await,
        Status::Fulfilled | Status::Fulfilling => _ = fulfil_order(shop, order_id.as_str()).await,
        Status::Pending | Status::Confirmed => {}
    }
}

fn status(books: &Books, order_id: &OrderId) -> Option<Status> {
    books.orders.get(order_id).map(|order| order.record.status)
}

/// Every invariant holds. A payment that was captured after the moment, for an order that did not know it then, was
/// refunded by hand and belongs to no order.
fn assert_sound(shop: &Shop) {
    let books = shop.books();
    let by_hand = |at: &str| {
        let intent = books.intents.values().find(|intent| at == format!("payment {}", intent.id));
        intent.is_some_and(|intent| {
            intent.captured_minor == intent.refunded_minor && !books.claims.contains_key(&intent.id)
        })
    };
    let report = local_audit::check(&books);
    let wrong: Vec<_> = report.findings.iter().filter(|finding| !by_hand(&finding.at)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(books.orders.values().filter(|order| order.is_parked).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn tables_that_are_restored_to_any_moment_are_sound_after_the_runbook() {
    let backups = TempDir::new().unwrap();
    let (damaged, times) = day(backups.path()).await;
    assert_sound(&damaged);
    let before = damaged.books();
    let mut seen = std::collections::BTreeSet::new();
    for (moment, &at_ms) in times.iter().enumerate() {
        let (store, intents) = restored(&backups.path().join(moment.to_string()), &damaged).await;
        let shop = shop().on(store, damaged.now_ms() + STANDSTILL_MS).open().await;
        let at_restore = shop.books();
        seen.extend(at_restore.orders.values().map(|order| order.record.status));
        refund_unclaimed(&shop, &intents).await;
        recover(&shop).await;
        // Step 5's list: what the damaged tables have from after the moment.
        for (order, _) in orders() {
            let record = &before.orders[&order.order_id()].record;
            if record.updated_ms >= at_ms {
                repeat(&shop, &order, record.status, status(&at_restore, &order.order_id())).await;
            }
        }
        recover(&shop).await;
        assert_sound(&shop);
        for (order, later) in orders() {
            let now = status(&shop.books(), &order.order_id());
            let same = now == status(&before, &order.order_id());
            // An order whose payment had to be refunded by hand is refused, and nothing else changes.
            let is_refused = now == Some(Status::Cancelled) && order.body()["paymentTerms"] == "AUTHORIZED";
            assert!(same || is_refused, "moment {moment}, {:?}, {later:?}: {now:?}", order.body());
        }
    }
    let all = [
        Status::Pending,
        Status::Confirmed,
        Status::Cancelling,
        Status::Cancelled,
        Status::Fulfilling,
        Status::Fulfilled,
    ];
    assert!(all.iter().all(|status| seen.contains(status)), "no moment had an order in each status: {seen:?}");
}
