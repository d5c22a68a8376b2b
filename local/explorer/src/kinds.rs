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
use local_payments::{Card, Guard};
use local_stack::gateway::{PathParameters, event};
use local_stack::{Payments, Stack};
use payments::{Capture, GatewayError};

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
    /// With a payment that the customer has authorised.
    Paid(&'static PaidKind),
}

/// A kind of order with an authorised payment.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaidKind {
    /// The kind's name.
    pub name: &'static str,
    twist: Twist,
}

/// What is special about an order with a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Twist {
    /// Nothing.
    None,
    /// The payment provider looks at nothing but keys.
    Unguarded,
    /// The payment is captured at the hand-over.
    AtHandOver,
    /// Its customer cancels it, at every point.
    Cancelled,
    /// Its customer cancels it once it is confirmed.
    Refunded,
    /// The same, and the payment provider looks at nothing but keys.
    RefundedUnguarded,
    /// The card's bank declines.
    Declined,
    /// The authorised amount is not the order's total.
    OtherAmount,
    /// Another order has claimed the payment before, and captures it at its hand-over.
    AnothersPayment,
    /// Another order with the same payment is sent at the same time: one of them gets it.
    Contended,
}

/// The total of the orders with a payment, in minor units.
const TOTAL: i64 = 500 * ON_HAND;

/// The kinds of order with an authorised payment.
const PAID: &[PaidKind] = &[
    PaidKind { name: "paid", twist: Twist::None },
    PaidKind { name: "paid-unguarded", twist: Twist::Unguarded },
    PaidKind { name: "paid-at-hand-over", twist: Twist::AtHandOver },
    PaidKind { name: "paid-and-cancelled", twist: Twist::Cancelled },
    PaidKind { name: "refunded", twist: Twist::Refunded },
    PaidKind { name: "refunded-unguarded", twist: Twist::RefundedUnguarded },
    PaidKind { name: "declined", twist: Twist::Declined },
    PaidKind { name: "mismatched-amount", twist: Twist::OtherAmount },
    PaidKind { name: "anothers-payment", twist: Twist::AnothersPayment },
    PaidKind { name: "contended-payment", twist: Twist::Contended },
];

/// The payment of every explored order that has one.
const PAYMENT: &str = "pi_explored";

impl PaidKind {
    /// Whether its customer cancels it once it is confirmed.
    fn is_refunded(&self) -> bool {
        matches!(self.twist, Twist::Refunded | Twist::RefundedUnguarded)
    }

    /// Whether the payment step refuses it.
    fn is_refused(&self) -> bool {
        matches!(self.twist, Twist::Declined | Twist::OtherAmount | Twist::AnothersPayment)
    }
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
            Self::Paid(kind) => kind.name,
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
        [Self::Prepaid, Self::Invoice]
            .into_iter()
            .chain(refused)
            .chain([
                Self::Cancelled,
                Self::Twice,
                Self::ReusedKey,
                Self::Async,
                Self::Fulfilled,
                Self::FulfilledOrCancelled,
            ])
            .chain(PAID.iter().map(Self::Paid))
    }

    /// The payment provider of its stack.
    pub fn provider(self) -> Payments {
        let Self::Paid(kind) = self else { return Payments::default() };
        let is_later = matches!(kind.twist, Twist::AtHandOver | Twist::AnothersPayment);
        let is_unguarded = matches!(kind.twist, Twist::Unguarded | Twist::RefundedUnguarded);
        Payments {
            capture: Some(if is_later { Capture::Fulfilment } else { Capture::Confirmation }),
            guard: if is_unguarded { Guard::Keys } else { Guard::Status },
            layer: None,
        }
    }

    /// Does what its customer does before the order: authorises the payment. Perhaps somebody else has paid with it.
    ///
    /// # Errors
    /// Those of the local payment provider.
    pub async fn check_out(self, stack: &Stack) -> Result<(), GatewayError> {
        let Self::Paid(kind) = self else { return Ok(()) };
        let card = if kind.twist == Twist::Declined { Card::Declined } else { Card::Good };
        let authorised_minor = if kind.twist == Twist::OtherAmount { TOTAL - 1 } else { TOTAL };
        stack.payments.authorise_as(parsed(PAYMENT), authorised_minor, parsed("USD"), card).await?;
        if kind.twist == Twist::AnothersPayment {
            stack.answer(another_paid(), &Caller::of_an_open_api(), "explorer").await;
        }
        Ok(())
    }

    /// The step that refuses it, if one does.
    pub fn refused_by(self) -> Option<&'static str> {
        match self {
            Self::Refused(kind) => Some(kind.by),
            Self::Paid(kind) if kind.is_refused() => Some("capture-payment"),
            _ => None,
        }
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
            Self::Paid(kind) => {
                let mut body = prepaid(ON_HAND);
                body["paymentTerms"] = json!("AUTHORIZED");
                body["paymentReference"] = json!(PAYMENT);
                let is_contended = kind.twist == Twist::Contended;
                [place(&body, &[])].into_iter().chain(is_contended.then(another_paid)).collect()
            }
        }
    }

    /// What is sent after those are answered and no order is open any more.
    pub fn later_requests(self) -> Vec<ApiGatewayProxyRequest> {
        match self {
            Self::Fulfilled | Self::FulfilledOrCancelled => vec![about("/orders/{orderId}/fulfil")],
            Self::Paid(kind) if kind.twist == Twist::AtHandOver => vec![about("/orders/{orderId}/fulfil")],
            Self::Paid(kind) if kind.is_refunded() => vec![Self::cancellation()],
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

    /// Whether a request is about the explored order, and not about another one.
    pub fn is_explored(request: &ApiGatewayProxyRequest) -> bool {
        request.headers.get(IDEMPOTENCY_KEY).is_none_or(|key| key == KEY)
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
            Self::Paid(kind) if kind.twist == Twist::Cancelled => {
                &[FaultKind::CustomerCancels, FaultKind::CustomerCancelsBeside]
            }
            Self::ReusedKey => &[FaultKind::OtherBody, FaultKind::OtherBodyBeside],
            _ => &[],
        }
    }

    /// Whether no step refuses it and nobody cancels it. It must then be confirmed, unless something worse
    /// than a transient fault happens.
    pub fn is_healthy(self) -> bool {
        let is_cancelled = self.events().contains(&FaultKind::CustomerCancels);
        let is_contended = matches!(self, Self::Paid(kind) if kind.twist == Twist::Contended);
        let is_refunded = matches!(self, Self::Paid(kind) if kind.is_refunded());
        !self.is_refused() && !is_cancelled && !is_contended && !is_refunded
    }

    /// Whether a step refuses it: it must not be confirmed.
    pub fn is_refused(self) -> bool {
        self.refused_by().is_some()
    }
}

/// A request about the explored order, without a body.
fn about(resource: &str) -> ApiGatewayProxyRequest {
    let path = PathParameters::from([("orderId".to_owned(), OrderKind::order_id().to_string())]);
    event(Method::POST, resource, HeaderMap::new(), path, b"")
}

/// Another order with the same payment.
fn another_paid() -> ApiGatewayProxyRequest {
    let body = json!({"customerId": "buyer", "paymentTerms": "AUTHORIZED", "paymentReference": PAYMENT,
        "items": [{"productId": "B", "quantity": 1, "price": 25}], "totalAmount": 25});
    place_as("another", &body, &[])
}

fn parsed<T: FromStr<Err: fmt::Debug>>(text: &str) -> T {
    text.parse().expect("the constant is valid")
}

fn place(body: &Value, headers: &[(&'static str, &'static str)]) -> ApiGatewayProxyRequest {
    place_as(KEY, body, headers)
}

fn place_as(key: &'static str, body: &Value, headers: &[(&'static str, &'static str)]) -> ApiGatewayProxyRequest {
    let mut all = HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (IDEMPOTENCY_KEY, HeaderValue::from_static(key)),
    ]);
    all.extend(headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))));
    event(Method::POST, "/orders", all, PathParameters::new(), body.to_string().as_bytes())
}
