//! The JSON of orders and stock, and of the amounts and times in them, as clients see it.

use std::borrow::Cow;

use order::{
    Actor, CorrelationId, CountyId, Currency, CustomerId, Effect, EpochMs, OrderId, OrderRecord, PaymentReference,
    PaymentTerms,
};
use order::{Reason, Receipts, Sku, Status, StepReceipts, StoreId};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::authorization::Caller;

/// An order as clients see it: amounts are decimals of its currency, times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderView<'a> {
    order_id: &'a OrderId,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shortages: Vec<ShortageView<'a>>,
    customer_id: &'a CustomerId,
    store_id: &'a StoreId,
    #[serde(skip_serializing_if = "Option::is_none")]
    county_id: Option<&'a CountyId>,
    payment_terms: PaymentTerms,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_reference: Option<&'a PaymentReference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_before: Option<Time>,
    currency: Currency,
    items: Vec<ItemView<'a>>,
    total_amount: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a CorrelationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_by: Option<ActorView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fulfilled_by: Option<ActorView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_replaced_by: Option<ActorView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_up_by: Option<ActorView<'a>>,
    created_at: Time,
    updated_at: Time,
    timeline: Vec<Moment>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemView<'a> {
    product_id: &'a Sku,
    quantity: u32,
    price: Amount,
}

/// Who made a change by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActorView<'a> {
    subject: Cow<'a, str>,
    request_id: Cow<'a, str>,
}

impl From<Actor> for ActorView<'static> {
    fn from(actor: Actor) -> Self {
        let (subject, request_id) = (actor.subject().to_owned(), actor.request_id().to_owned());
        Self { subject: subject.into(), request_id: request_id.into() }
    }
}

impl<'a> From<&'a Actor> for ActorView<'a> {
    fn from(actor: &'a Actor) -> Self {
        Self { subject: actor.subject().into(), request_id: actor.request_id().into() }
    }
}

/// An article of which the store had too little.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShortageView<'a> {
    product_id: &'a Sku,
    available: i64,
}

/// Something that happened to the order.
#[derive(Debug, Serialize)]
struct Moment {
    event: &'static str,
    at: Time,
}

impl<'a> OrderView<'a> {
    /// The order as this caller sees it.
    pub fn of(record: &'a OrderRecord, caller: &Caller) -> Self {
        let order = &record.order;
        // A customer must not read the name of a clerk.
        let actor = |actor: &'a Option<Actor>| actor.as_ref().filter(|_| caller.sees_actors()).map(ActorView::from);
        let amount = |amount_minor| Amount { currency: order.currency, amount_minor };
        Self {
            order_id: order.order_id(),
            status: record.status,
            reason: record.reason.as_ref(),
            detail: record.detail.as_deref(),
            shortages: record
                .shortages
                .iter()
                .map(|short| ShortageView { product_id: &short.sku, available: short.available })
                .collect(),
            customer_id: &order.customer_id,
            store_id: &order.store_id,
            county_id: order.county_id.as_ref(),
            payment_terms: order.payment_terms,
            payment_reference: record.payment_reference(),
            capture_before: capture_before(record),
            currency: order.currency,
            items: order
                .lines
                .iter()
                .map(|line| ItemView {
                    product_id: &line.sku,
                    quantity: line.quantity,
                    price: amount(line.price_minor),
                })
                .collect(),
            total_amount: amount(order.total_minor),
            correlation_id: order.correlation_id(),
            cancelled_by: actor(&record.cancelled_by),
            fulfilled_by: actor(&record.fulfilled_by),
            payment_replaced_by: actor(&record.payment_replaced_by),
            taken_up_by: actor(&record.taken_up_by),
            created_at: Time(record.created_ms),
            updated_at: Time(record.updated_ms),
            timeline: timeline(record),
        }
    }
}

/// Until when the payment must be captured, of an order whose payment is captured at the hand-over.
fn capture_before(record: &OrderRecord) -> Option<Time> {
    let is_waiting = matches!(record.status, Status::Confirmed | Status::Fulfilling);
    let lapses_ms = record.receipts.applied.values().find_map(|receipt| receipt.lapses_ms);
    lapses_ms.filter(|_| is_waiting).map(Time)
}

/// What happened, in chronological order, without steps that had no effect.
fn timeline(record: &OrderRecord) -> Vec<Moment> {
    let Receipts { applied, undone, consumed } = &record.receipts;
    let at = |receipts: &StepReceipts, step: &str, effect| {
        receipts.get(step).filter(|receipt| receipt.effect == effect).map(|receipt| receipt.at_ms)
    };
    let mut events = vec![("PLACED", Some(record.created_ms))];
    for (function, step) in declarations::steps() {
        events.push((&step.action.timeline, at(applied, &function.name, Effect::Applied)));
    }
    events.extend([("CONFIRMED", record.confirmed_ms), ("CANCELLING", record.cancelling_ms)]);
    for (function, step) in declarations::steps().iter().rev() {
        events.push((&step.compensation.timeline, at(undone, &function.name, Effect::Undone)));
    }
    events.extend([("CANCELLED", record.cancelled_ms), ("FULFILLING", record.fulfilling_ms)]);
    for (function, step) in declarations::steps() {
        let event = step.consumption.as_ref().map_or("", |consumption| &consumption.timeline);
        events.push((event, at(consumed, &function.name, Effect::Consumed)));
    }
    events.push(("FULFILLED", record.fulfilled_ms));
    let moments = events.into_iter().filter_map(|(event, at_ms)| Some(Moment { event, at: Time(at_ms?) }));
    let mut moments: Vec<Moment> = moments.collect();
    // A stable sort: what happened within one millisecond stays in the saga's order.
    moments.sort_by_key(|moment| moment.at.0);
    moments
}

/// Stock of one article in one store, as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StockView {
    /// The store.
    pub store_id: StoreId,
    /// The article.
    pub sku: Sku,
    /// How many can still be ordered.
    pub available: i64,
    /// How many are held by open orders.
    pub reserved: i64,
    /// How many the store has: both together.
    pub on_hand: i64,
    /// Who last set or adjusted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<ActorView<'static>>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Time>,
}

/// An amount of money.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    /// Its currency.
    pub currency: Currency,
    /// The amount in the currency's minor unit.
    pub amount_minor: i64,
}

impl Serialize for Amount {
    /// A JSON number with exactly the currency's decimals. It is never a float.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.currency.decimal(self.amount_minor))
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub EpochMs);

impl Serialize for Time {
    /// RFC 3339, in UTC.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nanoseconds = i128::from(self.0) * 1_000_000;
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).map_err(serde::ser::Error::custom)?;
        let text = time.format(&Rfc3339).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&text)
    }
}
