//! `POST /orders/{orderId}/cancel`.

use std::time::Duration;

use local_aws::{Api, WireError};
use order::{Reason, Status};
use system_tests::faults::{Calls, Fault, Faults, Mishap, Mishaps};
use system_tests::orders::{cancel_order, order, order_id};
use system_tests::shops::shop;

use crate::{ALL_ATTEMPTS, recover, recover_for, settle};

#[tokio::test(start_paused = true)]
async fn a_confirmed_order_is_rolled_back_everywhere() {
    let shop = shop().open().await;
    let invoice = order("k1").on_invoice().of("LAPTOP001", 2).of("MOUSE001", 1);
    assert_eq!(invoice.place_order(&shop).await.http_status, 201);
    assert_eq!(shop.owed_minor("acme"), 30_00);
    let reply = cancel_order(&shop, order_id("k1").as_str()).await;
    assert_eq!(reply.outcome(), (200, "CANCELLED", "CUSTOMER_REQUEST"));
    assert_eq!((shop.available("LAPTOP001"), shop.available("MOUSE001"), shop.owed_minor("acme")), (10, 10, 0));
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_second_cancellation_answers_with_the_record_and_writes_nothing() {
    let shop = shop().open().await;
    order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    let first = cancel_order(&shop, order_id("k1").as_str()).await;
    let items = shop.items();
    let second = cancel_order(&shop, order_id("k1").as_str()).await;
    assert_eq!((first.http_status, second.http_status), (200, 200));
    assert_eq!(first.body, second.body);
    assert_eq!(shop.items(), items);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_the_saga_cancelled_answers_with_its_own_reason() {
    let shop = shop().open().await;
    assert_eq!(order("k1").of("LAPTOP001", 11).place_order(&shop).await.http_status, 409);
    let reply = cancel_order(&shop, order_id("k1").as_str()).await;
    assert_eq!(reply.outcome(), (200, "CANCELLED", "OUT_OF_STOCK"));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_nobody_placed_is_not_found() {
    let shop = shop().open().await;
    let items = shop.items();
    for id in [order_id("k1").as_str(), "nonsense"] {
        assert_eq!(cancel_order(&shop, id).await.http_status, 404);
    }
    assert_eq!(shop.items(), items, "and leaves nothing behind");
}

#[tokio::test(start_paused = true)]
async fn an_order_in_progress_is_cancelled_and_its_saga_follows() {
    let mishaps = Mishaps::none();
    let shop = shop().invoked_through(&mishaps).open().await;
    mishaps.strike_times(1, "PostAccounting", Mishap::Late(Duration::from_secs(4)));
    let order = order("k1").of("LAPTOP001", 1);
    let (placed, cancelled) = tokio::join!(order.place_order(&shop), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel_order(&shop, order_id("k1").as_str()).await
    });
    assert_eq!(cancelled.outcome(), (200, "CANCELLED", "CUSTOMER_REQUEST"));
    assert_eq!(placed.http_status, 409);
    settle(&shop).await;
    assert_eq!(shop.available("LAPTOP001"), 10);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_whose_roll_back_is_delayed_is_accepted_and_recovered() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    faults.strike(Calls::to(Api::DynamoDb).table("journal"), Fault::Refuse(WireError::internal(Api::DynamoDb)));
    let reply = cancel_order(&shop, order_id("k1").as_str()).await;
    assert_eq!(reply.outcome(), (202, "CANCELLING", "CUSTOMER_REQUEST"));
    faults.heal();
    recover_for(&shop, Duration::from_mins(10)).await;
    assert_eq!(shop.record(&order_id("k1")).status, Status::Cancelled);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_parked_order_stays_parked_when_its_customer_asks_again() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    faults.strike(Calls::to(Api::DynamoDb).table("journal"), Fault::Refuse(WireError::internal(Api::DynamoDb)));
    cancel_order(&shop, order_id("k1").as_str()).await;
    recover_for(&shop, 2 * ALL_ATTEMPTS).await;
    assert_eq!(recover(&shop).await.parked, Some(1));
    assert_eq!(cancel_order(&shop, order_id("k1").as_str()).await.http_status, 202);
    assert_eq!(recover(&shop).await.parked, Some(1));
    let record = shop.record(&order_id("k1"));
    assert_eq!((record.status, record.reason), (Status::Cancelling, Some(Reason::CustomerRequest)));
}
