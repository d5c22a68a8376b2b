//! The definition that ships, on every way through it.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod support;

use engine::{History, LoadError, Random, Start, StateMachine, Status, TokioClock, fill};
use serde_json::{Value, json};
use support::{Answer, EPOCH_MS, Ended, Script, error, payload};

const DEFINITION: &str = include_str!("../../../statemachine/order-saga.asl.json");

fn saga() -> Result<StateMachine, LoadError> {
    let filled = fill(DEFINITION, |name| Some(format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")));
    StateMachine::load(&filled.unwrap())
}

fn order() -> Value {
    json!({"order_id": "o-1", "store_id": "main", "lines": [{"sku": "LAPTOP001", "quantity": 1}]})
}

fn input() -> Value {
    json!({"order_id": "o-1", "order": order(), "fingerprint": "v1:abc"})
}

/// What the functions of the order record answer: the order with its status.
fn decided(status: &str) -> Answer {
    let mut record = order();
    record["status"] = status.into();
    payload(record)
}

fn happy() -> Script {
    Script::new()
        .on("PersistOrder", [decided("PENDING")])
        .on("ReserveInventory", [payload(json!({"reserved_ms": 1}))])
        .on("PostAccounting", [payload(json!({"posted_ms": 2}))])
        .on("ConfirmOrder", [decided("CONFIRMED")])
        .on("CancelOrder", [decided("CANCELLING")])
        .on("ReverseAccounting", [payload(json!({"reversed_ms": 3}))])
        .on("ReleaseInventory", [payload(json!({"released_ms": 4}))])
        .on("CloseOrder", [decided("CANCELLED")])
        .on("ConsumeInventory", [payload(json!({"consumed_ms": 5}))])
        .on("CompleteOrder", [decided("FULFILLED")])
}

async fn run(script: &Script) -> Ended {
    let history = History::new();
    let clock = TokioClock::starting_at(EPOCH_MS);
    // The longest delays that the jitter can draw.
    let random = Random::fixed(1.0);
    let start = Start::new("o-1", input());
    let outcome = saga().unwrap().execute(start, script, &clock, &history, &random).await;
    Ended { outcome, history }
}

#[test]
fn the_definition_has_no_fault() {
    if let Err(error) = saga() {
        panic!("{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_every_step_accepts_is_confirmed() {
    let script = happy();
    let ended = run(&script).await;
    assert_eq!(ended.output()["status"], "CONFIRMED");
    let path = [
        "PersistOrder",
        "JoinSaga",
        "ReserveInventory",
        "PostAccounting",
        "ConfirmOrder",
        "FollowDecision",
        "OrderConfirmed",
    ];
    assert_eq!(ended.path(), path);
    assert_eq!(
        script.arguments("ConfirmOrder")["Payload"]["receipts"],
        json!({"reserve_inventory": {"reserved_ms": 1}, "post_accounting": {"posted_ms": 2}}),
    );
    let mut persisted = input();
    persisted["action"] = json!("persist");
    assert_eq!(script.arguments("PersistOrder")["Payload"], persisted);
}

#[tokio::test(start_paused = true)]
async fn a_final_error_rolls_both_steps_back() {
    let script = happy().on("PostAccounting", [error("CreditLimitExceeded")]);
    let ended = run(&script).await;
    assert_eq!(ended.output()["status"], "CANCELLED");
    let path = ended.path();
    assert_eq!(&path[3..6], ["PostAccounting", "CancelOrder", "FollowDecision"]);
    assert_eq!(path[6], "RollBack");
    assert_eq!(&path[9..], ["CheckRollBack", "CloseOrder", "OrderCancelled"]);
    assert_eq!(script.attempts("PostAccounting"), 1);
    assert_eq!(
        script.arguments("CancelOrder")["Payload"]["failure"],
        json!({"Error": "CreditLimitExceeded", "Cause": "CreditLimitExceeded happened"}),
    );
    assert_eq!(
        script.arguments("CloseOrder")["Payload"]["receipts"],
        json!({"reverse_accounting": {"reversed_ms": 3}, "release_inventory": {"released_ms": 4}}),
    );
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_compensated_like_any_unknown_failure() {
    let script = happy().on("ReserveInventory", [payload(json!({})).after_s(60)]);
    let ended = run(&script).await;
    assert_eq!(ended.output()["status"], "CANCELLED");
    assert_eq!(script.arguments("CancelOrder")["Payload"]["failure"]["Error"], "States.Timeout");
    assert_eq!(ended.elapsed_ms(), 8_000);
}

#[tokio::test(start_paused = true)]
async fn a_transient_error_that_stays_leaves_the_order_open() {
    let script = happy().on("ReserveInventory", [error("Unavailable")]);
    let ended = run(&script).await;
    assert_eq!((ended.outcome.status, ended.error()), (Status::Failed, "OrderUnfinished"));
    assert_eq!(script.attempts("ReserveInventory"), 4);
    // Full delays of 1, 2 and 4 s.
    assert_eq!(ended.elapsed_ms(), 7_000);
    assert_eq!(script.attempts("CancelOrder"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_transient_error_that_passes_confirms_the_order() {
    let script = happy().on("PostAccounting", [error("Unavailable"), payload(json!({}))]);
    let ended = run(&script).await;
    assert_eq!(ended.output()["status"], "CONFIRMED");
    assert_eq!(ended.elapsed_ms(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_cannot_undo_leaves_the_order_open_and_the_other_undone() {
    let script = happy().on("ReserveInventory", [error("OutOfStock")]).on("ReverseAccounting", [error("Unavailable")]);
    let ended = run(&script).await;
    assert_eq!(ended.error(), "OrderUnfinished");
    assert!(ended.path().contains(&"LeaveAccounting".to_owned()));
    assert_eq!((script.attempts("ReleaseInventory"), script.attempts("CloseOrder")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn another_content_under_the_same_key_is_refused() {
    let ended = run(&happy().on("PersistOrder", [error("IdempotencyConflict")])).await;
    assert_eq!(ended.output()["status"], "REFUSED");
    assert_eq!(ended.output()["failure"]["Error"], "IdempotencyConflict");
    assert_eq!(ended.path(), ["PersistOrder", "OrderRefused"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_adopts_the_confirmation() {
    let script = happy().on("ReserveInventory", [error("OutOfStock")]).on("CancelOrder", [decided("CONFIRMED")]);
    let ended = run(&script).await;
    assert_eq!(ended.output()["status"], "CONFIRMED");
    assert_eq!(script.attempts("ReverseAccounting"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_handed_over_is_finished_by_whoever_meets_it() {
    for decides in ["PersistOrder", "ConfirmOrder", "CancelOrder"] {
        let mut script = happy().on(decides, [decided("FULFILLING")]);
        if decides == "CancelOrder" {
            script = script.on("PostAccounting", [error("CreditLimitExceeded")]);
        }
        let ended = run(&script).await;
        assert_eq!(ended.output()["status"], "FULFILLED", "{decides}");
        assert_eq!(
            ended.path().iter().rev().take(3).rev().collect::<Vec<_>>(),
            ["ConsumeInventory", "CompleteOrder", "OrderFulfilled"]
        );
        let receipts = &script.arguments("CompleteOrder")["Payload"]["receipts"];
        assert_eq!(receipts["consume_inventory"], json!({"consumed_ms": 5}));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_fails_in_a_hand_over_leads_back() {
    for state in ["ConsumeInventory", "CompleteOrder"] {
        for name in ["Unavailable", "NotReserved", "States.Timeout", "Lambda.Unknown", "InvalidOrder"] {
            let script = happy().on("PersistOrder", [decided("FULFILLING")]).on(state, [error(name)]);
            let ended = run(&script).await;
            assert_eq!(ended.error(), "OrderUnfinished", "{state} {name}");
            for back in ["CancelOrder", "ReverseAccounting", "ReleaseInventory"] {
                assert_eq!(script.attempts(back), 0, "{state} {name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_saga_is_joined_where_it_stands() {
    for (status, ends) in [
        ("CONFIRMED", "OrderConfirmed"),
        ("CANCELLED", "OrderCancelled"),
        ("CANCELLING", "OrderCancelled"),
        ("FULFILLING", "OrderFulfilled"),
        ("FULFILLED", "OrderFulfilled"),
        ("NO STATUS", "OrderUnfinished"),
    ] {
        let ended = run(&happy().on("PersistOrder", [decided(status)])).await;
        assert_eq!(ended.path().last().unwrap(), ends, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_cannot_be_persisted_is_cancelled_with_what_the_input_holds() {
    let script = happy().on("PersistOrder", [error("Runtime.ExitError")]);
    let ended = run(&script).await;
    assert_eq!(ended.output()["status"], "CANCELLED");
    let cancel = &script.arguments("CancelOrder")["Payload"];
    assert_eq!((&cancel["order_id"], &cancel["order"]), (&json!("o-1"), &order()));
}

#[test]
fn an_execution_can_be_spawned() {
    fn send<T: Send>(_: &T) {}
    let (machine, script, history, random) = (saga().unwrap(), happy(), History::new(), Random::seeded(1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let clock = runtime.block_on(async { TokioClock::starting_at(EPOCH_MS) });
    send(&machine.execute(Start::new("o-1", input()), &script, &clock, &history, &random));
}
