//! A customer's account: the terms of its invoices, and what the customer owes.

use aws_sdk_dynamodb::types::AttributeValue;
use order::{Currency, CustomerId};
use serde::{Deserialize, Serialize};

/// A customer's account, as stored without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The customer.
    pub customer_id: CustomerId,
    /// The currency of its amounts.
    pub currency: Currency,
    /// The most that the customer may owe.
    pub credit_limit_minor: i64,
    /// Whether it accepts no new invoices.
    pub on_hold: bool,
    /// What the customer owes: the sum of the invoices that are not reversed.
    pub receivable_minor: i64,
    /// How many times the terms were changed, which is the number of the last change in their history. Accounts from before
    /// there was a history, and those that were loaded and not opened, begin with 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub terms_version: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(version: &u32) -> bool {
    *version == 0
}

impl Account {
    /// Its terms.
    pub fn terms(&self) -> AccountTerms {
        let Self { currency, credit_limit_minor, on_hold, .. } = *self;
        AccountTerms { currency, credit_limit_minor, on_hold }
    }
}

/// What a customer may buy on invoice. The receivable is not part of it, because it follows from the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountTerms {
    /// The currency of the account's amounts; it never changes.
    pub currency: Currency,
    /// The most that the customer may owe.
    pub credit_limit_minor: i64,
    /// Whether the account accepts no new invoices.
    pub on_hold: bool,
}

pub(crate) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
