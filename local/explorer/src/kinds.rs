//! The kinds of order to explore.

use std::fmt;
use std::str::FromStr;

use api::Caller;
use api::idempotency::IDEMPOTENCY_KEY;
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use order::OrderId;
use serde_json::{Value, json};

use super::fault::FaultKind;
use local_stack::gateway::{PathParameters, event};

/// A kind of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderKind {
    /// Paid when ordered; it takes all the stock there is.
    Prepaid,
    /// On invoice; it takes all the credit there is.
    Invoice,
    /// Refused by a step.
    Refused(&'static RefusedKind),
    /// Cancelled by its customer, at every point.
    Cancelled,
    /// Submitted twice at the same time.
    Twice,
    /// Its key is reused for another body, at every point.
    ReusedKey,
    /// Sent with `Prefer: respond-async`.
    Async,
    /// Handed over once it is confirmed.
    Fulfilled,
    /// Handed over once it is confirmed, and cancelled by its customer at every point.
    FulfilledOrCancelled,
}

/// A kind of order that a step refuses.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefusedKind {
    /// The kind's name.
    pub name: &'static str,
    /// The step that refuses it.
    pub by: &'static str,
    /// What its client sends. The store has [`ON_HAND`] of A and of B, and the customer `buyer` has a credit
    /// limit of 50 dollars.
    body: &'static str,
}

/// The kinds of order that steps refuse: at least one for each step that refuses any.
const REFUSED: &[RefusedKind] = &[
    // More than the store has.
    RefusedKind {
        name: "out-of-stock",
        by: "reserve-inventory",
        body: r#"{"customerId": "buyer", "totalAmount": 35, "items": [
            {"productId": "B", "quantity": 1, "price": 5}, {"productId": "A", "quantity": 6, "price": 5}]}"#,
    },
    // More than the credit limit.
    RefusedKind {
        name: "over-limit",
        by: "post-accounting",
        body: r#"{"customerId": "buyer", "totalAmount": 55, "paymentTerms": "INVOICE", "items": [
            {"productId": "A", "quantity": 5, "price": 5}, {"productId": "B", "quantity": 5, "price": 6}]}"#,
    },
];

/// A text that names no kind of order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the kinds are {}", OrderKind::all().map(|kind| kind.to_string()).collect::<Vec<_>>().join(", "))]
pub struct UnknownKind;

impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prepaid => "prepaid",
            Self::Invoice => "invoice",
            Self::Refused(kind) => kind.name,
            Self::Cancelled => "cancelled",
            Self::Twice => "twice",
            Self::ReusedKey => "reused-key",
            Self::Async => "async",
            Self::Fulfilled => "fulfilled",
            Self::FulfilledOrCancelled => "fulfilled-or-cancelled",
        })
    }
}

impl FromStr for OrderKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::all().find(|kind| kind.to_string() == name).ok_or(UnknownKind)
    }
}

/// The idempotency key of every explored order.
const KEY: &str = "explored";

/// The initial stock of each article.
pub const ON_HAND: i64 = 5;

impl OrderKind {
    /// All kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        let refused = REFUSED.iter().map(Self::Refused);
        [Self::Prepaid, Self::Invoice].into_iter().chain(refused).chain([
            Self::Cancelled,
            Self::Twice,
            Self::ReusedKey,
            Self::Async,
            Self::Fulfilled,
            Self::FulfilledOrCancelled,
        ])
    }

    /// Its initial stock and account.
    pub fn seed(self) -> String {
        json!({
            "stock": [{"storeId": "main", "sku": "A", "onHand": ON_HAND}, {"storeId": "main", "sku": "B", "onHand": ON_HAND}],
            "accounts": [{"customerId": "buyer", "creditLimit": 50, "currency": "USD"}],
        })
        .to_string()
    }

    /// What its clients send, all at the same time.
    pub fn requests(self) -> Vec<ApiGatewayProxyRequest> {
        let item = |sku: &str, quantity: i64| json!({"productId": sku, "quantity": quantity, "price": 5});
        let prepaid =
            |quantity: i64| json!({"customerId": "buyer", "items": [item("A", quantity)], "totalAmount": 5 * quantity});
        match self {
            Self::Prepaid | Self::Cancelled | Self::ReusedKey | Self::Fulfilled | Self::FulfilledOrCancelled => {
                vec![place(&prepaid(ON_HAND), &[])]
            }
            Self::Invoice => vec![place(
                &json!({"customerId": "buyer", "paymentTerms": "INVOICE",
                    "items": [item("A", ON_HAND), item("B", ON_HAND)], "totalAmount": 10 * ON_HAND}),
                &[],
            )],
            Self::Refused(kind) => {
                vec![place(&serde_json::from_str(kind.body).expect("a kind's body is JSON"), &[])]
            }
            Self::Twice => vec![place(&prepaid(ON_HAND), &[]), place(&prepaid(ON_HAND), &[])],
            Self::Async => vec![place(&prepaid(ON_HAND), &[("prefer", "respond-async")])],
        }
    }

    /// What is sent after those are answered and no order is open any more.
    pub fn later_requests(self) -> Vec<ApiGatewayProxyRequest> {
        match self {
            Self::Fulfilled | Self::FulfilledOrCancelled => vec![about("/orders/{orderId}/fulfil")],
            _ => Vec::new(),
        }
    }

    /// The same key with another body, for which there is also enough stock.
    pub fn other_request() -> ApiGatewayProxyRequest {
        place(
            &json!({"customerId": "other", "items": [{"productId": "B", "quantity": 1, "price": 7}], "totalAmount": 7}),
            &[],
        )
    }

    /// The id of every explored order.
    pub fn order_id() -> OrderId {
        let key = KEY.parse().expect("the key is valid");
        OrderId::derive(&Caller::of_an_open_api().tenant, &key)
    }

    /// The customer's cancellation.
    pub fn cancellation() -> ApiGatewayProxyRequest {
        about("/orders/{orderId}/cancel")
    }

    /// The events that it is about: exactly one of them happens in each schedule.
    pub fn events(self) -> &'static [FaultKind] {
        match self {
            Self::Cancelled | Self::FulfilledOrCancelled => {
                &[FaultKind::CustomerCancels, FaultKind::CustomerCancelsBeside]
            }
            Self::ReusedKey => &[FaultKind::OtherBody, FaultKind::OtherBodyBeside],
            _ => &[],
        }
    }

    /// Whether no step refuses it and nobody cancels it. It must then be confirmed, unless something worse
    /// than a transient fault happens.
    pub fn is_healthy(self) -> bool {
        !self.is_refused() && !matches!(self, Self::Cancelled | Self::FulfilledOrCancelled)
    }

    /// Whether a step refuses it: it must not be confirmed.
    pub fn is_refused(self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// A request about the explored order, without a body.
fn about(resource: &str) -> ApiGatewayProxyRequest {
    let path = PathParameters::from([("orderId".to_owned(), OrderKind::order_id().to_string())]);
    event(Method::POST, resource, HeaderMap::new(), path, b"")
}

fn place(body: &Value, headers: &[(&'static str, &'static str)]) -> ApiGatewayProxyRequest {
    let mut all = HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (IDEMPOTENCY_KEY, HeaderValue::from_static(KEY)),
    ]);
    all.extend(headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))));
    event(Method::POST, "/orders", all, PathParameters::new(), body.to_string().as_bytes())
}
