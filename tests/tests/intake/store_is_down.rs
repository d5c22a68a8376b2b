//! DynamoDB does not answer.

use std::time::Duration;
use system_tests::orders::order_id;

use local_aws::{Api, WireError};
use order::Status;
use system_tests::faults::{Calls, Fault, Faults};
use system_tests::shops::shop;
use tokio::time::Instant;

use crate::{assert_location, dynamodb, laptop, queue, refuse, starts};

#[tokio::test(start_paused = true)]
async fn the_order_waits_in_the_overflow_queue() {
    for fault in
        [refuse(Api::DynamoDb), Fault::LoseRequest, Fault::Hang, Fault::Refuse(WireError::throttling(Api::DynamoDb))]
    {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        faults.strike(dynamodb(), fault.clone());
        let started = Instant::now();
        let reply = laptop("k1").place_order(&shop).await;
        assert!(started.elapsed() < Duration::from_secs(29), "API Gateway waits no longer");
        assert_eq!(reply.outcome(), (202, "PENDING", ""), "{fault:?}");
        assert_location(&reply, "k1");
        assert_eq!(shop.queued().await, [laptop("k1").placed()]);
        assert_eq!(shop.find(&order_id("k1")), None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_can_be_looked_up_but_not_written_is_also_queued() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(dynamodb().operation("PutItem").table("orders"), refuse(Api::DynamoDb));
    let reply = laptop("k1").place_order(&shop).await;
    assert_eq!(reply.outcome(), (202, "PENDING", ""));
    assert_eq!(shop.queued().await, [laptop("k1").placed()]);
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_write_was_not_acknowledged_may_be_queued_and_is_on_record_as_well() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(starts(), refuse(Api::StepFunctions));
    faults.strike(dynamodb().operation("PutItem"), Fault::LoseAnswer);
    let reply = laptop("k1").place_order(&shop).await;
    assert_eq!(reply.outcome(), (202, "PENDING", ""));
    assert_eq!(shop.record(&order_id("k1")).status, Status::Pending);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn if_the_queue_is_down_too_the_outcome_is_unknown() {
    for fault in [refuse(Api::Sqs), Fault::LoseRequest, Fault::LoseAnswer, Fault::Hang] {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        faults.strike(dynamodb(), refuse(Api::DynamoDb));
        faults.strike(queue(), fault);
        for order in [laptop("k1"), laptop("k1").respond_async()] {
            let reply = order.place_order(&shop).await;
            assert_eq!(reply.http_status, 503);
            assert_eq!(reply.header("idempotency-key"), Some("k1"));
            assert_eq!(reply.header("retry-after"), Some("5"));
            assert_eq!(reply.header("content-type"), Some("application/problem+json"));
            insta::allow_duplicates! {
                insta::assert_json_snapshot!(reply.body, @r##"
                {
                  "type": "urn:order-saga:problem:unavailable",
                  "title": "Whether the order was taken is unknown; send it again with the same key",
                  "status": 503,
                  "orderId": "587f08be44561cdfaa04c13e42b3e0c5"
                }
                "##);
            }
        }
        assert_eq!(shop.find(&order_id("k1")), None);
    }
}

#[tokio::test(start_paused = true)]
async fn everything_together_takes_less_than_api_gateway_waits() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    for api in Api::ALL {
        faults.strike(Calls::to(api), Fault::Hang);
    }
    let started = Instant::now();
    assert_eq!(laptop("k1").place_order(&shop).await.http_status, 503);
    assert!(started.elapsed() < Duration::from_secs(29), "{:?}", started.elapsed());
}
