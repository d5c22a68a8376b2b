//! The order record: persist, confirm, cancel, close.

use local_aws::Api;
use local_stack::functions::Invoked;
use order::{Effect, Order, Reason, Status, StepReceipts};
use orders::handover::PaymentCheck;
use serde_json::{Value, json};
use system_tests::faults::{Calls, Fault, Faults, Turns, permutations};
use system_tests::orders::{clerk, order};
use system_tests::shops::{OPENED_MS, Shop, shop};
use tokio::time::advance;

use crate::errors::errors_that_decide_nothing;
use crate::step::{SECOND, consumption_receipts, error_of, persist, receipts, with_prepaid_orders};

pub async fn invoke(shop: &Shop, payload: Value) -> Invoked {
    shop.functions.invoke("persist-order", payload).await
}

pub async fn confirm(shop: &Shop, order: &Order) -> Invoked {
    let receipts = receipts(Effect::Applied);
    invoke(
        shop,
        json!({"action": "confirm", "order_id": order.order_id(), "store_id": order.store_id, "receipts": receipts}),
    )
    .await
}

pub async fn cancel(shop: &Shop, order: &Order, error: &str) -> Invoked {
    let cause = json!({"errorType": error, "errorMessage": "its own words"}).to_string();
    let failure = json!({"Error": error, "Cause": cause});
    invoke(shop, json!({"action": "cancel", "order_id": order.order_id(), "order": order, "failure": failure})).await
}

pub async fn close(shop: &Shop, order: &Order) -> Invoked {
    let receipts = receipts(Effect::Nothing);
    invoke(shop, json!({"action": "close", "order_id": order.order_id(), "receipts": receipts})).await
}

fn sample() -> Order {
    order("k1").of("LAPTOP001", 2).placed()
}

/// Another order under the same key.
fn other() -> Order {
    order("k1").of("LAPTOP001", 3).placed()
}

pub fn status(invoked: Invoked) -> String {
    invoked.unwrap()["status"].as_str().unwrap().to_owned()
}

/// Runs every step, as the workflow does before it confirms. A confirmed order without them fails the audit, as it
/// should.
pub async fn do_steps(shop: &Shop, order: &Order) {
    for step in with_prepaid_orders() {
        step.run(shop, order).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_is_persisted_once_and_read_after_that() {
    let shop = shop().open().await;
    let order = sample();
    let first = persist(&shop, &order).await.unwrap();
    assert_eq!(first["status"], "PENDING");
    let before = shop.items();
    advance(SECOND).await;
    assert_eq!(persist(&shop, &order).await.unwrap(), first);
    let by_id = invoke(&shop, json!({"action": "persist", "order_id": order.order_id()})).await;
    assert_eq!(by_id.unwrap(), first);
    assert_eq!(shop.items(), before);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn persisting_answers_with_the_record_as_it_stands() {
    let shop = shop().open().await;
    let order = sample();
    persist(&shop, &order).await.unwrap();
    do_steps(&shop, &order).await;
    confirm(&shop, &order).await.unwrap();
    assert_eq!(status(persist(&shop, &order).await), "CONFIRMED");
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn other_content_is_a_conflict_in_every_status_and_changes_nothing() {
    let shop = shop().open().await;
    let order = sample();
    persist(&shop, &order).await.unwrap();
    let check = async || {
        let before = shop.items();
        assert_eq!(error_of(persist(&shop, &other()).await), "IdempotencyConflict");
        // It can neither cancel the first body's order nor get its outcome.
        for error in ["OutOfStock", "States.Timeout"] {
            assert_eq!(error_of(cancel(&shop, &other(), error).await), "IdempotencyConflict");
        }
        assert_eq!(shop.items(), before);
    };
    check().await;
    cancel(&shop, &order, "OutOfStock").await.unwrap();
    check().await;
    close(&shop, &order).await.unwrap();
    check().await;
}

#[tokio::test(start_paused = true)]
async fn other_content_cannot_touch_a_confirmed_order() {
    let shop = shop().open().await;
    let order = sample();
    persist(&shop, &order).await.unwrap();
    do_steps(&shop, &order).await;
    confirm(&shop, &order).await.unwrap();
    let before = shop.items();
    assert_eq!(error_of(persist(&shop, &other()).await), "IdempotencyConflict");
    assert_eq!(error_of(cancel(&shop, &other(), "States.Timeout").await), "IdempotencyConflict");
    assert_eq!(shop.items(), before);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_absent_cannot_be_found_by_its_id_alone() {
    let shop = shop().open().await;
    let order = sample();
    let before = shop.items();
    let by_id = invoke(&shop, json!({"action": "persist", "order_id": order.order_id()})).await;
    assert_eq!(error_of(by_id), "InvalidOrder");
    assert_eq!(error_of(confirm(&shop, &order).await), "InvalidOrder");
    assert_eq!(error_of(close(&shop, &order).await), "InvalidOrder");
    let failure = json!({"Error": "States.Timeout", "Cause": ""});
    let cancelled = invoke(&shop, json!({"action": "cancel", "order_id": order.order_id(), "failure": failure})).await;
    assert_eq!(error_of(cancelled), "InvalidOrder");
    assert_eq!(shop.items(), before);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_input_is_reported_as_an_invalid_order() {
    let shop = shop().open().await;
    let order = sample();
    let before = shop.items();
    let mismatched = json!({"action": "persist", "order_id": system_tests::orders::order_id("k2"), "order": order});
    let wrong_total = {
        let mut order = json!(order);
        order["total_minor"] = json!(1);
        json!({"action": "persist", "order_id": sample().order_id(), "order": order})
    };
    for payload in [json!(null), json!({}), json!({"action": "explode"}), mismatched, wrong_total] {
        assert_eq!(error_of(invoke(&shop, payload.clone()).await), "InvalidOrder", "{payload}");
    }
    for (function, _) in declarations::steps() {
        assert_eq!(error_of(shop.functions.invoke(&function.name, json!({"action": "?"})).await), "InvalidOrder");
    }
    assert_eq!(shop.items(), before);
}

/// An order that lacked a step's receipt would count as decided although the step knows nothing of it.
#[tokio::test(start_paused = true)]
async fn a_decision_needs_the_receipt_of_every_step_and_of_no_other() {
    let shop = shop().open().await;
    let order = sample();
    persist(&shop, &order).await.unwrap();
    do_steps(&shop, &order).await;
    let decide = async |action: &str, receipts: &StepReceipts| {
        let payload = json!({
            "action": action, "order_id": order.order_id(), "store_id": order.store_id, "receipts": receipts,
        });
        invoke(&shop, payload).await
    };
    let is_refused = async |action: &str, whole: &StepReceipts| {
        let before = shop.items();
        let lacking = whole.keys().map(|left_out| {
            let mut receipts = whole.clone();
            receipts.remove(left_out);
            (left_out.clone(), receipts)
        });
        let with_another = [("no-step".to_owned(), whole.clone())].map(|(name, mut receipts)| {
            let receipt = *receipts.values().next().unwrap();
            receipts.insert(name.clone(), receipt);
            (name, receipts)
        });
        for (name, receipts) in lacking.chain(with_another) {
            let refused = decide(action, &receipts).await.unwrap_err();
            assert_eq!(refused.error, "InvalidOrder", "{action}: {name}");
            assert!(refused.cause.contains(&name), "{action}: {}", refused.cause);
        }
        assert_eq!(shop.items(), before, "{action}");
    };
    is_refused("confirm", &receipts(Effect::Applied)).await;
    confirm(&shop, &order).await.unwrap();
    shop.orders.fulfil(order.order_id(), PaymentCheck::ToDo, &clerk(), shop.now_ms()).await.unwrap();
    is_refused("complete", &consumption_receipts()).await;
    // A closed order would also be refused for its status: the receipts are checked first.
    is_refused("close", &receipts(Effect::Nothing)).await;
}

#[tokio::test(start_paused = true)]
async fn confirming_twice_changes_nothing() {
    let shop = shop().open().await;
    let order = sample();
    persist(&shop, &order).await.unwrap();
    do_steps(&shop, &order).await;
    let first = confirm(&shop, &order).await.unwrap();
    assert_eq!((first["status"].as_str(), first["confirmed_ms"].as_i64()), (Some("CONFIRMED"), Some(OPENED_MS)));
    let before = shop.items();
    advance(SECOND).await;
    assert_eq!(confirm(&shop, &order).await.unwrap(), first);
    assert_eq!(shop.items(), before);
    assert_eq!(shop.due_ms(order.order_id()), None, "recovery no longer looks after it");
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn cancelling_twice_keeps_the_first_reason() {
    let shop = shop().open().await;
    let order = sample();
    persist(&shop, &order).await.unwrap();
    advance(SECOND).await;
    let first = cancel(&shop, &order, "OutOfStock").await.unwrap();
    assert_eq!(first["status"], "CANCELLING");
    assert_eq!((first["reason"].as_str(), first["detail"].as_str()), (Some("OUT_OF_STOCK"), Some("its own words")));
    let before = shop.items();
    advance(SECOND).await;
    assert_eq!(cancel(&shop, &order, "States.Timeout").await.unwrap(), first);
    assert_eq!(shop.items(), before);
    // It is open again, so recovery's wait starts now.
    let due_ms = OPENED_MS + 1000 + orders::table::RECOVER_AFTER_MS;
    assert_eq!(shop.due_ms(order.order_id()), Some(due_ms));
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn the_message_of_a_crash_is_not_shown_to_the_client() {
    let shop = shop().open().await;
    let order = sample();
    persist(&shop, &order).await.unwrap();
    let cancelled = cancel(&shop, &order, "Lambda.Unknown").await.unwrap();
    assert_eq!(cancelled["reason"], "STEP_FAILED");
    assert_eq!(cancelled.get("detail"), None);
}

#[tokio::test(start_paused = true)]
async fn confirming_adopts_a_cancellation_that_was_first() {
    let shop = shop().open().await;
    let order = sample();
    persist(&shop, &order).await.unwrap();
    cancel(&shop, &order, "OutOfStock").await.unwrap();
    let before = shop.items();
    assert_eq!(status(confirm(&shop, &order).await), "CANCELLING");
    assert_eq!(shop.items(), before);
    close(&shop, &order).await.unwrap();
    assert_eq!(status(confirm(&shop, &order).await), "CANCELLED");
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn cancelling_adopts_a_confirmation_that_was_first() {
    let shop = shop().open().await;
    let order = sample();
    persist(&shop, &order).await.unwrap();
    do_steps(&shop, &order).await;
    confirm(&shop, &order).await.unwrap();
    let before = shop.items();
    assert_eq!(status(cancel(&shop, &order, "States.Timeout").await), "CONFIRMED");
    assert_eq!(shop.items(), before);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn cancelling_an_absent_order_writes_the_full_record() {
    let shop = shop().open().await;
    let order = sample();
    assert_eq!(status(cancel(&shop, &order, "States.Timeout").await), "CANCELLING");
    let record = shop.record(order.order_id());
    assert_eq!((&record.order, record.status, record.reason), (&order, Status::Cancelling, Some(Reason::StepFailed)));
    assert!(shop.due_ms(order.order_id()).is_some(), "recovery finds it");
    // A persist that arrives only now reads the decision.
    assert_eq!(status(persist(&shop, &order).await), "CANCELLING");
    assert_eq!(error_of(persist(&shop, &other()).await), "IdempotencyConflict");
    assert_eq!(status(close(&shop, &order).await), "CANCELLED");
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn only_an_order_that_is_being_cancelled_can_be_closed() {
    let shop = shop().open().await;
    let order = sample();
    persist(&shop, &order).await.unwrap();
    let pending = shop.items();
    assert_eq!(error_of(close(&shop, &order).await), "InvalidOrder");
    assert_eq!(shop.items(), pending);
    do_steps(&shop, &order).await;
    confirm(&shop, &order).await.unwrap();
    let confirmed = shop.items();
    assert_eq!(error_of(close(&shop, &order).await), "InvalidOrder");
    assert_eq!(shop.items(), confirmed);
}

#[tokio::test(start_paused = true)]
async fn closing_twice_changes_nothing() {
    let shop = shop().open().await;
    let order = sample();
    persist(&shop, &order).await.unwrap();
    cancel(&shop, &order, "OutOfStock").await.unwrap();
    let first = close(&shop, &order).await.unwrap();
    assert_eq!(first["status"], "CANCELLED");
    assert_eq!(first["undo_receipts"], json!(receipts(Effect::Nothing)));
    let before = shop.items();
    advance(SECOND).await;
    assert_eq!(close(&shop, &order).await.unwrap(), first);
    assert_eq!(shop.items(), before);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn confirming_and_cancelling_at_once_make_exactly_one_decision() {
    let turns = Turns::free();
    let shop = shop().behind(&turns).with_stock("LAPTOP001", 1000).open().await;
    for script in permutations("ABCD") {
        let order = order(&script).of("LAPTOP001", 2).placed();
        persist(&shop, &order).await.unwrap();
        do_steps(&shop, &order).await;
        turns.play(&script);
        let answers = tokio::join!(
            turns.of('A', confirm(&shop, &order)),
            turns.of('B', cancel(&shop, &order, "States.Timeout")),
            turns.of('C', confirm(&shop, &order)),
            turns.of('D', cancel(&shop, &order, "OutOfStock")),
        );
        let answers = [answers.0, answers.1, answers.2, answers.3].map(status);
        let decision = if script.starts_with(['A', 'C']) { "CONFIRMED" } else { "CANCELLING" };
        assert_eq!(answers, [decision; 4], "{script}");
        shop.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_persist_during_the_cancellation_of_the_absent_order_is_cancelled() {
    let turns = Turns::free();
    let shop = shop().behind(&turns).open().await;
    // The cancellation's first read finds nothing, its put is its second request, and if that loses, the third
    // request decides.
    for script in permutations("PCCC") {
        let order = order(&script).of("LAPTOP001", 2).placed();
        turns.play(&script);
        let (persisted, cancelled) = tokio::join!(
            turns.of('P', persist(&shop, &order)),
            turns.of('C', cancel(&shop, &order, "States.Timeout")),
        );
        persisted.unwrap();
        assert_eq!(status(cancelled), "CANCELLING", "{script}");
        assert_eq!(shop.record(order.order_id()).status, Status::Cancelling, "{script}");
        shop.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_persist_of_other_content_during_a_cancellation_is_left_alone() {
    let turns = Turns::free();
    let shop = shop().behind(&turns).open().await;
    let (order, other) = (sample(), other());
    turns.play("CPC");
    let (cancelled, persisted) =
        tokio::join!(turns.of('C', cancel(&shop, &other, "States.Timeout")), turns.of('P', persist(&shop, &order)),);
    assert_eq!(error_of(cancelled), "IdempotencyConflict");
    assert_eq!(status(persisted), "PENDING");
    let record = shop.record(order.order_id());
    assert_eq!((record.order, record.status), (order, Status::Pending));
}

#[tokio::test(start_paused = true)]
async fn every_error_of_dynamodb_is_unavailable() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let order = sample();
    for error in errors_that_decide_nothing() {
        faults.strike(Calls::to(Api::DynamoDb), Fault::Refuse(error.clone()));
        let by_id = json!({"action": "persist", "order_id": order.order_id()});
        for invoked in [
            persist(&shop, &order).await,
            invoke(&shop, by_id).await,
            confirm(&shop, &order).await,
            cancel(&shop, &order, "OutOfStock").await,
            close(&shop, &order).await,
        ] {
            assert_eq!(error_of(invoked), "Unavailable", "{error:?}");
        }
        faults.heal();
    }
    assert_eq!(shop.find(order.order_id()), None);
}

#[tokio::test(start_paused = true)]
async fn a_decision_whose_answer_is_lost_is_recognised_on_the_next_try() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let order = sample();
    let lose = || faults.strike_times(2, Calls::to(Api::DynamoDb), Fault::LoseAnswer);
    lose();
    assert_eq!(error_of(persist(&shop, &order).await), "Unavailable");
    assert_eq!(status(persist(&shop, &order).await), "PENDING");
    do_steps(&shop, &order).await;
    lose();
    assert_eq!(error_of(confirm(&shop, &order).await), "Unavailable");
    assert_eq!(status(confirm(&shop, &order).await), "CONFIRMED");
    shop.audit();
}
