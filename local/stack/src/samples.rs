//! Sample orders, for the demo and for anyone who tries the stack.

use local_payments::Card;
use serde::Deserialize;
use serde_json::Value;

/// The samples, in order, as JSON.
pub const TEXT: &str = include_str!("samples.json");

/// A sample order.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sample {
    /// What it shows.
    pub title: String,
    /// Its idempotency key.
    pub key: String,
    /// Its body.
    pub body: Value,
    /// How many clients send it at the same time.
    #[serde(default = "one")]
    pub clients: usize,
    /// The card on which its payment is authorised before, under the order's `paymentReference`.
    pub card: Option<Card>,
    /// The state whose invocations are delayed until it has timed out.
    pub late: Option<String>,
    /// The outcome that it must have, on a stack that is new.
    pub expected: Expected,
}

/// The outcome of a sample.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expected {
    /// The answer's status.
    pub http_status: u16,
    /// The order's status.
    pub status: String,
    /// Why it is cancelled.
    pub reason: Option<String>,
}

fn one() -> usize {
    1
}

/// The samples.
///
/// # Errors
/// If [`TEXT`] is not a list of samples, which a test of the demo would find.
pub fn all() -> Result<Vec<Sample>, serde_json::Error> {
    serde_json::from_str(TEXT)
}
