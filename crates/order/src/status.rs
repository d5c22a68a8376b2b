//! Where an order stands, and why it was cancelled.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// Where an order stands. It moves only along absent → `PENDING` → `CONFIRMED`,
/// `PENDING` → `CANCELLING` → `CANCELLED` and absent → `CANCELLING`. When the store hands the goods
/// over, it moves along `CONFIRMED` → `FULFILLING` → `FULFILLED`; when the customer cancels before
/// that, along `CONFIRMED` → `CANCELLING`.
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
    /// Accepted; its steps are in progress. Open: recovery looks after it.
    Pending,
    /// Reserved and posted. This is the pivot: after it, no failure rolls the order back.
    Confirmed,
    /// The goods are handed over for good, and their stock is being consumed. Open: recovery looks
    /// after it.
    Fulfilling,
    /// Handed over, and its stock is consumed.
    Fulfilled,
    /// It was decided to cancel it; its steps are being undone. Open: recovery looks after it.
    Cancelling,
    /// Undone everywhere.
    Cancelled,
}

impl Status {
    /// Whether recovery still has to finish the order.
    pub fn is_open(self) -> bool {
        match self {
            Self::Pending | Self::Cancelling | Self::Fulfilling => true,
            Self::Confirmed | Self::Cancelled | Self::Fulfilled => false,
        }
    }
}

/// Why an order was cancelled: part of the API.
///
/// It accepts names that this release does not know: a step chooses its refusals' names, and a step of a
/// later release may have refused the order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Reason {
    /// A step refused this order for a reason that it declares, such as `OUT_OF_STOCK`.
    Refused(String),
    /// A step failed in a way that says nothing about the order: it timed out, crashed, or ran out
    /// of memory.
    StepFailed,
    /// A service stayed unreachable until recovery gave up.
    Unavailable,
    /// The customer asked for it.
    CustomerRequest,
}

impl Reason {
    /// The reasons that no step declares.
    pub const OWN: [Self; 3] = [Self::StepFailed, Self::Unavailable, Self::CustomerRequest];

    /// The name, as stored and as clients see it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Refused(name) => name,
            Self::StepFailed => "STEP_FAILED",
            Self::Unavailable => "UNAVAILABLE",
            Self::CustomerRequest => "CUSTOMER_REQUEST",
        }
    }

    /// Whether a step refused this order, so that its message is meant for the client.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl From<String> for Reason {
    fn from(name: String) -> Self {
        Self::OWN.into_iter().find(|reason| reason.as_str() == name).unwrap_or(Self::Refused(name))
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Refused(name) => name,
            other => other.as_str().to_owned(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_as_it_was_written_known_or_not() {
        for name in ["STEP_FAILED", "UNAVAILABLE", "CUSTOMER_REQUEST", "OUT_OF_STOCK", "OF_A_LATER_RELEASE"] {
            let reason: Reason = serde_json::from_value(name.into()).unwrap();
            assert_eq!(reason.is_refusal(), !Reason::OWN.contains(&reason), "{name}");
            assert_eq!(serde_json::to_value(&reason).unwrap(), name);
        }
    }
}
