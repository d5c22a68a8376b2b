//! The payments table.
//!
//! | item | key `pk` | attributes |
//! |---|---|---|
//! | payment | `ORDER#<order id>` | a fence whose effect is a [`PaymentEffect`] and whose terms are [`PaymentTerms`] |
//! | claim | `PAYMENT#<payment>` | the order that the payment serves; it never expires |

use aws_sdk_dynamodb::types::AttributeValue;
use order::{Currency, EpochMs, OrderId, PaymentReference};
use saga::Item;
use serde::{Deserialize, Serialize};

use crate::gateway::{Payment, PaymentStatus};
use crate::settings::Capture;

/// The table's name, as it declares itself.
pub const TABLE: &str = "payments";

/// What an order asks of the payment provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentEffect {
    /// The payment, as the provider calls it.
    pub payment: PaymentReference,
    /// The amount to capture: the order's total.
    pub amount_minor: i64,
    /// Its currency.
    pub currency: Currency,
}

/// How an order's payment is dealt with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentTerms {
    /// When it is captured: the setting, as it was when the order claimed the payment.
    pub capture: Capture,
    /// When the authorisation lapses, as the provider said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture_before_ms: Option<EpochMs>,
    /// The payment that an operator has claimed in place of a lost one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<PaymentReference>,
}

impl PaymentEffect {
    /// What is asked of the provider under these terms.
    #[must_use]
    pub fn under(&self, terms: &PaymentTerms) -> Self {
        let payment = terms.replacement.as_ref().unwrap_or(&self.payment).clone();
        Self { payment, ..self.clone() }
    }

    /// Whether a payment is of this amount, in this currency.
    pub fn fits(&self, payment: &Payment) -> bool {
        payment.amount_minor == self.amount_minor && payment.currency == self.currency.code()
    }

    /// Whether exactly this amount is captured, and nothing of it refunded.
    pub fn is_captured(&self, payment: &Payment) -> bool {
        payment.status == PaymentStatus::Succeeded
            && payment.captured_minor == self.amount_minor
            && payment.refunded_minor == 0
    }
}

/// The key of an order's payment.
pub fn fence_key(order_id: &OrderId) -> Item {
    key(format!("ORDER#{order_id}"))
}

/// The key of the claim on a payment.
pub fn claim_key(payment: &PaymentReference) -> Item {
    key(format!("PAYMENT#{payment}"))
}

fn key(pk: String) -> Item {
    Item::from([("pk".to_owned(), AttributeValue::S(pk))])
}
