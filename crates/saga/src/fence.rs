//! The fence: one record per step and order that decides between an action and its compensation.
//!
//! ```text
//!            action                    compensation
//!   absent ─────────▶ APPLIED ───────────────────────▶ CANCELLED
//!   absent ──────────────────────────────────────────▶ CANCELLED   (a tombstone: nothing was done)
//!                     APPLIED ───────────────────────▶ CONSUMED    (used up: nothing to take back)
//!                                     consumption
//! ```
//!
//! The fence and the effect are written together, so either both exist or neither does. An action that
//! arrives after its compensation (its task timed out, and it writes late) finds `CANCELLED` and does
//! nothing. An action that arrives after its consumption finds that it was done, and does nothing
//! either. Every transition is conditional on what was read, so any number of actions, compensations
//! and consumptions may run at once: one wins, and the others read its result.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use order::{Effect, EpochMs, Order, OrderId, Receipt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::conflict::{Tries, is_conflict};
use crate::step::{Item, Next, Step, failed};
use crate::transaction::{cancellation_reasons, is_failed_condition, undecided};
use crate::unavailable::Unavailable;

/// How long a fence that nothing depends on is kept: longer than the retention and redrive of all queues
/// together, so no message about its order can still arrive.
const FENCE_RETENTION_S: i64 = 60 * 24 * 60 * 60;

/// How many times a compensation or a consumption reads a fence that others keep changing. A fence
/// changes at most twice in its life, so the third read is the last that can find anything new.
const MAX_LOOKS: u32 = 3;

/// The attribute that holds the fence's state.
pub const STATE: &str = "fence";

/// The state of a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum FenceState {
    /// A remote effect is intended, and its object is claimed. Only steps with a [remote effect](crate::external) have
    /// this state.
    Intended,
    /// The action has taken effect.
    Applied,
    /// The remote effect is being taken back. Only steps with a remote effect have this state.
    Cancelling,
    /// The effect was taken back, or can no longer happen.
    Cancelled,
    /// The effect was used up, for good.
    Consumed,
}

/// A fence as stored, without its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fence<E> {
    /// Its state.
    #[serde(rename = "fence")]
    pub state: FenceState,
    /// What the action did; a tombstone has none.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub effect: Option<E>,
    /// When the action took effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_ms: Option<EpochMs>,
    /// When it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_ms: Option<EpochMs>,
    /// When it was consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed_ms: Option<EpochMs>,
    /// When DynamoDB may delete it, in epoch *seconds*, as its TTL requires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// Why an action did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ActionError<R> {
    /// The step refuses this order. Final.
    #[error("the step refuses the order")]
    Refused(R),
    /// A compensation came first, so the action is too late. Final.
    #[error("the step was cancelled before it was applied")]
    Cancelled,
    /// The order's fence holds a different effect. Final.
    #[error("the step was applied with different content")]
    OtherContent,
    /// Nothing is decided.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a compensation did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The effect is used up, and nothing was changed. No order is both handed over and cancelled, so
    /// this error means a bug. Final.
    #[error("the step's effect was consumed and can no longer be undone")]
    Consumed,
    /// Nothing is decided.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a consumption did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// There is no effect to use up: there never was one, or it was taken back. Nothing was changed. Final.
    #[error("the step has no effect to consume")]
    NotApplied,
    /// Nothing is decided.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The fences of one step's table.
#[derive(Debug, Clone)]
pub struct Fences {
    client: Client,
    table: String,
}

impl Fences {
    /// The fences in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Runs the action: writes its effect and its fence together, if there is no fence yet.
    ///
    /// # Idempotency
    /// Repeated with the same order, it returns the first receipt and writes nothing.
    ///
    /// # Cost
    /// In a transaction, two write units for the fence and for each further write of up to 1 KiB; one
    /// write unit if only the fence is written.
    ///
    /// # Errors
    /// [`ActionError`].
    pub async fn apply<S: Step>(
        &self,
        step: &S,
        order: &Order,
        prepared: &S::Prepared,
        now_ms: EpochMs,
    ) -> Result<Receipt, ActionError<S::Refusal>> {
        if let Some(refusal) = step.refuse_unwritten(order).await? {
            return Err(ActionError::Refused(refusal));
        }
        let order_id = order.order_id();
        let is_same = |effect: &S::Effect| step.is_effect_of(effect, order);
        let mut other = None;
        let mut tries = Tries::of(order_id.as_str());
        loop {
            let prepared = other.as_ref().unwrap_or(prepared);
            let effect = step.recorded(order, prepared);
            let fence = self.applied_fence(step, order_id, &effect, now_ms)?;
            let writes = step.apply(order, prepared, now_ms);
            if writes.is_empty() {
                return self.put_alone(order_id, fence, is_same, now_ms).await;
            }
            let all = std::iter::once(TransactWriteItem::builder().put(fence).build()).chain(writes).collect();
            let Some(reasons) = self.transact_once(all, APPLY).await? else {
                return Ok(Receipt::new(now_ms, Effect::Applied));
            };
            // The fence first, because it may show that this very action succeeded before: stock that looks short
            // because this order already holds it is not a refusal.
            if let Some(fence) = reasons.first().filter(|reason| is_failed_condition(reason)) {
                return answer_from_fence(fence.item(), is_same);
            }
            match step.after_cancellation(order, prepared, &reasons, &mut tries, now_ms).await? {
                Next::Again => {}
                Next::With(prepared) => other = Some(prepared),
                Next::Refused(refusal) => return Err(ActionError::Refused(refusal)),
                Next::Undecided => return Err(undecided(APPLY, &reasons).into()),
            }
        }
    }

    /// Sends a transaction, and retries it on a conflict. Returns the reasons if it was cancelled, and `None`
    /// if it was applied.
    pub(crate) async fn transact(
        &self,
        order_id: &OrderId,
        writes: Vec<TransactWriteItem>,
        attempted: &'static str,
    ) -> Result<Option<Vec<CancellationReason>>, Unavailable> {
        let mut tries = Tries::of(order_id.as_str());
        loop {
            let Some(reasons) = self.transact_once(writes.clone(), attempted).await? else { return Ok(None) };
            if !is_conflict(&reasons) || !tries.again().await {
                return Ok(Some(reasons));
            }
        }
    }

    async fn transact_once(
        &self,
        writes: Vec<TransactWriteItem>,
        attempted: &'static str,
    ) -> Result<Option<Vec<CancellationReason>>, Unavailable> {
        match self.client.transact_write_items().set_transact_items(Some(writes)).send().await {
            Ok(_) => Ok(None),
            Err(error) => cancellation_reasons(attempted, error).map(Some),
        }
    }

    /// Runs the compensation: takes the effect back, or prevents it from happening later.
    ///
    /// # Idempotency
    /// Any number of times, before, during or after the action.
    ///
    /// # Cost
    /// A strongly consistent read; then one write unit for a tombstone, or two each for the fence and for
    /// every write of the undo.
    ///
    /// # Errors
    /// [`CancelError`].
    pub async fn cancel<S: Step>(&self, step: &S, order_id: &OrderId, now_ms: EpochMs) -> Result<Receipt, CancelError> {
        for _ in 0..MAX_LOOKS {
            let won = match self.read::<S::Effect>(step.fence_key(order_id), CANCEL).await? {
                Some(Fence { state: FenceState::Consumed, .. }) => return Err(CancelError::Consumed),
                Some(Fence { state: FenceState::Cancelled, effect, cancelled_ms, .. }) => {
                    let effect = if effect.is_some() { Effect::Undone } else { Effect::Nothing };
                    return Ok(Receipt::new(cancelled_ms.unwrap_or(now_ms), effect));
                }
                Some(Fence { state: FenceState::Applied, effect: Some(effect), .. }) => {
                    self.undo(step, order_id, effect, now_ms).await?
                }
                Some(Fence { state: FenceState::Intended | FenceState::Cancelling, .. }) => {
                    return Err(Unavailable::Contended { attempted: CANCEL }.into());
                }
                Some(Fence { state: FenceState::Applied, effect: None, .. }) | None => {
                    self.bury(order_id, step.fence_key(order_id), now_ms).await?
                }
            };
            if let Some(receipt) = won {
                return Ok(receipt);
            }
        }
        Err(Unavailable::Contended { attempted: CANCEL }.into())
    }

    /// Uses the effect up: what the action did is final, and no compensation can take it back.
    ///
    /// # Idempotency
    /// Any number of times, also at once: one call consumes, and the others return its receipt.
    ///
    /// # Cost
    /// A strongly consistent read; then two write units each for the fence and for every further write of
    /// up to 1 KiB.
    ///
    /// # Errors
    /// [`ConsumeError`].
    pub async fn consume<S: Step>(
        &self,
        step: &S,
        order_id: &OrderId,
        now_ms: EpochMs,
    ) -> Result<Receipt, ConsumeError> {
        for _ in 0..MAX_LOOKS {
            let won = match self.read::<S::Effect>(step.fence_key(order_id), CONSUME).await? {
                Some(Fence { state: FenceState::Consumed, consumed_ms, .. }) => {
                    return Ok(Receipt::new(consumed_ms.unwrap_or(now_ms), Effect::Consumed));
                }
                Some(Fence { state: FenceState::Applied, effect: Some(effect), .. }) => {
                    let fence = self.consumed_update(step.fence_key(order_id), now_ms);
                    let consume = |effect: &S::Effect| step.consume(order_id, effect, now_ms);
                    self.leave_applied(step, order_id, fence, effect, consume, CONSUME).await?
                }
                Some(Fence { .. }) | None => return Err(ConsumeError::NotApplied),
            };
            if won {
                return Ok(Receipt::new(now_ms, Effect::Consumed));
            }
        }
        Err(Unavailable::Contended { attempted: CONSUME }.into())
    }

    fn applied_fence<S: Step>(
        &self,
        step: &S,
        order_id: &OrderId,
        effect: &S::Effect,
        now_ms: EpochMs,
    ) -> Result<Put, Unavailable> {
        let fence = Fence {
            state: FenceState::Applied,
            effect: Some(effect),
            applied_ms: Some(now_ms),
            cancelled_ms: None,
            consumed_ms: None,
            expires_at: None,
        };
        self.absent_put(step.fence_key(order_id), &fence, APPLY)
    }

    /// A put of a fence, if there isn't one.
    pub(crate) fn absent_put<F: Serialize>(
        &self,
        key: Item,
        fence: &F,
        attempted: &'static str,
    ) -> Result<Put, Unavailable> {
        let mut item: Item =
            serde_dynamo::to_item(fence).map_err(|source| Unavailable::Unreadable { attempted, source })?;
        item.extend(key);
        Ok(Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            // The first writer of the fence decides; the others read it in the answer.
            .condition_expression("attribute_not_exists(#fence)")
            .expression_attribute_names("#fence", STATE)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("a put with a table and an item is complete"))
    }

    async fn put_alone<E, R>(
        &self,
        order_id: &OrderId,
        put: Put,
        is_same: impl Fn(&E) -> bool,
        now_ms: EpochMs,
    ) -> Result<Receipt, ActionError<R>>
    where
        E: DeserializeOwned,
    {
        match self.put(order_id, put).await {
            Ok(()) => Ok(Receipt::new(now_ms, Effect::Applied)),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    answer_from_fence(failed.item(), is_same)
                }
                _ => Err(Unavailable::call(APPLY, error).into()),
            },
        }
    }

    async fn put(&self, order_id: &OrderId, put: Put) -> Result<(), SdkError<PutItemError>> {
        let request = self
            .client
            .put_item()
            .table_name(put.table_name)
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_names(put.expression_attribute_names)
            .set_return_values_on_condition_check_failure(put.return_values_on_condition_check_failure);
        let mut tries = Tries::of(order_id.as_str());
        loop {
            let Err(error) = request.clone().send().await else { return Ok(()) };
            let is_conflict = error.as_service_error().is_some_and(PutItemError::is_transaction_conflict_exception);
            if !is_conflict || !tries.again().await {
                return Err(error);
            }
        }
    }

    async fn read<E: DeserializeOwned>(
        &self,
        key: Item,
        attempted: &'static str,
    ) -> Result<Option<Fence<E>>, Unavailable> {
        self.read_item(key, attempted).await
    }

    /// Reads a fence of any form.
    pub(crate) async fn read_item<F: DeserializeOwned>(
        &self,
        key: Item,
        attempted: &'static str,
    ) -> Result<Option<F>, Unavailable> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Unavailable::call(attempted, error))?;
        answer
            .item
            .map(serde_dynamo::from_item)
            .transpose()
            .map_err(|source| Unavailable::Unreadable { attempted, source })
    }

    /// Writes the tombstone; `None` if a fence was written since it was read.
    pub(crate) async fn bury(
        &self,
        order_id: &OrderId,
        key: Item,
        now_ms: EpochMs,
    ) -> Result<Option<Receipt>, Unavailable> {
        let tombstone = Fence::<()> {
            state: FenceState::Cancelled,
            effect: None,
            applied_ms: None,
            cancelled_ms: Some(now_ms),
            consumed_ms: None,
            expires_at: Some(expires_at(now_ms)),
        };
        match self.put(order_id, self.absent_put(key, &tombstone, CANCEL)?).await {
            Ok(()) => Ok(Some(Receipt::new(now_ms, Effect::Nothing))),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(None)
            }
            Err(error) => Err(Unavailable::call(CANCEL, error)),
        }
    }

    /// Writes the undo and the cancelled fence together; `None` if somebody else was first.
    async fn undo<S: Step>(
        &self,
        step: &S,
        order_id: &OrderId,
        effect: S::Effect,
        now_ms: EpochMs,
    ) -> Result<Option<Receipt>, Unavailable> {
        let fence = self.cancelled_update::<S>(step.fence_key(order_id), now_ms);
        let undo = |effect: &S::Effect| step.undo(order_id, effect, now_ms);
        let won = self.leave_applied(step, order_id, fence, effect, undo, CANCEL).await?;
        Ok(won.then_some(Receipt::new(now_ms, Effect::Undone)))
    }

    /// Moves a fence on from `APPLIED`, together with these writes. `false` if somebody else was
    /// first.
    async fn leave_applied<S: Step>(
        &self,
        step: &S,
        order_id: &OrderId,
        fence: Update,
        mut effect: S::Effect,
        writes: impl Fn(&S::Effect) -> Vec<TransactWriteItem>,
        attempted: &'static str,
    ) -> Result<bool, Unavailable> {
        loop {
            let fence = TransactWriteItem::builder().update(fence.clone()).build();
            let all = std::iter::once(fence).chain(writes(&effect)).collect();
            let Some(reasons) = self.transact(order_id, all, attempted).await? else { return Ok(true) };
            if reasons.first().is_some_and(is_failed_condition) {
                return Ok(false);
            }
            let moved = step.moved(&effect, &failed(&reasons));
            effect = moved.ok_or_else(|| undecided(attempted, &reasons))?;
        }
    }

    fn applied_update(&self, key: Item, now_ms: EpochMs) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            // An effect may be taken back or used up only once: two compensations at once must not
            // return the same stock twice.
            .condition_expression("#fence = :applied")
            .expression_attribute_names("#fence", STATE)
            .expression_attribute_values(":applied", state_value(FenceState::Applied))
            .expression_attribute_values(":now", AttributeValue::N(now_ms.to_string()))
    }

    fn consumed_update(&self, key: Item, now_ms: EpochMs) -> Update {
        self.applied_update(key, now_ms)
            .update_expression("SET #fence = :consumed, consumed_ms = :now, expires_at = :expires")
            .expression_attribute_values(":consumed", state_value(FenceState::Consumed))
            .expression_attribute_values(":expires", AttributeValue::N(expires_at(now_ms).to_string()))
            .build()
            .expect("an update with a table, a key and an expression is complete")
    }

    fn cancelled_update<S: Step>(&self, key: Item, now_ms: EpochMs) -> Update {
        let update = self
            .applied_update(key, now_ms)
            .expression_attribute_values(":cancelled", state_value(FenceState::Cancelled));
        let update = if S::CANCELLED_FENCE_EXPIRES {
            update
                .update_expression("SET #fence = :cancelled, cancelled_ms = :now, expires_at = :expires")
                .expression_attribute_values(":expires", AttributeValue::N(expires_at(now_ms).to_string()))
        } else {
            update.update_expression("SET #fence = :cancelled, cancelled_ms = :now")
        };
        update.build().expect("an update with a table, a key and an expression is complete")
    }
}

const APPLY: &str = "apply the step and its fence";
const CANCEL: &str = "cancel the step's fence";
const CONSUME: &str = "consume the step's effect";

pub(crate) fn state_value(state: FenceState) -> AttributeValue {
    AttributeValue::S(<&str>::from(state).to_owned())
}

pub(crate) fn expires_at(now_ms: EpochMs) -> i64 {
    now_ms / 1000 + FENCE_RETENTION_S
}

/// The result of an action whose fence already exists.
fn answer_from_fence<E: DeserializeOwned, R>(
    item: Option<&Item>,
    is_same: impl Fn(&E) -> bool,
) -> Result<Receipt, ActionError<R>> {
    let item = item.ok_or(Unavailable::Contended { attempted: APPLY })?.clone();
    let fence: Fence<E> =
        serde_dynamo::from_item(item).map_err(|source| Unavailable::Unreadable { attempted: APPLY, source })?;
    match fence {
        Fence { state: FenceState::Cancelled, .. } => Err(ActionError::Cancelled),
        Fence { effect: Some(applied), applied_ms: Some(at_ms), .. } if is_same(&applied) => {
            Ok(Receipt::new(at_ms, Effect::Applied))
        }
        Fence { .. } => Err(ActionError::OtherContent),
    }
}
