//! The API's problem documents ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).

use std::fmt;

use serde::Deserialize;

use crate::order::{Order, Reason};

/// Why the API refuses a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Problem {
    /// What kind of problem it is: the one thing to program against.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// The kind in words.
    pub title: String,
    /// What is special about this one.
    #[serde(default)]
    pub detail: Option<String>,
    /// The order that it is about.
    #[serde(default)]
    pub order_id: Option<String>,
    /// Why that order is cancelled.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// That order.
    #[serde(default)]
    pub order: Option<Box<Order>>,
    /// The rules that the request breaks.
    #[serde(default)]
    pub errors: Vec<Violation>,
    /// API Gateway's name for the request, if it refused it by itself.
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

/// A rule that the request breaks, with the one place that breaks it.
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

/// What every `type` of this API begins with.
const PREFIX: &str = "urn:order-saga:problem:";

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A kind of problem, by its `type`.
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(from = "String")]
        #[non_exhaustive]
        pub enum ProblemKind {
            $($(#[$doc])* $variant,)*
            /// Another one: a step's refusal, such as `out-of-stock`, whose order has the reason; or one that this
            /// client does not know. Its whole `type`.
            Other(String),
        }

        impl ProblemKind {
            /// The end of its `type`, which says which kind it is.
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
    /// The content of another request than an order breaks rules.
    InvalidContent = "invalid-content",
    /// Parameters break rules.
    InvalidParameters = "invalid-parameters",
    /// The request breaks a rule of API Gateway.
    InvalidRequest = "invalid-request",
    /// The body is not declared as JSON.
    UnsupportedMediaType = "unsupported-media-type",
    /// The body is larger than any order.
    BodyTooLarge = "body-too-large",
    /// The key was used for another order.
    IdempotencyConflict = "idempotency-conflict",
    /// The request has no API key, or none that may do this.
    Forbidden = "forbidden",
    /// There is no such order.
    OrderNotFound = "order-not-found",
    /// The order is not confirmed yet.
    OrderNotConfirmed = "order-not-confirmed",
    /// The order is cancelled, or being rolled back.
    OrderCancelled = "order-cancelled",
    /// The order is handed over, or about to be.
    OrderFulfilled = "order-fulfilled",
    /// The store does not keep the article.
    StockNotFound = "stock-not-found",
    /// The customer has no account.
    AccountNotFound = "account-not-found",
    /// The stock would be less than what is reserved.
    StockReserved = "stock-reserved",
    /// The request has to say which version it is about.
    PreconditionRequired = "precondition-required",
    /// The version that the request is about is another by now.
    PreconditionFailed = "precondition-failed",
    /// There is no such resource.
    RouteNotFound = "route-not-found",
    /// The resource has no such method.
    MethodNotAllowed = "method-not-allowed",
    /// More requests at once than the API takes.
    TooManyRequests = "too-many-requests",
    /// What became of the request is unknown.
    Unavailable = "unavailable",
    /// The orders cannot be read or changed at the moment.
    StoreUnavailable = "store-unavailable",
    /// Cancelled: a step failed.
    StepFailed = "step-failed",
    /// Cancelled: a service could not be reached in time.
    ServiceUnavailable = "service-unavailable",
    /// Cancelled: the customer did.
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
