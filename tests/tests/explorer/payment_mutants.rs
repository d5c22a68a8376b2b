//! Each protection of a remote effect is needed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use local_aws::{Api, BoxFuture, Call, Layer, Next, Outcome, ServiceAnswer};
use local_explorer::{Ground, OrderKind, Wiring};
use local_payments::LocalGateway;
use local_stack::{PaymentLayer, Payments};
use order::PaymentReference;
use payments::{Answer, Gateway, GatewayError, Payment, PaymentStatus};
use serde_json::{Value, json};

use crate::mutants::{Rewrites, assert_found, fence, with_layer};

const TABLE: &str = "payments";

fn kind(name: &str) -> OrderKind {
    name.parse().unwrap()
}

/// Without the protection, the invariant is broken even if nothing goes wrong; with it, nothing is.
fn assert_breaks_alone(wiring: &Wiring, name: &str, invariant: &str) {
    let run = |wiring: &Wiring| Ground::new(kind(name), wiring).unwrap().run(&[]).unwrap().violations;
    assert_eq!(run(&Wiring::default()), Vec::<String>::new());
    let violations = run(wiring);
    assert!(violations.iter().any(|violation| violation.starts_with(invariant)), "{violations:?}");
}

// --- The payment provider, changed --------------------------------------------------------------------------

type Change = fn(Arc<dyn Gateway>) -> Arc<dyn Gateway>;

/// A layer with something in front of it.
#[derive(Debug)]
struct Changed {
    layer: Arc<dyn PaymentLayer>,
    change: Change,
}

impl PaymentLayer for Changed {
    fn before(&self, provider: LocalGateway) -> Arc<dyn Gateway> {
        (self.change)(self.layer.before(provider))
    }
}

fn with_gateway(wiring: Wiring, change: Change) -> Wiring {
    let put_in_front = move |payments: Payments| {
        let layer = payments.layer.clone().unwrap();
        Payments { layer: Some(Arc::new(Changed { layer, change })), ..payments }
    };
    Wiring { payments: Some(Arc::new(put_in_front)), ..wiring }
}

/// Sends every call under another key.
#[derive(Debug)]
struct Keys {
    gateway: Arc<dyn Gateway>,
    attempts: AtomicU64,
    change: fn(&str, u64) -> String,
}

impl Keys {
    fn changed(&self, key: &str) -> String {
        (self.change)(key, self.attempts.fetch_add(1, Ordering::Relaxed))
    }
}

impl Gateway for Keys {
    fn payment<'a>(&'a self, id: &'a PaymentReference) -> Answer<'a, Option<Payment>> {
        self.gateway.payment(id)
    }

    fn capture<'a>(
        &'a self,
        id: &'a PaymentReference,
        amount_minor: i64,
        currency: &'a str,
        key: &'a str,
    ) -> Answer<'a, Payment> {
        Box::pin(async move { self.gateway.capture(id, amount_minor, currency, &self.changed(key)).await })
    }

    fn cancel<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.gateway.cancel(id, &self.changed(key)).await })
    }

    fn refund<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.gateway.refund(id, &self.changed(key)).await })
    }
}

fn keys(gateway: Arc<dyn Gateway>, change: fn(&str, u64) -> String) -> Arc<dyn Gateway> {
    Arc::new(Keys { gateway, attempts: AtomicU64::new(0), change })
}

/// A key is of the order, the action, the generation and perhaps the provider's name of the call.
fn without_generation(key: &str) -> String {
    key.split('-').filter(|part| part.parse::<u32>().is_err() || part.len() > 3).collect::<Vec<_>>().join("-")
}

#[test]
fn one_key_for_all_attempts_is_needed() {
    let wiring = with_gateway(Wiring::default(), |gateway| keys(gateway, |key, attempt| format!("{key}-{attempt}")));
    assert_found(&wiring, &[kind("paid-unguarded")], "I8", "paid-unguarded/7:hung@12");
    let wiring = with_gateway(Wiring::default(), |gateway| {
        keys(gateway, |key, attempt| if key.ends_with("refund") { format!("{key}-{attempt}") } else { key.to_owned() })
    });
    assert_found(&wiring, &[kind("refunded-unguarded")], "I8", "refunded-unguarded/21:execution-twice");
}

#[test]
fn the_generation_in_the_key_is_needed() {
    let wiring = with_gateway(Wiring::default(), |gateway| keys(gateway, |key, _| without_generation(key)));
    assert_found(&wiring, &[kind("paid")], "I7", "paid/11:payment-fails");
    assert_found(&wiring, &[kind("refunded")], "I1", "refunded/30:payment-fails");
}

#[test]
fn another_key_after_a_refusal_is_needed() {
    let wiring = with_gateway(Wiring::default(), |gateway| keys(gateway, |key, _| without_generation(key)));
    assert_found(&wiring, &[kind("refunded")], "I1", "refunded/30:payment-declines");
    assert_found(&wiring, &[kind("paid-at-hand-over")], "I1", "paid-at-hand-over/26:payment-declines");
}

/// Answers reads with what it has made up.
#[derive(Debug)]
struct Reads {
    gateway: Arc<dyn Gateway>,
    is_stale: bool,
    first: Mutex<Option<Payment>>,
    is_taken_back: AtomicBool,
}

impl Gateway for Reads {
    fn payment<'a>(&'a self, id: &'a PaymentReference) -> Answer<'a, Option<Payment>> {
        Box::pin(async move {
            let first = self.first.lock().unwrap().clone();
            if let Some(first) = first.filter(|_| self.is_stale) {
                return Ok(Some(first));
            }
            let read = self.gateway.payment(id).await?;
            let is_taken_back = self.is_taken_back.load(Ordering::Relaxed);
            if is_taken_back && !self.is_stale {
                return Ok(read.map(|read| Payment { status: PaymentStatus::Canceled, ..read }));
            }
            self.first.lock().unwrap().clone_from(&read);
            Ok(read)
        })
    }

    fn capture<'a>(
        &'a self,
        id: &'a PaymentReference,
        amount_minor: i64,
        currency: &'a str,
        key: &'a str,
    ) -> Answer<'a, Payment> {
        self.gateway.capture(id, amount_minor, currency, key)
    }

    fn cancel<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()> {
        self.is_taken_back.store(true, Ordering::Relaxed);
        self.gateway.cancel(id, key)
    }

    fn refund<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()> {
        self.is_taken_back.store(true, Ordering::Relaxed);
        self.gateway.refund(id, key)
    }
}

fn reads(gateway: Arc<dyn Gateway>, is_stale: bool) -> Arc<dyn Gateway> {
    Arc::new(Reads { gateway, is_stale, first: Mutex::default(), is_taken_back: AtomicBool::new(false) })
}

#[test]
fn reading_after_an_unknown_is_needed() {
    let wiring = with_gateway(Wiring::default(), |gateway| reads(gateway, true));
    assert_found(&wiring, &[kind("paid")], "I", "paid/11:payment-fails-after");
}

#[test]
fn reading_before_the_fence_is_cancelled_is_needed() {
    let wiring = with_gateway(Wiring::default(), |gateway| reads(gateway, false));
    assert_found(&wiring, &[kind("declined"), kind("paid-and-cancelled")], "I8", "declined/26:payment-lost");
    assert_found(&wiring, &[kind("refunded")], "I8", "refunded/30:payment-lost");
}

// --- The fence, changed -------------------------------------------------------------------------------------

fn writes(call: &mut Call) -> impl Iterator<Item = &mut Value> {
    call.body["TransactItems"].as_array_mut().into_iter().flatten()
}

#[test]
fn the_claim_is_needed() {
    let wiring = with_layer(|| {
        Rewrites(|call| {
            if let Some(all) = call.body["TransactItems"].as_array_mut() {
                all.retain(|write| write["Put"]["Item"].get("claimed_by").is_none());
            }
        })
    });
    assert_breaks_alone(&wiring, "contended-payment", "I8");
}

/// Writes the first fence only once the effect is there.
#[derive(Debug, Default)]
struct Unrecorded(Mutex<Option<Value>>);

impl Layer for Unrecorded {
    fn around<'a>(&'a self, mut call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        for write in writes(&mut call) {
            if fence(&write["Put"]["Item"]) == Some("INTENDED") {
                *self.0.lock().unwrap() = Some(write["Put"].clone());
                // The claim is still made; this write changes nothing.
                *write = json!({ "ConditionCheck": {
                    "TableName": TABLE,
                    "Key": { "pk": write["Put"]["Item"]["pk"] },
                    "ConditionExpression": "attribute_not_exists(pk)",
                } });
            } else if write["Update"]["ExpressionAttributeValues"][":state"]["S"] == "INTENDED"
                && write["Update"]["ExpressionAttributeValues"][":next"]["S"] == "APPLIED"
                && let Some(mut put) = self.0.lock().unwrap().clone()
            {
                put["Item"]["fence"]["S"] = json!("APPLIED");
                put["Item"]["applied_ms"] = write["Update"]["ExpressionAttributeValues"][":now"].clone();
                *write = json!({ "Put": put });
            }
        }
        next.apply(&call)
    }
}

#[test]
fn recording_the_intent_is_needed() {
    assert_found(&with_layer(Unrecorded::default), &[kind("paid")], "I", "paid/11:payment-hung@14");
}

/// Takes back before the fence is won: it is only said to be.
#[derive(Debug, Default)]
struct TakesBackFirst(AtomicBool);

impl Layer for TakesBackFirst {
    fn around<'a>(&'a self, mut call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        let is_won = call.body["TransactItems"][0]["Update"]["ExpressionAttributeValues"][":next"]["S"] == "CANCELLING";
        if is_won {
            self.0.store(true, Ordering::Relaxed);
            return Box::pin(async { Ok(ServiceAnswer::ok(&json!({}))) });
        }
        let values = &call.body["TransactItems"][0]["Update"]["ExpressionAttributeValues"];
        if values[":next"]["S"] == "CANCELLED" && values[":state"]["S"] == "CANCELLING" {
            let update = &mut call.body["TransactItems"][0]["Update"];
            update["ConditionExpression"] = json!("attribute_exists(#fence)");
            update["ExpressionAttributeValues"].as_object_mut().unwrap().remove(":state");
        }
        Box::pin(async move {
            let answer = next.apply(&call).await?;
            let mut body = answer.json();
            let is_read = call.operation == "GetItem" && call.body["TableName"] == TABLE;
            let is_open = matches!(fence(&body["Item"]), Some("INTENDED" | "APPLIED"));
            if !(is_read && is_open && self.0.load(Ordering::Relaxed)) {
                return Ok(answer);
            }
            body["Item"]["fence"]["S"] = json!("CANCELLING");
            Ok(ServiceAnswer { body: body.to_string().into_bytes(), ..answer })
        })
    }
}

#[test]
fn winning_the_fence_before_a_refund_is_needed() {
    let wiring = with_layer(TakesBackFirst::default);
    assert_found(&wiring, &[kind("declined")], "I", "declined/25:payment-fails");
    assert_found(&wiring, &[kind("refunded")], "I", "refunded/29:payment-fails");
}

/// Cancels the fence when a call was refused.
#[derive(Debug)]
struct EndsWithRefusal;

static REFUSED: Mutex<Vec<std::thread::ThreadId>> = Mutex::new(Vec::new());

impl Layer for EndsWithRefusal {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let here = std::thread::current().id();
            let is_refused = REFUSED.lock().unwrap().contains(&here);
            if is_refused && call.operation == "GetItem" && call.body["TableName"] == TABLE {
                REFUSED.lock().unwrap().retain(|thread| *thread != here);
                let mut end = call.clone();
                "UpdateItem".clone_into(&mut end.operation);
                end.body = json!({
                    "TableName": TABLE, "Key": call.body["Key"],
                    "UpdateExpression": "SET fence = :cancelled, cancelled_ms = :now",
                    "ExpressionAttributeValues": { ":cancelled": { "S": "CANCELLED" }, ":now": { "N": "1760000000000" } },
                });
                next.apply(&end).await?;
            }
            next.apply(&call).await
        })
    }
}

/// Notes that a capture was refused. A run has a thread of its own while it lasts.
#[derive(Debug)]
struct NotesRefusals(Arc<dyn Gateway>);

impl Gateway for NotesRefusals {
    fn payment<'a>(&'a self, id: &'a PaymentReference) -> Answer<'a, Option<Payment>> {
        self.0.payment(id)
    }

    fn capture<'a>(
        &'a self,
        id: &'a PaymentReference,
        amount_minor: i64,
        currency: &'a str,
        key: &'a str,
    ) -> Answer<'a, Payment> {
        Box::pin(async move {
            let captured = self.0.capture(id, amount_minor, currency, key).await;
            if matches!(captured, Err(GatewayError::Declined(_))) {
                REFUSED.lock().unwrap().push(std::thread::current().id());
            }
            captured
        })
    }

    fn cancel<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()> {
        self.0.cancel(id, key)
    }

    fn refund<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()> {
        self.0.refund(id, key)
    }
}

#[test]
fn leaving_the_intent_after_a_refusal_is_needed() {
    let wiring = with_gateway(with_layer(|| EndsWithRefusal), |gateway| Arc::new(NotesRefusals(gateway)));
    assert_found(&wiring, &[kind("paid")], "I8", "paid/11:payment-declines");
}

/// Voids the payment when it leaves a tombstone.
#[derive(Debug)]
struct Voids;

impl Layer for Voids {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let is_tombstone = call.operation == "PutItem" && fence(&call.body["Item"]) == Some("CANCELLED");
            if is_tombstone && call.body["TableName"] == TABLE {
                let mut read = call.clone();
                "GetItem".clone_into(&mut read.operation);
                let key = json!({ "id": { "S": "pi_explored" } });
                read.body = json!({ "TableName": local_payments::TABLE, "Key": key });
                let mut item = next.apply(&read).await?.json()["Item"].clone();
                let text = item["payment"]["S"].as_str().unwrap().replace("requires_capture", "canceled");
                item["payment"]["S"] = json!(text.replace("\"answers\":{}", "\"answers\":{\"void\":\"done\"}"));
                let mut write = call.clone();
                write.body = json!({ "TableName": local_payments::TABLE, "Item": item });
                next.apply(&write).await?;
            }
            next.apply(&call).await
        })
    }
}

#[test]
fn a_tombstone_leaves_the_payment_alone() {
    assert_breaks_alone(&with_layer(|| Voids), "mismatched-amount", "I8");
}

/// Reads the setting of today instead of the order's own.
#[derive(Debug)]
struct SettingOfToday;

impl Layer for SettingOfToday {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let answer = next.apply(&call).await?;
            let is_read = call.operation == "GetItem" && call.body["TableName"] == TABLE;
            let text = String::from_utf8(answer.body.clone()).unwrap();
            let body = if is_read { text.replace("fulfilment", "confirmation") } else { text };
            Ok(ServiceAnswer { body: body.into_bytes(), ..answer })
        })
    }
}

#[test]
fn the_setting_in_the_fence_decides() {
    assert_breaks_alone(&with_layer(|| SettingOfToday), "paid-at-hand-over", "I8");
}

/// Settles after the order is confirmed.
#[derive(Debug, Default)]
struct SettlesLater(Mutex<Option<Value>>);

impl Layer for SettlesLater {
    fn around<'a>(&'a self, mut call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        if let Some(all) = call.body["TransactItems"].as_array_mut()
            && let Some(place) = all.iter().position(|write| write["Put"]["Item"]["sk"]["S"] == "SETTLEMENT")
        {
            *self.0.lock().unwrap() = Some(all.remove(place)["Put"].clone());
        }
        let is_pivot = call.api == Api::DynamoDb
            && call.operation == "UpdateItem"
            && call.body["UpdateExpression"].as_str().is_some_and(|text| text.contains("#status = :confirmed"));
        Box::pin(async move {
            let answer = next.apply(&call).await?;
            let later = self.0.lock().unwrap().clone();
            if let Some(later) = later.filter(|_| is_pivot && answer.is_success()) {
                let mut put = call;
                "PutItem".clone_into(&mut put.operation);
                put.body = later;
                let _ = next.apply(&put).await;
            }
            Ok(answer)
        })
    }
}

#[test]
fn settling_before_the_pivot_is_needed() {
    assert_found(&with_layer(SettlesLater::default), &[kind("paid")], "I8", "paid/15:store-throttled");
}
