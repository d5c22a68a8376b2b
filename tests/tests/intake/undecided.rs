//! The saga gives no decision in time.

use std::sync::Arc;
use std::time::Duration;
use system_tests::orders::order_id;

use http::StatusCode;
use local_aws::{Api, BoxFuture, Call, Layer, Next, Outcome, Unanswered, WireError};
use order::Status;
use system_tests::faults::{Fault, Faults, Mishap, Mishaps};
use system_tests::orders::order;
use system_tests::shops::{OPENED_MS, shop};
use tokio::time::{Instant, sleep};
use workflow::DEADLINE;

use crate::{LATER, assert_conflict, assert_kept, assert_location, dynamodb, laptop, other, refuse, starts};

#[tokio::test(start_paused = true)]
async fn a_saga_that_takes_longer_than_the_deadline_is_accepted_and_continues() {
    let mishaps = Mishaps::none();
    let shop = shop().invoked_through(&mishaps).open().await;
    // Attempts of seven seconds, just below a state's limit: one to persist the order and two to reserve its stock.
    // The third succeeds.
    let slow = Mishap::SlowlyFail(Duration::from_secs(7), "Unavailable");
    mishaps.strike_times(1, "PersistOrder", slow);
    mishaps.strike("ReserveInventory", slow);
    let started = Instant::now();
    let reply = laptop("k1").place_order(&shop).await;
    assert_eq!(started.elapsed(), DEADLINE);
    assert_eq!(reply.outcome(), (202, "PENDING", ""));
    assert_location(&reply, "k1");
    assert!(reply.header("etag").is_some_and(|etag| etag.starts_with('"')), "{reply:?}");
    assert_eq!(reply.header("idempotent-replayed"), None);
    assert_eq!(shop.record(&order_id("k1")).status, Status::Pending);
    mishaps.heal();
    sleep(LATER).await;
    assert_eq!(shop.record(&order_id("k1")).status, Status::Confirmed);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_a_decided_record_is_the_answer() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(starts(), Fault::DelayAnswer(Duration::from_secs(30)));
    assert_eq!(laptop("k1").place_order(&shop).await.outcome(), (201, "CONFIRMED", ""));
    assert_eq!(order("k2").of("LAPTOP001", 11).place_order(&shop).await.outcome(), (409, "CANCELLED", "OUT_OF_STOCK"));
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_an_absent_record_is_written_and_due_at_once() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(starts(), Fault::Hang);
    let reply = laptop("k1").place_order(&shop).await;
    assert_eq!(shop.now_ms(), OPENED_MS + 20_000);
    assert_kept(&shop, &reply, "k1");
    insta::assert_json_snapshot!(reply.body, @r##"
    {
      "orderId": "587f08be44561cdfaa04c13e42b3e0c5",
      "status": "PENDING",
      "customerId": "demo123",
      "storeId": "main",
      "paymentTerms": "PREPAID",
      "currency": "USD",
      "items": [
        {
          "productId": "LAPTOP001",
          "quantity": 1,
          "price": 10.0
        }
      ],
      "totalAmount": 10.0,
      "correlationId": "6f1ed002-ab5e-4b8c-a9a7-1d3a2e0c5f77",
      "createdAt": "2027-01-15T08:00:20Z",
      "updatedAt": "2027-01-15T08:00:20Z",
      "timeline": [
        {
          "event": "PLACED",
          "at": "2027-01-15T08:00:20Z"
        }
      ]
    }
    "##);
    faults.heal();
    assert_eq!(shop.resume(&order_id("k1")).await.end(), "CONFIRMED");
}

#[tokio::test(start_paused = true)]
async fn a_record_of_other_content_is_a_conflict_however_the_saga_ended() {
    for fault in [Fault::Hang, Fault::LoseRequest, Fault::LoseAnswer, refuse(Api::StepFunctions)] {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        assert_eq!(laptop("k1").place_order(&shop).await.http_status, 201);
        faults.strike(starts(), fault);
        assert_conflict(&other("k1").place_order(&shop).await, "k1");
        // The order itself is still answered with its outcome.
        assert_eq!(laptop("k1").place_order(&shop).await.outcome(), (201, "CONFIRMED", ""));
        shop.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_saga_is_accepted() {
    for state in ["ReserveInventory", "PostAccounting", "ConfirmOrder"] {
        let mishaps = Mishaps::none();
        let shop = shop().invoked_through(&mishaps).open().await;
        mishaps.strike(state, Mishap::Fail("Unavailable"));
        let reply = laptop("k1").place_order(&shop).await;
        assert_eq!(reply.outcome(), (202, "PENDING", ""), "{state}");
        assert!(shop.due_ms(&order_id("k1")).is_some(), "recovery finds it");
        // Sending it again joins it in its current state.
        mishaps.heal();
        assert_eq!(laptop("k1").place_order(&shop).await.outcome(), (201, "CONFIRMED", ""), "{state}");
        shop.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_roll_back_is_not_called_cancelled() {
    let mishaps = Mishaps::none();
    let shop = shop().invoked_through(&mishaps).open().await;
    mishaps.strike("ReleaseInventory", Mishap::Crash);
    let too_much = laptop("k1").at(200_00).on_invoice();
    let reply = too_much.place_order(&shop).await;
    assert_eq!(reply.outcome(), (202, "CANCELLING", "CREDIT_LIMIT_EXCEEDED"));
    shop.audit();
    mishaps.heal();
    assert_eq!(too_much.place_order(&shop).await.outcome(), (409, "CANCELLED", "CREDIT_LIMIT_EXCEEDED"));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_the_saga_could_not_persist_is_kept_by_intake() {
    let mishaps = Mishaps::none();
    let shop = shop().invoked_through(&mishaps).open().await;
    mishaps.strike("PersistOrder", Mishap::Fail("Lambda.TooManyRequestsException"));
    let reply = laptop("k1").place_order(&shop).await;
    assert_kept(&shop, &reply, "k1");
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_saga_could_not_be_started_is_kept() {
    let refusals = [
        WireError::internal(Api::StepFunctions),
        WireError::throttling(Api::StepFunctions),
        WireError::new(StatusCode::BAD_REQUEST, "ExecutionLimitExceeded", "injected by the test"),
        WireError::new(StatusCode::BAD_REQUEST, "StateMachineDoesNotExist", "injected by the test"),
        WireError::new(StatusCode::BAD_REQUEST, "AccessDeniedException", "injected by the test"),
    ];
    for refusal in refusals {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        faults.strike(starts(), Fault::Refuse(refusal));
        assert_kept(&shop, &laptop("k1").place_order(&shop).await, "k1");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_start_got_no_answer_is_kept() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(starts(), Fault::LoseRequest);
    assert_kept(&shop, &laptop("k1").place_order(&shop).await, "k1");
    assert_eq!(faults.struck(), 1, "a second start would only be a second execution");
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_saga_ended_without_an_answer_is_answered_from_the_record() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(starts(), Fault::LoseAnswer);
    assert_eq!(laptop("k1").place_order(&shop).await.outcome(), (201, "CONFIRMED", ""));
    assert_eq!(order("k2").of("LAPTOP001", 11).place_order(&shop).await.outcome(), (409, "CANCELLED", "OUT_OF_STOCK"));
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_connection_breaks_while_its_saga_runs_is_accepted() {
    let (broken, faults) = (Arc::new(BreaksAfter(Duration::from_millis(15))), Faults::none());
    let shop = shop().behind(&broken).behind(&faults).open().await;
    faults.strike(dynamodb(), Fault::DelayAnswer(Duration::from_millis(10)));
    assert_eq!(laptop("k1").place_order(&shop).await.outcome(), (202, "PENDING", ""));
    sleep(LATER).await;
    assert_eq!(shop.record(&order_id("k1")).status, Status::Confirmed);
    shop.audit();
}

/// Connections to Step Functions break while an execution runs.
#[derive(Debug)]
struct BreaksAfter(Duration);

impl Layer for BreaksAfter {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        if call.api != Api::StepFunctions {
            return next.apply(&call);
        }
        Box::pin(async move {
            tokio::time::timeout(self.0, next.apply(&call)).await.unwrap_or(Err(Unanswered::ConnectionLost))
        })
    }
}
