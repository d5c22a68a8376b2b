//! The shipped definition with the shipped handlers: every way through it, and what it leaves behind.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]
#![allow(clippy::inconsistent_digit_grouping, reason = "amounts are grouped as dollars and cents")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::lint::TRANSIENT_LAMBDA_ERRORS;
use local_aws::Api;
use order::{Effect, Reason, Status};
use orders::table::RECOVER_AFTER_MS;
use serde_json::json;
use system_tests::faults::{Calls, Fault, Faults, Mishap, Mishaps};
use system_tests::orders::{OrderBuilder, order, order_id};
use system_tests::shops::{Run, Shop, shop};
use tokio::time::{advance, sleep};

/// The error names under which something transient can fail.
fn transient() -> impl Iterator<Item = &'static str> {
    TRANSIENT_LAMBDA_ERRORS.into_iter().chain(["Unavailable"])
}

/// Failures that say nothing about the order.
const UNKNOWN: [Mishap; 7] = [
    Mishap::Late(LATE),
    Mishap::Unheard,
    Mishap::Crash,
    Mishap::CrashAfter,
    Mishap::Fail("Sandbox.Timedout"),
    Mishap::Fail("Lambda.Unknown"),
    Mishap::Fail("alloc::string::String"),
];

/// An order's states before the decision, and those of its roll-back.
const FORWARD: [&str; 4] = ["PersistOrder", "ReserveInventory", "PostAccounting", "ConfirmOrder"];
const BACK: [&str; 4] = ["CancelOrder", "ReverseAccounting", "ReleaseInventory", "CloseOrder"];

/// The total number of attempts of a state for transient failures.
const ATTEMPTS: u32 = 3;

/// The total number of attempts of a state before the decision for unknown failures.
const UNKNOWN_ATTEMPTS: u32 = 2;

/// Long after every state has given up on an invocation.
const LATE: Duration = Duration::from_mins(2);

fn laptops(key: &str) -> OrderBuilder {
    order(key).of("LAPTOP001", 2)
}

/// An order that accounting refuses once its stock is reserved.
fn beyond_the_limit(key: &str) -> OrderBuilder {
    laptops(key).at(200_00).on_invoice()
}

fn refusal(reason: &str) -> Reason {
    Reason::Refused(reason.to_owned())
}

/// A shop whose task functions have these mishaps.
async fn shop_with(mishaps: &Arc<Mishaps>) -> Shop {
    shop().invoked_through(mishaps).open().await
}

fn assert_unfinished(run: &Run) {
    assert_eq!((run.status, run.error.as_str()), ("FAILED", "OrderUnfinished"), "{run:#?}");
}

/// Asserts that the order is on record as open, and that recovery knows when to restart it.
fn assert_open(shop: &Shop, key: &str, status: Status) {
    let record = shop.record(&order_id(key));
    assert_eq!(record.status, status);
    let due_ms = shop.due_ms(&order_id(key)).expect("an open order is in the work index");
    assert!(due_ms <= record.updated_ms + RECOVER_AFTER_MS, "due at {due_ms}");
    shop.audit();
}

fn assert_confirmed(shop: &Shop, run: &Run, key: &str) {
    assert_eq!((run.status, run.end()), ("SUCCEEDED", "CONFIRMED"), "{run:#?}");
    assert_eq!(shop.record(&order_id(key)).status, Status::Confirmed);
    assert_eq!(shop.due_ms(&order_id(key)), None);
    shop.audit();
}

fn assert_cancelled(shop: &Shop, run: &Run, key: &str, reason: Reason) {
    assert_eq!((run.status, run.end(), run.reason()), ("SUCCEEDED", "CANCELLED", reason.as_str()), "{run:#?}");
    let record = shop.record(&order_id(key));
    assert_eq!((record.status, record.reason), (Status::Cancelled, Some(reason)));
    assert_eq!(shop.due_ms(&order_id(key)), None);
    assert!(shop.audit().net_minor(&order_id(key)).values().all(|net_minor| *net_minor == 0));
}

fn assert_stock_is_back(shop: &Shop) {
    assert_eq!(shop.available("LAPTOP001"), 10);
}

#[tokio::test(start_paused = true)]
async fn an_order_goes_through_every_step_and_is_confirmed() {
    let shop = shop().open().await;
    let run = shop.run(laptops("k1").input()).await;
    assert_confirmed(&shop, &run, "k1");
    insta::assert_snapshot!(run.path.join("\n"), @"
    PersistOrder
    JoinSaga
    ReserveInventory
    PostAccounting
    CheckPayment
    ConfirmOrder
    FollowDecision
    OrderConfirmed
    ");
    assert_eq!(shop.available("LAPTOP001"), 8);
    let receipts = shop.record(&order_id("k1")).receipts;
    assert_eq!(receipts.applied["reserve-inventory"].effect, Effect::Applied);
    assert_eq!(receipts.applied["post-accounting"].effect, Effect::Applied);
}

#[tokio::test(start_paused = true)]
async fn an_order_on_invoice_is_owed() {
    let shop = shop().open().await;
    let run = shop.run(laptops("k1").of("MOUSE001", 3).on_invoice().input()).await;
    assert_confirmed(&shop, &run, "k1");
    assert_eq!(shop.owed_minor("acme"), 50_00);
}

#[tokio::test(start_paused = true)]
async fn every_refusal_of_a_step_rolls_everything_back() {
    let refused = [
        (order("k1").of("LAPTOP001", 2).of("MOUSE001", 11), refusal("OUT_OF_STOCK")),
        (order("k2").of("LAPTOP001", 2).of("NOSUCH", 1), refusal("UNKNOWN_SKU")),
        (beyond_the_limit("k3"), refusal("CREDIT_LIMIT_EXCEEDED")),
        (laptops("k4").on_invoice().by("on-hold"), refusal("ACCOUNT_ON_HOLD")),
        (laptops("k5").on_invoice().by("stranger"), refusal("UNKNOWN_ACCOUNT")),
        (laptops("k6").on_invoice().by("euro"), refusal("CURRENCY_MISMATCH")),
    ];
    let shop = shop().open().await;
    for (number, (order, reason)) in (1..).zip(refused) {
        let run = shop.run(order.input()).await;
        assert_cancelled(&shop, &run, &format!("k{number}"), reason);
        let detail = shop.record(&order.order_id()).detail.expect("a refusal says what it is about");
        assert!(!detail.is_empty());
        assert_stock_is_back(&shop);
        assert_eq!(["acme", "on-hold", "euro"].map(|customer| shop.owed_minor(customer)), [0; 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_rolls_the_order_back() {
    let shop = shop().open().await;
    let run = shop.run(beyond_the_limit("k1").input()).await;
    insta::assert_snapshot!(run.path.join("\n"), @"
    PersistOrder
    JoinSaga
    ReserveInventory
    PostAccounting
    CancelOrder
    FollowDecision
    RollBack
    ReverseAccounting
    ReleaseInventory
    CheckRefund
    NoRefund
    CheckRollBack
    CloseOrder
    OrderCancelled
    ");
    let receipts = shop.record(&order_id("k1")).receipts;
    assert_eq!(receipts.undone["reserve-inventory"].effect, Effect::Undone);
    assert_eq!(receipts.undone["post-accounting"].effect, Effect::Nothing);
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_before_the_decision_cancels_no_order() {
    for state in FORWARD {
        for error in transient() {
            let mishaps = Mishaps::none();
            let shop = shop_with(&mishaps).await;
            mishaps.strike_times(ATTEMPTS - 1, state, Mishap::Fail(error));
            let run = shop.run(laptops("k1").input()).await;
            assert_confirmed(&shop, &run, "k1");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_during_the_roll_back_is_retried() {
    for state in BACK {
        for error in transient() {
            let mishaps = Mishaps::none();
            let shop = shop_with(&mishaps).await;
            mishaps.strike_times(ATTEMPTS - 1, state, Mishap::Fail(error));
            let run = shop.run(beyond_the_limit("k1").input()).await;
            assert_cancelled(&shop, &run, "k1", refusal("CREDIT_LIMIT_EXCEEDED"));
            assert_stock_is_back(&shop);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_outlasts_the_retries_leaves_the_order_open_and_it_is_confirmed_later() {
    for state in ["ReserveInventory", "PostAccounting", "ConfirmOrder"] {
        for error in transient() {
            let mishaps = Mishaps::none();
            let shop = shop_with(&mishaps).await;
            mishaps.strike(state, Mishap::Fail(error));
            assert_unfinished(&shop.run(laptops("k1").input()).await);
            assert_open(&shop, "k1", Status::Pending);
            mishaps.heal();
            let run = shop.resume(&order_id("k1")).await;
            assert_confirmed(&shop, &run, "k1");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_could_not_be_persisted_is_left_to_its_starter() {
    let mishaps = Mishaps::none();
    let shop = shop_with(&mishaps).await;
    mishaps.strike("PersistOrder", Mishap::Fail("Unavailable"));
    assert_unfinished(&shop.run(laptops("k1").input()).await);
    assert_eq!(shop.find(&order_id("k1")), None);
    mishaps.heal();
    let run = shop.run(laptops("k1").input()).await;
    assert_confirmed(&shop, &run, "k1");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_outlasts_the_retries_of_the_roll_back_leaves_the_order_cancelling() {
    for (state, left) in [
        ("CancelOrder", Status::Pending),
        ("ReverseAccounting", Status::Cancelling),
        ("ReleaseInventory", Status::Cancelling),
        ("CloseOrder", Status::Cancelling),
    ] {
        // During the roll-back, an unknown failure is no more a reason to give up than a transient one.
        for mishap in
            [Mishap::Fail("Unavailable"), Mishap::Crash, Mishap::Late(LATE), Mishap::CrashAfter, Mishap::Unheard]
        {
            let mishaps = Mishaps::none();
            let shop = shop_with(&mishaps).await;
            mishaps.strike(state, mishap);
            assert_unfinished(&shop.run(beyond_the_limit("k1").input()).await);
            let status = shop.record(&order_id("k1")).status;
            match (state, mishap) {
                // It was decided or closed, but the answer was lost.
                ("CancelOrder", Mishap::CrashAfter | Mishap::Unheard) => assert_eq!(status, Status::Cancelling),
                ("CloseOrder", Mishap::CrashAfter | Mishap::Unheard) => assert_eq!(status, Status::Cancelled),
                _ => assert_open(&shop, "k1", left),
            }
            mishaps.heal();
            let run = shop.resume(&order_id("k1")).await;
            assert_cancelled(&shop, &run, "k1", refusal("CREDIT_LIMIT_EXCEEDED"));
            sleep(LATE).await;
            assert_cancelled(&shop, &run, "k1", refusal("CREDIT_LIMIT_EXCEEDED"));
            assert_stock_is_back(&shop);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_unknown_failure_before_the_decision_cancels_no_order_and_a_late_landing_does_no_harm() {
    for state in ["PersistOrder", "ReserveInventory", "PostAccounting"] {
        for mishap in UNKNOWN {
            for order in [laptops("k1"), laptops("k1").on_invoice()] {
                let mishaps = Mishaps::none();
                let shop = shop_with(&mishaps).await;
                mishaps.strike_times(UNKNOWN_ATTEMPTS - 1, state, mishap);
                let run = shop.run(order.input()).await;
                assert_confirmed(&shop, &run, "k1");
                let before = shop.items();
                sleep(LATE).await;
                let landed = mishaps.landed();
                assert_eq!(landed.len(), usize::from(matches!(mishap, Mishap::Late(_))));
                assert!(landed.iter().all(|(_, landing)| landing.is_ok()), "earlier work is recognised: {landed:?}");
                assert_eq!(shop.items(), before);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_unknown_failure_before_the_decision_rolls_back_and_a_late_landing_does_no_harm() {
    for state in ["PersistOrder", "ReserveInventory", "PostAccounting"] {
        for mishap in UNKNOWN {
            for order in [laptops("k1"), laptops("k1").on_invoice()] {
                let mishaps = Mishaps::none();
                let shop = shop_with(&mishaps).await;
                mishaps.strike_times(UNKNOWN_ATTEMPTS, state, mishap);
                let run = shop.run(order.input()).await;
                assert_cancelled(&shop, &run, "k1", Reason::StepFailed);
                assert_stock_is_back(&shop);
                sleep(LATE).await;
                assert_cancelled(&shop, &run, "k1", Reason::StepFailed);
                assert_stock_is_back(&shop);
                let late = if matches!(mishap, Mishap::Late(_)) { UNKNOWN_ATTEMPTS } else { 0 };
                assert_eq!(mishaps.landed().len(), usize::try_from(late).unwrap());
                for (_, landing) in mishaps.landed() {
                    match landing {
                        // A late persist reads the decision.
                        Ok(record) => {
                            assert_eq!((state, record["status"].as_str()), ("PersistOrder", Some("CANCELLED")));
                        }
                        Err(error) => assert_eq!(error.error, "SagaCancelled"),
                    }
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_lands_during_the_roll_back_does_no_harm() {
    // The state gives up 8 s after its second attempt; then the roll-back runs, on a slow store. The first attempt is
    // lost, or lands during the second one.
    for late_ms in (8_000..12_000).step_by(100) {
        let late = Mishap::Late(Duration::from_millis(late_ms));
        for (state, first) in ["ReserveInventory", "PostAccounting"]
            .into_iter()
            .flat_map(|state| [Mishap::Crash, late].map(|first| (state, first)))
        {
            let (mishaps, faults) = (Mishaps::none(), Faults::none());
            let shop = shop().invoked_through(&mishaps).behind(&faults).open().await;
            faults.strike(Calls::to(Api::DynamoDb), Fault::DelayAnswer(Duration::from_millis(330)));
            mishaps.strike_times(1, state, first);
            mishaps.strike_times(UNKNOWN_ATTEMPTS - 1, state, late);
            let run = shop.run(laptops("k1").on_invoice().input()).await;
            assert_cancelled(&shop, &run, "k1", Reason::StepFailed);
            sleep(LATE).await;
            assert_cancelled(&shop, &run, "k1", Reason::StepFailed);
            assert_stock_is_back(&shop);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_whose_answer_is_lost_stands() {
    for mishap in [Mishap::Unheard, Mishap::CrashAfter] {
        let mishaps = Mishaps::none();
        let shop = shop_with(&mishaps).await;
        mishaps.strike("ConfirmOrder", mishap);
        assert_unfinished(&shop.run(laptops("k1").input()).await);
        assert_eq!(shop.record(&order_id("k1")).status, Status::Confirmed);
        shop.audit();
        mishaps.heal();
        let run = shop.resume(&order_id("k1")).await;
        assert_confirmed(&shop, &run, "k1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_arrives_late_confirms_the_order_or_finds_it_confirmed() {
    let mishaps = Mishaps::none();
    let shop = shop_with(&mishaps).await;
    mishaps.strike_times(1, "ConfirmOrder", Mishap::Late(LATE));
    assert_unfinished(&shop.run(laptops("k1").input()).await);
    assert_open(&shop, "k1", Status::Pending);
    let run = shop.resume(&order_id("k1")).await;
    assert_confirmed(&shop, &run, "k1");
    sleep(LATE).await;
    assert_eq!(mishaps.landed()[0].1.as_ref().unwrap()["status"], "CONFIRMED");
    assert_confirmed(&shop, &run, "k1");
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_that_arrives_after_the_confirmation_adopts_it() {
    let mishaps = Mishaps::none();
    let shop = shop_with(&mishaps).await;
    // The first execution fails at a step, and its decision is delayed; a second one confirms.
    mishaps.strike_times(UNKNOWN_ATTEMPTS, "PostAccounting", Mishap::Crash);
    mishaps.strike_times(1, "CancelOrder", Mishap::Late(Duration::from_secs(5)));
    let (first, second) = tokio::join!(shop.run(laptops("k1").input()), async {
        // Its second attempt comes a second after the first.
        sleep(Duration::from_secs(3)).await;
        shop.resume(&order_id("k1")).await
    });
    assert_confirmed(&shop, &second, "k1");
    assert_confirmed(&shop, &first, "k1");
    assert!(first.path.contains(&"CancelOrder".to_owned()) && !first.path.contains(&"RollBack".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_arrives_after_the_cancellation_rolls_back() {
    let mishaps = Mishaps::none();
    let shop = shop_with(&mishaps).await;
    mishaps.strike_times(1, "ConfirmOrder", Mishap::Late(Duration::from_secs(5)));
    let (first, second) = tokio::join!(shop.run(laptops("k1").input()), async {
        sleep(Duration::from_secs(1)).await;
        mishaps.strike_times(UNKNOWN_ATTEMPTS, "ReserveInventory", Mishap::Crash);
        shop.resume(&order_id("k1")).await
    });
    assert_cancelled(&shop, &second, "k1", Reason::StepFailed);
    assert_cancelled(&shop, &first, "k1", Reason::StepFailed);
    assert!(first.path.contains(&"ConfirmOrder".to_owned()));
    assert_stock_is_back(&shop);
}

#[tokio::test(start_paused = true)]
async fn a_compensation_that_fails_does_not_stop_the_other() {
    for (failing, other) in [("ReverseAccounting", "ReleaseInventory"), ("ReleaseInventory", "ReverseAccounting")] {
        let mishaps = Mishaps::none();
        let shop = shop_with(&mishaps).await;
        // Both steps are done before the decision to cancel.
        mishaps.strike("PostAccounting", Mishap::CrashAfter);
        // One fails at once, the other succeeds only with its last retry.
        mishaps.strike(failing, Mishap::Fail("Lambda.Unknown"));
        mishaps.strike_times(ATTEMPTS - 1, other, Mishap::Fail("Unavailable"));
        assert_unfinished(&shop.run(laptops("k1").on_invoice().input()).await);
        assert_open(&shop, "k1", Status::Cancelling);
        let undone =
            if other == "ReleaseInventory" { shop.available("LAPTOP001") == 10 } else { shop.owed_minor("acme") == 0 };
        let left = if failing == "ReleaseInventory" {
            shop.available("LAPTOP001") == 8
        } else {
            shop.owed_minor("acme") == 20_00
        };
        assert!(undone && left, "{other} has undone its step, but {failing} has not");
        mishaps.heal();
        let run = shop.resume(&order_id("k1")).await;
        assert_cancelled(&shop, &run, "k1", Reason::StepFailed);
        assert_stock_is_back(&shop);
    }
}

#[tokio::test(start_paused = true)]
async fn starting_again_joins_the_order_in_every_status() {
    let mishaps = Mishaps::none();
    let shop = shop_with(&mishaps).await;
    // PENDING: stopped before the decision.
    mishaps.strike("PostAccounting", Mishap::Fail("Unavailable"));
    assert_unfinished(&shop.run(laptops("pending").input()).await);
    assert_unfinished(&shop.run(laptops("pending by id").input()).await);
    mishaps.heal();
    // CANCELLING: stopped during the roll-back.
    mishaps.strike("ReleaseInventory", Mishap::Fail("Unavailable"));
    assert_unfinished(&shop.run(beyond_the_limit("cancelling").input()).await);
    assert_unfinished(&shop.run(beyond_the_limit("cancelling by id").input()).await);
    mishaps.heal();

    let run = shop.run(laptops("pending").input()).await;
    assert_confirmed(&shop, &run, "pending");
    let run = shop.resume(&order_id("pending by id")).await;
    assert_confirmed(&shop, &run, "pending by id");
    let run = shop.run(beyond_the_limit("cancelling").input()).await;
    assert_cancelled(&shop, &run, "cancelling", refusal("CREDIT_LIMIT_EXCEEDED"));
    let run = shop.resume(&order_id("cancelling by id")).await;
    assert_cancelled(&shop, &run, "cancelling by id", refusal("CREDIT_LIMIT_EXCEEDED"));

    // CONFIRMED and CANCELLED: the stored outcome is returned, and nothing is written.
    let before = shop.items();
    advance(Duration::from_secs(1)).await;
    for run in [shop.run(laptops("pending").input()).await, shop.resume(&order_id("pending")).await] {
        assert_eq!(run.path, ["PersistOrder", "JoinSaga", "OrderConfirmed"]);
        assert_confirmed(&shop, &run, "pending");
    }
    for run in [shop.run(beyond_the_limit("cancelling").input()).await, shop.resume(&order_id("cancelling")).await] {
        assert_eq!(run.path, ["PersistOrder", "JoinSaga", "OrderCancelled"]);
        assert_cancelled(&shop, &run, "cancelling", refusal("CREDIT_LIMIT_EXCEEDED"));
    }
    assert_eq!(shop.items(), before);
}

#[tokio::test(start_paused = true)]
async fn starting_an_unknown_order_is_refused() {
    let shop = shop().open().await;
    let before = shop.items();
    let run = shop.resume(&order_id("k1")).await;
    assert_eq!((run.status, run.end()), ("SUCCEEDED", "REFUSED"));
    assert_eq!(run.output["failure"]["Error"], "InvalidOrder");
    for nonsense in [json!({}), json!({"order_id": "?"}), json!({"order": laptops("k1").placed()})] {
        let run = shop.run(nonsense.clone()).await;
        assert_eq!((run.status, run.end()), ("SUCCEEDED", "REFUSED"), "{nonsense}");
    }
    assert_eq!(shop.items(), before);
}

#[tokio::test(start_paused = true)]
async fn other_content_under_the_same_order_is_refused_and_touches_nothing() {
    let mishaps = Mishaps::none();
    let shop = shop_with(&mishaps).await;
    let other = order("k1").of("MOUSE001", 1);
    let check = async |when: &str| {
        let before = shop.items();
        let run = shop.run(other.input()).await;
        assert_eq!((run.status, run.end()), ("SUCCEEDED", "REFUSED"), "{when}");
        assert_eq!(run.output["failure"]["Error"], "IdempotencyConflict", "{when}");
        assert_eq!(run.output.get("lines"), None, "it is not shown the other order either");
        // Nor if all that is known about persisting the other order is that it failed.
        mishaps.strike_times(1, "PersistOrder", Mishap::Crash);
        let run = shop.run(other.input()).await;
        assert_eq!((run.status, run.end()), ("SUCCEEDED", "REFUSED"), "{when}");
        assert_eq!(shop.items(), before, "{when}");
    };
    mishaps.strike("PostAccounting", Mishap::Fail("Unavailable"));
    assert_unfinished(&shop.run(laptops("k1").input()).await);
    check("pending").await;
    mishaps.heal();
    assert_confirmed(&shop, &shop.resume(&order_id("k1")).await, "k1");
    check("confirmed").await;
}

#[tokio::test(start_paused = true)]
async fn two_executions_of_one_order_at_once_confirm_it_once() {
    // They start between nothing and more than a whole saga apart, on a store with latency.
    for apart_ms in (0..120).step_by(5) {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        faults.strike(Calls::to(Api::DynamoDb), Fault::DelayAnswer(Duration::from_millis(10)));
        let (first, second) = tokio::join!(shop.run(laptops("k1").on_invoice().input()), async {
            sleep(Duration::from_millis(apart_ms)).await;
            shop.run(laptops("k1").on_invoice().input()).await
        });
        assert_confirmed(&shop, &first, "k1");
        assert_confirmed(&shop, &second, "k1");
        assert_eq!(first.output, second.output);
        assert_eq!((shop.available("LAPTOP001"), shop.owed_minor("acme")), (8, 20_00));
    }
}

#[tokio::test(start_paused = true)]
async fn two_executions_of_one_order_at_once_cancel_it_once() {
    for apart_ms in (0..160).step_by(5) {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        faults.strike(Calls::to(Api::DynamoDb), Fault::DelayAnswer(Duration::from_millis(10)));
        let (first, second) = tokio::join!(shop.run(beyond_the_limit("k1").input()), async {
            sleep(Duration::from_millis(apart_ms)).await;
            shop.run(beyond_the_limit("k1").input()).await
        });
        assert_cancelled(&shop, &first, "k1", refusal("CREDIT_LIMIT_EXCEEDED"));
        assert_cancelled(&shop, &second, "k1", refusal("CREDIT_LIMIT_EXCEEDED"));
        assert_stock_is_back(&shop);
    }
}

#[tokio::test(start_paused = true)]
async fn two_executions_that_crash_reach_one_decision() {
    let mut decisions = BTreeMap::<String, usize>::new();
    for state in ["ReserveInventory", "PostAccounting"] {
        // Either of them crashes once or twice; after the second crash it rolls back.
        for crashes in 1..=2 * UNKNOWN_ATTEMPTS {
            for apart_ms in (0..120).step_by(10) {
                let (mishaps, faults) = (Mishaps::none(), Faults::none());
                let shop = shop().invoked_through(&mishaps).behind(&faults).open().await;
                faults.strike(Calls::to(Api::DynamoDb), Fault::DelayAnswer(Duration::from_millis(10)));
                mishaps.strike_times(crashes, state, Mishap::CrashAfter);
                let (first, second) = tokio::join!(shop.run(laptops("k1").input()), async {
                    sleep(Duration::from_millis(apart_ms)).await;
                    shop.run(laptops("k1").input()).await
                });
                assert_eq!(first.end(), second.end(), "{crashes} crashes, {apart_ms} ms apart");
                *decisions.entry(first.end().to_owned()).or_default() += 1;
                if first.end() == "CONFIRMED" {
                    assert_confirmed(&shop, &first, "k1");
                } else {
                    assert_cancelled(&shop, &first, "k1", Reason::StepFailed);
                    assert_stock_is_back(&shop);
                }
            }
        }
    }
    assert_eq!(decisions.len(), 2, "both decisions occur: {decisions:?}");
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_vanishes_leaves_the_order_open_and_it_is_finished_later() {
    // Express stops at its time limit without running any Catch, and keeps no history.
    for after_ms in (5..120).step_by(10) {
        for order in [laptops("k1"), beyond_the_limit("k1")] {
            let faults = Faults::none();
            let shop = shop().behind(&faults).open().await;
            faults.strike(Calls::to(Api::DynamoDb), Fault::DelayAnswer(Duration::from_millis(10)));
            tokio::select! {
                _ = shop.run(order.input()) => {}
                () = sleep(Duration::from_millis(after_ms)) => shop.executions.all()[0].kill(),
            }
            // Requests that the execution had made are still carried out.
            sleep(Duration::from_secs(1)).await;
            shop.audit();
            let run = shop.resume(&order_id("k1")).await;
            if order.placed().total_minor == 20_00 {
                assert_confirmed(&shop, &run, "k1");
            } else {
                assert_cancelled(&shop, &run, "k1", refusal("CREDIT_LIMIT_EXCEEDED"));
                assert_stock_is_back(&shop);
            }
        }
    }
}
