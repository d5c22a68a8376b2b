//! What the payment provider can be asked for, and how it fails.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use order::{EpochMs, PaymentReference};

/// A payment that a customer has authorised at the provider, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Where it stands.
    pub status: PaymentStatus,
    /// The authorised amount.
    pub amount_minor: i64,
    /// Its currency's ISO code, in capitals.
    pub currency: String,
    /// How much was captured.
    pub captured_minor: i64,
    /// How much of that was refunded.
    pub refunded_minor: i64,
    /// When the authorisation lapses, if the provider says so.
    pub capture_before_ms: Option<EpochMs>,
}

impl Payment {
    /// Whether it was captured, and nothing of that is left.
    pub fn is_refunded(&self) -> bool {
        self.status == PaymentStatus::Succeeded && self.refunded_minor >= self.captured_minor
    }
}

/// Where a payment stands. Two of these are final: what was captured is never cancelled, and the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentStatus {
    /// Authorised, and to be captured.
    RequiresCapture,
    /// Captured. Final, but for refunds.
    Succeeded,
    /// Cancelled, or lapsed. Final.
    Canceled,
    /// Not authorised, or not yet.
    NotAuthorized,
}

/// Why the provider did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The card's bank declined. Nothing happened.
    #[error("declined: {0}")]
    Declined(String),
    /// The call is not possible, for example in the payment's present state. Nothing happened.
    #[error("rejected: {0}")]
    Rejected(String),
    /// The provider failed while it worked on the call, and may replay this answer under the same key.
    #[error("failed: {0}")]
    Failed(String),
    /// No answer came, or another call with the key is still being worked on.
    #[error("no answer: {0}")]
    Unanswered(String),
    /// The provider did not begin with the call: too many requests, or a rejected key of ours.
    #[error("not begun: {0}")]
    NotBegun(String),
}

/// The answer to a call.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, GatewayError>> + Send + 'a>>;

/// The payment provider. A `key` stands for one call: while the provider remembers it, a repetition has no effect and the
/// first answer.
pub trait Gateway: fmt::Debug + Send + Sync {
    /// Reads a payment, up to date; `None` if there is no such payment.
    fn payment<'a>(&'a self, id: &'a PaymentReference) -> Answer<'a, Option<Payment>>;

    /// Captures this amount, and returns the payment as it is then.
    fn capture<'a>(
        &'a self,
        id: &'a PaymentReference,
        amount_minor: i64,
        currency: &'a str,
        key: &'a str,
    ) -> Answer<'a, Payment>;

    /// Cancels a payment that is not captured.
    fn cancel<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()>;

    /// Refunds a captured payment in full.
    fn refund<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()>;
}
