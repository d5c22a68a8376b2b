//! Where an order stands, and why it was cancelled.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// Where an order stands. It moves only along
/// absent → `PENDING` → `CONFIRMED`, `PENDING` → `CANCELLING` → `CANCELLED`, absent → `CANCELLING`,
/// when its store hands the goods over, `CONFIRMED` → `FULFILLING` → `FULFILLED`, and, when its
/// customer cancels it before that, `CONFIRMED` → `CANCELLING`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Accepted; its steps are under way. Open: recovery looks after it.
    Pending,
    /// Reserved and posted: the pivot, past which no failure rolls it back.
    Confirmed,
    /// The goods are handed over, which nothing takes back; their stock is being consumed. Open:
    /// recovery looks after it.
    Fulfilling,
    /// Handed over, and off the books.
    Fulfilled,
    /// Decided against; its steps are being undone. Open: recovery looks after it.
    Cancelling,
    /// Undone everywhere.
    Cancelled,
}

impl Status {
    /// Whether recovery has still to bring the order to an end.
    pub fn is_open(self) -> bool {
        match self {
            Self::Pending | Self::Cancelling | Self::Fulfilling => true,
            Self::Confirmed | Self::Cancelled | Self::Fulfilled => false,
        }
    }
}

/// Why an order was cancelled: part of the API.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The store holds less than was ordered.
    OutOfStock,
    /// The store does not know the article.
    UnknownSku,
    /// The invoice would take the customer beyond the credit limit.
    CreditLimitExceeded,
    /// The customer's account takes no new invoices.
    AccountOnHold,
    /// The customer has no account to invoice.
    UnknownAccount,
    /// The customer's account is kept in another currency.
    CurrencyMismatch,
    /// A step failed in a way that says nothing about the order: it timed out, crashed, or ran out
    /// of memory.
    StepFailed,
    /// A service stayed unreachable until recovery gave up.
    Unavailable,
    /// The customer asked for it.
    CustomerRequest,
}

impl Reason {
    /// The reason behind the error name by which a step failed. The names of final errors are those
    /// of the variants; every other one says nothing about the order.
    pub fn of_error(name: &str) -> Self {
        match name {
            "OutOfStock" => Self::OutOfStock,
            "UnknownSku" => Self::UnknownSku,
            "CreditLimitExceeded" => Self::CreditLimitExceeded,
            "AccountOnHold" => Self::AccountOnHold,
            "UnknownAccount" => Self::UnknownAccount,
            "CurrencyMismatch" => Self::CurrencyMismatch,
            _ => Self::StepFailed,
        }
    }

    /// Whether a step stated it about this very order, so that its message is meant for the client.
    pub fn is_refusal(self) -> bool {
        match self {
            Self::OutOfStock
            | Self::UnknownSku
            | Self::CreditLimitExceeded
            | Self::AccountOnHold
            | Self::UnknownAccount
            | Self::CurrencyMismatch => true,
            Self::StepFailed | Self::Unavailable | Self::CustomerRequest => false,
        }
    }
}
