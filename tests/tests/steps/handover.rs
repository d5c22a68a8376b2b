//! The order record once the goods are handed over: fulfil and complete.

use local_stack::functions::Invoked;
use order::{Order, OrderRecord, Status};
use orders::handover::PaymentCheck;
use orders::{Canceller, Closing};
use serde_json::json;
use system_tests::faults::{Turns, permutations};
use system_tests::orders::{clerk, order};
use system_tests::shops::{OPENED_MS, Shop, shop};
use tokio::time::advance;

use crate::record::{cancel, close, confirm, do_steps, invoke, status};
use crate::step::{INVENTORY, SECOND, consumption_receipts, error_of, persist};

async fn confirmed(shop: &Shop, key: &str) -> Order {
    let order = order(key).of("LAPTOP001", 2).placed();
    persist(shop, &order).await.unwrap();
    do_steps(shop, &order).await;
    confirm(shop, &order).await.unwrap();
    order
}

async fn fulfil(shop: &Shop, order: &Order) -> OrderRecord {
    shop.orders
        .fulfil(order.order_id(), PaymentCheck::ToDo, &clerk(), shop.now_ms())
        .await
        .unwrap()
        .expect("the order is on record")
}

/// Uses up every effect, as the workflow does before it completes the order.
async fn consume(shop: &Shop, order: &Order) {
    for (function, step) in declarations::steps().iter().filter(|(_, step)| step.is_for(order.payment_terms.into())) {
        let Some(consumption) = &step.consumption else { continue };
        let payload = json!({"action": consumption.name, "order_id": order.order_id()});
        shop.functions.invoke(&function.name, payload).await.unwrap();
    }
}

async fn complete(shop: &Shop, order: &Order) -> Invoked {
    let receipts = consumption_receipts();
    invoke(shop, json!({"action": "complete", "order_id": order.order_id(), "receipts": receipts})).await
}

/// The customer's cancellation.
async fn withdraw(shop: &Shop, order: &Order) -> OrderRecord {
    let closing =
        Closing { reason: order::Reason::CustomerRequest, detail: None, shortages: Vec::new(), now_ms: shop.now_ms() };
    let cancelled =
        shop.orders.cancel(order.order_id(), Canceller::Customer(order::Reach::All, &clerk()), &closing).await;
    cancelled.unwrap().expect("the order is on record")
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_order_is_handed_over_once_and_is_due_at_once() {
    let shop = shop().open().await;
    let order = confirmed(&shop, "k1").await;
    advance(SECOND).await;
    let first = fulfil(&shop, &order).await;
    assert_eq!((first.status, first.fulfilling_ms, first.attempts), (Status::Fulfilling, Some(OPENED_MS + 1000), 0));
    assert_eq!(shop.due_ms(order.order_id()), Some(OPENED_MS + 1000));
    let before = shop.items();
    advance(SECOND).await;
    assert_eq!(fulfil(&shop, &order).await, first);
    assert_eq!(shop.items(), before);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn an_order_is_completed_once_with_its_receipt_and_leaves_the_work_index() {
    let shop = shop().open().await;
    let order = confirmed(&shop, "k1").await;
    fulfil(&shop, &order).await;
    consume(&shop, &order).await;
    let first = complete(&shop, &order).await.unwrap();
    assert_eq!((first["status"].as_str(), first["fulfilled_ms"].as_i64()), (Some("FULFILLED"), Some(OPENED_MS)));
    assert_eq!(first["consumption_receipts"], json!(consumption_receipts()));
    assert_eq!(shop.item(order.order_id()).unwrap().get("work"), None);
    let before = shop.items();
    advance(SECOND).await;
    assert_eq!(complete(&shop, &order).await.unwrap(), first);
    assert_eq!(fulfil(&shop, &order).await.status, Status::Fulfilled);
    assert_eq!(shop.items(), before);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn nothing_but_a_confirmed_order_is_handed_over() {
    let shop = shop().open().await;
    let order = INVENTORY.order(&shop, "k1").await;
    let check = async |expected: Status| {
        let before = shop.items();
        assert_eq!(fulfil(&shop, &order).await.status, expected);
        assert_eq!(error_of(complete(&shop, &order).await), "InvalidOrder");
        assert_eq!(shop.items(), before);
    };
    check(Status::Pending).await;
    cancel(&shop, &order, "OutOfStock").await.unwrap();
    check(Status::Cancelling).await;
    close(&shop, &order).await.unwrap();
    check(Status::Cancelled).await;
    let absent = system_tests::orders::order_id("nobody's");
    assert_eq!(shop.orders.fulfil(&absent, PaymentCheck::ToDo, &clerk(), OPENED_MS).await.unwrap(), None);
    assert_eq!(shop.find(&absent), None);
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_order_is_not_completed_before_it_is_handed_over() {
    let shop = shop().open().await;
    let order = confirmed(&shop, "k1").await;
    let before = shop.items();
    assert_eq!(error_of(complete(&shop, &order).await), "InvalidOrder");
    assert_eq!(shop.items(), before);
}

#[tokio::test(start_paused = true)]
async fn a_handed_over_order_can_be_neither_cancelled_nor_confirmed_nor_closed() {
    let shop = shop().open().await;
    let order = confirmed(&shop, "k1").await;
    let check = async |expected: &str| {
        let before = shop.items();
        assert_eq!(withdraw(&shop, &order).await.status.to_string(), expected);
        for error in ["OutOfStock", "States.Timeout"] {
            assert_eq!(status(cancel(&shop, &order, error).await), expected);
        }
        assert_eq!(status(confirm(&shop, &order).await), expected);
        assert_eq!(status(persist(&shop, &order).await), expected);
        assert_eq!(error_of(close(&shop, &order).await), "InvalidOrder");
        assert_eq!(shop.items(), before);
    };
    fulfil(&shop, &order).await;
    check("FULFILLING").await;
    consume(&shop, &order).await;
    complete(&shop, &order).await.unwrap();
    check("FULFILLED").await;
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn of_two_hand_overs_and_two_cancellations_at_once_the_first_decides() {
    let turns = Turns::free();
    let shop = shop().behind(&turns).with_stock("LAPTOP001", 1000).open().await;
    for script in permutations("AABB") {
        let order = confirmed(&shop, &script).await;
        turns.play(&script);
        let (fulfilled, again, withdrawn, too) = tokio::join!(
            turns.of('A', fulfil(&shop, &order)),
            turns.of('A', fulfil(&shop, &order)),
            turns.of('B', withdraw(&shop, &order)),
            turns.of('B', withdraw(&shop, &order)),
        );
        let decision = if script.starts_with('A') { Status::Fulfilling } else { Status::Cancelling };
        assert_eq!([fulfilled, again, withdrawn, too].map(|record| record.status), [decision; 4], "{script}");
        shop.audit();
    }
}
