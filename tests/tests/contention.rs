//! Many orders for one article at once.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::Random;
use local_aws::{BoxFuture, Call, Layer, Next, Outcome};
use order::{Order, OrderId, Reason, Status};
use system_tests::orders::{Reply, order};
use system_tests::shops::{Shop, shop};
use tokio::task::JoinSet;

const ORDERS: usize = 200;
const STOCK: i64 = 100;

/// The maximum number of recovery rounds.
const MAX_ROUNDS: usize = 20;

fn key(number: usize) -> String {
    format!("k{number}")
}

/// All clients at once, each with an order for one piece.
async fn place_all(shop: &Shop) -> Vec<Reply> {
    let mut clients = JoinSet::new();
    for number in 0..ORDERS {
        let stack = shop.stack.clone();
        clients.spawn(async move { order(&key(number)).of("LAPTOP001", 1).place_order(&stack).await });
    }
    clients.join_all().await
}

fn count(replies: &[Reply]) -> BTreeMap<(u16, &str, &str), usize> {
    replies.iter().fold(BTreeMap::new(), |mut counts, reply| {
        *counts.entry(reply.outcome()).or_default() += 1;
        counts
    })
}

/// Checks what is on record, whatever was answered.
fn assert_sold_out(shop: &Shop) {
    let orders = shop.audit().orders;
    let count = |status, reason: Option<&Reason>| {
        let records = orders.values().map(|stored| &stored.record);
        records.filter(|record| (record.status, record.reason.as_ref()) == (status, reason)).count()
    };
    assert_eq!(count(Status::Confirmed, None), 100);
    assert_eq!(count(Status::Cancelled, Some(&Reason::Refused("OUT_OF_STOCK".to_owned()))), 100);
    assert_eq!((orders.len(), shop.available("LAPTOP001")), (ORDERS, 0));
}

fn open(shop: &Shop) -> Vec<Order> {
    let records = shop.books().orders.into_values().map(|stored| stored.record);
    records.filter(|record| record.status.is_open()).map(|record| record.order).collect()
}

/// Restarts every open order's saga, as recovery does, until none is open.
async fn recover(shop: &Shop) {
    for _ in 0..MAX_ROUNDS {
        let open = open(shop);
        if open.is_empty() {
            return;
        }
        let mut sagas = JoinSet::new();
        for order in open {
            let stack = shop.stack.clone();
            sagas.spawn(async move { stack.workflow.start(&order).await.unwrap() });
        }
        sagas.join_all().await;
        for mut execution in shop.executions.all() {
            execution.outcome.wait_for(Option::is_some).await.unwrap();
        }
    }
    panic!("after {MAX_ROUNDS} rounds these are open: {:?}", open(shop));
}

/// Counts the transactions that were cancelled because they met others.
#[derive(Debug, Default)]
struct Conflicts(AtomicUsize);

impl Layer for Conflicts {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let answer = next.apply(&call).await?;
            let reasons = &answer.json()["CancellationReasons"];
            if reasons.as_array().into_iter().flatten().any(|reason| reason["Code"] == "TransactionConflict") {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_pieces_go_to_exactly_a_hundred_of_two_hundred_orders() {
    let shop = shop().with_stock("LAPTOP001", STOCK).open().await;
    let replies = place_all(&shop).await;
    let expected = BTreeMap::from([((201, "CONFIRMED", ""), 100), ((409, "CANCELLED", "OUT_OF_STOCK"), 100)]);
    assert_eq!(count(&replies), expected);
    assert_sold_out(&shop);
}

#[tokio::test(start_paused = true)]
async fn conflicting_transactions_refuse_orders_only_for_lack_of_stock() {
    for (seed, window_ms) in [(1, 2), (2, 5), (3, 20)] {
        let conflicts = Arc::new(Conflicts::default());
        let shop = shop()
            .with_stock("LAPTOP001", STOCK)
            .behind(&conflicts)
            .with_random(Random::seeded(seed))
            .where_transactions_take(Duration::from_millis(window_ms))
            .open()
            .await;
        let replies = place_all(&shop).await;
        for outcome in count(&replies).into_keys() {
            let allowed = matches!(
                outcome,
                (201, "CONFIRMED", "")
                    | (409, "CANCELLED", "OUT_OF_STOCK")
                    | (202, "PENDING", "")
                    | (202, "CANCELLING", "OUT_OF_STOCK")
            );
            assert!(allowed, "seed {seed}: {outcome:?} of {:?}", count(&replies));
        }
        shop.audit();
        assert!(conflicts.0.load(Ordering::Relaxed) > 0, "transactions that take {window_ms} ms conflicted");
        recover(&shop).await;
        assert_sold_out(&shop);
        // Every decision that a client was told is the right one.
        let orders = shop.books().orders;
        for reply in replies.iter().filter(|reply| reply.http_status != 202) {
            let order_id: OrderId = reply.body["orderId"].as_str().unwrap().parse().unwrap();
            assert_eq!(reply.status(), orders[&order_id].record.status.to_string());
        }
    }
}
