//! Each protection is needed: when it is disabled, by rewriting requests or the definition, the explorer finds a
//! schedule that breaks an invariant.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use local_aws::{Api, BoxFuture, Call, Layer, Next, Outcome, ServiceAnswer};
use local_explorer::{Fault, Ground, OrderKind, Search, Wiring};
use order_saga::explore::story;
use serde_json::{Value, json};
use statemachine::DEFINITION;

/// The pinned schedule breaks the invariant without the protection, and nothing with it. Without faults nothing
/// breaks either way, because a change that breaks everything would prove nothing.
///
/// A schedule is a code of points, and points move when the saga changes. If the pinned schedule no longer breaks
/// anything, this searches all singles and then all pairs of these kinds for one that does, to be pinned instead.
pub(crate) fn assert_found(wiring: &Wiring, kinds: &[OrderKind], invariant: &str, pinned: &str) {
    let is_broken = |violations: &[String]| violations.iter().any(|violation| violation.starts_with(invariant));
    let (kind, faults) = pinned.split_once('/').unwrap();
    let faults: Vec<Fault> = faults.split('+').map(|fault| fault.parse().unwrap()).collect();
    let run =
        |wiring: &Wiring, faults: &[Fault]| Ground::new(kind.parse().unwrap(), wiring).unwrap().run(faults).unwrap();
    let nothing = Vec::<String>::new();
    assert_eq!(run(wiring, &[]).violations, nothing, "without faults");
    assert_eq!(run(&Wiring::default(), &faults).violations, nothing, "{pinned}, on the shipped system");
    assert!(
        is_broken(&run(wiring, &faults).violations),
        "{pinned} does not break {invariant}; pin this instead: {}",
        search(wiring, kinds, is_broken)
    );
}

fn search(wiring: &Wiring, kinds: &[OrderKind], is_broken: impl Fn(&[String]) -> bool) -> String {
    for depth in [1, 2] {
        for kind in kinds {
            let search = Search { kind: *kind, wiring, stops_at_first: true };
            let found = search.exhaustive(depth).unwrap();
            if let Some(failure) = found.failures.iter().find(|failure| is_broken(&failure.run.violations)) {
                let story = story(failure.kind, &failure.faults, &failure.run);
                println!("{story}");
                return story.lines().next().unwrap_or_default().to_owned();
            }
        }
    }
    "no schedule".to_owned()
}

pub(crate) fn with_layer<L: Layer + 'static>(make: impl Fn() -> L + Send + Sync + 'static) -> Wiring {
    Wiring { layer: Some(Arc::new(move || Arc::new(make()))), ..Wiring::default() }
}

fn with_definition(change: impl FnOnce(&mut Value)) -> Wiring {
    let mut definition = serde_json::from_str(DEFINITION).unwrap();
    change(&mut definition);
    Wiring { definition: definition.to_string(), ..Wiring::default() }
}

/// Changes each DynamoDB request before it is applied.
#[derive(Debug)]
pub(crate) struct Rewrites(pub(crate) fn(&mut Call));

impl Layer for Rewrites {
    fn around<'a>(&'a self, mut call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        if call.api == Api::DynamoDb {
            (self.0)(&mut call);
        }
        next.apply(&call)
    }
}

pub(crate) fn fence(item: &Value) -> Option<&str> {
    item["fence"]["S"].as_str()
}

fn drop_condition(write: &mut Value) {
    let write = write.as_object_mut().unwrap();
    write.remove("ConditionExpression");
    write.remove("ExpressionAttributeNames");
}

/// Replaces a condition, and removes the values that it no longer uses.
fn weaken(call: &mut Call, from: &str, to: &str, unused: &[&str]) {
    if call.operation == "UpdateItem" && call.body["ConditionExpression"] == from {
        call.body["ConditionExpression"] = to.into();
        let values = call.body["ExpressionAttributeValues"].as_object_mut().unwrap();
        for name in unused {
            values.remove(*name);
        }
    }
}

fn sets(call: &Call, status: &str) -> bool {
    call.body["UpdateExpression"]
        .as_str()
        .is_some_and(|expression| expression.contains(&format!("#status = :{status}")))
}

#[test]
fn the_fences_condition_is_needed() {
    let wiring = with_layer(|| {
        Rewrites(|call| match call.operation.as_str() {
            "TransactWriteItems" => {
                for action in call.body["TransactItems"].as_array_mut().unwrap() {
                    if fence(&action["Put"]["Item"]) == Some("APPLIED") {
                        drop_condition(&mut action["Put"]);
                    }
                }
            }
            "PutItem" if fence(&call.body["Item"]) == Some("APPLIED") => drop_condition(&mut call.body),
            _ => {}
        })
    });
    assert_found(&wiring, &[OrderKind::Invoice, OrderKind::Prepaid], "I", "invoice/1:execution-twice");
}

#[test]
fn the_tombstone_is_needed() {
    #[derive(Debug)]
    struct NoTombstone;
    impl Layer for NoTombstone {
        fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
            if call.operation == "PutItem" && fence(&call.body["Item"]) == Some("CANCELLED") {
                return Box::pin(async { Ok(ServiceAnswer::ok(&json!({}))) });
            }
            next.apply(&call)
        }
    }
    assert_found(&with_layer(|| NoTombstone), &[OrderKind::Prepaid], "I", "prepaid/3:hung-twice@end");
}

#[test]
fn the_tombstones_own_condition_is_needed() {
    let wiring = with_layer(|| {
        Rewrites(|call| {
            if call.operation == "PutItem" && fence(&call.body["Item"]) == Some("CANCELLED") {
                drop_condition(&mut call.body);
            }
        })
    });
    assert_found(
        &wiring,
        &[OrderKind::Prepaid, OrderKind::Cancelled],
        "I",
        "prepaid/0:call-answer-lost+3:hung-twice@10",
    );
}

#[test]
fn the_decisions_compare_and_set_is_needed() {
    let wiring = with_layer(|| {
        Rewrites(|call| {
            weaken(call, "#status = :pending", "attribute_exists(order_id)", &[":pending"]);
            let both = "#status = :pending AND fingerprint = :fingerprint";
            weaken(call, both, "fingerprint = :fingerprint", &[":pending"]);
        })
    });
    assert_found(&wiring, &[OrderKind::Prepaid, OrderKind::Twice, OrderKind::Cancelled], "I", "twice/2:hung-twice@13");
}

#[test]
fn the_fingerprint_in_cancel_order_is_needed() {
    let wiring = with_layer(|| {
        Rewrites(|call| {
            let both = "#status = :pending AND fingerprint = :fingerprint";
            weaken(call, both, "#status = :pending", &[":fingerprint"]);
        })
    });
    assert_found(&wiring, &[OrderKind::ReusedKey], "I", "reused-key/4:other-body+6:crashed-twice-before");
}

/// Hides the reasons that must be read before a refusal.
#[derive(Debug)]
struct RefusalFirst;

impl Layer for RefusalFirst {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let answer = next.apply(&call).await?;
            let mut body = answer.json();
            let Some(reasons) = body["CancellationReasons"].as_array_mut() else { return Ok(answer) };
            let failed = |reason: &Value| reason["Code"] == "ConditionalCheckFailed";
            if reasons.iter().skip(1).any(failed) {
                for (index, reason) in reasons.iter_mut().enumerate() {
                    if index == 0 || !failed(reason) {
                        *reason = json!({ "Code": "None" });
                    }
                }
            }
            Ok(ServiceAnswer { body: body.to_string().into_bytes(), ..answer })
        })
    }
}

#[test]
fn the_order_in_which_reasons_are_read_is_needed() {
    assert_found(
        &with_layer(|| RefusalFirst),
        &[OrderKind::Prepaid, OrderKind::Invoice],
        "I7",
        "prepaid/1:execution-twice",
    );
}

#[test]
fn compensating_the_failing_step_is_needed() {
    let wiring = with_definition(|definition| {
        let branch = &mut definition["States"]["RollBack"]["Branches"][1]["States"];
        branch["ReleaseInventory"] = json!({
            "Type": "Pass", "End": true,
            "Output": "{% {'step': 'reserve-inventory', 'receipt': {'at_ms': 0, 'effect': 'NOTHING'}} %}",
        });
        branch.as_object_mut().unwrap().remove("LeaveInventory");
    });
    assert_found(&wiring, &[OrderKind::Prepaid], "I2", "prepaid/3:hung-twice@4");
}

/// Splits an undo in two: first the fence, then the effect.
#[derive(Debug)]
struct UndoInTwo;

impl Layer for UndoInTwo {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let is_undo = call.body["TransactItems"][0]["Update"]["UpdateExpression"]
                .as_str()
                .is_some_and(|expression| expression.contains("#fence = :cancelled"));
            if !is_undo {
                return next.apply(&call).await;
            }
            let mut fence = call.clone();
            "UpdateItem".clone_into(&mut fence.operation);
            fence.body.clone_from(&call.body["TransactItems"][0]["Update"]);
            let first = next.apply(&fence).await?;
            if !first.is_success() {
                return Ok(first);
            }
            let mut effect = call;
            effect.body["TransactItems"].as_array_mut().unwrap().remove(0);
            next.apply(&effect).await
        })
    }
}

#[test]
fn undo_in_one_transaction_is_needed() {
    assert_found(
        &with_layer(|| UndoInTwo),
        &[over_limit(), OrderKind::Cancelled],
        "I",
        "over-limit/15:store-answer-lost",
    );
}

#[test]
fn a_branchs_own_catch_is_needed() {
    let wiring = with_definition(|definition| {
        for (index, (task, leave)) in
            [("ReverseAccounting", "LeaveAccounting"), ("ReleaseInventory", "LeaveInventory")].iter().enumerate()
        {
            let branch = &mut definition["States"]["RollBack"]["Branches"][index]["States"];
            branch[*task].as_object_mut().unwrap().remove("Catch");
            branch.as_object_mut().unwrap().remove(*leave);
        }
    });
    assert_found(&wiring, &[over_limit()], "P3", "over-limit/4:long-outage");
}

#[test]
fn the_finality_of_confirmed_is_needed() {
    let wiring = with_layer(|| {
        Rewrites(|call| {
            if sets(call, "cancelling") {
                let both = "#status = :pending AND fingerprint = :fingerprint";
                weaken(call, both, "NOT #status IN (:cancelling) AND fingerprint = :fingerprint", &[":pending"]);
            }
        })
    });
    assert_found(&wiring, &[OrderKind::Prepaid, OrderKind::Twice], "I", "twice/2:hung-twice@13");
}

#[test]
fn the_finality_of_cancelled_is_needed() {
    let wiring = with_layer(|| {
        Rewrites(|call| {
            if sets(call, "confirmed") {
                weaken(call, "#status = :pending", "attribute_exists(order_id)", &[":pending"]);
            }
        })
    });
    assert_found(&wiring, &[OrderKind::Cancelled, OrderKind::Twice], "I", "cancelled/0:customer-cancels-beside");
}

#[test]
fn the_move_of_the_due_time_is_needed() {
    let wiring = with_layer(|| {
        Rewrites(|call| {
            if call.body["UpdateExpression"] == "SET attempts = attempts + :one, due_ms = :next" {
                call.body["ExpressionAttributeValues"][":next"] =
                    call.body["ExpressionAttributeValues"][":due"].clone();
            }
        })
    });
    assert_found(&wiring, &[OrderKind::Prepaid], "I7", "prepaid/4:outage");
}

#[test]
fn the_reset_of_the_attempts_is_needed() {
    let wiring = with_layer(|| {
        Rewrites(|call| {
            if sets(call, "cancelling") {
                let expression =
                    call.body["UpdateExpression"].as_str().unwrap().replace("attempts = :none", "attempts = attempts");
                call.body["UpdateExpression"] = expression.into();
                call.body["ExpressionAttributeValues"].as_object_mut().unwrap().remove(":none");
            }
        })
    });
    assert_found(&wiring, &[OrderKind::Prepaid], "I1", "prepaid/4:long-outage");
}

#[test]
fn recovery_is_needed() {
    assert_found(
        &Wiring { has_recovery: false, ..Wiring::default() },
        &[OrderKind::Prepaid],
        "I1",
        "prepaid/0:call-failed",
    );
}

/// Makes intake believe that the order is on record, whatever it reads.
#[derive(Debug, Default)]
struct Believes(AtomicBool);

impl Layer for Believes {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            if call.operation == "PutItem"
                && call.body["TableName"] == "orders"
                && self.0.swap(false, Ordering::Relaxed)
            {
                return Ok(ServiceAnswer::ok(&json!({})));
            }
            let answer = next.apply(&call).await?;
            if call.operation == "GetItem" && call.body["TableName"] == "orders" {
                self.0.store(answer.json()["Item"].is_null(), Ordering::Relaxed);
            }
            Ok(answer)
        })
    }
}

#[test]
fn intakes_read_after_a_deadline_is_needed() {
    assert_found(&with_layer(Believes::default), &[OrderKind::Prepaid], "I", "prepaid/0:call-failed");
}

/// Gives every record that is read the fingerprint of the last started request.
#[derive(Debug, Default)]
struct NoComparison(Mutex<Option<Value>>);

impl Layer for NoComparison {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            if call.operation == "StartSyncExecution" {
                let input: Value = serde_json::from_str(call.body["input"].as_str().unwrap()).unwrap();
                *self.0.lock().unwrap() = Some(input["order"]["fingerprint"].clone());
            }
            let answer = next.apply(&call).await?;
            let mut body = answer.json();
            let started = self.0.lock().unwrap().clone();
            match started {
                Some(fingerprint) if call.operation == "GetItem" && body["Item"]["fingerprint"].is_object() => {
                    body["Item"]["fingerprint"]["S"] = fingerprint;
                    Ok(ServiceAnswer { body: body.to_string().into_bytes(), ..answer })
                }
                _ => Ok(answer),
            }
        })
    }
}

#[test]
fn intakes_comparison_of_fingerprints_is_needed() {
    assert_found(
        &with_layer(NoComparison::default),
        &[OrderKind::ReusedKey],
        "I6",
        "reused-key/0:other-body-beside+3:call-failed",
    );
}

#[test]
fn the_record_before_the_message_is_done_is_needed() {
    let wiring = Wiring { keeps_failed_messages: false, ..Wiring::default() };
    assert_found(&wiring, &[OrderKind::Prepaid], "I", "prepaid/2:outage");
}

fn is_consumption(call: &Call) -> bool {
    let expression = &call.body["TransactItems"][0]["Update"]["UpdateExpression"];
    expression.as_str().is_some_and(|expression| expression.contains("#fence = :consumed"))
}

/// The fence's condition in the consuming write, and the stock's own condition, which is a second protection as long
/// as this order holds everything that is reserved.
#[test]
fn the_fences_condition_in_a_consumption_is_needed() {
    let wiring = with_layer(|| {
        Rewrites(|call| {
            if is_consumption(call) {
                for action in call.body["TransactItems"].as_array_mut().unwrap() {
                    let update = action["Update"].as_object_mut().unwrap();
                    update.remove("ConditionExpression");
                    update["ExpressionAttributeValues"].as_object_mut().unwrap().remove(":applied");
                }
            }
        })
    });
    assert_found(&wiring, &[OrderKind::Fulfilled], "I3", "fulfilled/11:execution-twice");
}

#[test]
fn consuming_the_stock_and_the_fence_in_one_transaction_is_needed() {
    #[derive(Debug)]
    struct StockFirst;
    impl Layer for StockFirst {
        fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
            Box::pin(async move {
                if !is_consumption(&call) {
                    return next.apply(&call).await;
                }
                let mut fence = call.clone();
                "UpdateItem".clone_into(&mut fence.operation);
                fence.body.clone_from(&call.body["TransactItems"][0]["Update"]);
                let mut stock = call;
                stock.body["TransactItems"].as_array_mut().unwrap().remove(0);
                let first = next.apply(&stock).await?;
                if first.is_success() { next.apply(&fence).await } else { Ok(first) }
            })
        }
    }
    assert_found(&with_layer(|| StockFirst), &[OrderKind::Fulfilled], "I", "fulfilled/15:store-answer-lost");
}

#[test]
fn the_finality_of_fulfilling_is_needed() {
    let wiring = with_layer(|| {
        Rewrites(|call| {
            if sets(call, "cancelling") && call.body["ConditionExpression"] == "#status IN (:pending, :confirmed)" {
                call.body["ConditionExpression"] = "#status IN (:pending, :confirmed, :fulfilling)".into();
                call.body["ExpressionAttributeValues"][":fulfilling"] = json!({ "S": "FULFILLING" });
            }
        })
    });
    assert_found(&wiring, &[OrderKind::FulfilledOrCancelled], "I", "fulfilled-or-cancelled/9:customer-cancels-beside");
}

#[test]
fn the_finality_of_cancelling_before_a_hand_over_is_needed() {
    let wiring = with_layer(|| {
        Rewrites(|call| {
            if sets(call, "fulfilling") {
                let shipped = "#status = :confirmed AND payment_terms <> :authorized";
                weaken(call, shipped, "payment_terms <> :authorized", &[":confirmed"]);
            }
        })
    });
    assert_found(&wiring, &[OrderKind::FulfilledOrCancelled], "I", "fulfilled-or-cancelled/0:customer-cancels-beside");
}

/// Shows a consumed fence as a cancelled one, as a step without a third state would read it.
#[derive(Debug)]
struct KnowsNoConsumption;

impl Layer for KnowsNoConsumption {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let answer = next.apply(&call).await?;
            let mut body = answer.json();
            if call.operation == "GetItem" && fence(&body["Item"]) == Some("CONSUMED") {
                body["Item"]["fence"]["S"] = "CANCELLED".into();
                return Ok(ServiceAnswer { body: body.to_string().into_bytes(), ..answer });
            }
            Ok(answer)
        })
    }
}

#[test]
fn reading_consumed_as_success_is_needed() {
    let wiring = with_layer(|| KnowsNoConsumption);
    assert_found(&wiring, &[OrderKind::Fulfilled], "I1", "fulfilled/13:answer-lost");
}

/// A reservation that treats a consumed fence as absent. The stock's own condition is a second protection as long as
/// this order was given all there is, so it is removed too. A search would find this only among the last pairs, so
/// the schedule is replayed.
#[test]
fn the_fences_condition_is_needed_after_a_consumption_too() {
    let wiring = with_layer(|| {
        Rewrites(|call| {
            let Some(actions) = call.body["TransactItems"].as_array_mut() else { return };
            if fence(&actions[0]["Put"]["Item"]) == Some("APPLIED") {
                let put = &mut actions[0]["Put"];
                put["ConditionExpression"] = "attribute_not_exists(#fence) OR #fence = :consumed".into();
                put["ExpressionAttributeValues"] = json!({ ":consumed": { "S": "CONSUMED" } });
                actions[1]["Update"].as_object_mut().unwrap().remove("ConditionExpression");
            }
        })
    });
    let schedule = ["1:execution-twice", "5:hung@25"].map(|fault| fault.parse().unwrap());
    let violations =
        |wiring: &Wiring| Ground::new(OrderKind::Fulfilled, wiring).unwrap().run(&schedule).unwrap().violations;
    assert_eq!(violations(&Wiring::default()), Vec::<String>::new());
    assert!(violations(&wiring).iter().any(|violation| violation.starts_with("I3")));
}

#[test]
fn recovery_of_an_order_that_is_being_handed_over_is_needed() {
    let wiring = with_layer(|| {
        Rewrites(|call| {
            if sets(call, "fulfilling") {
                call.body["UpdateExpression"] = "SET #status = :fulfilling, fulfilling_ms = :now, fulfilled_by = :by, updated_ms = :now, attempts = :none REMOVE #work, due_ms".into();
                call.body["ExpressionAttributeValues"].as_object_mut().unwrap().remove(":work");
            }
        })
    });
    assert_found(&wiring, &[OrderKind::Fulfilled], "I1", "fulfilled/10:call-failed");
}

fn over_limit() -> OrderKind {
    "over-limit".parse().unwrap()
}
