//! What a new step has to define: its effect, how to undo it, and its refusals.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;

use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, TransactWriteItem};
use order::{EpochMs, Order, OrderId};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::conflict::{Tries, is_conflict};
use crate::transaction::{is_failed_condition, is_undecided};
use crate::unavailable::Unavailable;

/// A DynamoDB item, or the key of one.
pub type Item = HashMap<String, AttributeValue>;

/// How a step refuses an order. Its `Display` is the detail that the customer reads.
pub trait Refusal: Error + Send + Sync + 'static {
    /// The error's name: one of those that the function's declaration lists under `refusals`.
    fn name(&self) -> &'static str;

    /// Data for the order's record, besides the message.
    fn details(&self) -> Map<String, Value> {
        Map::new()
    }
}

/// What follows a cancelled transaction of an action.
#[derive(Debug)]
pub enum Next<P, R> {
    /// The same transaction again.
    Again,
    /// Another one, whose writes are computed from this.
    With(P),
    /// The step refuses the order.
    Refused(R),
    /// Nothing: the reasons decide nothing, and the tries are used up.
    Undecided,
}

/// The writes besides the fence whose conditions failed: the index of each, and its item as it was.
pub fn failed(reasons: &[CancellationReason]) -> Vec<(usize, Option<&Item>)> {
    let others = reasons.iter().skip(1).enumerate();
    others.filter(|(_, reason)| is_failed_condition(reason)).map(|(index, reason)| (index, reason.item())).collect()
}

/// One step of the saga. [`StepFunction`](crate::StepFunction) serves it, and
/// [`Fences`](crate::Fences) makes it safe to run twice, late, concurrently and in any order.
pub trait Step: Send + Sync + 'static {
    /// What is read before the action's writes, because their conditions are computed from it.
    type Prepared: Send + Sync + 'static;

    /// What the action does, as its fence keeps it: everything that the undo needs, because a
    /// compensation gets only the order's id.
    type Effect: Serialize + DeserializeOwned + PartialEq + Send + Sync;

    /// How the step refuses an order.
    type Refusal: Refusal;

    /// Whether a fence may expire once it is cancelled. A tombstone without an effect always may.
    const CANCELLED_FENCE_EXPIRES: bool;

    /// The key of the order's fence in the table itself: an index would be read eventually consistent. It
    /// must match the declaration's `fence`.
    fn fence_key(&self, order_id: &OrderId) -> Item;

    /// The effect for this order. Pure: the same order gives the same effect.
    fn effect(&self, order: &Order) -> Self::Effect;

    /// The effect as the fence keeps it, if it also says how the effect was reached, which may differ from try to try.
    fn recorded(&self, order: &Order, _prepared: &Self::Prepared) -> Self::Effect {
        self.effect(order)
    }

    /// Whether a fence's effect is this order's, however it was reached.
    fn is_effect_of(&self, effect: &Self::Effect, order: &Order) -> bool {
        *effect == self.effect(order)
    }

    /// Reads what the writes' conditions are computed from. It refuses nothing: the action may have
    /// succeeded before, and only the fence knows.
    fn prepare(&self, order: &Order) -> impl Future<Output = Result<Self::Prepared, Unavailable>> + Send;

    /// Refuses an order without a write, if it can. It must have read in *one transaction* that there is no fence and
    /// why it refuses: with one read after the other, a concurrent action of this very order could come in between,
    /// and the order would be refused because of what it holds itself.
    fn refuse_unwritten(
        &self,
        _order: &Order,
    ) -> impl Future<Output = Result<Option<Self::Refusal>, Unavailable>> + Send {
        std::future::ready(Ok(None))
    }

    /// The writes that apply the effect, besides the fence: at most 99, in one transaction with it. Each
    /// must return its old item when its condition fails. Without any, the fence itself is the effect,
    /// in a single put at half the cost.
    fn apply(&self, order: &Order, prepared: &Self::Prepared, now_ms: EpochMs) -> Vec<TransactWriteItem>;

    /// What the failed conditions of [`Step::apply`] mean. `failed` has the index of each failed write,
    /// and the item as it was. `None` if the items do not justify a refusal; the action is then
    /// retried.
    fn refusal(&self, order: &Order, failed: &[(usize, Option<&Item>)]) -> Option<Self::Refusal>;

    /// What follows a cancelled transaction, once it is clear that the fence did not decide. `reasons` begins with the
    /// fence's. Everything that decides nothing comes before a refusal.
    fn after_cancellation(
        &self,
        order: &Order,
        _prepared: &Self::Prepared,
        reasons: &[CancellationReason],
        tries: &mut Tries,
        _now_ms: EpochMs,
    ) -> impl Future<Output = Result<Next<Self::Prepared, Self::Refusal>, Unavailable>> + Send {
        async move {
            if is_conflict(reasons) && tries.again().await {
                return Ok(Next::Again);
            }
            let is_decided = !reasons.iter().any(is_undecided);
            let refusal = is_decided.then(|| self.refusal(order, &failed(reasons))).flatten();
            Ok(refusal.map_or(Next::Undecided, Next::Refused))
        }
    }

    /// The effect where it is now, if a failed undo or consumption shows that it has moved; `None` otherwise. What has
    /// moved never moves back, so this ends.
    fn moved(&self, _effect: &Self::Effect, _failed: &[(usize, Option<&Item>)]) -> Option<Self::Effect> {
        None
    }

    /// The writes that take the effect back, besides the fence and in one transaction with it.
    fn undo(&self, order_id: &OrderId, effect: &Self::Effect, now_ms: EpochMs) -> Vec<TransactWriteItem>;

    /// The writes that use the effect up once the order is handed over, besides the fence and in one
    /// transaction with it, for a step whose declaration has a `consumption`. A consumed fence always
    /// expires.
    fn consume(&self, _order_id: &OrderId, _effect: &Self::Effect, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        Vec::new()
    }
}
