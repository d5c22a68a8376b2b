//! Closing a pool: its stock moves back to the root.
//!
//! Any number of callers may merge the same pool at once, stop at any point, or come late. Each write is conditional on
//! the era, and on what it moves being there still.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{
    CancellationReason, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use order::{Sku, StoreId};
use saga::conflict::Tries;
use saga::transaction::{cancellation_reasons, is_failed_condition, is_undecided, undecided};
use saga::{Item, Unavailable};

use super::read::{root_of, shard_of};
use super::writes::{number, text, write};
use super::{Pool, Root, RootPhase, Shard, ShardPhase, State, shard_key};
use crate::stock::Stocks;
use crate::table::stock_key;

const ATTEMPTED: &str = "merge the stock's shards";

/// How many shards are shut at the same time.
const CONCURRENT_WRITES: usize = 32;

/// The most shards that one transaction moves: it takes
/// [100 actions](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html), and one
/// is for the root.
const MAX_MOVED: usize = 99;

/// The pool is over: somebody else has merged it, and it may have been spread again since.
struct Over;

type Step<T> = Result<Result<T, Over>, Unavailable>;

impl Stocks {
    /// Moves all that a pool has to its root, which is whole afterwards unless it was spread again since. `id` spreads
    /// the delays of several who merge it.
    ///
    /// # Idempotency
    /// Any number of times, also at once, and after the pool is over.
    ///
    /// # Cost
    /// Two write units for the root, one and two for each shard, and two for each 99 shards.
    ///
    /// # Errors
    /// [`Unavailable`]: the pool is closing, and anyone can finish the merge.
    pub async fn merge(&self, store_id: &StoreId, sku: &Sku, pool: Pool, id: &str) -> Result<(), Unavailable> {
        let merge = Merge { stocks: self, store_id, sku, pool, id };
        if merge.close().await?.is_err() {
            return Ok(());
        }
        let Ok(shut) = merge.shut_all().await? else { return Ok(()) };
        if merge.collect(shut).await?.is_err() {
            return Ok(());
        }
        merge.finish().await
    }

    /// Merges an article's pool, if it has one, until its root is whole. Returns the root; `None` if the store does not
    /// keep the article.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn merged(&self, store_id: &StoreId, sku: &Sku, id: &str) -> Result<Option<Root>, Unavailable> {
        for _ in 0..MAX_MERGES {
            let root = self.root(store_id, sku).await?;
            match root.as_ref().map(Root::state) {
                None | Some(State::Whole) => return Ok(root),
                Some(State::Open(pool) | State::Closing(pool)) => self.merge(store_id, sku, pool, id).await?,
            }
        }
        Err(Unavailable::Contended { attempted: ATTEMPTED })
    }
}

/// How many times an article is merged that orders keep spreading.
const MAX_MERGES: u32 = 3;

/// One merge.
struct Merge<'a> {
    stocks: &'a Stocks,
    store_id: &'a StoreId,
    sku: &'a Sku,
    pool: Pool,
    id: &'a str,
}

impl Merge<'_> {
    /// Closes the pool: from here on nothing leaves the root.
    async fn close(&self) -> Step<()> {
        let update = self
            .update(stock_key(self.store_id, self.sku))
            .update_expression("SET phase = :closing")
            .condition_expression("phase = :open AND era = :era")
            .expression_attribute_values(":open", text(RootPhase::Open.into()))
            .expression_attribute_values(":closing", text(RootPhase::Closing.into()));
        let Err(error) = self.send(update).await else { return Ok(Ok(())) };
        let root = root_of(old(error)?, ATTEMPTED)?;
        // Somebody else may have closed it, or an earlier try of this very write.
        Ok(if root.state() == State::Closing(self.pool) { Ok(()) } else { Err(Over) })
    }

    /// Shuts every shard, and returns what is to be moved. No order takes from a shard that is shut.
    async fn shut_all(&self) -> Step<BTreeMap<u16, Shard>> {
        let shut = stream::iter(0..self.pool.shards).map(|shard| self.shut(shard));
        let all: Vec<_> = shut.buffer_unordered(CONCURRENT_WRITES).try_collect().await?;
        let all: Result<Vec<_>, Over> = all.into_iter().collect();
        Ok(all.map(|all| all.into_iter().filter(|(_, shard)| shard.phase == ShardPhase::Shut).collect()))
    }

    /// Shuts a shard, also one that does not exist. A refill may be under way there: a read would not see it, and this
    /// write is rejected until it is over.
    async fn shut(&self, number: u16) -> Step<(u16, Shard)> {
        let update = self
            .update(shard_key(self.store_id, self.sku, number))
            .update_expression(
                "SET era = :era, phase = :shut, available = if_not_exists(available, :none), \
                 reserved = if_not_exists(reserved, :none)",
            )
            // A shard that is merged in this era, or open in a later one, must not be shut by a late write.
            .condition_expression("attribute_not_exists(era) OR era < :era OR (era = :era AND phase = :open)")
            .expression_attribute_values(":open", text(ShardPhase::Open.into()))
            .expression_attribute_values(":shut", text(ShardPhase::Shut.into()))
            .expression_attribute_values(":none", self::number(0))
            .return_values(ReturnValue::AllNew);
        let item = match self.send(update).await {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            Err(error) => old(error)?,
        };
        let shard = shard_of(item, ATTEMPTED)?;
        Ok(if shard.era == self.pool.era { Ok((number, shard)) } else { Err(Over) })
    }

    /// Moves what the shut shards have to the root.
    async fn collect(&self, mut shut: BTreeMap<u16, Shard>) -> Step<()> {
        let mut tries = Tries::of(self.id);
        while !shut.is_empty() {
            let moved: Vec<(u16, Shard)> =
                shut.iter().take(MAX_MOVED).map(|(number, shard)| (*number, *shard)).collect();
            let all = std::iter::once(self.add(&moved)).chain(moved.iter().map(|(n, shard)| self.empty(*n, shard)));
            let transaction = self.stocks.client.transact_write_items().set_transact_items(Some(all.collect()));
            let Err(error) = transaction.send().await else {
                moved.iter().for_each(|(number, _)| _ = shut.remove(number));
                continue;
            };
            let reasons = cancellation_reasons(ATTEMPTED, error)?;
            if reasons.first().is_some_and(is_failed_condition) {
                return Ok(Err(Over));
            }
            self.learn(&moved, &reasons, &mut shut)?;
            // Orders give back to shut shards, and others may merge too.
            let goes_on = if reasons.iter().any(is_undecided) { tries.again().await } else { tries.at_once() };
            if !goes_on {
                return Err(undecided(ATTEMPTED, &reasons));
            }
        }
        Ok(Ok(()))
    }

    /// Takes over what failed conditions say about shards.
    fn learn(
        &self,
        moved: &[(u16, Shard)],
        reasons: &[CancellationReason],
        shut: &mut BTreeMap<u16, Shard>,
    ) -> Result<(), Unavailable> {
        for ((number, _), reason) in moved.iter().zip(reasons.iter().skip(1)) {
            let Some(item) = reason.item().filter(|_| is_failed_condition(reason)) else { continue };
            let shard = shard_of(item.clone(), ATTEMPTED)?;
            if shard.is_merged(self.pool.era) {
                shut.remove(number);
            } else {
                shut.insert(*number, shard);
            }
        }
        Ok(())
    }

    /// Makes the root whole. Every shard is merged, and stays so in this era.
    async fn finish(&self) -> Result<(), Unavailable> {
        let update = self
            .update(stock_key(self.store_id, self.sku))
            .update_expression("REMOVE phase, shards")
            .condition_expression("phase = :closing AND era = :era")
            .expression_attribute_values(":closing", text(RootPhase::Closing.into()));
        match self.send(update).await {
            Ok(_) => Ok(()),
            // Somebody else has, or an earlier try of this very write.
            Err(error) => old(error).map(drop),
        }
    }

    fn add(&self, moved: &[(u16, Shard)]) -> TransactWriteItem {
        let (available, reserved): (Vec<i64>, Vec<i64>) =
            moved.iter().map(|(_, shard)| (shard.available, shard.reserved)).unzip();
        let update = Update::builder()
            .table_name(&self.stocks.table)
            .set_key(Some(stock_key(self.store_id, self.sku)))
            .update_expression("SET available = available + :available, reserved = reserved + :reserved")
            .condition_expression("phase = :closing AND era = :era")
            .expression_attribute_values(":available", number(available.into_iter().sum::<i64>()))
            .expression_attribute_values(":reserved", number(reserved.into_iter().sum::<i64>()))
            .expression_attribute_values(":era", number(self.pool.era))
            .expression_attribute_values(":closing", text(RootPhase::Closing.into()));
        write(update)
    }

    fn empty(&self, shard: u16, moved: &Shard) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.stocks.table)
            .set_key(Some(shard_key(self.store_id, self.sku, shard)))
            .update_expression("SET phase = :merged, available = :none, reserved = :none")
            // Exactly this is added to the root. Orders may have given back since.
            .condition_expression("era = :era AND phase = :shut AND available = :available AND reserved = :reserved")
            .expression_attribute_values(":era", number(self.pool.era))
            .expression_attribute_values(":shut", text(ShardPhase::Shut.into()))
            .expression_attribute_values(":merged", text(ShardPhase::Merged.into()))
            .expression_attribute_values(":available", number(moved.available))
            .expression_attribute_values(":reserved", number(moved.reserved))
            .expression_attribute_values(":none", number(0))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        write(update)
    }

    fn update(&self, key: Item) -> UpdateItemFluentBuilder {
        let update = self.stocks.client.update_item().table_name(&self.stocks.table).set_key(Some(key));
        update
            .expression_attribute_values(":era", number(self.pool.era))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    async fn send(&self, update: UpdateItemFluentBuilder) -> Result<UpdateItemOutput, SdkError<UpdateItemError>> {
        let mut tries = Tries::of(self.id);
        loop {
            let error = match update.clone().send().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let is_conflict = error.as_service_error().is_some_and(UpdateItemError::is_transaction_conflict_exception);
            if !is_conflict || !tries.again().await {
                return Err(error);
            }
        }
    }
}

/// The item as it was when a condition failed.
fn old(error: SdkError<UpdateItemError>) -> Result<Item, Unavailable> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
            Ok(failed.item().cloned().unwrap_or_default())
        }
        _ => Err(Unavailable::call(ATTEMPTED, error)),
    }
}
