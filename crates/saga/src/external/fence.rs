//! The stored fence of a remote effect, and the writes that move it on. Each is conditional on what was read.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use order::{EpochMs, OrderId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fence::{FenceState, Fences, STATE, expires_at, state_value};
use crate::step::Item;
use crate::transaction::{is_failed_condition, is_undecided, undecided};
use crate::unavailable::Unavailable;

/// A fence as stored, without its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExternalFence<E, T> {
    /// Its state.
    #[serde(rename = "fence")]
    pub state: FenceState,
    /// What the order asks of the remote side; a tombstone has none.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub effect: Option<E>,
    /// How the order is dealt with; a tombstone has none.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub terms: Option<T>,
    /// How many calls ended in an answer that the remote side may replay under their key, and that must not count again.
    #[serde(default)]
    pub generation: u32,
    /// When the remote object was claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended_ms: Option<EpochMs>,
    /// When the action was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_ms: Option<EpochMs>,
    /// When taking it back began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelling_ms: Option<EpochMs>,
    /// When it was seen to be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_ms: Option<EpochMs>,
    /// When it was consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed_ms: Option<EpochMs>,
    /// When the claimed object lapses, unless the effect is brought about before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapses_ms: Option<EpochMs>,
    /// The [partition](lapsing) of what lapses, until it is consumed or taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapses: Option<String>,
}

/// The partition of an order's claim in an index by `lapses` and `lapses_ms`, if the table has one: one of 16, so that a
/// campaign does not write to a single one.
pub fn lapsing(order_id: &OrderId) -> String {
    lapsing_shard(order_id.shard())
}

/// The partition of a shard, which is the last digit of its order ids.
pub fn lapsing_shard(shard: &str) -> String {
    format!("LAPSES#{shard}")
}

/// The order that a remote object serves. It never expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The order.
    pub claimed_by: OrderId,
    /// When it was claimed.
    pub claimed_ms: EpochMs,
}

/// The attribute of a claim that names its order.
const CLAIMED_BY: &str = "claimed_by";

/// The result of trying to claim a remote object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// The order has the object.
    Now,
    /// The order's fence exists already, or has changed since it was read.
    FenceExists,
    /// Another order has the object.
    ByAnother,
}

/// The fences of one step's table.
#[derive(Debug, Clone)]
pub struct ExternalFences {
    client: Client,
    table: String,
    /// For what both kinds of fences do in the same way.
    fences: Fences,
}

impl ExternalFences {
    /// The fences in `table`.
    pub fn new(client: Client, table: String) -> Self {
        Self { fences: Fences::new(client.clone(), &table), client, table }
    }

    /// Reads a fence, strongly consistent.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn read<E: DeserializeOwned, T: DeserializeOwned>(
        &self,
        key: Item,
        attempted: &'static str,
    ) -> Result<Option<ExternalFence<E, T>>, Unavailable> {
        self.fences.read_item(key, attempted).await
    }

    /// Reads the claim on a remote object, strongly consistent.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn claim_at(&self, key: Item, attempted: &'static str) -> Result<Option<Claim>, Unavailable> {
        self.fences.read_item(key, attempted).await
    }

    /// Writes the first fence and the claim together.
    pub(super) async fn claim<E: Serialize, T: Serialize>(
        &self,
        (order_id, key): (&OrderId, Item),
        fence: &ExternalFence<E, T>,
        claim_key: Option<Item>,
        now_ms: EpochMs,
    ) -> Result<Claimed, Unavailable> {
        const ATTEMPTED: &str = "claim the remote object";
        let fence = self.fences.absent_put(key, fence, ATTEMPTED)?;
        let claim = claim_key.map(|key| self.claim_put(key, order_id, now_ms));
        let writes = std::iter::once(fence).chain(claim).map(|put| TransactWriteItem::builder().put(put).build());
        claimed(self.fences.transact(order_id, writes.collect(), ATTEMPTED).await?, ATTEMPTED)
    }

    /// Claims another object for an order whose first one is lost, by new terms and the claim in one transaction. The
    /// first claim stays.
    ///
    /// # Cost
    /// Four write units, and four for the index if the claim lapses.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn claim_another<E, T: Serialize>(
        &self,
        (order_id, key): (&OrderId, Item),
        fence: &ExternalFence<E, T>,
        terms: &T,
        (claim_key, lapses_ms): (Item, Option<EpochMs>),
        now_ms: EpochMs,
    ) -> Result<Claimed, Unavailable> {
        const ATTEMPTED: &str = "claim another remote object";
        let terms = serde_dynamo::to_attribute_value(terms)
            .map_err(|source| Unavailable::Unreadable { attempted: ATTEMPTED, source })?;
        let mut update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            // Of two operators at once, one decides; and nothing that was consumed or is being taken back changes.
            .condition_expression("#fence = :applied AND generation = :generation")
            .expression_attribute_names("#fence", STATE)
            .expression_attribute_values(":applied", state_value(FenceState::Applied))
            .expression_attribute_values(":terms", terms)
            .expression_attribute_values(":generation", number(fence.generation.into()))
            .expression_attribute_values(":next", number(i64::from(fence.generation) + 1));
        update = match lapses_ms {
            Some(lapses_ms) => update
                .update_expression("SET terms = :terms, generation = :next, lapses_ms = :lapses_ms, lapses = :lapses")
                .expression_attribute_values(":lapses_ms", number(lapses_ms))
                .expression_attribute_values(":lapses", AttributeValue::S(lapsing(order_id))),
            None => update.update_expression("SET terms = :terms, generation = :next REMOVE lapses_ms, lapses"),
        };
        let update = update.build().expect("an update with a table, a key and an expression is complete");
        let writes = vec![
            TransactWriteItem::builder().update(update).build(),
            TransactWriteItem::builder().put(self.claim_put(claim_key, order_id, now_ms)).build(),
        ];
        claimed(self.fences.transact(order_id, writes, ATTEMPTED).await?, ATTEMPTED)
    }

    fn claim_put(&self, key: Item, order_id: &OrderId, now_ms: EpochMs) -> Put {
        let claim = Claim { claimed_by: order_id.clone(), claimed_ms: now_ms };
        let mut item: Item = serde_dynamo::to_item(claim).expect("a claim is a map of plain values");
        item.extend(key);
        Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            // One object serves one order, forever.
            .condition_expression("attribute_not_exists(#claimed) OR #claimed = :order")
            .expression_attribute_names("#claimed", CLAIMED_BY)
            .expression_attribute_values(":order", AttributeValue::S(order_id.to_string()))
            .build()
            .expect("a put with a table and an item is complete")
    }

    /// Writes a tombstone; `false` if a fence was written since it was read.
    pub(super) async fn bury(&self, order_id: &OrderId, key: Item, now_ms: EpochMs) -> Result<bool, Unavailable> {
        Ok(self.fences.bury(order_id, key, now_ms).await?.is_some())
    }

    /// Advances the generation, unless somebody else did or the fence has moved on.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn advance<E, T>(&self, key: Item, fence: &ExternalFence<E, T>) -> Result<(), Unavailable> {
        const ATTEMPTED: &str = "advance the generation of the calls";
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression("SET generation = :next")
            // Of two tries that saw the same error, only one may advance: each generation is one call.
            .condition_expression("#fence = :state AND generation = :generation")
            .expression_attribute_names("#fence", STATE)
            .expression_attribute_values(":state", state_value(fence.state))
            .expression_attribute_values(":generation", number(fence.generation.into()))
            .expression_attribute_values(":next", number(i64::from(fence.generation) + 1));
        match update.send().await {
            Err(error)
                if !error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Err(Unavailable::call(ATTEMPTED, error))
            }
            _ => Ok(()),
        }
    }

    /// Moves the fence from the state that was read to the next one, together with these writes. `false` if somebody else
    /// was first.
    pub(super) async fn move_on<E, T>(
        &self,
        (order_id, key): (&OrderId, Item),
        fence: &ExternalFence<E, T>,
        next: FenceState,
        writes: Vec<TransactWriteItem>,
        now_ms: EpochMs,
    ) -> Result<bool, Unavailable> {
        const ATTEMPTED: &str = "move the step's fence on";
        let update = self.next(key, fence.state, next, now_ms);
        let all = std::iter::once(TransactWriteItem::builder().update(update).build()).chain(writes).collect();
        match self.fences.transact(order_id, all, ATTEMPTED).await? {
            None => Ok(true),
            Some(reasons) if first_failed(&reasons) => Ok(false),
            Some(reasons) => Err(undecided(ATTEMPTED, &reasons)),
        }
    }

    fn next(&self, key: Item, state: FenceState, next: FenceState, now_ms: EpochMs) -> Update {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            // Only the first writer moves the fence; the others read it again and follow it.
            .condition_expression("#fence = :state")
            .expression_attribute_names("#fence", STATE)
            .expression_attribute_values(":state", state_value(state))
            .expression_attribute_values(":next", state_value(next))
            .expression_attribute_values(":now", AttributeValue::N(now_ms.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        set(update, next, now_ms).build().expect("an update with a table, a key and an expression is complete")
    }
}

/// Reads why a claim's transaction was cancelled, in the order that every fence needs: this very order may have claimed
/// the object before.
fn claimed(reasons: Option<Vec<CancellationReason>>, attempted: &'static str) -> Result<Claimed, Unavailable> {
    match reasons {
        None => Ok(Claimed::Now),
        Some(reasons) if first_failed(&reasons) => Ok(Claimed::FenceExists),
        Some(reasons) if reasons.iter().any(is_undecided) => Err(undecided(attempted, &reasons)),
        Some(_) => Ok(Claimed::ByAnother),
    }
}

/// What changes with the state. Nothing depends any more on a fence that is consumed or cancelled, so it expires; the
/// claim stays.
fn set(update: UpdateBuilder, next: FenceState, now_ms: EpochMs) -> UpdateBuilder {
    let at = match next {
        FenceState::Intended => "intended_ms",
        FenceState::Applied => "applied_ms",
        FenceState::Cancelling => "cancelling_ms",
        FenceState::Cancelled => "cancelled_ms",
        FenceState::Consumed => "consumed_ms",
    };
    if matches!(next, FenceState::Cancelled | FenceState::Consumed) {
        return update
            .update_expression(format!("SET #fence = :next, {at} = :now, expires_at = :expires REMOVE lapses"))
            .expression_attribute_values(":expires", number(expires_at(now_ms)));
    }
    update.update_expression(format!("SET #fence = :next, {at} = :now REMOVE lapses"))
}

fn first_failed(reasons: &[CancellationReason]) -> bool {
    reasons.first().is_some_and(is_failed_condition)
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
