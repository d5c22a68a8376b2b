//! Lists of orders, a page at a time: by customer, by store, by county, open orders, and orders that wait
//! to be picked.
//!
//! A sharded list is read shard by shard and merged. A place in the list is the last order's own key, and
//! each shard's place follows from it. So a walk keeps no state on the server, and orders placed during the
//! walk do not shift the rest of it.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;

use futures_util::future::try_join_all;
use order::{CountyId, CustomerId, EpochMs, OrderId, OrderRecord, StoreId, Tenant};
use saga::{Item, Unavailable, batch};

use crate::table::{Orders, number, pick_work, record_of, string, tenant_customer};
use crate::work::{self, PARKED_WORK, SHARDS};

/// The most orders of a page: as many as one batch reads by key.
pub const MAX_PAGE_SIZE: usize = batch::MAX_ITEMS;

/// The most DynamoDB pages of one partition that are read for a page of a list. One is normally enough: 101
/// keys are a fiftieth of the megabyte that DynamoDB reads at a time.
const MAX_QUERY_PAGES: usize = 10;

/// A list of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// A customer's orders placed by one tenant, newest first.
    Customer(Tenant, CustomerId),
    /// A store's orders, newest first.
    Store(StoreId),
    /// A county's orders, newest first.
    County(CountyId),
    /// The open orders, longest due first; parked orders are sorted by when they were parked.
    Open,
    /// A store's confirmed orders, which wait to be picked, longest confirmed first.
    Pick(StoreId),
}

/// Where an order stands in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The sort key: when the order was placed, is due, or was confirmed.
    pub sort_ms: EpochMs,
    /// The number of its index partition in [`Listing::partitions`].
    pub partition: u8,
    /// The order.
    pub order_id: OrderId,
}

/// A part of a list, with order ids only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The orders, in the list's order.
    pub positions: Vec<Position>,
    /// Whether the list continues.
    pub more: bool,
}

/// The keys of an index.
struct Index {
    name: &'static str,
    partition: &'static str,
    sort: &'static str,
    descending: bool,
}

impl Listing {
    fn index(&self) -> Index {
        let by_time = |name, partition| Index { name, partition, sort: "created_ms", descending: true };
        match self {
            Self::Customer(..) => by_time("orders_by_customer", "tenant_customer"),
            Self::Store(_) => by_time("orders_by_store", "store_shard"),
            Self::County(_) => by_time("orders_by_county", "county_shard"),
            Self::Open | Self::Pick(_) => {
                Index { name: work::INDEX, partition: "work", sort: "due_ms", descending: false }
            }
        }
    }

    /// The index partitions that it is spread over. Among orders of the same millisecond, those of an
    /// earlier partition come first.
    pub fn partitions(&self) -> Vec<String> {
        let sharded = |id: &str| SHARDS.iter().map(|shard| format!("{id}#{shard}")).collect();
        match self {
            // One customer does not place enough orders to overload a partition.
            Self::Customer(tenant, customer_id) => vec![tenant_customer(tenant, customer_id)],
            Self::Store(store_id) => sharded(store_id.as_str()),
            Self::County(county_id) => sharded(county_id.as_str()),
            Self::Open => {
                let mut partitions: Vec<String> = sharded("OPEN");
                partitions.push(PARKED_WORK.to_owned());
                partitions
            }
            Self::Pick(store_id) => SHARDS.iter().map(|shard| pick_work(store_id, shard)).collect(),
        }
    }
}

/// The part of one partition after a place in the list.
struct Remainder {
    range: RangeInclusive<EpochMs>,
    start: Option<Item>,
}

impl Orders {
    /// The orders of a list after `after` whose sort time is in `range`, at most `limit` (which is at most
    /// [`MAX_PAGE_SIZE`]).
    ///
    /// A walk through the pages sees every order that stays in the index exactly once. The indexes are
    /// eventually consistent: a very new order may not be in them yet. In [`Listing::Open`] the sort time
    /// changes whenever recovery or an operator retries an order.
    ///
    /// # Cost
    /// Half a read unit per 4 KiB of keys, and at least half a unit for each partition: 0.5 to 2 for a
    /// customer, 8 to 32 for a store, a county or a pick list, 8.5 to 34 for the open orders.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn list(
        &self,
        listing: &Listing,
        range: &RangeInclusive<EpochMs>,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Page, Unavailable> {
        let index = listing.index();
        let partitions = listing.partitions();
        let read = (0..).zip(&partitions).filter_map(|(rank, name)| {
            let rest = remainder(&index, rank, name, range, after)?;
            // One more than is shown, to see whether the list continues.
            Some(self.read_partition(&index, rank, name, rest, limit + 1))
        });
        let mut positions = try_join_all(read).await?.concat();
        // A stable sort: within a millisecond, partition by partition, each in its index's order.
        // `remainder` relies on that.
        positions.sort_by_key(|position| if index.descending { -position.sort_ms } else { position.sort_ms });
        // The index is behind for a moment when an order moves between two partitions, and may show it in both. DynamoDB
        // rejects a read of many orders that names one of them twice.
        let mut seen = HashSet::new();
        positions.retain(|position| seen.insert(position.order_id.clone()));
        let more = positions.len() > limit;
        positions.truncate(limit);
        Ok(Page { positions, more })
    }

    async fn read_partition(
        &self,
        index: &Index,
        rank: u8,
        name: &str,
        rest: Remainder,
        limit: usize,
    ) -> Result<Vec<Position>, Unavailable> {
        const ATTEMPTED: &str = "list the orders";
        let mut positions = Vec::new();
        let mut start = rest.start;
        for _ in 0..MAX_QUERY_PAGES {
            let left = i32::try_from(limit - positions.len()).unwrap_or(i32::MAX);
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(index.name)
                .key_condition_expression("#partition = :partition AND #sort BETWEEN :from AND :to")
                .expression_attribute_names("#partition", index.partition)
                .expression_attribute_names("#sort", index.sort)
                .expression_attribute_values(":partition", string(name))
                .expression_attribute_values(":from", number(*rest.range.start()))
                .expression_attribute_values(":to", number(*rest.range.end()))
                .scan_index_forward(!index.descending)
                .set_exclusive_start_key(start)
                .limit(left);
            let page = query.send().await.map_err(|error| Unavailable::call(ATTEMPTED, error))?;
            positions.extend(page.items().iter().filter_map(|item| position(item, index, rank)));
            start = page.last_evaluated_key;
            if start.is_none() || positions.len() >= limit {
                return Ok(positions);
            }
        }
        // Continuing without the rest would skip orders.
        Err(Unavailable::Incomplete { attempted: ATTEMPTED })
    }

    /// Reads orders by their ids, at most [`MAX_PAGE_SIZE`], each strongly consistent: an index may list
    /// an order that a replica does not hold yet.
    ///
    /// # Cost
    /// One read unit per 4 KiB of each order.
    ///
    /// # Errors
    /// [`Unavailable`], also if DynamoDB keeps leaving keys unprocessed.
    pub async fn read_many(
        &self,
        order_ids: impl IntoIterator<Item = &OrderId>,
    ) -> Result<BTreeMap<OrderId, OrderRecord>, Unavailable> {
        const ATTEMPTED: &str = "read the listed orders";
        let keys = order_ids.into_iter().map(Self::key).collect();
        let items = batch::read_all(&self.client, &self.table, keys, ATTEMPTED).await?;
        let records = items.into_iter().map(|item| {
            let record = record_of(item, ATTEMPTED)?;
            Ok((record.order.order_id().clone(), record))
        });
        records.collect()
    }
}

fn position(item: &Item, index: &Index, partition: u8) -> Option<Position> {
    let sort_ms = item.get(index.sort)?.as_n().ok()?.parse().ok()?;
    let order_id = item.get("order_id")?.as_s().ok()?.parse().ok()?;
    Some(Position { sort_ms, partition, order_id })
}

/// The part of a partition after `after`; `None` if it must be empty.
fn remainder(
    index: &Index,
    rank: u8,
    name: &str,
    range: &RangeInclusive<EpochMs>,
    after: Option<&Position>,
) -> Option<Remainder> {
    // DynamoDB rejects a range that ends before it begins.
    let Some(after) = after else {
        return (!range.is_empty()).then(|| Remainder { range: range.clone(), start: None });
    };
    // Within the same millisecond, earlier partitions have been shown and later ones have not. The
    // order's own partition continues after the order itself.
    let beyond = EpochMs::from(rank < after.partition);
    let range = if index.descending {
        *range.start()..=after.sort_ms.saturating_sub(beyond).min(*range.end())
    } else {
        after.sort_ms.saturating_add(beyond).max(*range.start())..=*range.end()
    };
    let start = (rank == after.partition).then(|| {
        let mut start = Orders::key(&after.order_id);
        start.insert(index.partition.to_owned(), string(name));
        start.insert(index.sort.to_owned(), number(after.sort_ms));
        start
    });
    (!range.is_empty()).then_some(Remainder { range, start })
}
