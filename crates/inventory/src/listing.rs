//! Lists of a store's stock, a page at a time.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use order::{Sku, StoreId};
use saga::{Item, Unavailable, batch};

use crate::pool::read::root_of;
use crate::stock::Stocks;
use crate::table::{Stock, stock_key};

/// The index of stock by store. It holds only keys, which never change: an order that moves stock does
/// not write it.
pub const INDEX: &str = "stock_by_store";

/// The most articles of a page: as many as one batch reads by key.
pub const MAX_PAGE_SIZE: usize = batch::MAX_ITEMS;

/// The most parts of the index that are read for one page. The index does not hold what is available, so
/// `below` filters after reading. At the limit the page is short, and the next one continues.
const MAX_ROUNDS: usize = 5;

/// A part of a store's stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The articles, by their ids.
    pub stock: Vec<Stock>,
    /// The article after which the list continues, if it does.
    pub next: Option<Sku>,
}

impl Stocks {
    /// A store's articles after `after`, at most `limit` (which is at most [`MAX_PAGE_SIZE`]); with
    /// `below`, only those with less than that available.
    ///
    /// A walk through the pages sees every article that the store kept at its start exactly once. The
    /// index is eventually consistent: a very new article may not be in it yet. The numbers are strongly
    /// consistent.
    ///
    /// # Cost
    /// For each of up to five rounds, half a read unit per 4 KiB of keys and one read unit per article and shard.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn list(
        &self,
        store_id: &StoreId,
        below: Option<i64>,
        after: Option<Sku>,
        limit: usize,
    ) -> Result<Page, Unavailable> {
        let mut stock = Vec::new();
        let mut after = after;
        for _ in 0..MAX_ROUNDS {
            let (skus, more) = self.keys(store_id, after.as_ref(), limit).await?;
            let mut found = self.read_many(store_id, &skus).await?;
            let last = skus.len().saturating_sub(1);
            for (at, sku) in skus.into_iter().enumerate() {
                let item = found.remove(&sku);
                stock.extend(item.filter(|item| below.is_none_or(|below| item.available < below)));
                if stock.len() == limit {
                    return Ok(Page { stock, next: (more || at < last).then_some(sku) });
                }
                after = Some(sku);
            }
            if !more {
                return Ok(Page { stock, next: None });
            }
        }
        Ok(Page { stock, next: after })
    }

    /// The next articles of the index, and whether there are more after them.
    async fn keys(
        &self,
        store_id: &StoreId,
        after: Option<&Sku>,
        limit: usize,
    ) -> Result<(Vec<Sku>, bool), Unavailable> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression("store_id = :store")
            .expression_attribute_values(":store", AttributeValue::S(store_id.to_string()))
            .set_exclusive_start_key(after.map(|sku| index_key(store_id, sku)))
            // One more than is shown, to see whether the list continues.
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX));
        let page = query.send().await.map_err(|error| Unavailable::call("list the stock", error))?;
        let mut skus: Vec<Sku> =
            page.items().iter().filter_map(|item| item.get("sku")?.as_s().ok()?.parse().ok()).collect();
        let more = skus.len() > limit || page.last_evaluated_key.is_some();
        skus.truncate(limit);
        Ok((skus, more))
    }

    async fn read_many(&self, store_id: &StoreId, skus: &[Sku]) -> Result<BTreeMap<Sku, Stock>, Unavailable> {
        const ATTEMPTED: &str = "read the listed stock";
        let keys = skus.iter().map(|sku| stock_key(store_id, sku)).collect();
        let items = batch::read_all(&self.client, &self.table, keys, ATTEMPTED).await?;
        let mut stock = BTreeMap::new();
        for item in items {
            let article = self.sum(root_of(item, ATTEMPTED)?).await?;
            stock.insert(article.sku.clone(), article);
        }
        Ok(stock)
    }
}

fn index_key(store_id: &StoreId, sku: &Sku) -> Item {
    let mut key = stock_key(store_id, sku);
    key.insert("store_id".to_owned(), AttributeValue::S(store_id.to_string()));
    key.insert("sku".to_owned(), AttributeValue::S(sku.to_string()));
    key
}
