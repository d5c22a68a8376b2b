//! `Prefer: respond-async`.

use local_aws::Api;
use order::Status;
use system_tests::faults::{Fault, Faults};
use system_tests::orders::order;
use system_tests::orders::order_id;
use system_tests::shops::shop;
use tokio::time::sleep;

use crate::{LATER, assert_conflict, assert_kept, assert_location, dynamodb, laptop, other, refuse, starts};

#[tokio::test(start_paused = true)]
async fn an_order_is_on_record_before_it_is_answered_and_confirmed_soon_after() {
    let shop = shop().open().await;
    let reply = laptop("k1").respond_async().place_order(&shop).await;
    assert_eq!(reply.outcome(), (202, "PENDING", ""));
    assert_location(&reply, "k1");
    assert_eq!(reply.header("idempotency-key"), Some("k1"));
    assert!(shop.find(&order_id("k1")).is_some());
    sleep(LATER).await;
    assert_eq!(shop.record(&order_id("k1")).status, Status::Confirmed);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_repeated_order_is_answered_with_its_current_outcome() {
    let shop = shop().open().await;
    laptop("k1").respond_async().place_order(&shop).await;
    sleep(LATER).await;
    assert_eq!(laptop("k1").respond_async().place_order(&shop).await.outcome(), (201, "CONFIRMED", ""));
    order("k2").of("LAPTOP001", 11).respond_async().place_order(&shop).await;
    sleep(LATER).await;
    let reply = order("k2").of("LAPTOP001", 11).respond_async().place_order(&shop).await;
    assert_eq!(reply.outcome(), (409, "CANCELLED", "OUT_OF_STOCK"));
}

#[tokio::test(start_paused = true)]
async fn other_content_is_refused_at_once() {
    let shop = shop().open().await;
    laptop("k1").respond_async().place_order(&shop).await;
    let reply = other("k1").respond_async().place_order(&shop).await;
    assert_conflict(&reply, "k1");
    sleep(LATER).await;
    assert_eq!(shop.record(&order_id("k1")).order, laptop("k1").placed());
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_saga_could_not_be_started_is_left_to_recovery() {
    for fault in [refuse(Api::StepFunctions), Fault::LoseRequest, Fault::Hang] {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        faults.strike(starts(), fault);
        let reply = laptop("k1").respond_async().place_order(&shop).await;
        assert_kept(&shop, &reply, "k1");
        faults.heal();
        assert_eq!(shop.resume(&order_id("k1")).await.end(), "CONFIRMED");
    }
}

#[tokio::test(start_paused = true)]
async fn the_preference_is_found_among_others() {
    let shop = shop().open().await;
    for (key, prefer) in [
        ("k1", "wait=10, respond-async"),
        ("k2", "Respond-Async"),
        ("k3", "respond-async; wait=5"),
        ("k4", "respond-async;wait=5,handling=lenient"),
    ] {
        let reply = laptop(key).with_header("prefer", prefer).place_order(&shop).await;
        assert_eq!(reply.http_status, 202, "{prefer}");
    }
    let reply = laptop("k5").with_header("prefer", "return=minimal").place_order(&shop).await;
    assert_eq!(reply.http_status, 201);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_cannot_be_written_is_queued() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(dynamodb(), refuse(Api::DynamoDb));
    let reply = laptop("k1").respond_async().place_order(&shop).await;
    assert_eq!(reply.outcome(), (202, "PENDING", ""));
    assert_eq!(shop.queued().await, [laptop("k1").placed()]);
}
