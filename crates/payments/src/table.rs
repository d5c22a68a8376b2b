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
