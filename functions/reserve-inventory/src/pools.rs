//! What follows a try that failed: another shard, a refill, a merge, or a refusal.

use std::time::Duration;

use aws_sdk_dynamodb::types::CancellationReason;
use inventory::Stocks;
use inventory::pool::read::shard_of;
use inventory::pool::seen::Seen;
use inventory::pool::{Pool, Root, Shard, State};
use inventory::settings::Spreading;
use order::{EpochMs, Order, OrderLine};
use saga::Unavailable;
use saga::conflict::Tries;
use saga::transaction::is_failed_condition;

use crate::is_conflict_of;
use crate::plan::{MAX_WRITES, Plan, Source, pick, spread};

/// From which try on an order waits before it takes another shard. Before that, it is served fastest by the next one.
const WAITS_FROM: u32 = 4;

/// From which try on a root in conflict is read: it may have a pool by now, be sold out, or have to be spread. An order
/// that conflicts only once costs no read.
const LOOKS_FROM: u32 = 3;

/// From which try on a root in conflict is spread: after four conflicts in a row.
const SPREADS_FROM: u32 = 4;

/// One order in so many spreads an article that is hot: a try writes to every shard, and costs accordingly.
const SPREADS: u64 = 4;

/// How many shards a hot article gets by itself: 96 serve 2,000 orders a second with a quarter of the tries in
/// conflict.
const SHARDS: u16 = 96;

/// The least stock for each shard with which an article is spread by itself. Less is sold sooner than spread.
const MIN_PER_SHARD: i64 = 4;

/// How long a pool is open at least before an order merges it, unless little is left: an order for more than any few
/// shards have must not merge a hot article again and again.
const MIN_OPEN_MS: EpochMs = 10_000;

/// The shortest delay when a pool is being merged by somebody else, in milliseconds.
const MIN_MERGE_DELAY_MS: u64 = 50;

/// The longest delay when a pool is being merged by somebody else, in milliseconds.
const MAX_MERGE_DELAY_MS: u64 = 300;

/// One order in so many helps with a merge that it meets at once, and not only when the merge takes too long.
const HELPS_AT_ONCE: u64 = 10;

/// After so many delays every order helps, because whoever began the merge may have died.
const MAX_DELAYS: u32 = 3;

/// How many times a root is read for one line and try. It changes its state while it is read, but not that often.
const MAX_LOOKS: u32 = 8;

/// The stock, as an order sees it.
#[derive(Debug, Clone)]
pub(crate) struct Pools {
    pub(crate) stocks: Stocks,
    pub(crate) seen: Seen,
    /// Whether hot articles are spread by themselves.
    pub(crate) spreading: Spreading,
}

/// A line that may have to be refused: its root is whole and has too little.
pub(crate) struct Short;

/// What a failed try says about one line.
enum Sign {
    /// Nothing is wrong with it.
    Fine,
    /// Another transaction was writing what it takes.
    Conflict,
    /// Its pool, if it has one, is no longer as it was seen.
    Changed,
    /// Its pool is as it was seen, but the shard has too little.
    TooLittle(Pool),
}

/// What is to be done next, in the order of a plan's lines.
pub(crate) enum Then {
    /// Try this plan.
    Try(Plan),
    /// These lines are short on whole roots, as read without the fence.
    Check(Vec<usize>),
    /// The tries are used up.
    Undecided,
}

impl Pools {
    /// Computes the next plan from what a try's reasons say. None of them decides anything but that.
    pub(crate) async fn after(
        &self,
        order: &Order,
        plan: &Plan,
        reasons: &[CancellationReason],
        tries: &mut Tries,
        now_ms: EpochMs,
    ) -> Result<Then, Unavailable> {
        let signs = self.signs(order, plan, reasons)?;
        let mut next = plan.clone();
        let (mut short, mut waits) = (Vec::new(), false);
        for (at, (line, sign)) in order.lines.iter().zip(&signs).enumerate() {
            let found = match (&plan.sources[at], sign) {
                (_, Sign::Fine) => continue,
                (Source::Root, Sign::Conflict) if tries.made() < LOOKS_FROM => Ok(Source::Root),
                (Source::Shards(pool, _), Sign::Conflict) => {
                    waits |= tries.made() >= WAITS_FROM;
                    match self.pick(order, line, *pool, tries) {
                        Some(source) => Ok(source),
                        None => self.look(order, line, Some(*pool), tries, now_ms).await?,
                    }
                }
                (Source::Refilled { pool, shard, .. }, Sign::Conflict) => {
                    self.seen.drained(&order.store_id, &line.sku, *pool, *shard);
                    self.look(order, line, None, tries, now_ms).await?
                }
                (_, Sign::TooLittle(pool)) => self.look(order, line, Some(*pool), tries, now_ms).await?,
                (_, Sign::Conflict | Sign::Changed) => self.look(order, line, None, tries, now_ms).await?,
            };
            match found {
                Ok(source) => {
                    // The root has no other place to go to.
                    waits |= matches!((sign, &source), (Sign::Conflict, Source::Root | Source::Refilled { .. }));
                    next.sources[at] = source;
                }
                Err(Short) => short.push(at),
            }
        }
        let goes_on = if waits { tries.again().await } else { tries.at_once() };
        if !goes_on {
            return Ok(Then::Undecided);
        }
        if !short.is_empty() {
            return Ok(Then::Check(short));
        }
        self.fit(order, &mut next).await?;
        Ok(Then::Try(next))
    }

    fn signs(&self, order: &Order, plan: &Plan, reasons: &[CancellationReason]) -> Result<Vec<Sign>, Unavailable> {
        let mut rest = reasons.get(1..).unwrap_or_default();
        let lines = order.lines.iter().zip(&plan.sources);
        let sign = |(line, source): (&OrderLine, &Source)| {
            let (own, others) = rest.split_at(source.writes().min(rest.len()));
            rest = others;
            self.sign(order, line, source, own)
        };
        lines.map(sign).collect()
    }

    /// What the reasons of a line's writes say about it.
    fn sign(
        &self,
        order: &Order,
        line: &OrderLine,
        source: &Source,
        reasons: &[CancellationReason],
    ) -> Result<Sign, Unavailable> {
        const ATTEMPTED: &str = "read why the stock could not be held";
        let failed: Vec<_> = reasons.iter().enumerate().filter(|(_, reason)| is_failed_condition(reason)).collect();
        if failed.is_empty() {
            let is_conflict = reasons.iter().any(is_conflict_of);
            return Ok(if is_conflict { Sign::Conflict } else { Sign::Fine });
        }
        let Source::Shards(pool, parts) = source else { return Ok(Sign::Changed) };
        for (at, reason) in failed {
            // A shard that does not exist, or is in an earlier era, was not filled yet.
            let item = reason.item().filter(|item| !item.is_empty()).cloned();
            let shard = item.map(|item| shard_of(item, ATTEMPTED)).transpose()?;
            if shard.is_some_and(|shard| shard.era >= pool.era && !shard.is_open(pool.era)) {
                self.seen.forget(&order.store_id, &line.sku);
                return Ok(Sign::Changed);
            }
            self.seen.drained(&order.store_id, &line.sku, *pool, parts[at].0);
        }
        Ok(Sign::TooLittle(*pool))
    }

    /// Another shard of a pool that may have stock.
    fn pick(&self, order: &Order, line: &OrderLine, pool: Pool, tries: &Tries) -> Option<Source> {
        let (seen, shards) = self.seen.pool(&order.store_id, &line.sku)?;
        let shard = pick(order, line, &shards, tries.made()).filter(|_| seen == pool)?;
        Some(Source::one(pool, shard, line))
    }

    /// Reads the root and decides where to take a line from. `drained` is the pool in which it found too little.
    async fn look(
        &self,
        order: &Order,
        line: &OrderLine,
        drained: Option<Pool>,
        tries: &mut Tries,
        now_ms: EpochMs,
    ) -> Result<Result<Source, Short>, Unavailable> {
        const ATTEMPTED: &str = "find a shard with stock";
        let (store_id, sku) = (&order.store_id, &line.sku);
        let mut delays = 0;
        for _ in 0..MAX_LOOKS {
            // An article that the store does not keep is refused when the order tries to hold it.
            let Some(root) = self.stocks.root(store_id, sku).await? else { return Ok(Ok(Source::Root)) };
            match root.state() {
                State::Whole if root.available < i64::from(line.quantity) => return Ok(Err(Short)),
                State::Whole => {
                    self.seen.forget(store_id, sku);
                    let is_hot = self.spreading == Spreading::Automatic
                        && tries.made() >= SPREADS_FROM
                        && spread((order.order_id().as_str(), tries.made())).is_multiple_of(SPREADS);
                    if !(is_hot && root.available >= MIN_PER_SHARD * i64::from(SHARDS)) {
                        return Ok(Ok(Source::Root));
                    }
                    // Somebody else may have spread it, or holds stock of it. Either way it is tried or read again.
                    if self.stocks.spread(&root, SHARDS, None, now_ms).await?.is_none() {
                        return Ok(Ok(Source::Root));
                    }
                }
                State::Closing(pool) => {
                    self.seen.forget(store_id, sku);
                    let helps = delays >= MAX_DELAYS
                        || spread((order.order_id().as_str(), delays)).is_multiple_of(HELPS_AT_ONCE);
                    if helps {
                        self.stocks.merge(store_id, sku, pool, order.order_id().as_str()).await?;
                    } else {
                        tokio::time::sleep(merge_delay(order, delays)).await;
                        delays += 1;
                    }
                }
                State::Open(pool) => {
                    self.seen.opened(store_id, sku, pool);
                    if drained != Some(pool)
                        && let Some(source) = self.pick(order, line, pool, tries)
                    {
                        return Ok(Ok(source));
                    }
                    if let Some(source) = self.refill(order, line, pool, &root, tries) {
                        return Ok(Ok(source));
                    }
                    if let Some(source) = self.search(order, line, pool, &root, tries, now_ms).await? {
                        return Ok(Ok(source));
                    }
                }
            }
        }
        Err(Unavailable::Contended { attempted: ATTEMPTED })
    }

    /// A shard of an open pool with stock from the root, if the root has enough.
    fn refill(&self, order: &Order, line: &OrderLine, pool: Pool, root: &Root, tries: &Tries) -> Option<Source> {
        let quantity = i64::from(line.quantity);
        if root.available < quantity {
            return None;
        }
        let shards: Vec<u16> = (0..pool.shards).collect();
        let shard = pick(order, line, &shards, tries.made())?;
        self.seen.refilled(&order.store_id, &line.sku, pool, shard);
        let fair = root.available / i64::from(pool.shards);
        Some(Source::Refilled { pool, shard, taken: fair.max(quantity) })
    }

    /// Reads all shards of an open pool whose root has too little: one that has enough, or several, or `None` after
    /// the pool was merged. What was read is no proof that the article is sold out.
    async fn search(
        &self,
        order: &Order,
        line: &OrderLine,
        pool: Pool,
        root: &Root,
        tries: &mut Tries,
        now_ms: EpochMs,
    ) -> Result<Option<Source>, Unavailable> {
        let (store_id, sku) = (&order.store_id, &line.sku);
        let shards = self.stocks.shards(store_id, sku, pool).await?;
        let open: Vec<(u16, Shard)> = shards.into_iter().filter(|(_, shard)| shard.is_open(pool.era)).collect();
        let quantity = i64::from(line.quantity);
        let enough: Vec<u16> =
            open.iter().filter(|(_, shard)| shard.available >= quantity).map(|(number, _)| *number).collect();
        // Not the richest: every order that reads now would take that one.
        if let Some(shard) = pick(order, line, &enough, tries.made()) {
            self.seen.stocked(store_id, sku, pool, enough);
            return Ok(Some(Source::one(pool, shard, line)));
        }
        if let Some(parts) = parts(open.clone(), line.quantity) {
            return Ok(Some(Source::Shards(pool, parts)));
        }
        let left = root.available + open.iter().map(|(_, shard)| shard.available).sum::<i64>();
        let is_little = left < MIN_PER_SHARD * i64::from(pool.shards);
        if is_little || root.spread_ms.is_none_or(|spread_ms| spread_ms + MIN_OPEN_MS <= now_ms) {
            self.stocks.merge(store_id, sku, pool, order.order_id().as_str()).await?;
            return Ok(None);
        }
        Err(Unavailable::Contended { attempted: "wait until the stock may be merged" })
    }

    /// Makes a plan fit into one transaction. Refills are done beforehand, each alone. Parts of lines are left out:
    /// their articles are merged, and their roots have it all.
    async fn fit(&self, order: &Order, plan: &mut Plan) -> Result<(), Unavailable> {
        for (line, at) in order.lines.iter().zip(0..) {
            if plan.writes() <= MAX_WRITES {
                return Ok(());
            }
            match plan.sources[at].clone() {
                Source::Refilled { pool, shard, taken } => {
                    self.stocks.refill(&order.store_id, &line.sku, pool, shard, taken).await?;
                    plan.sources[at] = Source::one(pool, shard, line);
                }
                Source::Shards(pool, parts) if parts.len() > 1 => {
                    self.stocks.merge(&order.store_id, &line.sku, pool, order.order_id().as_str()).await?;
                    plan.sources[at] = Source::Root;
                }
                Source::Root | Source::Shards(..) => {}
            }
        }
        Ok(())
    }
}

/// As few shards as have this much together, if that is few enough for one transaction.
fn parts(mut shards: Vec<(u16, Shard)>, quantity: u32) -> Option<Vec<(u16, u32)>> {
    shards.sort_unstable_by_key(|(number, shard)| (-shard.available, *number));
    let mut missing = quantity;
    let mut parts = Vec::new();
    for (number, shard) in shards.into_iter().take(MAX_WRITES) {
        let part = u32::try_from(shard.available).unwrap_or(u32::MAX).min(missing);
        if part == 0 {
            break;
        }
        parts.push((number, part));
        missing -= part;
    }
    (missing == 0).then_some(parts)
}

/// How long to wait for a merge.
fn merge_delay(order: &Order, delays: u32) -> Duration {
    let spread = spread((delays, order.order_id().as_str())) % (MAX_MERGE_DELAY_MS - MIN_MERGE_DELAY_MS + 1);
    Duration::from_millis(MIN_MERGE_DELAY_MS + spread)
}
