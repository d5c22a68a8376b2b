//! The order record: the one source of truth about an order.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Actor, EpochMs, Order, PaymentReference, Reason, Sku, Status};

/// What a step or its compensation did, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// When the effect or the tombstone was first written.
    pub at_ms: EpochMs,
    /// What was written.
    pub effect: Effect,
    /// When what the action did lapses, unless it is used up before: a remote service keeps it no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapses_ms: Option<EpochMs>,
}

impl Receipt {
    /// The receipt of what does not lapse.
    pub fn new(at_ms: EpochMs, effect: Effect) -> Self {
        Self { at_ms, effect, lapses_ms: None }
    }
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

/// The receipts of some steps, by step name, which is its function's name: `reserve-inventory`.
pub type StepReceipts = BTreeMap<String, Receipt>;

/// What the steps of an order did, in three maps by step name. Each map is written as a whole, together
/// with its decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredReceipts")]
pub struct Receipts {
    /// Of the actions, once the order is confirmed.
    #[serde(rename = "receipts")]
    pub applied: StepReceipts,
    /// Of the compensations, once the order is cancelled.
    #[serde(rename = "undo_receipts", skip_serializing_if = "BTreeMap::is_empty")]
    pub undone: StepReceipts,
    /// Of the consumptions, once the order is fulfilled.
    #[serde(rename = "consumption_receipts", skip_serializing_if = "BTreeMap::is_empty")]
    pub consumed: StepReceipts,
}

/// The receipts as they are stored.
#[derive(Deserialize)]
struct StoredReceipts {
    #[serde(default)]
    receipts: BTreeMap<String, Receipt>,
    #[serde(default)]
    undo_receipts: StepReceipts,
    #[serde(default)]
    consumption_receipts: StepReceipts,
}

impl From<StoredReceipts> for Receipts {
    /// The first release kept all receipts in one map.
    fn from(stored: StoredReceipts) -> Self {
        let mut receipts =
            Self { applied: BTreeMap::new(), undone: stored.undo_receipts, consumed: stored.consumption_receipts };
        for (name, receipt) in stored.receipts {
            let map = match name.as_str() {
                "release_inventory" | "reverse_accounting" => &mut receipts.undone,
                "consume_inventory" => &mut receipts.consumed,
                _ => &mut receipts.applied,
            };
            // A receipt under the step's own name is newer.
            map.entry(step_of(name)).or_insert(receipt);
        }
        receipts
    }
}

/// The step that a receipt is of. The first release had a name for each receipt of its two steps.
fn step_of(name: String) -> String {
    match name.as_str() {
        "reserve_inventory" | "release_inventory" | "consume_inventory" => "reserve-inventory".to_owned(),
        "post_accounting" | "reverse_accounting" => "post-accounting".to_owned(),
        _ => name,
    }
}

/// Reads the receipts of some steps, also in the first release's form: an execution of its definition may
/// still call today's functions.
///
/// # Errors
/// Those of the deserializer.
pub fn step_receipts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StepReceipts, D::Error> {
    let named = StepReceipts::deserialize(deserializer)?;
    Ok(named.into_iter().map(|(name, receipt)| (step_of(name), receipt)).collect())
}

/// An article of an order of which its store had too little.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// The article.
    pub sku: Sku,
    /// How many could be reserved when the order was refused; 0 if the store does not keep the article.
    pub available: i64,
}

/// The order with its decision, as stored and as the workflow passes it on.
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
    /// The refusing step's own message, if a step refused the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What the store had too little of, if that is why the order was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortages: Vec<Shortage>,
    /// The payment that an operator has claimed in place of a lost one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_replacement: Option<PaymentReference>,
    /// Who put it in the lost one's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_replaced_by: Option<Actor>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_replaced_ms: Option<EpochMs>,
    /// What the steps did, known once the order is decided.
    #[serde(flatten)]
    pub receipts: Receipts,
    /// How many times recovery has tried the order since it last became open.
    pub attempts: u32,
    /// When it was first written.
    pub created_ms: EpochMs,
    /// When it was last written.
    pub updated_ms: EpochMs,
    /// When it was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_ms: Option<EpochMs>,
    /// When it was decided to cancel it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelling_ms: Option<EpochMs>,
    /// Who decided that, if it was a person and no failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<Actor>,
    /// When everything was undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_ms: Option<EpochMs>,
    /// When the goods were handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilling_ms: Option<EpochMs>,
    /// Who handed them over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilled_by: Option<Actor>,
    /// When the hand-over was completed: the stock is consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilled_ms: Option<EpochMs>,
    /// Which run of recovery last parked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_by: Option<Actor>,
    /// Which operator last had it retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_up_by: Option<Actor>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_up_ms: Option<EpochMs>,
}

impl OrderRecord {
    /// The payment that pays for the order now, or its client's reference.
    pub fn payment_reference(&self) -> Option<&PaymentReference> {
        self.payment_replacement.as_ref().or(self.order.payment_reference.as_ref())
    }
}
