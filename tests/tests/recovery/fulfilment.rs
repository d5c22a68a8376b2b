//! `POST /orders/{orderId}/fulfil`.

use std::time::Duration;

use local_audit::{self as audit, Books, StoredFence};
use local_aws::{Api, WireError};
use local_stack::PARKED_QUEUE;
use order::{Order, OrderId, Status};
use recover_orders::{MAX_ATTEMPTS, RecoveryOutcome};
use saga::fence::FenceState;
use system_tests::faults::{Calls, Fault, Faults, Mishap, Mishaps};
use system_tests::orders::{Reply, cancel_order, clerk, fulfil_order, order, order_id};
use system_tests::shops::{Shop, shop};

use crate::{ALL_ATTEMPTS, recover, recover_for, settle};

const NOT_CONFIRMED: &str = "urn:order-saga:problem:order-not-confirmed";
const CANCELLED: &str = "urn:order-saga:problem:order-cancelled";
const FULFILLED: &str = "urn:order-saga:problem:order-fulfilled";

/// Longer than a state waits for its function.
const LATE: Duration = Duration::from_secs(30);

fn down() -> Fault {
    Fault::Refuse(WireError::internal(Api::DynamoDb))
}

async fn confirmed(shop: &Shop) -> Order {
    let order = order("k1").of("LAPTOP001", 2);
    assert_eq!(order.place_order(shop).await.outcome(), (201, "CONFIRMED", ""));
    order.placed()
}

async fn fulfil(shop: &Shop) -> Reply {
    fulfil_order(shop, order_id("k1").as_str()).await
}

fn problem(reply: &Reply) -> (u16, &str) {
    (reply.http_status, reply.body["type"].as_str().unwrap_or_default())
}

fn status(shop: &Shop) -> Status {
    shop.record(&order_id("k1")).status
}

/// Asserts that the order is handed over, with all that this means in the tables.
fn assert_fulfilled(shop: &Shop) {
    assert_eq!(status(shop), Status::Fulfilled);
    let books = shop.audit();
    let laptops = books.stock.values().find(|stock| stock.sku.as_str() == "LAPTOP001").unwrap();
    assert_eq!((laptops.available, laptops.reserved), (8, 0));
    assert_eq!(shop.item(&order_id("k1")).unwrap().get("work"), None);
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_order_is_handed_over_its_stock_leaves_the_books_and_its_posting_stands() {
    let shop = shop().open().await;
    let invoice = order("k1").on_invoice().of("LAPTOP001", 2);
    assert_eq!(invoice.place_order(&shop).await.http_status, 201);
    let reply = fulfil(&shop).await;
    assert_eq!(reply.outcome(), (200, "FULFILLED", ""));
    assert!(reply.header("etag").is_some());
    let events: Vec<&str> =
        reply.body["timeline"].as_array().unwrap().iter().map(|moment| moment["event"].as_str().unwrap()).collect();
    let expected = ["PLACED", "INVENTORY_RESERVED", "ACCOUNTING_POSTED", "CONFIRMED"];
    assert_eq!(events, [&expected[..], &["FULFILLING", "INVENTORY_CONSUMED", "FULFILLED"]].concat());
    assert_eq!(shop.owed_minor("acme"), 20_00);
    assert_fulfilled(&shop);
}

#[tokio::test(start_paused = true)]
async fn a_second_hand_over_answers_with_the_record_and_writes_nothing() {
    let shop = shop().open().await;
    confirmed(&shop).await;
    let first = fulfil(&shop).await;
    let items = shop.items();
    assert_eq!(fulfil(&shop).await, first);
    assert_eq!(shop.items(), items);
}

#[tokio::test(start_paused = true)]
async fn eight_hand_overs_at_once_are_one() {
    let shop = shop().open().await;
    confirmed(&shop).await;
    let all = tokio::join!(async { tokio::join!(fulfil(&shop), fulfil(&shop), fulfil(&shop), fulfil(&shop)) }, async {
        tokio::join!(fulfil(&shop), fulfil(&shop), fulfil(&shop), fulfil(&shop))
    },);
    let all = [<[Reply; 4]>::from(all.0), <[Reply; 4]>::from(all.1)].concat();
    assert!(all.iter().all(|reply| reply.outcome() == (200, "FULFILLED", "")), "{all:?}");
    assert_fulfilled(&shop);
}

#[tokio::test(start_paused = true)]
async fn only_a_confirmed_order_is_handed_over() {
    let mishaps = Mishaps::none();
    let shop = shop().invoked_through(&mishaps).open().await;
    let items = shop.items();
    for id in [order_id("k1").as_str(), "nonsense"] {
        assert_eq!(problem(&fulfil_order(&shop, id).await), (404, "urn:order-saga:problem:order-not-found"));
    }
    assert_eq!(shop.items(), items, "and leaves nothing behind");

    mishaps.strike("PostAccounting", Mishap::Fail("Unavailable"));
    assert_eq!(order("k1").of("LAPTOP001", 2).place_order(&shop).await.http_status, 202);
    assert_eq!(problem(&fulfil(&shop).await), (409, NOT_CONFIRMED));
    mishaps.heal();
    mishaps.strike("ReleaseInventory", Mishap::Fail("Unavailable"));
    assert_eq!(cancel_order(&shop, order_id("k1").as_str()).await.status(), "CANCELLING");
    assert_eq!(problem(&fulfil(&shop).await), (409, CANCELLED));
    mishaps.heal();
    assert_eq!(cancel_order(&shop, order_id("k1").as_str()).await.status(), "CANCELLED");
    let items = shop.items();
    assert_eq!(problem(&fulfil(&shop).await), (409, CANCELLED));
    assert_eq!(shop.items(), items);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_delayed_hand_over_is_accepted_cannot_be_cancelled_and_is_recovered() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    confirmed(&shop).await;
    faults.strike(Calls::to(Api::DynamoDb).table("inventory"), down());
    let reply = fulfil(&shop).await;
    assert_eq!(reply.outcome(), (202, "FULFILLING", ""));
    assert_eq!(reply.header("location"), Some(format!("/orders/{}", order_id("k1")).as_str()));
    assert_eq!(problem(&cancel_order(&shop, order_id("k1").as_str()).await), (409, FULFILLED));
    let placed = order("k1").of("LAPTOP001", 2).place_order(&shop).await;
    assert_eq!(placed.outcome(), (201, "FULFILLING", ""), "it was confirmed");
    shop.audit();

    faults.heal();
    recover_for(&shop, Duration::from_mins(10)).await;
    assert_fulfilled(&shop);
    assert_eq!(problem(&cancel_order(&shop, order_id("k1").as_str()).await), (409, FULFILLED));
    let placed = order("k1").of("LAPTOP001", 2).place_order(&shop).await;
    assert_eq!(placed.outcome(), (201, "FULFILLED", ""));
    assert_fulfilled(&shop);
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_stays_open_after_any_mishap_and_ends_fulfilled() {
    for state in ["ConsumeInventory", "CompleteOrder"] {
        for mishap in [
            Mishap::Fail("Unavailable"),
            Mishap::Fail("Lambda.Unknown"),
            Mishap::Crash,
            Mishap::CrashAfter,
            Mishap::Late(LATE),
            Mishap::Unheard,
        ] {
            let mishaps = Mishaps::none();
            let shop = shop().invoked_through(&mishaps).open().await;
            confirmed(&shop).await;
            mishaps.strike(state, mishap);
            let reply = fulfil(&shop).await;
            assert!(matches!(reply.outcome(), (202, "FULFILLING", "") | (200, "FULFILLED", "")), "{reply:?}");
            mishaps.heal();
            let run = shop.resume(&order_id("k1")).await;
            assert_eq!(run.end(), "FULFILLED", "{state} {mishap:?}");
            assert_fulfilled(&shop);
            tokio::time::sleep(2 * LATE).await;
            assert_fulfilled(&shop);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_finds_the_order_handed_over_goes_on_from_there() {
    for (state, mishap) in [("ConfirmOrder", Mishap::Late(LATE)), ("PostAccounting", Mishap::SlowlyFail(LATE, "Boom"))]
    {
        let mishaps = Mishaps::none();
        let shop = shop().invoked_through(&mishaps).open().await;
        mishaps.strike_times(1, state, mishap);
        // The first execution is delayed. A second one confirms the order, and the store hands it over.
        let late = order("k1").of("LAPTOP001", 2);
        let (placed, ()) = tokio::join!(late.place_order(&shop), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(shop.resume(&order_id("k1")).await.end(), "CONFIRMED");
            assert_eq!(fulfil(&shop).await.status(), "FULFILLED");
        });
        settle(&shop).await;
        assert!(matches!(placed.http_status, 201 | 202), "{placed:?}");
        tokio::time::sleep(2 * LATE).await;
        assert_fulfilled(&shop);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_and_a_cancellation_at_once_have_one_winner() {
    for first_ms in 0..2 {
        let shop = shop().open().await;
        confirmed(&shop).await;
        let id = order_id("k1");
        let after = |ms| tokio::time::sleep(Duration::from_millis(ms));
        let (fulfilled, cancelled) = tokio::join!(
            async {
                after(first_ms).await;
                fulfil(&shop).await
            },
            async {
                after(1 - first_ms).await;
                cancel_order(&shop, id.as_str()).await
            }
        );
        settle(&shop).await;
        match status(&shop) {
            Status::Fulfilled => {
                assert_eq!((fulfilled.http_status, problem(&cancelled)), (200, (409, FULFILLED)));
                assert_fulfilled(&shop);
            }
            Status::Cancelled => {
                assert_eq!((problem(&fulfilled), cancelled.http_status), ((409, CANCELLED), 200));
                assert_eq!(shop.available("LAPTOP001"), 10);
            }
            other => panic!("nobody has won: {other}"),
        }
        shop.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn the_outcome_is_unknown_if_the_record_cannot_be_reached() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    confirmed(&shop).await;
    faults.strike(Calls::to(Api::DynamoDb).table("orders"), down());
    let reply = fulfil(&shop).await;
    assert_eq!(problem(&reply), (503, "urn:order-saga:problem:store-unavailable"));
    assert_eq!(reply.header("retry-after"), Some("5"));
    faults.heal();
    assert_eq!(status(&shop), Status::Confirmed);
    assert_eq!(fulfil(&shop).await.http_status, 200);
    assert_fulfilled(&shop);
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_that_cannot_be_finished_is_parked_and_never_cancelled() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    confirmed(&shop).await;
    faults.strike(Calls::to(Api::DynamoDb).table("inventory"), down());
    assert_eq!(fulfil(&shop).await.http_status, 202);
    let runs = recover_for(&shop, 2 * ALL_ATTEMPTS).await;
    let sum = |taken| runs.iter().map(|run| run.count_of(taken)).sum::<u64>();
    assert_eq!(
        [RecoveryOutcome::Started, RecoveryOutcome::Parked, RecoveryOutcome::GivenUp].map(sum),
        [MAX_ATTEMPTS.into(), 1, 0],
        "{runs:?}"
    );
    assert!(shop.queues.len(PARKED_QUEUE).await.unwrap() >= 1);
    assert_eq!(status(&shop), Status::Fulfilling);
    assert!(shop.audit().orders[&order_id("k1")].is_parked);
    assert_eq!(problem(&cancel_order(&shop, order_id("k1").as_str()).await), (409, FULFILLED));

    faults.heal();
    assert_eq!(shop.recover_orders.take_up(&order_id("k1"), &clerk()).await, RecoveryOutcome::Started);
    settle(&shop).await;
    assert_fulfilled(&shop);
    assert_eq!(recover(&shop).await.parked, Some(0));
}

/// This cannot happen, because a confirmed order is reserved. If it does, an operator must look.
#[tokio::test(start_paused = true)]
async fn a_hand_over_without_reserved_stock_stays_open_until_it_is_parked() {
    let shop = shop().open().await;
    let order = confirmed(&shop).await;
    let fence = inventory::reservation_key(order.order_id());
    shop.client.delete_item().table_name(inventory::table::TABLE).set_key(Some(fence)).send().await.unwrap();
    assert_eq!(fulfil(&shop).await.outcome(), (202, "FULFILLING", ""));
    let run = shop.resume(order.order_id()).await;
    let consumed = run.path.iter().filter(|state| *state == "ConsumeInventory").count();
    assert_eq!((consumed, run.path.last().unwrap().as_str()), (1, "OrderUnfinished"), "it is not retried");
    recover_for(&shop, 2 * ALL_ATTEMPTS).await;
    assert_eq!(status(&shop), Status::Fulfilling);
    assert!(shop.books().orders[order.order_id()].is_parked);
}

#[tokio::test(start_paused = true)]
async fn recovery_leaves_the_pick_list_alone() {
    let shop = shop().open().await;
    confirmed(&shop).await;
    let items = shop.items();
    tokio::time::sleep(2 * ALL_ATTEMPTS).await;
    assert!(recover(&shop).await.taken.is_empty());
    assert_eq!(shop.recover_orders.take_up(&order_id("k1"), &clerk()).await, RecoveryOutcome::NotOurs);
    assert_eq!(shop.items(), items);
}

fn fence<'a>(books: &'a mut Books, step: &str, id: &OrderId) -> &'a mut StoredFence {
    books.fences.get_mut(step).unwrap().get_mut(id).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_audit_sees_what_is_wrong_with_a_hand_over() {
    let shop = shop().open().await;
    confirmed(&shop).await;
    assert_eq!(fulfil(&shop).await.http_status, 200);
    let id = order_id("k1");
    let found = |spoil: fn(&mut Books, &OrderId)| {
        let mut books = shop.books();
        spoil(&mut books, &id);
        let findings = audit::check(&books).findings.into_iter();
        findings.map(|finding| format!("{:?} {}", finding.invariant, finding.what)).collect::<Vec<_>>()
    };
    let nothing: [&str; 0] = [];
    assert_eq!(found(|_, _| ()), nothing);
    // The fence expires, and the record's receipt stays.
    assert_eq!(
        found(|books, id| {
            books.reservations.remove(id);
            books.fences.get_mut("reserve-inventory").unwrap().remove(id);
        }),
        nothing
    );
    assert_eq!(
        found(|books, id| {
            books.reservations.get_mut(id).unwrap().state = FenceState::Applied;
            fence(books, "reserve-inventory", id).state = FenceState::Applied;
        }),
        [
            "I2 is FULFILLED, but its fence of reserve-inventory is APPLIED",
            "I3 has 0 reserved, but open reservations hold 2"
        ]
    );
    assert_eq!(
        found(|books, id| {
            books.reservations.get_mut(id).unwrap().effect = None;
            fence(books, "reserve-inventory", id).effect = None;
        }),
        ["I2 has a fence of reserve-inventory with another order's effect"]
    );
    assert_eq!(
        found(|books, id| _ = books.orders.get_mut(id).unwrap().record.receipts.consumed.remove("reserve-inventory")),
        ["I2 is FULFILLED without the receipt of reserve-inventory's consume"]
    );
    assert_eq!(
        found(|books, id| {
            books.postings.remove(id);
            books.fences.get_mut("post-accounting").unwrap().remove(id);
        }),
        ["I2 is FULFILLED, but its fence of post-accounting is none"]
    );
    assert_eq!(
        found(|books, id| _ = books.orders.remove(id)),
        [
            "I2 has a fence of post-accounting that is APPLIED, but no record",
            "I2 has a fence of reserve-inventory that is CONSUMED, but no record"
        ]
    );
    let confirmed = found(|books, id| books.orders.get_mut(id).unwrap().record.status = Status::Confirmed);
    assert_eq!(confirmed.iter().map(|what| &what[..2]).collect::<Vec<_>>(), ["I1", "I5", "I2"], "{confirmed:?}");
    let cancelled = found(|books, id| books.orders.get_mut(id).unwrap().record.status = Status::Cancelled);
    assert!(
        cancelled.contains(&"I2 is CANCELLED, but its fence of reserve-inventory is CONSUMED".to_owned()),
        "{cancelled:?}"
    );
}
