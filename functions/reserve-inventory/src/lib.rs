//! The inventory step: reserve, release and consume.
//!
//! A reservation moves stock from `available` to `reserved`, for every line of the order or for
//! none, and is itself the order's fence. Releasing it moves the stock back. Consuming it takes the
//! stock off the books: the goods have left the store.
//!
//! A hot article's stock is in a [pool](inventory::pool). Then a reservation is in shards of it: `plan` says in which
//! ones, and `pools` what to do when that cannot be.

mod plan;
mod pools;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use inventory::pool::read::RootsRead;
use inventory::pool::seen::Seen;
use inventory::pool::writes::Writes;
use inventory::pool::{Shard, State};
use inventory::settings::Spreading;
use inventory::{Place, Reservation, ReservedLine, Stocks, reservation_key};
use order::{EpochMs, Order, OrderId, OrderLine, Shortage, Sku, StoreId};
pub use plan::Plan;
use saga::conflict::{Tries, is_conflict};
use saga::transaction::is_undecided;
use saga::{Item, Next, Refusal, Step, Unavailable};
use serde_json::{Map, Value, json};

use crate::pools::{Pools, Then};

/// Why the inventory refuses an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum StockRefusal {
    /// The store has less than was ordered.
    #[error("{store_id} has {available} of {sku}, and {quantity} were ordered")]
    OutOfStock {
        /// The store.
        store_id: StoreId,
        /// The article.
        sku: Sku,
        /// How many were ordered.
        quantity: u32,
        /// How many can still be reserved.
        available: i64,
        /// Every article that the store cannot serve, this one included.
        shortages: Vec<Shortage>,
    },
    /// The store does not know the article.
    #[error("{store_id} does not keep {sku}")]
    UnknownSku {
        /// The store.
        store_id: StoreId,
        /// The article.
        sku: Sku,
        /// Every article that the store cannot serve, this one included.
        shortages: Vec<Shortage>,
    },
}

impl Refusal for StockRefusal {
    fn name(&self) -> &'static str {
        self.into()
    }

    fn details(&self) -> Map<String, Value> {
        let (Self::OutOfStock { shortages, .. } | Self::UnknownSku { shortages, .. }) = self;
        Map::from_iter([("shortages".to_owned(), json!(shortages))])
    }
}

/// The inventory step.
#[derive(Debug, Clone)]
pub struct ReserveInventory {
    table: String,
    pools: Pools,
}

impl ReserveInventory {
    /// The step on the inventory in `table`.
    pub fn new(client: Client, table: impl Into<String>, spreading: Spreading) -> Self {
        let table = table.into();
        let pools = Pools { stocks: Stocks::new(client, table.clone()), seen: Seen::default(), spreading };
        Self { table, pools }
    }

    /// Refuses an order for lines that are short on whole roots, as far as they still are: the roots are read together
    /// with the fence. While others write a root, the order waits and reads again: if it wrote instead, it would keep
    /// others from reading.
    async fn check(&self, order: &Order, lines: &[usize], tries: &mut Tries) -> Result<Checked, Unavailable> {
        let lines: Vec<&OrderLine> = lines.iter().filter_map(|line| order.lines.get(*line)).collect();
        let skus: Vec<&Sku> = lines.iter().map(|line| &line.sku).collect();
        let roots = loop {
            match self.pools.stocks.roots_without_fence(order.order_id(), &order.store_id, &skus).await? {
                RootsRead::Read(roots) => break roots,
                RootsRead::Fenced => return Ok(Checked::Changed),
                RootsRead::Conflict if tries.again().await => {}
                RootsRead::Conflict => return Ok(Checked::Undecided),
            }
        };
        let mut short = Vec::new();
        for (line, root) in lines.into_iter().zip(roots) {
            match root {
                None => short.push((line, None)),
                Some(root) if root.state() == State::Whole && root.available < i64::from(line.quantity) => {
                    self.pools.seen.short(&order.store_id, &line.sku, root.available);
                    short.push((line, Some(root.available)));
                }
                Some(_) => self.pools.seen.forget(&order.store_id, &line.sku),
            }
        }
        Ok(refused(order, &short).map_or(Checked::Changed, Checked::Refused))
    }

    /// Each article's writes, and how much of it is on its root.
    fn on_roots<'a>(&'a self, held: &'a Reservation) -> impl Iterator<Item = (Writes<'a>, u32)> {
        let on_root = |(at, line): (usize, &'a ReservedLine)| (self.writes(held, line), held.on_root(at));
        held.lines.iter().enumerate().map(on_root).filter(|(_, quantity)| *quantity > 0)
    }

    /// Each place, and the writes on its article.
    fn in_shards<'a>(&'a self, held: &'a Reservation) -> impl Iterator<Item = (Writes<'a>, &'a Place)> {
        held.places.iter().filter_map(|place| Some((self.writes(held, held.lines.get(place.line)?), place)))
    }

    fn writes<'a>(&'a self, held: &'a Reservation, line: &'a ReservedLine) -> Writes<'a> {
        Writes { table: &self.table, store_id: &held.store_id, sku: &line.sku }
    }
}

/// What roots say that were read together with the fence.
enum Checked {
    /// The order is refused.
    Refused(StockRefusal),
    /// The fence or the stock is not as it was: the order tries again.
    Changed,
    /// The tries are used up.
    Undecided,
}

impl Step for ReserveInventory {
    type Prepared = Plan;
    type Effect = Reservation;
    type Refusal = StockRefusal;

    /// The order record and the journal have an order's history; its released reservation adds nothing.
    const CANCELLED_FENCE_EXPIRES: bool = true;

    fn fence_key(&self, order_id: &OrderId) -> Item {
        reservation_key(order_id)
    }

    fn effect(&self, order: &Order) -> Reservation {
        order.into()
    }

    fn recorded(&self, order: &Order, plan: &Plan) -> Reservation {
        plan.reservation(order)
    }

    fn is_effect_of(&self, held: &Reservation, order: &Order) -> bool {
        held.holds_same(&order.into())
    }

    async fn prepare(&self, order: &Order) -> Result<Plan, Unavailable> {
        Ok(Plan::first(order, &self.pools.seen))
    }

    /// An order for an article that was sold out a moment ago costs a read and not a write.
    async fn refuse_unwritten(&self, order: &Order) -> Result<Option<StockRefusal>, Unavailable> {
        let is_short = |line: &OrderLine| self.pools.seen.is_short(&order.store_id, &line.sku, line.quantity);
        let lines: Vec<usize> =
            order.lines.iter().enumerate().filter(|(_, line)| is_short(line)).map(|(at, _)| at).collect();
        if lines.is_empty() {
            return Ok(None);
        }
        match self.check(order, &lines, &mut Tries::of(order.order_id().as_str())).await? {
            Checked::Refused(refusal) => Ok(Some(refusal)),
            Checked::Changed | Checked::Undecided => Ok(None),
        }
    }

    fn apply(&self, order: &Order, plan: &Plan, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        plan.hold(&self.table, order)
    }

    /// The first line that the store cannot serve gives the refusal; all of them are listed. `failed` has the lines'
    /// roots.
    fn refusal(&self, order: &Order, failed: &[(usize, Option<&Item>)]) -> Option<StockRefusal> {
        let short: Vec<Short<'_>> =
            failed.iter().filter_map(|(index, old)| short(order.lines.get(*index)?, *old)).collect();
        for (line, available) in &short {
            if let Some(available) = available {
                self.pools.seen.short(&order.store_id, &line.sku, *available);
            }
        }
        refused(order, &short)
    }

    async fn after_cancellation(
        &self,
        order: &Order,
        plan: &Plan,
        reasons: &[CancellationReason],
        tries: &mut Tries,
        now_ms: EpochMs,
    ) -> Result<Next<Plan, StockRefusal>, Unavailable> {
        if is_conflict(reasons) && reasons.first().is_some_and(is_undecided) {
            return Ok(if tries.again().await { Next::Again } else { Next::Undecided });
        }
        let conflicts = reasons.iter().all(|reason| !is_undecided(reason) || is_conflict_of(reason));
        if !reasons.iter().any(is_undecided)
            && let Some(refusal) = self.refusal(order, &plan.failed_roots(reasons))
        {
            return Ok(Next::Refused(refusal));
        }
        // Without the fence's answer nothing is known, and what is throttled needs a longer delay.
        if reasons.first().is_some_and(is_undecided) || !conflicts {
            return Ok(Next::Undecided);
        }
        Ok(match self.pools.after(order, plan, reasons, tries, now_ms).await? {
            Then::Try(plan) => Next::With(plan),
            Then::Check(lines) => match self.check(order, &lines, tries).await? {
                Checked::Refused(refusal) => Next::Refused(refusal),
                Checked::Changed => Next::Again,
                Checked::Undecided => Next::Undecided,
            },
            Then::Undecided => Next::Undecided,
        })
    }

    /// Places whose shard was merged in the meantime: what was there is on the root.
    fn moved(&self, held: &Reservation, failed: &[(usize, Option<&Item>)]) -> Option<Reservation> {
        let shards = self.on_roots(held).count();
        let is_merged = |at: usize, place: &Place| {
            let old = failed.iter().find(|(index, _)| *index == shards + at).and_then(|(_, old)| *old);
            let shard = old.and_then(|item| serde_dynamo::from_item::<_, Shard>(item.clone()).ok());
            shard.is_some_and(|shard| shard.is_merged(place.era))
        };
        let places = held.places.iter().enumerate().filter(|(at, place)| !is_merged(*at, place));
        let places: Vec<Place> = places.map(|(_, place)| *place).collect();
        (places.len() < held.places.len()).then(|| Reservation { places, ..held.clone() })
    }

    fn undo(&self, _order_id: &OrderId, held: &Reservation, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        let on_roots = self.on_roots(held).map(|(writes, quantity)| writes.give_back(quantity));
        on_roots.chain(self.in_shards(held).map(|(writes, place)| writes.give_back_in_shard(place))).collect()
    }

    fn consume(&self, _order_id: &OrderId, held: &Reservation, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        let on_roots = self.on_roots(held).map(|(writes, quantity)| writes.hand_over(quantity));
        on_roots.chain(self.in_shards(held).map(|(writes, place)| writes.hand_over_in_shard(place))).collect()
    }
}

/// Whether another transaction was writing the item.
fn is_conflict_of(reason: &CancellationReason) -> bool {
    reason.code() == Some("TransactionConflict")
}

/// A line that the store cannot serve, and the stock available; `None` if the store does not keep the article.
type Short<'a> = (&'a OrderLine, Option<i64>);

/// The refusal for these lines, if there are any.
fn refused(order: &Order, short: &[Short<'_>]) -> Option<StockRefusal> {
    let shortage =
        |(line, available): &Short<'_>| Shortage { sku: line.sku.clone(), available: available.unwrap_or(0) };
    let shortages = short.iter().map(shortage).collect();
    let (line, available) = short.first()?;
    let (store_id, sku) = (order.store_id.clone(), line.sku.clone());
    Some(match *available {
        None => StockRefusal::UnknownSku { store_id, sku, shortages },
        Some(available) => StockRefusal::OutOfStock { store_id, sku, quantity: line.quantity, available, shortages },
    })
}

/// The line and its available stock, if the old stock item is whole and has too little for it.
fn short<'a>(line: &'a OrderLine, old: Option<&Item>) -> Option<Short<'a>> {
    let Some(old) = old.filter(|item| !item.is_empty()) else { return Some((line, None)) };
    let available = old.get("available")?.as_n().ok()?.parse().ok()?;
    (available < i64::from(line.quantity) && !old.contains_key("phase")).then_some((line, Some(available)))
}
