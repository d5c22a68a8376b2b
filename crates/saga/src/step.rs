//! What a new step has to say: its effect, how to undo it, and how it says no.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use order::{EpochMs, Order, OrderId};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::unavailable::Unavailable;

/// A DynamoDB item, or the key of one.
pub type Item = HashMap<String, AttributeValue>;

/// How a step says no to this very order. Its `Display` is the detail that the customer reads.
pub trait Refusal: Error + Send + Sync + 'static {
    /// The error's name: one of those that the function's declaration lists under `refusals`.
    fn name(&self) -> &'static str;

    /// What has to reach the record as data and not in words.
    fn details(&self) -> Map<String, Value> {
        Map::new()
    }
}

/// One step of the saga. [`StepFunction`](crate::StepFunction) serves it, and
/// [`Fences`](crate::Fences) makes it safe to run twice, late, concurrently and in any order.
pub trait Step: Send + Sync + 'static {
    /// What has to be read before the action's writes, because their conditions are computed from it.
    type Prepared: Send + Sync;

    /// What the action does, as its fence keeps it: all that the undo needs, for a compensation
    /// knows nothing but the order's id.
    type Effect: Serialize + DeserializeOwned + PartialEq + Send + Sync;

    /// How the step says no.
    type Refusal: Refusal;

    /// Whether a fence may expire once it is cancelled. A tombstone that holds nothing always may.
    const CANCELLED_FENCE_EXPIRES: bool;

    /// The base-table key of the order's fence: an index would be read eventually. The declaration's
    /// `fence` says the same.
    fn fence_key(&self, order_id: &OrderId) -> Item;

    /// The effect that the order asks for. Pure: the same order gives the same effect.
    fn effect(&self, order: &Order) -> Self::Effect;

    /// Reads what the writes' conditions are computed from. It refuses nothing: the order may have been
    /// served before, and its fence says so.
    fn prepare(&self, order: &Order) -> impl Future<Output = Result<Self::Prepared, Unavailable>> + Send;

    /// The writes that have the effect, besides the fence. They go into one transaction with it, at
    /// most 99, and each returns its old item when its condition fails. None is fine: the fence
    /// then is the effect, in a single put at half the cost.
    fn apply(&self, order: &Order, prepared: &Self::Prepared, now_ms: EpochMs) -> Vec<TransactWriteItem>;

    /// What the failed conditions of [`Step::apply`] say: of each write that failed its index, and
    /// the item as it was. `None` if the items do not bear a refusal out; the action is then tried
    /// again.
    fn refusal(&self, order: &Order, failed: &[(usize, Option<&Item>)]) -> Option<Self::Refusal>;

    /// The writes that take the effect back, besides the fence and in one transaction with it.
    fn undo(&self, order_id: &OrderId, effect: &Self::Effect, now_ms: EpochMs) -> Vec<TransactWriteItem>;

    /// The writes that use the effect up once the order is handed over, besides the fence and in one
    /// transaction with it; for a step whose declaration has a `consumption`. A fence that was consumed
    /// may expire as a cancelled one that holds nothing may.
    fn consume(&self, _order_id: &OrderId, _effect: &Self::Effect, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        Vec::new()
    }
}
