//! The API's problem documents ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).

use std::fmt;

use serde::Deserialize;

use crate::order::{Order, Reason};

/// Why the API refuses a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Problem {
    /// The kind of problem. Programs should decide by this alone.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// A short description of the kind.
    pub title: String,
    /// What is particular to this problem.
    #[serde(default)]
    pub detail: Option<String>,
    /// The order that it is about.
    #[serde(default)]
    pub order_id: Option<String>,
    /// Why that order is cancelled.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// The order itself.
    #[serde(default)]
    pub order: Option<Box<Order>>,
    /// The rules that the request breaks.
    #[serde(default)]
    pub errors: Vec<Violation>,
    /// API Gateway's id of the request, if API Gateway refused it.
    #[serde(default)]
    pub request_id: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.title, self.kind.name())?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        for violation in &self.errors {
            write!(f, "; {violation}")?;
        }
        Ok(())
    }
}

/// A rule that the request breaks, and where. Only one of the places is set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Violation {
    /// A JSON pointer into the body, as a URI fragment: `#/items/0/price`.
    #[serde(default)]
    pub pointer: Option<String>,
    /// The name of a header.
    #[serde(default)]
    pub header: Option<String>,
    /// The name of a parameter in the path or the query.
    #[serde(default)]
    pub parameter: Option<String>,
    /// The rule.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.pointer.as_ref().or(self.header.as_ref()).or(self.parameter.as_ref());
        write!(f, "{} {}", place.map_or("", String::as_str), self.detail)
    }
}

/// The start of every `type` of this API.
const PREFIX: &str = "urn:order-saga:problem:";

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A kind of problem, by its `type`.
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(from = "String")]
        #[non_exhaustive]
        pub enum ProblemKind {
            $($(#[$doc])* $variant,)*
            /// Any other kind, with its whole `type`. It is a step's refusal, such as `out-of-stock`, or a kind that
            /// this client does not know.
            Other(String),
        }

        impl ProblemKind {
            /// The end of its `type`, which names the kind.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(uri) => uri.strip_prefix(PREFIX).unwrap_or(uri),
                }
            }
        }

        impl From<String> for ProblemKind {
            fn from(uri: String) -> Self {
                match uri.strip_prefix(PREFIX) {
                    $(Some($name) => Self::$variant,)*
                    _ => Self::Other(uri),
                }
            }
        }
    };
}

kinds! {
    /// The body is not JSON.
    MalformedBody = "malformed-body",
    /// The order breaks rules.
    InvalidOrder = "invalid-order",
    /// The content of a request other than an order breaks rules.
    InvalidContent = "invalid-content",
    /// Parameters break rules.
    InvalidParameters = "invalid-parameters",
    /// The request breaks a rule of API Gateway.
    InvalidRequest = "invalid-request",
    /// The body is not declared as JSON.
    UnsupportedMediaType = "unsupported-media-type",
    /// The body is too large.
    BodyTooLarge = "body-too-large",
    /// The key was used for another order.
    IdempotencyConflict = "idempotency-conflict",
    /// The request has no valid token or API key.
    Unauthorized = "unauthorized",
    /// The token or the key does not allow this.
    Forbidden = "forbidden",
    /// The order does not exist.
    OrderNotFound = "order-not-found",
    /// The order is not confirmed yet.
    OrderNotConfirmed = "order-not-confirmed",
    /// The order is cancelled or being rolled back.
    OrderCancelled = "order-cancelled",
    /// The order is handed over or about to be.
    OrderFulfilled = "order-fulfilled",
    /// The order's payment was cancelled or has lapsed, so its goods cannot be handed over.
    PaymentLapsed = "payment-lapsed",
    /// The order's payment is not lost, so it cannot be replaced.
    PaymentNotLost = "payment-not-lost",
    /// The other payment cannot take the place of the order's payment.
    PaymentNotAccepted = "payment-not-accepted",
    /// The store does not keep the article.
    StockNotFound = "stock-not-found",
    /// The customer has no account.
    AccountNotFound = "account-not-found",
    /// The article has no price in the store.
    PriceNotFound = "price-not-found",
    /// The stock would be less than what orders have reserved.
    StockReserved = "stock-reserved",
    /// The request must say which version it changes.
    PreconditionRequired = "precondition-required",
    /// The resource has changed since the version that the request names.
    PreconditionFailed = "precondition-failed",
    /// The resource does not exist.
    RouteNotFound = "route-not-found",
    /// The resource does not have this method.
    MethodNotAllowed = "method-not-allowed",
    /// The API rejected the request because there were too many.
    TooManyRequests = "too-many-requests",
    /// It is unknown whether the request took effect.
    Unavailable = "unavailable",
    /// Orders cannot be read or changed at the moment.
    StoreUnavailable = "store-unavailable",
    /// Cancelled because a step failed.
    StepFailed = "step-failed",
    /// Cancelled because a service could not be reached in time.
    ServiceUnavailable = "service-unavailable",
    /// Cancelled by the customer.
    CancelledByCustomer = "cancelled-by-customer",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_is_wrong_and_where() {
        let problem: Problem = serde_json::from_str(
            r##"{"type":"urn:order-saga:problem:invalid-order","title":"The order breaks rules","status":422,
                "errors":[{"pointer":"#/customerId","detail":"is required"},{"header":"Idempotency-Key","detail":"must be sent once"}]}"##,
        )
        .unwrap();
        assert_eq!(problem.kind, ProblemKind::InvalidOrder);
        assert_eq!(
            problem.to_string(),
            "The order breaks rules (invalid-order); #/customerId is required; Idempotency-Key must be sent once"
        );
    }

    #[test]
    fn a_kind_of_a_later_release_is_kept_as_it_is() {
        let problem: Problem = serde_json::from_str(r#"{"type":"urn:other","title":"New","status":"ODD"}"#).unwrap();
        assert_eq!(problem.kind, ProblemKind::Other("urn:other".to_owned()));
    }
}
