//! The audit: checks the invariants on the tables themselves, and reports what is broken where.
//!
//! It reads all tables as of one moment and trusts only their items, not the workflow's history or what a
//! caller was told. See ARCHITECTURE.md for the invariants.

mod books;
mod payments;
mod report;

use std::collections::BTreeMap;

use declarations::{Function, Step};
use inventory::AdjustmentRecord;
use inventory::pool::{Root, Shard, State};
use local_aws::{DynamoDb, MESSAGES_TABLE, SnapshotError};
use local_stack::functions;
use order::{Effect, OrderRecord, Reason, Status, StepReceipts};
use orders::table::{open_work, pick_work};
use orders::work::PARKED_WORK;
use saga::fence::FenceState;

pub use books::{Books, StoredFence, StoredOrder};
pub use report::{Finding, Invariant, Report};

/// The tables that the data of an earlier release lacks: it took no payments, and had no price list.
const LATER: [&str; 3] = [::payments::table::TABLE, local_payments::TABLE, "prices"];

/// Audits the tables of a stack. Blocks while reading them.
///
/// # Errors
/// [`SnapshotError`], if a table cannot be read at all.
pub fn run(store: &DynamoDb) -> Result<Report, SnapshotError> {
    let mut books = Books::default();
    read(store, &mut books)?;
    Ok(check(&books))
}

/// Reads all tables and queues as of one moment. Blocks, and delays every call until it is done.
///
/// # Errors
/// [`SnapshotError`], if a table cannot be read at all.
pub fn read(store: &DynamoDb, books: &mut Books) -> Result<(), SnapshotError> {
    let declared = declarations::tables().keys().map(String::as_str);
    let is_there = |table: &&str| !LATER.contains(table) || store.has_table(table);
    let all: Vec<&str> = declared.chain([MESSAGES_TABLE, local_payments::TABLE]).filter(is_there).collect();
    store.read_all(&all, |table, item| books.add(table, item))
}

/// Checks what was read.
pub fn check(books: &Books) -> Report {
    let mut report = Report::new(books);
    for (order_id, order) in &books.orders {
        let at = format!("order {order_id}");
        check_work(&at, order, &mut report);
        check_decision(&at, &order.record, &mut report);
        check_fences(&at, &order.record, books, &mut report);
        check_net(&at, &order.record, books, &mut report);
        payments::check_order(&at, &order.record, books, &mut report);
    }
    for item in &books.unreadable {
        report.find(Invariant::I2, item, "is not one that this release writes");
    }
    check_orphans(books, &mut report);
    check_stock(books, &mut report);
    check_adjustments(books, &mut report);
    check_journal(books, &mut report);
    payments::check_unclaimed(books, &mut report);
    report
}

/// I1: open orders are in the work index, where recovery finds them; confirmed orders are there for their
/// store to pick; nothing else is in it.
fn check_work(at: &str, order: &StoredOrder, report: &mut Report) {
    let placed = &order.record.order;
    let expected = match order.record.status {
        Status::Pending | Status::Cancelling | Status::Fulfilling if order.is_parked => Some(PARKED_WORK.to_owned()),
        Status::Confirmed => Some(pick_work(&placed.store_id, placed.order_id().shard())),
        status => status.is_open().then(|| open_work(placed.order_id())),
    };
    if order.work != expected || order.due_ms.is_some() != expected.is_some() {
        let found = order.work.as_deref().unwrap_or("nowhere");
        let what = format!("is {}, but is in the work index at {found}", order.record.status);
        report.find(Invariant::I1, at, what);
    }
}

/// I5: one decision. Only a customer may cancel a confirmed order, and nobody may cancel one that was handed
/// over.
fn check_decision(at: &str, record: &OrderRecord, report: &mut Report) {
    let confirmed = record.confirmed_ms.is_some();
    let against = record.cancelling_ms.is_some();
    let handed_over = record.fulfilling_ms.is_some();
    let consistent = match record.status {
        Status::Pending => !confirmed && !against && !handed_over,
        Status::Confirmed => confirmed && !against && !handed_over,
        Status::Cancelling | Status::Cancelled => {
            against && !handed_over && (!confirmed || record.reason == Some(Reason::CustomerRequest))
        }
        Status::Fulfilling | Status::Fulfilled => confirmed && !against && handed_over,
    };
    if !consistent {
        let what = format!(
            "is {} with confirmed_ms {:?}, cancelling_ms {:?}, fulfilling_ms {:?} and reason {:?}",
            record.status, record.confirmed_ms, record.cancelling_ms, record.fulfilling_ms, record.reason
        );
        report.find(Invariant::I5, at, what);
    }
}

/// I2 for every step, whatever its effect: its fence has the state that the order's status requires. A
/// cancelled or consumed fence may have expired.
fn check_fences(at: &str, record: &OrderRecord, books: &Books, report: &mut Report) {
    let status = record.status;
    for (function, step) in declarations::steps() {
        let fence = books.fence(&function.name, record.order.order_id());
        let state = fence.map(|fence| fence.state);
        if !step.is_for(record.order.payment_terms.into()) {
            if let Some(state) = state {
                let found: &str = state.into();
                report.find(
                    Invariant::I2,
                    at,
                    format!("has a fence of {}, which it does not need: {found}", function.name),
                );
            }
            continue;
        }
        let is_consumable = step.consumption.is_some();
        let is_right = match status {
            Status::Pending | Status::Cancelling => state != Some(FenceState::Consumed),
            Status::Fulfilling if is_consumable => matches!(state, Some(FenceState::Applied | FenceState::Consumed)),
            Status::Fulfilled if is_consumable => matches!(state, None | Some(FenceState::Consumed)),
            Status::Confirmed | Status::Fulfilling | Status::Fulfilled => state == Some(FenceState::Applied),
            Status::Cancelled => matches!(state, None | Some(FenceState::Cancelled)),
        };
        let missing = missing_receipts(record, function, step);
        if !is_right {
            let found = state.map_or("none", <&str>::from);
            report.find(Invariant::I2, at, format!("is {status}, but its fence of {} is {found}", function.name));
        }
        let effect = fence.and_then(|fence| fence.effect.as_ref());
        // A tombstone has no effect. A fence in a wrong state is found above, whatever its effect.
        let must_have = matches!(state, Some(FenceState::Applied | FenceState::Consumed)) || effect.is_some();
        let is_its = effect.is_some_and(|effect| functions::is_effect(&function.name, &record.order, effect));
        if is_right && must_have && !is_its {
            report.find(Invariant::I2, at, format!("has a fence of {} with another order's effect", function.name));
        }
        if is_right && !missing.is_empty() {
            let what = format!("is {status} without the receipt of {}'s {}", function.name, missing.join(" and "));
            report.find(Invariant::I2, at, what);
        }
    }
}

/// The actions of a step whose receipts the order's status requires but its record lacks.
fn missing_receipts<'a>(record: &OrderRecord, function: &Function, step: &'a Step) -> Vec<&'a str> {
    let has = |receipts: &StepReceipts, effects: &[Effect]| {
        receipts.get(&function.name).is_some_and(|receipt| effects.contains(&receipt.effect))
    };
    let receipts = &record.receipts;
    let mut missing = Vec::new();
    if matches!(record.status, Status::Confirmed | Status::Fulfilling | Status::Fulfilled)
        && !has(&receipts.applied, &[Effect::Applied])
    {
        missing.push(step.action.name.as_str());
    }
    if record.status == Status::Cancelled && !has(&receipts.undone, &[Effect::Undone, Effect::Nothing]) {
        missing.push(&step.compensation.name);
    }
    if let Some(consumption) = &step.consumption
        && record.status == Status::Fulfilled
        && !has(&receipts.consumed, &[Effect::Consumed])
    {
        missing.push(&consumption.name);
    }
    missing
}

/// I2 of the journal: a cancelled order's entries net to zero.
fn check_net(at: &str, record: &OrderRecord, books: &Books, report: &mut Report) {
    let order_id = record.order.order_id();
    // A posting that still stands is found through its fence.
    let is_reversed = books.postings.get(order_id).is_none_or(|fence| fence.state == FenceState::Cancelled);
    let is_zero = || books.net_minor(order_id).values().all(|net_minor| *net_minor == 0);
    if record.status == Status::Cancelled && is_reversed && !is_zero() {
        report.find(Invariant::I2, at, "is CANCELLED, but its journal does not net to zero");
    }
}

/// I2 from the other side: no service has an order that is not on record.
fn check_orphans(books: &Books, report: &mut Report) {
    for (step, fences) in &books.fences {
        let orphans = fences.iter().filter(|(id, _)| !books.orders.contains_key(*id));
        for (order_id, fence) in orphans.filter(|(_, fence)| fence.state != FenceState::Cancelled) {
            let what = format!("has a fence of {step} that is {}, but no record", <&str>::from(fence.state));
            report.find(Invariant::I2, &format!("order {order_id}"), what);
        }
    }
}

/// I3: `reserved` is what open reservations hold, on the root and on each shard, and nothing is sold that is not
/// there.
fn check_stock(books: &Books, report: &mut Report) {
    let held = books.held();
    for (article, root) in &books.roots {
        let at = format!("stock of {} in {}", article.1, article.0);
        let here = [(None, root.available, root.reserved)].into_iter();
        let shards = books.shards.get(article).into_iter().flatten();
        let places = here.chain(shards.map(|(number, shard)| (Some(*number), shard.available, shard.reserved)));
        for (place, available, reserved) in places {
            let open = held.get(article).and_then(|held| held.get(&place)).copied().unwrap_or_default();
            let at = place.map_or_else(|| at.clone(), |number| format!("shard {number} of the {at}"));
            if reserved != open {
                let what = format!("has {reserved} reserved, but open reservations hold {open}");
                report.find(Invariant::I3, &at, what);
            }
            if available < 0 {
                report.find(Invariant::I3, &at, format!("has {available} available"));
            }
        }
        check_pool(&at, root, books.shards.get(article), report);
    }
    for (article, held) in &held {
        for (place, quantity) in held.iter().filter(|(_, quantity)| **quantity > 0) {
            let exists = match place {
                None => books.roots.contains_key(article),
                Some(number) => books.shards.get(article).is_some_and(|shards| shards.contains_key(number)),
            };
            if !exists {
                let at = format!("stock of {} in {}", article.1, article.0);
                report.find(Invariant::I3, &at, format!("does not exist, but open reservations hold {quantity}"));
            }
        }
    }
}

/// I3 of pools: only the shards of an open or closing pool have stock, so a whole root is all there is.
fn check_pool(at: &str, root: &Root, shards: Option<&BTreeMap<u16, Shard>>, report: &mut Report) {
    let pool = match root.state() {
        State::Whole => None,
        State::Open(pool) | State::Closing(pool) => Some(pool),
    };
    for (number, shard) in shards.into_iter().flatten() {
        let is_in_pool = pool.is_some_and(|pool| *number < pool.shards && shard.era == pool.era);
        if !is_in_pool && (shard.available, shard.reserved) != (0, 0) {
            let what =
                format!("has {} available and {} reserved, but its pool is over", shard.available, shard.reserved);
            report.find(Invariant::I3, &format!("shard {number} of the {at}"), what);
        }
        if shard.era > root.era {
            report.find(Invariant::I3, &format!("shard {number} of the {at}"), "is of an era that has not begun");
        }
    }
}

/// I3 from the other side: an adjustment and the stock that it adjusts are written together.
fn check_adjustments(books: &Books, report: &mut Report) {
    for (id, AdjustmentRecord { adjustment, .. }) in &books.adjustments {
        if !books.stock.contains_key(&(adjustment.store_id.clone(), adjustment.sku.clone())) {
            let what = format!("adjusts {} in {}, which has no stock item", adjustment.sku, adjustment.store_id);
            report.find(Invariant::I3, &format!("adjustment {id}"), what);
        }
    }
}

/// I4: every entry balances, so does the journal, and customers owe what the journal says.
fn check_journal(books: &Books, report: &mut Report) {
    for (order_id, entry) in books.entries() {
        let sum: i64 = entry.lines.iter().map(|line| line.amount_minor).sum();
        if sum != 0 {
            report.find(Invariant::I4, &format!("order {order_id}"), format!("has an entry that is off by {sum}"));
        }
    }
    for (order_id, fence) in &books.postings {
        let at = format!("order {order_id}");
        let reversed = books.reversals.get(order_id).map(|reversal| &reversal.effect);
        let expected = match (fence.state, &fence.effect) {
            (FenceState::Cancelled, Some(entry)) => Some(entry.reversed()),
            _ => None,
        };
        if reversed != expected.as_ref() {
            report.find(Invariant::I4, &at, "has a reversal that does not match its posting");
        }
    }
    for (currency, sum) in report.trial_balance.clone() {
        if sum != 0 {
            report.find(Invariant::I4, &format!("trial balance in {currency}"), format!("is {sum}"));
        }
    }
    let owed = books.owed();
    for (customer_id, account) in &books.accounts {
        let standing = owed.get(customer_id).copied().unwrap_or_default();
        if account.receivable_minor != standing {
            let what = format!("owes {} by its account, but {standing} by the journal", account.receivable_minor);
            report.find(Invariant::I4, &format!("account {customer_id}"), what);
        }
    }
}
