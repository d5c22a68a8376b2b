//! Where an order takes its stock from: a plan for one try.

use std::hash::{DefaultHasher, Hash, Hasher};

use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use inventory::pool::Pool;
use inventory::pool::seen::Seen;
use inventory::pool::writes::Writes;
use inventory::{Place, Reservation};
use order::{Order, OrderLine};
use saga::Item;
use saga::step::failed;

/// The most writes besides the fence that DynamoDB takes in
/// [one transaction](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html). Giving
/// back takes at most as many: one for each place, and one for each line that is on its root.
pub(crate) const MAX_WRITES: usize = 99;

/// Where one line is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The root, which must be whole.
    Root,
    /// Shards of a pool, usually one: the number of each, and how many.
    Shards(Pool, Vec<(u16, u32)>),
    /// A shard of a pool that is filled from the root at the same time.
    Refilled {
        /// The pool.
        pool: Pool,
        /// The shard.
        shard: u16,
        /// How much goes from the root to the shard, what is ordered included.
        taken: i64,
    },
}

impl Source {
    pub(crate) fn one(pool: Pool, shard: u16, line: &OrderLine) -> Self {
        Self::Shards(pool, vec![(shard, line.quantity)])
    }

    /// How many writes it takes.
    pub(crate) fn writes(&self) -> usize {
        match self {
            Self::Root => 1,
            Self::Shards(_, parts) => parts.len(),
            Self::Refilled { .. } => 2,
        }
    }
}

/// The sources of an order's lines, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub(crate) sources: Vec<Source>,
}

impl Plan {
    /// The first try: the pools that were seen lately, and roots.
    pub(crate) fn first(order: &Order, seen: &Seen) -> Self {
        let source = |line: &OrderLine| {
            let (pool, shards) = seen.pool(&order.store_id, &line.sku)?;
            Some(Source::one(pool, pick(order, line, &shards, 0)?, line))
        };
        Self { sources: order.lines.iter().map(|line| source(line).unwrap_or(Source::Root)).collect() }
    }

    pub(crate) fn writes(&self) -> usize {
        self.sources.iter().map(Source::writes).sum()
    }

    /// The lines of whole roots whose writes failed, each with its root as it was.
    pub(crate) fn failed_roots<'a>(&self, reasons: &'a [CancellationReason]) -> Vec<(usize, Option<&'a Item>)> {
        let sources = self.sources.iter().enumerate();
        let lines: Vec<_> =
            sources.flat_map(|(line, source)| std::iter::repeat_n((line, source), source.writes())).collect();
        let failed = failed(reasons).into_iter();
        let root = |(at, old): (usize, Option<&'a Item>)| {
            let (line, source) = lines.get(at)?;
            (**source == Source::Root).then_some((*line, old))
        };
        failed.filter_map(root).collect()
    }

    /// The writes of the transaction, besides the fence.
    pub(crate) fn hold(&self, table: &str, order: &Order) -> Vec<TransactWriteItem> {
        let lines = order.lines.iter().zip(&self.sources);
        let hold = |(line, source): (&OrderLine, &Source)| {
            let writes = Writes { table, store_id: &order.store_id, sku: &line.sku };
            match source {
                Source::Root => vec![writes.hold(line.quantity)],
                Source::Shards(pool, parts) => {
                    parts.iter().map(|(shard, quantity)| writes.hold_in_shard(*pool, *shard, *quantity)).collect()
                }
                Source::Refilled { pool, shard, taken } => {
                    writes.refill(*pool, *shard, *taken, line.quantity).into_iter().collect()
                }
            }
        };
        lines.flat_map(hold).collect()
    }

    /// What the order then holds.
    pub(crate) fn reservation(&self, order: &Order) -> Reservation {
        let lines = order.lines.iter().zip(&self.sources).enumerate();
        let places = lines.flat_map(|(at, (line, source))| match source {
            Source::Root => Vec::new(),
            Source::Shards(pool, parts) => {
                let place = |(shard, quantity): &(u16, u32)| Place {
                    line: at,
                    shard: *shard,
                    era: pool.era,
                    quantity: *quantity,
                };
                parts.iter().map(place).collect()
            }
            Source::Refilled { pool, shard, .. } => {
                vec![Place { line: at, shard: *shard, era: pool.era, quantity: line.quantity }]
            }
        });
        Reservation { places: places.collect(), ..order.into() }
    }
}

/// One of these shards, another one for each order and try. A hash and not a random number, so that runs are
/// repeatable.
pub(crate) fn pick(order: &Order, line: &OrderLine, shards: &[u16], attempt: u32) -> Option<u16> {
    let hash = spread((order.order_id().as_str(), line.sku.as_str(), attempt));
    let at = usize::try_from(hash).unwrap_or_default().checked_rem(shards.len())?;
    shards.get(at).copied()
}

/// A number that is spread evenly over what is hashed.
pub(crate) fn spread(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
