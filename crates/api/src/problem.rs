//! The problem documents of the order API ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).

use std::borrow::Cow;

use http::{HeaderValue, StatusCode, header};
use order::{OrderId, OrderRecord, Place, Reason, Violation};
use serde::Serialize;
use strum::VariantArray;

use crate::answer::Answer;
use crate::authorization::Caller;
use crate::view::{OrderView, StockView};

/// The kinds of problem. A kind's `type` URI is part of the API; its title explains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub enum Kind {
    /// The body is not JSON.
    MalformedBody,
    /// The order breaks rules.
    InvalidOrder,
    /// The body of a request other than an order breaks rules.
    InvalidContent,
    /// Parameters in the path, the query or the headers break rules.
    InvalidParameters,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The body is larger than any order.
    BodyTooLarge,
    /// The key was used for different content.
    IdempotencyConflict,
    /// Nobody knows who sent the request: it has no valid token or API key.
    Unauthorized,
    /// The client may not do this.
    Forbidden,
    /// There is no such order.
    OrderNotFound,
    /// The order is not confirmed yet, so its goods cannot be handed over.
    OrderNotConfirmed,
    /// The order is cancelled or being cancelled, so its goods cannot be handed over.
    OrderCancelled,
    /// The order's goods are handed over, so it cannot be cancelled.
    OrderFulfilled,
    /// The order's payment can no longer be captured, so its goods cannot be handed over.
    PaymentLapsed,
    /// The order's payment is captured, or can be, so no other payment can take its place.
    PaymentNotLost,
    /// The other payment cannot take the place of the order's payment.
    PaymentNotAccepted,
    /// The store does not keep the article.
    StockNotFound,
    /// The article has no price in the store.
    PriceNotFound,
    /// The customer has no account.
    AccountNotFound,
    /// The stock would be less than open orders hold.
    StockReserved,
    /// The request does not say which version it means to change.
    PreconditionRequired,
    /// The version that the request means to change is not the current one.
    PreconditionFailed,
    /// There is no such resource.
    RouteNotFound,
    /// The resource has no such method.
    MethodNotAllowed,
    /// More requests at once than the API accepts.
    TooManyRequests,
    /// It is unknown whether the order was accepted; it can be sent again with the same key.
    Unavailable,
    /// The records cannot be read or changed at the moment.
    StoreUnavailable,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::MalformedBody => "malformed-body",
            Self::InvalidOrder => "invalid-order",
            Self::InvalidContent => "invalid-content",
            Self::InvalidParameters => "invalid-parameters",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::BodyTooLarge => "body-too-large",
            Self::IdempotencyConflict => "idempotency-conflict",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::OrderNotFound => "order-not-found",
            Self::OrderNotConfirmed => "order-not-confirmed",
            Self::OrderCancelled => "order-cancelled",
            Self::OrderFulfilled => "order-fulfilled",
            Self::PaymentLapsed => "payment-lapsed",
            Self::PaymentNotLost => "payment-not-lost",
            Self::PaymentNotAccepted => "payment-not-accepted",
            Self::StockNotFound => "stock-not-found",
            Self::PriceNotFound => "price-not-found",
            Self::AccountNotFound => "account-not-found",
            Self::StockReserved => "stock-reserved",
            Self::PreconditionRequired => "precondition-required",
            Self::PreconditionFailed => "precondition-failed",
            Self::RouteNotFound => "route-not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::TooManyRequests => "too-many-requests",
            Self::Unavailable => "unavailable",
            Self::StoreUnavailable => "store-unavailable",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::MalformedBody => "The request body is not JSON",
            Self::InvalidOrder => "The order breaks the rules listed in errors",
            Self::InvalidContent => "The request breaks the rules listed in errors",
            Self::InvalidParameters => "The request's parameters break the rules listed in errors",
            Self::UnsupportedMediaType => "The request body has to be application/json",
            Self::BodyTooLarge => "The request body is larger than any order",
            Self::IdempotencyConflict => "The idempotency key was used for another request before",
            Self::Unauthorized => "The request needs a valid token or API key",
            Self::Forbidden => "The request is not allowed",
            Self::OrderNotFound => "There is no such order",
            Self::OrderNotConfirmed => "The order is not confirmed yet",
            Self::OrderCancelled => "The order is cancelled, or being cancelled",
            Self::OrderFulfilled => "The goods are handed over, so the order cannot be cancelled",
            Self::PaymentLapsed => {
                "The payment was cancelled or has lapsed, so nobody would pay for the goods; keep them"
            }
            Self::PaymentNotLost => "The order's payment is not lost, so it cannot be replaced",
            Self::PaymentNotAccepted => "The other payment cannot take the place of the order's payment",
            Self::StockNotFound => "The store does not keep the article",
            Self::PriceNotFound => "The article has no price in the store",
            Self::AccountNotFound => "The customer has no account",
            Self::StockReserved => "Open orders hold more than would be left",
            Self::PreconditionRequired => "The request needs If-Match with the ETag that was read, or If-None-Match: *",
            Self::PreconditionFailed => "The version does not match; read it again",
            Self::RouteNotFound => "There is no such resource",
            Self::MethodNotAllowed => "The resource does not have this method",
            Self::TooManyRequests => "Too many requests at once; send it again with the same key",
            Self::Unavailable => "Whether the order was taken is unknown; send it again with the same key",
            Self::StoreUnavailable => "The records cannot be reached at the moment; try again",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::MalformedBody | Self::InvalidParameters => StatusCode::BAD_REQUEST,
            Self::InvalidOrder | Self::InvalidContent | Self::IdempotencyConflict => StatusCode::UNPROCESSABLE_ENTITY,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::OrderNotFound
            | Self::StockNotFound
            | Self::PriceNotFound
            | Self::AccountNotFound
            | Self::RouteNotFound => StatusCode::NOT_FOUND,
            Self::OrderNotConfirmed
            | Self::OrderCancelled
            | Self::OrderFulfilled
            | Self::PaymentLapsed
            | Self::PaymentNotLost
            | Self::PaymentNotAccepted
            | Self::StockReserved => StatusCode::CONFLICT,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The `type` of every problem in the API.
pub fn types() -> Vec<String> {
    let kinds = Kind::VARIANTS.iter().map(|kind| kind.name());
    let refused = declarations::refusals().map(|(_, refusal)| Reason::Refused(refusal.reason.clone()));
    let reasons = refused.chain(Reason::OWN).map(|reason| of_reason(Some(&reason)).0);
    kinds.map(Cow::from).chain(reasons).map(|name| uri(&name)).collect()
}

/// The most broken rules that a problem document lists: more than a person fixes at once, and a limit on the
/// size of the answer.
pub const MAX_ERRORS: usize = 100;

/// A problem document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stock: Option<Box<StockView>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Violation>,
    #[serde(skip)]
    kind: Kind,
}

/// A problem as it is sent.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    uri: String,
    title: &'static str,
    status: u16,
    #[serde(flatten)]
    problem: &'a Problem,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(kind: Kind) -> Self {
        Self { detail: None, order_id: None, stock: None, errors: Vec::new(), kind }
    }

    /// What is specific to this problem.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The order it is about.
    #[must_use]
    pub fn about(self, order_id: &OrderId) -> Self {
        Self { order_id: Some(order_id.clone()), ..self }
    }

    /// The current stock.
    #[must_use]
    pub fn stock(self, stock: StockView) -> Self {
        Self { stock: Some(Box::new(stock)), ..self }
    }

    /// The rules that the request breaks, the first [`MAX_ERRORS`] of them.
    #[must_use]
    pub fn errors(self, mut errors: Vec<Violation>) -> Self {
        errors.truncate(MAX_ERRORS);
        Self { errors, ..self }
    }

    /// The problem of a request that breaks these rules; the list is never empty.
    pub fn of(violations: Vec<Violation>) -> Self {
        let in_body = violations.iter().any(|violation| matches!(violation.place, Place::Pointer(_)));
        Self::new(if in_body { Kind::InvalidContent } else { Kind::InvalidParameters }).errors(violations)
    }

    /// The answer that carries it.
    pub fn answer(&self) -> Answer {
        let Self { kind, .. } = self;
        let document =
            Document { uri: uri(kind.name()), title: kind.title(), status: kind.status().as_u16(), problem: self };
        let answer = Answer::json(kind.status(), &document).with(header::CONTENT_TYPE, PROBLEM_JSON);
        match kind {
            // https://www.rfc-editor.org/rfc/rfc6750#section-3
            Kind::Unauthorized => {
                answer.with(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="orders""#))
            }
            // The same as API Gateway's.
            Kind::TooManyRequests => answer.with(header::RETRY_AFTER, HeaderValue::from_static("1")),
            Kind::Unavailable | Kind::StoreUnavailable => {
                answer.with(header::RETRY_AFTER, HeaderValue::from_static("5"))
            }
            _ => answer,
        }
    }
}

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

fn uri(name: &str) -> String {
    format!("urn:order-saga:problem:{name}")
}

/// The problem document of an order that was cancelled.
///
/// Its `status` is the order's, as in every other answer about an order. RFC 9457 tells consumers to ignore
/// a member whose type is not as defined, and the HTTP status is in the status line anyway.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled<'a> {
    #[serde(rename = "type")]
    uri: String,
    title: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    order_id: &'a OrderId,
    status: order::Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a Reason>,
    order: OrderView<'a>,
}

/// The answer to a request to place an order that is cancelled.
pub(crate) fn cancelled(record: &OrderRecord, caller: &Caller) -> Answer {
    let (name, title) = of_reason(record.reason.as_ref());
    let problem = Cancelled {
        uri: uri(&name),
        title,
        detail: record.detail.as_deref(),
        order_id: record.order.order_id(),
        status: record.status,
        reason: record.reason.as_ref(),
        order: OrderView::of(record, caller),
    };
    Answer::json(StatusCode::CONFLICT, &problem).with(header::CONTENT_TYPE, PROBLEM_JSON)
}

/// The name and title of the problem document for a cancelled order. For a step's refusal, the step declares
/// them.
fn of_reason(reason: Option<&Reason>) -> (Cow<'static, str>, &'static str) {
    match reason {
        Some(Reason::Refused(name)) => {
            match declarations::refusals().find(|(_, refusal)| refusal.reason == *name) {
                Some((_, refusal)) => (refusal.problem.as_str().into(), refusal.title.as_str()),
                // A step of another release declares it.
                None => (name.to_lowercase().replace('_', "-").into(), "A step refused the order"),
            }
        }
        Some(Reason::CustomerRequest) => ("cancelled-by-customer".into(), "The customer cancelled the order"),
        Some(Reason::StepFailed) => ("step-failed".into(), "A step of the order failed, and the order was rolled back"),
        Some(Reason::Unavailable) | None => ("service-unavailable".into(), "A service could not be reached in time"),
    }
}
