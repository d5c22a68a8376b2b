//! Lists of orders: by customer, by store, by county, the open ones, and those that wait to be picked,
//! a page at a time.
//!
//! A sharded list is read shard by shard and merged. A place in it is the last order's own key, from
//! which each shard's place follows: so a walk needs no memory of ours, and what is placed while it
//! goes on cannot shift what it has yet to see.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use futures_util::future::try_join_all;
use order::{CountyId, CustomerId, EpochMs, OrderId, OrderRecord, StoreId, Tenant};
use saga::{Item, Unavailable, batch};

use crate::table::{Orders, number, pick_work, record_of, string, tenant_customer};
use crate::work::{self, PARKED_WORK, SHARDS};

/// The most orders of a page: as many as are read by key at once.
pub const MAX_PAGE_SIZE: usize = batch::MAX_ITEMS;

/// How many DynamoDB pages of one partition make a page of a list at most. Keys are so small that
/// one does: 101 of them are a fiftieth of the megabyte that DynamoDB reads at a time.
const MAX_QUERY_PAGES: usize = 10;

/// Which orders a list is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// What a tenant placed for a customer, newest first.
    Customer(Tenant, CustomerId),
    /// A store's, newest first.
    Store(StoreId),
    /// A county's, newest first.
    County(CountyId),
    /// The open ones, longest due first, and the parked ones among them by when they were parked.
    Open,
    /// A store's confirmed ones, which wait to be picked, longest confirmed first.
    Pick(StoreId),
}

/// Where an order stands in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// What the list is sorted by: when the order was placed, is due, or was confirmed.
    pub sort_ms: EpochMs,
    /// The index partition that it stands in, counted as [`Listing::partitions`] does.
    pub partition: u8,
    /// The order.
    pub order_id: OrderId,
}

/// A part of a list, orders by their ids only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The orders, in the list's order.
    pub positions: Vec<Position>,
    /// Whether the list goes on.
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

    /// The index partitions that it is spread over. Among orders of one millisecond those of an
    /// earlier partition come first.
    pub fn partitions(&self) -> Vec<String> {
        let sharded = |id: &str| SHARDS.iter().map(|shard| format!("{id}#{shard}")).collect();
        match self {
            // A customer does not order so much that its orders would heat a partition.
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

/// What is left of one partition behind a place in the list.
struct Remainder {
    range: RangeInclusive<EpochMs>,
    start: Option<Item>,
}

impl Orders {
    /// The orders of a list whose sort time is in `range`, behind `after`, at most `limit` of them
    /// ([`MAX_PAGE_SIZE`] at most).
    ///
    /// A walk from page to page sees each order that the index holds throughout once. The indexes
    /// are eventually consistent: an order of the last moment may not be in them yet. In
    /// [`Listing::Open`] the sort time itself changes whenever an order is taken up.
    ///
    /// # Cost
    /// Half a read unit per 4 KiB of keys, at least half a one for each partition: 0.5 to 2 for a
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
            // One more than is shown: it tells whether the list goes on.
            Some(self.read_partition(&index, rank, name, rest, limit + 1))
        });
        let mut positions = try_join_all(read).await?.concat();
        // A stable sort: within a millisecond, partition by partition, each as its index has it.
        // The place behind an order (see `remainder`) counts on that.
        positions.sort_by_key(|position| if index.descending { -position.sort_ms } else { position.sort_ms });
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
        // To go on without the rest would pass orders over.
        Err(Unavailable::Incomplete { attempted: ATTEMPTED })
    }

    /// Reads orders by their ids, at most [`MAX_PAGE_SIZE`] of them, each strongly consistent: the
    /// indexes lag behind, and may know an order that a replica does not hold yet.
    ///
    /// # Cost
    /// One read unit per 4 KiB of each order.
    ///
    /// # Errors
    /// [`Unavailable`], also if DynamoDB keeps leaving some of them unread.
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

/// What is left of a partition behind `after`; `None` if nothing can be.
fn remainder(
    index: &Index,
    rank: u8,
    name: &str,
    range: &RangeInclusive<EpochMs>,
    after: Option<&Position>,
) -> Option<Remainder> {
    // DynamoDB refuses a range that ends before it begins.
    let Some(after) = after else {
        return (!range.is_empty()).then(|| Remainder { range: range.clone(), start: None });
    };
    // Of the same millisecond, the partitions up to the order's own have been shown, those behind
    // it have not; its own goes on behind the order itself, wherever the index has it.
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
