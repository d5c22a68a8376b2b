//! The order record: the one source of truth about an order.

use serde::{Deserialize, Serialize};

use crate::{EpochMs, Order, Reason, Sku, Status};

/// What a step or its compensation did, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// When the effect, or the tombstone, was first written.
    pub at_ms: EpochMs,
    /// What was written.
    pub effect: Effect,
}

/// What a step left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Effect {
    /// The action's effect.
    Applied,
    /// The effect, taken back.
    Undone,
    /// A tombstone only: there was nothing to take back.
    Nothing,
    /// The effect, used up for good.
    Consumed,
}

/// The receipts of an order's steps, in the order in which they run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// The hold on stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve_inventory: Option<Receipt>,
    /// The journal entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_accounting: Option<Receipt>,
    /// The reversal of the journal entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_accounting: Option<Receipt>,
    /// The release of the stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_inventory: Option<Receipt>,
    /// The consumption of the reserved stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consume_inventory: Option<Receipt>,
}

/// An article of an order that its store had too little of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// The article.
    pub sku: Sku,
    /// How many could be reserved when the order was refused; none, if the store does not keep it.
    pub available: i64,
}

/// The order with its decision, as stored and as the workflow hands it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// What was ordered. Never changes.
    #[serde(flatten)]
    pub order: Order,
    /// Where it stands.
    pub status: Status,
    /// Why it was cancelled, from `CANCELLING` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The refusing step's own words, if a step refused the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What the store had too little of, if it refused the order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortages: Vec<Shortage>,
    /// What the steps did, known once the order is decided.
    #[serde(default)]
    pub receipts: Receipts,
    /// How often recovery has taken the order up since it last became open.
    pub attempts: u32,
    /// When it was first written.
    pub created_ms: EpochMs,
    /// When it was last written.
    pub updated_ms: EpochMs,
    /// When it was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_ms: Option<EpochMs>,
    /// When it was decided against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelling_ms: Option<EpochMs>,
    /// When everything was undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_ms: Option<EpochMs>,
    /// When the goods were handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilling_ms: Option<EpochMs>,
    /// When all was done for that: their stock is consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilled_ms: Option<EpochMs>,
}
