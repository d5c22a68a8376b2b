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

/// The payment terms of an order whose payment is captured.
const AUTHORIZED: &str = "AUTHORIZED";

fn order() -> Value {
    order_on("PREPAID")
}

fn order_on(payment_terms: &str) -> Value {
    let lines = json!([{"sku": "LAPTOP001", "quantity": 1}]);
    json!({"order_id": "o-1", "store_id": "main", "payment_terms": payment_terms, "lines": lines})
}

fn input() -> Value {
    json!({"order_id": "o-1", "order": order(), "fingerprint": "v1:abc"})
}

/// The answer of the order record's function: the order with its status.
fn decided(status: &str) -> Answer {
    decided_on("PREPAID", status)
}

fn decided_on(payment_terms: &str, status: &str) -> Answer {
    let mut record = order_on(payment_terms);
    record["status"] = status.into();
    payload(record)
}

fn happy() -> Script {
    happy_on("PREPAID")
}

/// It has no answers of the payment function, so a call of it would panic.
fn happy_on(payment_terms: &str) -> Script {
    let decided = |status| decided_on(payment_terms, status);
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

/// An order whose payment is captured. It needs every step.
fn paid() -> Script {
    happy_on(AUTHORIZED)
        .on("CapturePayment", [payload(json!({"captured_ms": 6}))])
        .on("RefundPayment", [payload(json!({"refunded_ms": 7}))])
        .on("CollectPayment", [payload(json!({"collected_ms": 8}))])
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

/// What a state sends its function, besides the `trace` that every state sends for the log.
fn sent(script: &Script, state: &str) -> Value {
    let mut payload = script.arguments(state)["Payload"].clone();
    let trace = payload.as_object_mut().unwrap().remove("trace").unwrap();
    assert_eq!((&trace["state"], &trace["execution"]), (&json!(state), &json!("o-1")));
    payload
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
        "CheckPayment",
        "ConfirmOrder",
        "FollowDecision",
        "OrderConfirmed",
    ];
    assert_eq!(ended.path(), path);
    let confirm = &script.arguments("ConfirmOrder")["Payload"];
    let receipts = json!({"reserve-inventory": {"reserved_ms": 1}, "post-accounting": {"posted_ms": 2}});
    assert_eq!((&confirm["payment_terms"], &confirm["receipts"]), (&json!("PREPAID"), &receipts));
    let mut persisted = input();
    persisted["action"] = json!("persist");
    assert_eq!(sent(&script, "PersistOrder"), persisted);
}

#[tokio::test(start_paused = true)]
async fn an_authorised_payment_is_captured_before_the_order_is_confirmed() {
    let script = paid();
    let ended = run(&script).await;
    assert_eq!(ended.output()["status"], "CONFIRMED");
    let path = ended.path();
    assert_eq!(
        &path[3..],
        ["PostAccounting", "CheckPayment", "CapturePayment", "ConfirmOrder", "FollowDecision", "OrderConfirmed"]
    );
    let capture = json!({"action": "capture", "order": assigned(&ended, "PersistOrder", "order")});
    assert_eq!(sent(&script, "CapturePayment"), capture);
    let confirm = &script.arguments("ConfirmOrder")["Payload"];
    assert_eq!(confirm["payment_terms"], AUTHORIZED);
    assert_eq!(
        confirm["receipts"],
        json!({
            "reserve-inventory": {"reserved_ms": 1},
            "post-accounting": {"posted_ms": 2},
            "capture-payment": {"captured_ms": 6},
        }),
    );
}

/// After the capture, after a capture that may have happened, and after a step before it. The tombstone is needed too.
#[tokio::test(start_paused = true)]
async fn an_authorised_payment_is_refunded_by_every_roll_back() {
    let cancelling = || [decided_on(AUTHORIZED, "CANCELLING")];
    for (script, captures) in [
        // Somebody cancelled it in the meantime.
        (paid().on("ConfirmOrder", cancelling()), 1),
        (paid().on("CapturePayment", [error("PaymentDeclined")]), 1),
        (paid().on("CapturePayment", [error("States.Timeout")]), 2),
        (paid().on("PostAccounting", [error("AccountOnHold")]), 0),
        (paid().on("PersistOrder", cancelling()), 0),
    ] {
        let ended = run(&script).await;
        assert_eq!((&ended.output()["status"], script.attempts("CapturePayment")), (&json!("CANCELLED"), captures));
        assert_eq!(sent(&script, "RefundPayment"), json!({"action": "refund", "order_id": "o-1"}));
        let close = &script.arguments("CloseOrder")["Payload"];
        assert_eq!(close["payment_terms"], AUTHORIZED);
        assert_eq!(
            close["receipts"],
            json!({
                "post-accounting": {"reversed_ms": 3},
                "reserve-inventory": {"released_ms": 4},
                "capture-payment": {"refunded_ms": 7},
            }),
        );
    }
}

/// Whether it is confirmed, rolled back or handed over.
#[tokio::test(start_paused = true)]
async fn an_order_without_a_payment_never_calls_the_payment_function() {
    for terms in ["PREPAID", "INVOICE"] {
        for (script, ends) in [
            (happy_on(terms), "CONFIRMED"),
            (happy_on(terms).on("PostAccounting", [error("CreditLimitExceeded")]), "CANCELLED"),
            (happy_on(terms).on("ConfirmOrder", [decided_on(terms, "CANCELLING")]), "CANCELLED"),
            (happy_on(terms).on("PersistOrder", [decided_on(terms, "CANCELLING")]), "CANCELLED"),
            (happy_on(terms).on("PersistOrder", [decided_on(terms, "FULFILLING")]), "FULFILLED"),
        ] {
            let ended = run(&script).await;
            assert_eq!(ended.output()["status"], ends, "{terms}");
            let functions = script.requests().into_iter().map(|request| request.arguments["FunctionName"].to_string());
            let payments: Vec<String> = functions.filter(|function| function.contains("Payment")).collect();
            assert!(payments.is_empty(), "{terms} {ends}: {payments:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_final_error_rolls_both_steps_back() {
    let script = happy().on("PostAccounting", [error("CreditLimitExceeded")]);
    let ended = run(&script).await;
    assert_eq!(ended.output()["status"], "CANCELLED");
    let path = ended.path();
    assert_eq!(&path[3..6], ["PostAccounting", "CancelOrder", "FollowDecision"]);
    assert_eq!(path[6], "RollBack");
    assert_eq!(&path[11..], ["CheckRollBack", "CloseOrder", "OrderCancelled"]);
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

/// The states of the way forward, whose calls are safe to repeat. An order with a payment passes all of them.
const FORWARD: [&str; 4] = ["PersistOrder", "ReserveInventory", "PostAccounting", "CapturePayment"];

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_retried() {
    const EVERY_STEP: [&str; 6] =
        ["SagaCancelled", "OtherContent", "AlreadyConsumed", "NotApplied", "InvalidOrder", "InvalidOutput"];
    let payment = ["PaymentNotAuthorized", "PaymentDeclined", "PaymentMismatch", "UndoRefused"];
    let posting = ["CreditLimitExceeded", "AccountOnHold", "UnknownAccount", "CurrencyMismatch"];
    for (state, refusals) in [
        ("PersistOrder", vec!["InvalidOutput"]),
        ("ReserveInventory", [&["OutOfStock", "UnknownSku"][..], &EVERY_STEP].concat()),
        ("PostAccounting", [&posting[..], &EVERY_STEP].concat()),
        ("CapturePayment", [&payment[..], &EVERY_STEP].concat()),
    ] {
        for refusal in refusals {
            let script = paid().on(state, [error(refusal)]);
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
            let pending = || decided_on(AUTHORIZED, "PENDING");
            let answer = if state == "PersistOrder" { pending() } else { payload(json!({})) };
            let script = paid().on(state, [error(name), answer]);
            let ended = run(&script).await;
            assert_eq!((&ended.output()["status"], ended.elapsed_ms()), (&json!("CONFIRMED"), 1_000), "{state} {name}");
            let script = paid().on(state, [error(name)]);
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
            let script = paid().on(state, [error(name)]);
            let ended = run(&script).await;
            assert_eq!((ended.error(), script.attempts(state)), ("OrderUnfinished", 3), "{state} {name}");
            assert_eq!((script.attempts("CancelOrder"), ended.elapsed_ms()), (0, 3_000), "{state} {name}");
        }
    }
}

/// Nobody knows what the first attempt did, or whether it still runs, and an order can wait for recovery.
#[tokio::test(start_paused = true)]
async fn an_unknown_failure_of_any_other_call_leaves_the_order_open_at_once() {
    let fulfilled = || paid().on("PersistOrder", [decided_on(AUTHORIZED, "FULFILLING")]);
    let refused = || paid().on("PostAccounting", [error("CreditLimitExceeded")]);
    for (state, script) in [
        ("ConfirmOrder", paid()),
        ("CancelOrder", refused()),
        ("ReverseAccounting", refused()),
        ("ReleaseInventory", refused()),
        ("RefundPayment", refused()),
        ("CloseOrder", refused()),
        ("ParkOrder", refused().on("RefundPayment", [error("UndoRefused")])),
        ("ConsumeInventory", fulfilled()),
        ("CollectPayment", fulfilled()),
        ("CompleteOrder", fulfilled()),
    ] {
        let script = script.on(state, [error("Lambda.Unknown")]);
        let ended = run(&script).await;
        assert_eq!((ended.error(), script.attempts(state)), ("OrderUnfinished", 1), "{state}");
    }
}

/// The steps as branches of a roll-back: the name, the state that undoes it, and the one that gives up.
const STEPS: [[&str; 3]; 4] = [
    ["post-accounting", "ReverseAccounting", "LeaveAccounting"],
    ["reserve-inventory", "ReleaseInventory", "LeaveInventory"],
    ["book-delivery", "CancelDelivery", "LeaveDelivery"],
    // The one that is only for some orders.
    ["capture-payment", "RefundPayment", "LeavePayment"],
];

/// The definition with these branches in its roll-back, in this order.
fn with_branches(steps: &[[&str; 3]]) -> Value {
    let shipped = definition();
    let branches = &shipped["States"]["RollBack"]["Branches"];
    let template = branches[1].to_string();
    let branch = |[step, undo, leave]: &[&str; 3]| -> Value {
        if *step == "capture-payment" {
            return branches[2].clone();
        }
        let [shipped_step, shipped_undo, shipped_leave] = STEPS[1];
        let branch = template.replace(&format!("'{shipped_step}'"), &format!("'{step}'"));
        let branch = branch.replace(&format!("\"{shipped_undo}\""), &format!("\"{undo}\""));
        serde_json::from_str(&branch.replace(&format!("\"{shipped_leave}\""), &format!("\"{leave}\""))).unwrap()
    };
    let mut definition = shipped.clone();
    definition["States"]["RollBack"]["Branches"] = steps.iter().map(branch).collect();
    definition
}

/// Receipts are found by their step's name, in any order of the branches and no matter what the others do. A step that
/// is not for this order has none, and keeps no order open.
#[tokio::test(start_paused = true)]
async fn an_order_is_closed_with_every_receipt_or_not_at_all() {
    let [accounting, inventory, delivery, payment] = STEPS;
    let shipped: Vec<Value> = definition()["States"]["RollBack"]["Branches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|branch| branch["StartAt"].clone())
        .collect();
    assert_eq!(shipped, [accounting[1], inventory[1], "CheckRefund"]);
    for (terms, branches) in [
        ("PREPAID", vec![inventory]),
        ("PREPAID", vec![accounting, inventory]),
        ("PREPAID", vec![inventory, accounting]),
        ("PREPAID", vec![delivery, inventory, accounting]),
        ("PREPAID", vec![accounting, delivery, inventory]),
        ("PREPAID", vec![payment]),
        ("PREPAID", vec![accounting, inventory, payment]),
        ("INVOICE", vec![payment, delivery, inventory, accounting]),
        (AUTHORIZED, vec![payment]),
        (AUTHORIZED, vec![accounting, inventory, payment]),
        (AUTHORIZED, vec![payment, inventory, delivery, accounting]),
    ] {
        let definition = with_branches(&branches);
        let is_needed = |step: &&[&str; 3]| **step != payment || terms == AUTHORIZED;
        let steps: Vec<&[&str; 3]> = branches.iter().filter(is_needed).collect();
        // Every combination of what is undone and what is not.
        for undone in 0..1_usize << steps.len() {
            let mut script = happy_on(terms).on("PostAccounting", [error("CreditLimitExceeded")]);
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
            assert_eq!(assigned(&ended, "RollBack", "undoReceipts"), receipts, "{terms} {branches:?} {undone:b}");
            let all = undone + 1 == 1 << steps.len();
            assert_eq!(assigned(&ended, "RollBack", "undone"), json!(all), "{terms} {branches:?} {undone:b}");
            assert_eq!(script.attempts("CloseOrder"), usize::from(all), "{terms} {branches:?} {undone:b}");
            if all {
                assert_eq!(ended.output()["status"], "CANCELLED");
                assert_eq!(script.arguments("CloseOrder")["Payload"]["receipts"], receipts);
            } else {
                assert_eq!(ended.error(), "OrderUnfinished");
            }
        }
    }
}

/// The same for what the steps' effects are used up for.
#[tokio::test(start_paused = true)]
async fn an_order_is_completed_with_every_receipt_or_not_at_all() {
    let (inventory, payment) = (["reserve-inventory", "ConsumeInventory"], ["capture-payment", "CollectPayment"]);
    for (terms, steps) in
        [("PREPAID", vec![inventory]), ("INVOICE", vec![inventory]), (AUTHORIZED, vec![inventory, payment])]
    {
        for consumed in 0..1_usize << steps.len() {
            let mut script = happy_on(terms).on("PersistOrder", [decided_on(terms, "FULFILLING")]);
            let mut receipts = json!({});
            for (index, [step, consume]) in steps.iter().enumerate() {
                let receipt = json!({"at_ms": index, "effect": "CONSUMED"});
                let is_consumed = consumed & (1 << index) != 0;
                let answer = if is_consumed { payload(receipt.clone()) } else { error("Unavailable") };
                script = script.on(consume, [answer]);
                if is_consumed {
                    receipts[step] = receipt;
                }
            }
            let ended = run(&script).await;
            assert_eq!(assigned(&ended, "HandOver", "consumptions"), receipts, "{terms} {consumed:b}");
            let all = consumed + 1 == 1 << steps.len();
            assert_eq!(assigned(&ended, "HandOver", "consumed"), json!(all), "{terms} {consumed:b}");
            assert_eq!(script.attempts("CompleteOrder"), usize::from(all), "{terms} {consumed:b}");
            if all {
                assert_eq!(ended.output()["status"], "FULFILLED");
                let complete = &script.arguments("CompleteOrder")["Payload"];
                assert_eq!((&complete["payment_terms"], &complete["receipts"]), (&json!(terms), &receipts));
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
    let expected = json!([
        {"step": "post-accounting", "receipt": {"reversed_ms": 3}},
        {"step": "reserve-inventory"},
        {"notNeeded": "capture-payment"},
    ]);
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
    let consumed = json!({"reserve-inventory": {"consumed_ms": 5}});
    let collected = json!({"reserve-inventory": {"consumed_ms": 5}, "capture-payment": {"collected_ms": 8}});
    for (terms, script, receipts, collection) in [
        ("PREPAID", happy as fn() -> Script, consumed, "NoCollection"),
        (AUTHORIZED, paid, collected, "CollectPayment"),
    ] {
        for decides in ["PersistOrder", "ConfirmOrder", "CancelOrder"] {
            let mut script = script().on(decides, [decided_on(terms, "FULFILLING")]);
            if decides == "CancelOrder" {
                script = script.on("PostAccounting", [error("CreditLimitExceeded")]);
            }
            let ended = run(&script).await;
            assert_eq!(ended.output()["status"], "FULFILLED", "{terms} {decides}");
            let handed_over = [
                "HandOver",
                "ConsumeInventory",
                "CheckCollection",
                collection,
                "CheckHandOver",
                "CompleteOrder",
                "OrderFulfilled",
            ];
            let path = ended.path();
            assert_eq!(path[path.len() - handed_over.len()..], handed_over, "{terms} {decides}");
            assert_eq!(script.arguments("CompleteOrder")["Payload"]["receipts"], receipts, "{terms} {decides}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_fails_in_a_hand_over_leads_back() {
    for state in ["ConsumeInventory", "CollectPayment", "CompleteOrder"] {
        for name in ["Unavailable", "NotApplied", "States.Timeout", "Lambda.Unknown", "InvalidOrder"] {
            let script = paid().on("PersistOrder", [decided_on(AUTHORIZED, "FULFILLING")]).on(state, [error(name)]);
            let ended = run(&script).await;
            assert_eq!(ended.error(), "OrderUnfinished", "{state} {name}");
            for back in ["CancelOrder", "ReverseAccounting", "ReleaseInventory", "RefundPayment"] {
                assert_eq!(script.attempts(back), 0, "{state} {name}");
            }
        }
    }
}

/// What a service refuses for good is tried once. Anything else that fails there is left to recovery.
#[tokio::test(start_paused = true)]
async fn what_a_service_refuses_for_good_is_parked() {
    const COLLECTION: [&str; 3] = ["PaymentNotAuthorized", "PaymentDeclined", "PaymentMismatch"];
    for (status, state, refusals, keeps, done, finishes) in [
        ("CANCELLING", "RefundPayment", &["UndoRefused"][..], "LeavePayment", "ReleaseInventory", "CloseOrder"),
        ("FULFILLING", "CollectPayment", &COLLECTION, "KeepPayment", "ConsumeInventory", "CompleteOrder"),
    ] {
        for (name, parked) in refusals.iter().map(|name| (*name, 1)).chain([("Unavailable", 0), ("States.Timeout", 0)])
        {
            let script = paid()
                .on("PersistOrder", [decided_on(AUTHORIZED, status)])
                .on(state, [error(name)])
                .on("ParkOrder", [decided_on(AUTHORIZED, status)]);
            let ended = run(&script).await;
            assert_eq!((ended.error(), script.attempts("ParkOrder")), ("OrderUnfinished", parked), "{state} {name}");
            assert!(ended.path().contains(&keeps.to_owned()), "{state} {name}");
            // The other steps are done all the same.
            assert_eq!((script.attempts(done), script.attempts(finishes)), (1, 0), "{state} {name}");
            if parked == 1 {
                assert_eq!((script.attempts(state), ended.elapsed_ms()), (1, 0), "{state} {name}");
                let park = json!({"action": "park", "order_id": "o-1"});
                assert_eq!(sent(&script, "ParkOrder"), park, "{state} {name}");
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
