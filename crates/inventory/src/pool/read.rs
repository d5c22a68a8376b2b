//! Reading an article's root and shards.

use aws_sdk_dynamodb::operation::transact_get_items::TransactGetItemsError;
use aws_sdk_dynamodb::types::{Get, TransactGetItem};
use order::{OrderId, Sku, StoreId};
use saga::{Item, Unavailable, batch};

use super::{Pool, Root, SHARD, Shard, State, shard_key};
use crate::stock::Stocks;
use crate::table::{Stock, reservation_key, stock_key};

/// Roots that were to be read together with an order's fence.
#[derive(Debug)]
pub enum RootsRead {
    /// There is no fence, and these are the roots; `None` for an article that the store does not keep.
    Read(Vec<Option<Root>>),
    /// The order has a fence, which decides.
    Fenced,
    /// Another transaction is writing one of the items.
    Conflict,
}

impl Stocks {
    /// An article's root, strongly consistent; `None` if the store does not keep the article.
    ///
    /// # Cost
    /// One read unit.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn root(&self, store_id: &StoreId, sku: &Sku) -> Result<Option<Root>, Unavailable> {
        const ATTEMPTED: &str = "read the stock";
        let key = stock_key(store_id, sku);
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true);
        let answer = get.send().await.map_err(|error| Unavailable::call(ATTEMPTED, error))?;
        answer.item.map(|item| root_of(item, ATTEMPTED)).transpose()
    }

    /// The shards of a pool that exist, each strongly consistent, but not all as of one moment.
    ///
    /// # Cost
    /// One read unit for each.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn shards(&self, store_id: &StoreId, sku: &Sku, pool: Pool) -> Result<Vec<(u16, Shard)>, Unavailable> {
        const ATTEMPTED: &str = "read the stock's shards";
        let keys: Vec<Item> = (0..pool.shards).map(|shard| shard_key(store_id, sku, shard)).collect();
        let mut shards = Vec::with_capacity(keys.len());
        for keys in keys.chunks(batch::MAX_ITEMS) {
            for item in batch::read_all(&self.client, &self.table, keys.to_vec(), ATTEMPTED).await? {
                let number = shard_number(&item);
                shards.extend(number.zip(Some(shard_of(item, ATTEMPTED)?)));
            }
        }
        // A batch is in no particular order.
        shards.sort_unstable_by_key(|(number, _)| *number);
        Ok(shards)
    }

    /// The stock of a root and its shards together. While orders move stock, it may count a piece twice or not at all.
    pub(crate) async fn sum(&self, root: Root) -> Result<Stock, Unavailable> {
        let (State::Open(pool) | State::Closing(pool)) = root.state() else { return Ok(root.stock()) };
        let mut stock = root.stock();
        for (_, shard) in self.shards(&stock.store_id, &stock.sku, pool).await? {
            stock.available += shard.available;
            stock.reserved += shard.reserved;
        }
        Ok(stock)
    }

    /// The roots of these articles, if the order has no fence, all as of one moment.
    ///
    /// # Cost
    /// Two read units for the fence and for each article.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn roots_without_fence(
        &self,
        order_id: &OrderId,
        store_id: &StoreId,
        skus: &[&Sku],
    ) -> Result<RootsRead, Unavailable> {
        const ATTEMPTED: &str = "read the stock together with the fence";
        let keys = std::iter::once(reservation_key(order_id)).chain(skus.iter().map(|sku| stock_key(store_id, sku)));
        let gets = keys.map(|key| {
            let get = Get::builder().table_name(&self.table).set_key(Some(key)).build();
            TransactGetItem::builder().get(get.expect("a get with a table and a key is complete")).build()
        });
        let read = self.client.transact_get_items().set_transact_items(Some(gets.collect())).send().await;
        let answer = match read {
            Ok(answer) => answer,
            Err(error) => match error.as_service_error() {
                Some(TransactGetItemsError::TransactionCanceledException(_)) => return Ok(RootsRead::Conflict),
                _ => return Err(Unavailable::call(ATTEMPTED, error)),
            },
        };
        let mut items = answer.responses.unwrap_or_default().into_iter().map(|response| response.item);
        if items.next().flatten().is_some_and(|fence| !fence.is_empty()) {
            return Ok(RootsRead::Fenced);
        }
        let found = |item: Option<Item>| item.filter(|item| !item.is_empty());
        let roots = items.map(|item| found(item).map(|item| root_of(item, ATTEMPTED)).transpose());
        roots.collect::<Result<Vec<_>, _>>().map(RootsRead::Read)
    }
}

/// A stock item.
///
/// # Errors
/// [`Unavailable::Unreadable`].
pub fn root_of(item: Item, attempted: &'static str) -> Result<Root, Unavailable> {
    serde_dynamo::from_item(item).map_err(|source| Unavailable::Unreadable { attempted, source })
}

/// A shard's item.
///
/// # Errors
/// [`Unavailable::Unreadable`].
pub fn shard_of(item: Item, attempted: &'static str) -> Result<Shard, Unavailable> {
    serde_dynamo::from_item(item).map_err(|source| Unavailable::Unreadable { attempted, source })
}

/// The number in a shard's key.
fn shard_number(item: &Item) -> Option<u16> {
    let (name, rest) = item.get("pk")?.as_s().ok()?.split_once('#')?;
    let (number, _) = rest.split_once('#').filter(|_| name == SHARD)?;
    number.parse().ok()
}
