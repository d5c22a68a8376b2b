//! The shipped definition, on every path through it.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod support;

use engine::lint::TRANSIENT_LAMBDA_ERRORS;
use engine::{EventKind, History, LoadError, Random, Start, StateMachine, Status, TokioClock, fill};
use serde_json::{Value, json};
use support::{Answer, EPOCH_MS, Ended, Script, error, payload};

const DEFINITION: &str = include_str!("../../../statemachine/order-saga.asl.json");

fn definition() -> Value {
    let filled = fill(DEFINITION, |name| Some(format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")));
    serde_json::from_str(&filled.unwrap()).unwrap()
}

fn saga() -> Result<StateMachine, LoadError> {
    StateMachine::load(&definition().to_string())
}

fn order() -> Value {
    json!({"order_id": "o-1", "store_id": "main", "lines": [{"sku": "LAPTOP001", "quantity": 1}]})
}

fn input() -> Value {
    json!({"order_id": "o-1", "order": order(), "fingerprint": "v1:abc"})
}

/// The answer of the order record's function: the order with its status.
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
    run_definition(&definition(), script).await
}

async fn run_definition(definition: &Value, script: &Script) -> Ended {
    let history = History::new();
    let clock = TokioClock::starting_at(EPOCH_MS);
    // The longest delays that the jitter can draw.
    let random = Random::fixed(1.0);
    let start = Start::new("o-1", input());
    let outcome = support::load(definition).execute(start, script, &clock, &history, &random).await;
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
        json!({"reserve-inventory": {"reserved_ms": 1}, "post-accounting": {"posted_ms": 2}}),
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
        json!({"post-accounting": {"reversed_ms": 3}, "reserve-inventory": {"released_ms": 4}}),
    );
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_compensated_like_any_unknown_failure() {
    let script = happy().on("ReserveInventory", [payload(json!({})).after_s(60)]);
    let ended = run(&script).await;
    assert_eq!(ended.output()["status"], "CANCELLED");
    assert_eq!(script.arguments("CancelOrder")["Payload"]["failure"]["Error"], "States.Timeout");
    // Two attempts, and a second between them.
    assert_eq!((script.attempts("ReserveInventory"), ended.elapsed_ms()), (2, 17_000));
}

#[tokio::test(start_paused = true)]
async fn a_transient_error_that_stays_leaves_the_order_open() {
    let script = happy().on("ReserveInventory", [error("Unavailable")]);
    let ended = run(&script).await;
    assert_eq!((ended.outcome.status, ended.error()), (Status::Failed, "OrderUnfinished"));
    assert_eq!(script.attempts("ReserveInventory"), 3);
    // Full delays of 1 and 2 s.
    assert_eq!(ended.elapsed_ms(), 3_000);
    assert_eq!(script.attempts("CancelOrder"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_transient_error_that_passes_confirms_the_order() {
    let script = happy().on("PostAccounting", [error("Unavailable"), payload(json!({}))]);
    let ended = run(&script).await;
    assert_eq!(ended.output()["status"], "CONFIRMED");
    assert_eq!(ended.elapsed_ms(), 1_000);
}

/// The states of the way forward, whose calls are safe to repeat.
const FORWARD: [&str; 3] = ["PersistOrder", "ReserveInventory", "PostAccounting"];

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_retried() {
    const EVERY_STEP: [&str; 6] =
        ["SagaCancelled", "OtherContent", "AlreadyConsumed", "NotApplied", "InvalidOrder", "InvalidOutput"];
    let posting = ["CreditLimitExceeded", "AccountOnHold", "UnknownAccount", "CurrencyMismatch"];
    for (state, refusals) in [
        ("PersistOrder", vec!["InvalidOutput"]),
        ("ReserveInventory", [&["OutOfStock", "UnknownSku"][..], &EVERY_STEP].concat()),
        ("PostAccounting", [&posting[..], &EVERY_STEP].concat()),
    ] {
        for refusal in refusals {
            let script = happy().on(state, [error(refusal)]);
            let ended = run(&script).await;
            assert_eq!((script.attempts(state), ended.elapsed_ms()), (1, 0), "{state} {refusal}");
            assert_eq!(ended.output()["status"], "CANCELLED", "{state} {refusal}");
        }
    }
    for refusal in ["IdempotencyConflict", "InvalidOrder"] {
        let script = happy().on("PersistOrder", [error(refusal)]);
        let ended = run(&script).await;
        assert_eq!((script.attempts("PersistOrder"), &ended.output()["status"]), (1, &json!("REFUSED")), "{refusal}");
    }
}

/// A single crash is no reason to cancel an order.
#[tokio::test(start_paused = true)]
async fn an_unknown_failure_is_retried_once_on_the_way_forward() {
    for state in FORWARD {
        for name in ["Lambda.Unknown", "States.Timeout", "Sandbox.Timedout", "Runtime.ExitError", "NoNameOfOurs"] {
            let answer = if state == "PersistOrder" { decided("PENDING") } else { payload(json!({})) };
            let script = happy().on(state, [error(name), answer]);
            let ended = run(&script).await;
            assert_eq!((&ended.output()["status"], ended.elapsed_ms()), (&json!("CONFIRMED"), 1_000), "{state} {name}");
            let script = happy().on(state, [error(name)]);
            let ended = run(&script).await;
            assert_eq!((&ended.output()["status"], script.attempts(state)), (&json!("CANCELLED"), 2), "{state} {name}");
        }
    }
}

/// Each retrier counts its own attempts, in any order of the errors.
#[tokio::test(start_paused = true)]
async fn transient_errors_and_an_unknown_one_have_attempts_of_their_own() {
    let (busy, crash) = (|| error("Unavailable"), || error("Lambda.Unknown"));
    let ends = |answers: [Answer; 5]| async {
        let script = happy().on("ReserveInventory", answers);
        let ended = run(&script).await;
        (ended.path().last().cloned().unwrap(), script.attempts("ReserveInventory"), ended.elapsed_ms())
    };
    let done = || payload(json!({}));
    for answers in [[busy(), busy(), crash(), done(), done()], [crash(), busy(), busy(), done(), done()]] {
        // Delays of 1 and 2 s, and of 1 s.
        assert_eq!(ends(answers).await, ("OrderConfirmed".to_owned(), 4, 4_000));
    }
    let used_up = [busy(), crash(), busy(), busy(), done()];
    assert_eq!(ends(used_up).await, ("OrderUnfinished".to_owned(), 4, 4_000));
    let crashed_twice = [busy(), crash(), crash(), done(), done()];
    assert_eq!(ends(crashed_twice).await, ("OrderCancelled".to_owned(), 3, 2_000));
}

/// A bad deployment delays orders and cancels none.
#[tokio::test(start_paused = true)]
async fn a_function_that_cannot_be_run_leaves_the_order_open() {
    for name in TRANSIENT_LAMBDA_ERRORS {
        for state in FORWARD {
            let script = happy().on(state, [error(name)]);
            let ended = run(&script).await;
            assert_eq!((ended.error(), script.attempts(state)), ("OrderUnfinished", 3), "{state} {name}");
            assert_eq!((script.attempts("CancelOrder"), ended.elapsed_ms()), (0, 3_000), "{state} {name}");
        }
    }
}

/// Nobody knows what the first attempt did, or whether it still runs, and an order can wait for recovery.
#[tokio::test(start_paused = true)]
async fn an_unknown_failure_of_any_other_call_leaves_the_order_open_at_once() {
    let fulfilled = || happy().on("PersistOrder", [decided("FULFILLING")]);
    let refused = || happy().on("PostAccounting", [error("CreditLimitExceeded")]);
    for (state, script) in [
        ("ConfirmOrder", happy()),
        ("CancelOrder", refused()),
        ("ReverseAccounting", refused()),
        ("ReleaseInventory", refused()),
        ("CloseOrder", refused()),
        ("ConsumeInventory", fulfilled()),
        ("CompleteOrder", fulfilled()),
    ] {
        let script = script.on(state, [error("Lambda.Unknown")]);
        let ended = run(&script).await;
        assert_eq!((ended.error(), script.attempts(state)), ("OrderUnfinished", 1), "{state}");
    }
}

/// The steps as branches of a roll-back: the name, the state that undoes it, and the one that gives up.
const STEPS: [[&str; 3]; 3] = [
    ["post-accounting", "ReverseAccounting", "LeaveAccounting"],
    ["reserve-inventory", "ReleaseInventory", "LeaveInventory"],
    ["book-delivery", "CancelDelivery", "LeaveDelivery"],
];

/// The definition with these branches in its roll-back, in this order.
fn with_branches(steps: &[[&str; 3]]) -> Value {
    let shipped = definition();
    let template = shipped["States"]["RollBack"]["Branches"][1].to_string();
    let branch = |[step, undo, leave]: &[&str; 3]| -> Value {
        let [shipped_step, shipped_undo, shipped_leave] = STEPS[1];
        let branch = template.replace(&format!("'{shipped_step}'"), &format!("'{step}'"));
        let branch = branch.replace(&format!("\"{shipped_undo}\""), &format!("\"{undo}\""));
        serde_json::from_str(&branch.replace(&format!("\"{shipped_leave}\""), &format!("\"{leave}\""))).unwrap()
    };
    let mut definition = shipped.clone();
    definition["States"]["RollBack"]["Branches"] = steps.iter().map(branch).collect();
    definition
}

/// Receipts are found by their step's name, in any order of the branches and no matter what the others do.
#[tokio::test(start_paused = true)]
async fn an_order_is_closed_with_every_receipt_or_not_at_all() {
    let [accounting, inventory, delivery] = STEPS;
    let shipped: Vec<Value> = definition()["States"]["RollBack"]["Branches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|branch| branch["StartAt"].clone())
        .collect();
    assert_eq!(shipped, [accounting[1], inventory[1]]);
    for steps in [
        vec![inventory],
        vec![accounting, inventory],
        vec![inventory, accounting],
        vec![delivery, inventory, accounting],
        vec![accounting, delivery, inventory],
    ] {
        let definition = with_branches(&steps);
        // Every combination of what is undone and what is not.
        for undone in 0..1_usize << steps.len() {
            let mut script = happy().on("PostAccounting", [error("CreditLimitExceeded")]);
            let mut receipts = json!({});
            for (index, [step, undo, _]) in steps.iter().enumerate() {
                let receipt = json!({"at_ms": index, "effect": "CANCELLED"});
                let is_undone = undone & (1 << index) != 0;
                script = script.on(undo, [if is_undone { payload(receipt.clone()) } else { error("Unavailable") }]);
                if is_undone {
                    receipts[step] = receipt;
                }
            }
            let ended = run_definition(&definition, &script).await;
            assert_eq!(assigned(&ended, "RollBack", "undoReceipts"), receipts, "{steps:?} {undone:b}");
            let all = undone + 1 == 1 << steps.len();
            assert_eq!(assigned(&ended, "RollBack", "undone"), json!(all), "{steps:?} {undone:b}");
            assert_eq!(script.attempts("CloseOrder"), usize::from(all), "{steps:?} {undone:b}");
            if all {
                assert_eq!(ended.output()["status"], "CANCELLED");
                assert_eq!(script.arguments("CloseOrder")["Payload"]["receipts"], receipts);
            } else {
                assert_eq!(ended.error(), "OrderUnfinished");
            }
        }
    }
}

/// What a state assigned to a variable.
fn assigned(ended: &Ended, state: &str, variable: &str) -> Value {
    let events = ended.history.events();
    let found = events.iter().find_map(|event| match &event.kind {
        EventKind::StateExited { state: exited, assigned, .. } if &**exited == state => {
            assigned.iter().find(|(name, _)| &**name == variable).map(|(_, value)| Value::clone(value))
        }
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{state} assigned no {variable}"))
}

/// Any answer of a compensation counts as its receipt; only a missing answer does not.
#[tokio::test(start_paused = true)]
async fn any_answer_of_a_compensation_is_its_receipt() {
    for receipt in [json!({}), json!(null), json!(false), json!([]), json!([1]), json!("")] {
        let script = happy().on("PostAccounting", [error("CreditLimitExceeded")]);
        let script = script.on("ReleaseInventory", [payload(receipt.clone())]);
        let ended = run(&script).await;
        assert_eq!(ended.output()["status"], "CANCELLED", "{receipt}");
        let receipts = &script.arguments("CloseOrder")["Payload"]["receipts"];
        assert_eq!(*receipts, json!({"post-accounting": {"reversed_ms": 3}, "reserve-inventory": receipt}));
    }
}

/// No cause is passed on beyond the decision.
#[tokio::test(start_paused = true)]
async fn a_failed_compensation_leaves_its_step_without_a_receipt() {
    let script = happy().on("PostAccounting", [error("CreditLimitExceeded")]).on("ReleaseInventory", [error("E")]);
    let ended = run(&script).await;
    let events = ended.history.events();
    let output = events.iter().find_map(|event| match &event.kind {
        EventKind::StateExited { state, output, .. } if &**state == "RollBack" => Some(output),
        _ => None,
    });
    let expected = json!([{"step": "post-accounting", "receipt": {"reversed_ms": 3}}, {"step": "reserve-inventory"}]);
    assert_eq!(output.map(|output| Value::clone(output)), Some(expected));
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
async fn any_execution_finishes_an_order_that_was_handed_over() {
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
        assert_eq!(*receipts, json!({"reserve-inventory": {"consumed_ms": 5}}));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_fails_in_a_hand_over_leads_back() {
    for state in ["ConsumeInventory", "CompleteOrder"] {
        for name in ["Unavailable", "NotApplied", "States.Timeout", "Lambda.Unknown", "InvalidOrder"] {
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
