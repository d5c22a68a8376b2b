//! Opening a pool, and filling its shards.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use order::{EpochMs, Sku, StoreId};
use saga::Unavailable;
use saga::conflict::Tries;
use saga::transaction::cancellation_reasons;

use super::writes::{Writes, number, text};
use super::{MAX_SHARDS, Pool, Root, RootPhase, State};
use crate::stock::Stocks;
use crate::table::stock_key;

/// The most shards that one transaction fills: it takes
/// [100 actions](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html), and one
/// is for the root.
const MAX_FILLED: usize = 99;

impl Stocks {
    /// Opens a pool of this many shards, at most [`MAX_SHARDS`], and fills them. `None` if the root is no longer as it
    /// was read, or is part of another transaction.
    ///
    /// # Idempotency
    /// The era follows from the root that was read, so a repetition finds it used. The shards are filled with what is
    /// there; an order that finds one empty refills it, so that it does not matter how far the filling came.
    ///
    /// # Cost
    /// One write unit, and two for each shard and for each 99 shards.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn spread(&self, root: &Root, shards: u16, now_ms: EpochMs) -> Result<Option<Pool>, Unavailable> {
        const ATTEMPTED: &str = "spread the stock";
        let pool = Pool { shards: shards.clamp(1, MAX_SHARDS), era: root.era + 1 };
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(stock_key(&root.store_id, &root.sku)))
            .update_expression("SET phase = :open, shards = :shards, era = :next, spread_ms = :now")
            .expression_attribute_values(":open", text(RootPhase::Open.into()))
            .expression_attribute_values(":shards", number(pool.shards))
            .expression_attribute_values(":next", number(pool.era))
            .expression_attribute_values(":now", number(now_ms));
        // Each spread has an era of its own: shards that were merged in an era cannot be opened in it again.
        let update = if root.era == 0 {
            update.condition_expression("attribute_exists(available) AND attribute_not_exists(era)")
        } else {
            update
                .condition_expression("attribute_not_exists(phase) AND era = :era")
                .expression_attribute_values(":era", number(root.era))
        };
        match update.send().await {
            Ok(_) => {
                self.fill(root, pool).await?;
                Ok(Some(pool))
            }
            Err(error) => match error.as_service_error() {
                Some(
                    UpdateItemError::ConditionalCheckFailedException(_)
                    | UpdateItemError::TransactionConflictException(_),
                ) => Ok(None),
                _ => Err(Unavailable::call(ATTEMPTED, error)),
            },
        }
    }

    /// Gives an article this many shards, or makes it whole if that is one. Returns whether the store keeps the article.
    ///
    /// # Idempotency
    /// An article that has as many shards already is left as it is.
    ///
    /// # Cost
    /// A read unit, and those of a [merge](Stocks::merge) and a [spread](Stocks::spread) if they are needed.
    ///
    /// # Errors
    /// [`Unavailable`]. A repetition continues.
    pub async fn set_shards(
        &self,
        store_id: &StoreId,
        sku: &Sku,
        shards: u16,
        id: &str,
        now_ms: EpochMs,
    ) -> Result<bool, Unavailable> {
        let mut tries = Tries::of(id);
        loop {
            let Some(root) = self.root(store_id, sku).await? else { return Ok(false) };
            match root.state() {
                State::Whole if shards <= 1 => return Ok(true),
                State::Open(pool) if pool.shards == shards => return Ok(true),
                State::Whole if self.spread(&root, shards, now_ms).await?.is_some() => return Ok(true),
                State::Whole => {
                    if !tries.again().await {
                        return Err(Unavailable::Contended { attempted: "set the number of shards" });
                    }
                }
                State::Open(pool) | State::Closing(pool) => {
                    self.merge(store_id, sku, pool, id).await?;
                    if !tries.at_once() {
                        return Err(Unavailable::Contended { attempted: "set the number of shards" });
                    }
                }
            }
        }
    }

    /// Moves the root's stock to the shards in equal parts. Whatever stops it, orders refill what they need.
    async fn fill(&self, root: &Root, pool: Pool) -> Result<(), Unavailable> {
        const ATTEMPTED: &str = "fill the stock's shards";
        let Root { store_id, sku, .. } = root;
        let writes = Writes { table: &self.table, store_id, sku };
        let shards: Vec<u16> = (0..pool.shards).collect();
        let mut tries = Tries::of(&format!("{store_id}#{sku}"));
        let mut left = shards.chunks(MAX_FILLED);
        let mut next = left.next();
        while let Some(shards) = next {
            // Orders take from the root no longer, so this reads what there is to move.
            let Some(root) = self.root(store_id, sku).await? else { return Ok(()) };
            let share = root.available / (i64::from(pool.shards) - i64::from(shards[0]));
            if share == 0 {
                return Ok(());
            }
            let taken = share * i64::try_from(shards.len()).unwrap_or_default();
            let take = std::iter::once(writes.take(pool, taken));
            let all = take.chain(shards.iter().map(|shard| writes.put(pool, *shard, share, 0))).collect();
            match self.client.transact_write_items().set_transact_items(Some(all)).send().await {
                Ok(_) => next = left.next(),
                Err(error) => {
                    cancellation_reasons(ATTEMPTED, error)?;
                    if !tries.again().await {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Moves stock from the root to one shard of an open pool. If it cannot, whoever takes from the shard finds it
    /// short.
    ///
    /// # Idempotency
    /// A repetition moves as much again, which is as good in the shard as on the root.
    ///
    /// # Cost
    /// Four write units.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn refill(
        &self,
        store_id: &StoreId,
        sku: &Sku,
        pool: Pool,
        shard: u16,
        taken: i64,
    ) -> Result<(), Unavailable> {
        let writes = Writes { table: &self.table, store_id, sku };
        let all = writes.refill(pool, shard, taken, 0).into_iter().collect();
        match self.client.transact_write_items().set_transact_items(Some(all)).send().await {
            Ok(_) => Ok(()),
            Err(error) => cancellation_reasons("refill a shard", error).map(drop),
        }
    }
}
