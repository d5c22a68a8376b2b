//! What a new step has to say: its effect, and how to undo it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use order::{EpochMs, OrderId};
use serde::{Serialize, de::DeserializeOwned};

/// A DynamoDB item, or the key of one.
pub type Item = HashMap<String, AttributeValue>;

/// One step of the saga. [`Fences`](crate::Fences) runs it.
pub trait Step: Send + Sync {
    /// What the action is asked to do.
    type Request: Sync;

    /// What the action does, as its fence keeps it: all that the undo needs, for a compensation
    /// knows nothing but the order's id.
    type Effect: Serialize + DeserializeOwned + PartialEq + Send + Sync;

    /// How the step says no to this very order.
    type Refusal: Send;

    /// Whether a fence may expire once it is cancelled. A tombstone that holds nothing always may.
    const CANCELLED_FENCE_EXPIRES: bool;

    /// The base-table key of the order's fence: an index would be read eventually.
    fn fence_key(&self, order_id: &OrderId) -> Item;

    /// The effect that is asked for. Pure: the same request gives the same effect.
    fn effect(&self, request: &Self::Request) -> Self::Effect;

    /// The writes that have the effect, beside the fence. They go into one transaction with it, at
    /// most 99, and each returns its old item when its condition fails. None is fine: the fence
    /// then is the effect, in a single put at half the cost.
    fn apply(&self, request: &Self::Request, now_ms: EpochMs) -> Vec<TransactWriteItem>;

    /// What the failed conditions of [`Step::apply`] say: of each write that failed its index, and
    /// the item as it was. `None` if the items do not bear a refusal out; the action is then tried
    /// again.
    fn refusal(&self, request: &Self::Request, failed: &[(usize, Option<&Item>)]) -> Option<Self::Refusal>;

    /// The writes that take the effect back, beside the fence and in one transaction with it.
    fn undo(&self, order_id: &OrderId, effect: &Self::Effect, now_ms: EpochMs) -> Vec<TransactWriteItem>;
}

/// A step whose effect is used up once the order is handed over. A fence that was consumed may
/// expire as a cancelled one that holds nothing may.
pub trait Consumable: Step {
    /// The writes that use the effect up, beside the fence and in one transaction with it.
    fn consume(&self, order_id: &OrderId, effect: &Self::Effect, now_ms: EpochMs) -> Vec<TransactWriteItem>;
}
