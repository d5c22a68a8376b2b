//! Answers match the records, whatever goes wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::Caller;
use engine::Random;
use http::{HeaderMap, Method};
use local_aws::{BoxFuture, Call, Layer, Next, Outcome, Unanswered, WireError};
use local_stack::gateway::{self, PathParameters};
use order::{Order, Status};
use system_tests::orders::{OrderBuilder, REQUEST_ID, Reply, order, order_id};
use system_tests::shops::{Shop, shop};
use tokio::time::sleep;

use crate::{LATER, laptop};

/// Strikes one call in four while it is active.
#[derive(Debug)]
struct Chaos {
    random: Random,
    rages: Mutex<bool>,
}

impl Chaos {
    fn of_seed(seed: u64) -> Arc<Self> {
        Arc::new(Self { random: Random::seeded(seed), rages: Mutex::new(true) })
    }

    fn rage(&self, rages: bool) {
        *self.rages.lock().unwrap() = rages;
    }

    fn strikes(&self) -> bool {
        *self.rages.lock().unwrap() && self.random.unit() < 0.25
    }
}

impl Layer for Chaos {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            if !self.strikes() {
                return next.apply(&call).await;
            }
            match self.random.bits() % 6 {
                0 => Ok(WireError::internal(call.api).into()),
                1 => Ok(WireError::throttling(call.api).into()),
                2 => Err(Unanswered::ConnectionLost),
                3 => {
                    next.apply(&call).await.ok();
                    Err(Unanswered::ConnectionLost)
                }
                4 => {
                    sleep(Duration::from_millis(self.random.bits() % 3000)).await;
                    next.apply(&call).await
                }
                _ => {
                    // Delivered twice, as a network may do.
                    next.apply(&call).await.ok();
                    next.apply(&call).await
                }
            }
        })
    }
}

/// Every fourth order is for more than the stock.
fn some_order(number: u64) -> (OrderBuilder, (u16, &'static str, &'static str)) {
    let key = format!("k{number}");
    let confirmed = (201, "CONFIRMED", "");
    match number % 4 {
        0 | 3 => (laptop(&key), confirmed),
        1 => (order(&key).of("MOUSE001", 2).on_invoice(), confirmed),
        _ => (order(&key).of("LAPTOP001", 1).of("MOUSE001", 11), (409, "CANCELLED", "OUT_OF_STOCK")),
    }
}

/// Asserts that the answer agrees with the record or the queue at this moment.
fn assert_true(shop: &Shop, reply: &Reply, order: &Order, queued: &[Order], seed: u64) {
    let record = shop.find(order.order_id());
    let status = record.map(|record| record.status);
    match reply.http_status {
        201 => assert_eq!(status, Some(Status::Confirmed), "seed {seed}: {reply:?}"),
        409 => assert_eq!(status, Some(Status::Cancelled), "seed {seed}: {reply:?}"),
        202 => assert!(status.is_some() || queued.contains(order), "seed {seed}: accepted and lost: {reply:?}"),
        503 => assert!(reply.header("idempotency-key").is_some()),
        status => panic!("seed {seed}: {status} for a valid order: {reply:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_ever_contradicts_the_records_and_transient_faults_cancel_nobody() {
    for seed in 0..24 {
        let chaos = Chaos::of_seed(seed);
        let shop = shop().with_random(Random::seeded(seed)).behind(&chaos).open().await;
        let mut queued = Vec::new();
        for number in 0..8 {
            let (order, _) = some_order(number);
            let reply = match number {
                0..4 => order.place_order(&shop).await,
                _ => order.clone().respond_async().place_order(&shop).await,
            };
            chaos.rage(false);
            queued.extend(shop.queued().await);
            assert_true(&shop, &reply, &order.placed(), &queued, seed);
            chaos.rage(true);
        }
        chaos.rage(false);
        sleep(LATER).await;
        // All is well again: a repeated request gets the decision, and a healthy order is confirmed.
        for number in 0..8 {
            let (order, expected) = some_order(number);
            let reply = order.place_order(&shop).await;
            assert_eq!(reply.outcome(), expected, "seed {seed}, order {number}");
        }
        shop.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_answer_says_can_be_read_at_once() {
    let shop = shop().open().await;
    let reply = laptop("k1").place_order(&shop).await;
    let path = PathParameters::from([("orderId".to_owned(), order_id("k1").to_string())]);
    let event = gateway::event(Method::GET, "/orders/{orderId}", HeaderMap::new(), path, b"");
    let client = Caller::of_an_open_api();
    let read: Reply = shop.answer(event, &client, REQUEST_ID).await.into();
    assert_eq!(read.http_status, 200);
    assert_eq!(read.body, reply.body);
    assert_eq!(read.header("etag"), reply.header("etag"));
}
