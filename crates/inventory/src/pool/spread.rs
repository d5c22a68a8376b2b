//! Opening a pool, and filling its shards.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use order::{Actor, EpochMs, Sku, StoreId};
use saga::conflict::Tries;
use saga::transaction::cancellation_reasons;
use saga::{Item, Unavailable};

use super::writes::{Writes, number, text, write};
use super::{MAX_SHARDS, Pool, Root, RootPhase, State};
use crate::stock::Stocks;
use crate::table::stock_key;

/// The most shards that one transaction fills: it takes
/// [100 actions](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html), and one
/// is for the root.
const MAX_FILLED: u16 = 99;

impl Stocks {
    /// Opens a pool of this many shards, at most [`MAX_SHARDS`], and fills them. `None` if the root is no longer as it
    /// was read, or is part of another transaction. `by` is the operator who asked for it, if it was one.
    ///
    /// The first shards are filled in the transaction that opens the pool. If they were filled afterwards, every order
    /// would go to the root for a refill, and keep the filling away from it.
    ///
    /// # Idempotency
    /// The era follows from the root that was read, so a repetition finds it used.
    ///
    /// # Cost
    /// Two write units for each shard, and for each 99 shards. A try that conflicts costs as much.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn spread(
        &self,
        root: &Root,
        shards: u16,
        by: Option<&Actor>,
        now_ms: EpochMs,
    ) -> Result<Option<Pool>, Unavailable> {
        let pool = Pool { shards: shards.clamp(1, MAX_SHARDS), era: root.era + 1 };
        let first = pool.shards.min(MAX_FILLED);
        let (taken, puts) = self.puts(root, pool, 0, first);
        let open = self.open(root, pool, taken, by, now_ms);
        let all = std::iter::once(open).chain(puts).collect();
        if let Err(error) = self.client.transact_write_items().set_transact_items(Some(all)).send().await {
            return cancellation_reasons("spread the stock", error).map(|_| None);
        }
        self.fill(root, pool, first).await?;
        Ok(Some(pool))
    }

    fn open(&self, root: &Root, pool: Pool, taken: i64, by: Option<&Actor>, now_ms: EpochMs) -> TransactWriteItem {
        const OPEN: &str = "SET phase = :open, shards = :shards, era = :next, spread_ms = :now, \
                            available = available - :taken";
        let by = by.map(|by| serde_dynamo::to_attribute_value(by).expect("an actor is a map of texts"));
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(stock_key(&root.store_id, &root.sku)))
            // The last operator's name must not be on a spread by an order.
            .update_expression(match by {
                Some(_) => format!("{OPEN}, spread_by = :by"),
                None => format!("{OPEN} REMOVE spread_by"),
            })
            .set_expression_attribute_values(by.map(|by| Item::from([(":by".to_owned(), by)])))
            .expression_attribute_values(":open", text(RootPhase::Open.into()))
            .expression_attribute_values(":shards", number(pool.shards))
            .expression_attribute_values(":next", number(pool.era))
            .expression_attribute_values(":now", number(now_ms))
            .expression_attribute_values(":taken", number(taken));
        // Each spread has an era of its own: shards that were merged in an era cannot be opened in it again.
        write(if root.era == 0 {
            update.condition_expression("available >= :taken AND attribute_not_exists(era)")
        } else {
            update
                .condition_expression("available >= :taken AND attribute_not_exists(phase) AND era = :era")
                .expression_attribute_values(":era", number(root.era))
        })
    }

    /// The writes that give the shards from `first` to `end` their equal parts of what the root has for them and those
    /// after them, and how much that is. A shard without any is left for a refill.
    fn puts(&self, root: &Root, pool: Pool, first: u16, end: u16) -> (i64, Vec<TransactWriteItem>) {
        let writes = Writes { table: &self.table, store_id: &root.store_id, sku: &root.sku };
        let left = i64::from(pool.shards - first);
        let part = |shard: u16| root.available / left + i64::from(i64::from(shard - first) < root.available % left);
        let parts = (first..end).map(|shard| (shard, part(shard))).filter(|(_, part)| *part > 0);
        let parts: Vec<(u16, i64)> = parts.collect();
        let puts = parts.iter().map(|(shard, part)| writes.put(pool, *shard, *part, 0)).collect();
        (parts.iter().map(|(_, part)| part).sum(), puts)
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
        by: &Actor,
        now_ms: EpochMs,
    ) -> Result<bool, Unavailable> {
        let id = by.request_id();
        let mut tries = Tries::of(id);
        loop {
            let Some(root) = self.root(store_id, sku).await? else { return Ok(false) };
            match root.state() {
                State::Whole if shards <= 1 => return Ok(true),
                State::Open(pool) if pool.shards == shards => return Ok(true),
                State::Whole if self.spread(&root, shards, Some(by), now_ms).await?.is_some() => return Ok(true),
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

    /// Fills the shards from `first` on. Whatever stops it, orders refill what they need.
    async fn fill(&self, root: &Root, pool: Pool, first: u16) -> Result<(), Unavailable> {
        let Root { store_id, sku, .. } = root;
        let writes = Writes { table: &self.table, store_id, sku };
        let mut tries = Tries::of(&format!("{store_id}#{sku}"));
        let mut first = first;
        while first < pool.shards {
            let Some(root) = self.root(store_id, sku).await? else { return Ok(()) };
            let end = pool.shards.min(first + MAX_FILLED);
            let (taken, puts) = self.puts(&root, pool, first, end);
            if taken == 0 {
                return Ok(());
            }
            let all = std::iter::once(writes.take(pool, taken)).chain(puts).collect();
            match self.client.transact_write_items().set_transact_items(Some(all)).send().await {
                Ok(_) => first = end,
                Err(error) => {
                    cancellation_reasons("fill the stock's shards", error)?;
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
