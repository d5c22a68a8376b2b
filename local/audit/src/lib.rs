//! The audit: checks the invariants on the tables themselves, and says what breaks where.
//!
//! It reads all tables as they stand at one moment and trusts nothing but the items: not the
//! workflow's history, not what a caller was told. See ARCHITECTURE.md for the invariants.

mod books;
mod report;

use order::{Effect, OrderRecord, Reason, Status};
use persist_order::orders::{open_work, pick_work};
use persist_order::work::PARKED_WORK;
use post_accounting::Entry;
use reserve_inventory::{AdjustmentRecord, Reservation};
use saga::fence::{Fence, FenceState};

pub use books::{Books, StoredOrder};
pub use report::{Finding, Invariant, Report};

use crate::aws::{DynamoDb, MESSAGES_TABLE, SnapshotError, TableNames};

/// Audits the tables of a stack. It blocks while it reads them.
///
/// # Errors
/// [`SnapshotError`], if a table cannot be read at all.
pub fn run(store: &DynamoDb, tables: &TableNames) -> Result<Report, SnapshotError> {
    let mut books = Books::default();
    read(store, tables, &mut books)?;
    Ok(check(&books))
}

/// Reads all tables and queues as they stand at one moment. It blocks, and holds up every call meanwhile.
///
/// # Errors
/// [`SnapshotError`], if a table cannot be read at all.
pub fn read(store: &DynamoDb, tables: &TableNames, books: &mut Books) -> Result<(), SnapshotError> {
    let [orders, inventory, journal] = tables.all();
    store.read_all(&[orders, inventory, journal, MESSAGES_TABLE], |table, item| {
        if table == MESSAGES_TABLE {
            books.add_message(&item);
        } else if table == tables.orders {
            books.add_order(item);
        } else if table == tables.inventory {
            books.add_inventory(item);
        } else {
            books.add_journal(item);
        }
    })
}

/// Checks what was read.
pub fn check(books: &Books) -> Report {
    let mut report = Report::new(books);
    for (order_id, order) in &books.orders {
        let at = format!("order {order_id}");
        check_work(&at, order, &mut report);
        check_decision(&at, &order.record, &mut report);
        check_effects(&at, &order.record, books, &mut report);
    }
    for item in &books.unreadable {
        report.find(Invariant::I2, item, "is none that this release writes");
    }
    check_orphans(books, &mut report);
    check_stock(books, &mut report);
    check_adjustments(books, &mut report);
    check_journal(books, &mut report);
    report
}

/// I1: what is open is in the work index, where recovery finds it; what is confirmed is there for its
/// store to pick; and nothing else is.
fn check_work(at: &str, order: &StoredOrder, report: &mut Report) {
    let placed = &order.record.order;
    let expected = match order.record.status {
        Status::Cancelling | Status::Fulfilling if order.is_parked => Some(PARKED_WORK.to_owned()),
        Status::Confirmed => Some(pick_work(&placed.store_id, placed.order_id().shard())),
        status => status.is_open().then(|| open_work(placed.order_id())),
    };
    if order.work != expected || order.due_ms.is_some() != expected.is_some() {
        let found = order.work.as_deref().unwrap_or("nowhere");
        let what = format!("is {} and stands in the work index at {found}", order.record.status);
        report.find(Invariant::I1, at, what);
    }
}

/// I5: one decision. Only a customer may cancel what was confirmed, and nobody what was handed over.
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

/// I2: confirmed everywhere, rolled back everywhere, or fulfilled once.
fn check_effects(at: &str, record: &OrderRecord, books: &Books, report: &mut Report) {
    let order_id = record.order.order_id();
    let in_state = |state| books.reservations.get(order_id).filter(|fence| fence.state == state);
    let (reservation, consumption) = (in_state(FenceState::Applied), in_state(FenceState::Consumed));
    let posting = books.postings.get(order_id).filter(|fence| fence.state == FenceState::Applied);
    let lines =
        |fence: Option<&Fence<Reservation>>| fence.is_some_and(|fence| fence.effect == Some((&record.order).into()));
    let is_posted = posting.and_then(|fence| fence.effect.as_ref()) == Some(&Entry::from(&record.order));
    let status = record.status;
    if consumption.is_some() && !matches!(status, Status::Fulfilling | Status::Fulfilled) {
        report.find(Invariant::I2, at, format!("is {status} and its stock is consumed"));
    }
    match status {
        Status::Confirmed | Status::Fulfilling | Status::Fulfilled => {
            if status == Status::Confirmed && !lines(reservation) {
                report.find(Invariant::I2, at, "is CONFIRMED and its reservation does not hold exactly its lines");
            }
            if status == Status::Fulfilling && !lines(reservation) && !lines(consumption) {
                report.find(Invariant::I2, at, "is FULFILLING and neither holds nor has consumed exactly its lines");
            }
            if status == Status::Fulfilled && !is_consumed(record, books) {
                report.find(Invariant::I2, at, "is FULFILLED and has not consumed exactly its lines");
            }
            if !is_posted {
                report.find(Invariant::I2, at, format!("is {status} and its journal entry is not posted"));
            }
        }
        Status::Cancelled => {
            if reservation.is_some() {
                report.find(Invariant::I2, at, "is CANCELLED and still holds stock");
            }
            if books.net_minor(order_id) != 0 || posting.is_some() {
                report.find(Invariant::I2, at, "is CANCELLED and its journal does not net to zero");
            }
        }
        Status::Pending | Status::Cancelling => {}
    }
}

/// Whether a fulfilled order's stock is consumed. Its fence expires; what is left then is the record's
/// receipt, and that the stock holds nothing for the order any more (I3).
fn is_consumed(record: &OrderRecord, books: &Books) -> bool {
    let is_receipt_there = record.receipts.consume_inventory.is_some_and(|receipt| receipt.effect == Effect::Consumed);
    let fence = books.reservations.get(record.order.order_id());
    let is_fence_right = |fence: &Fence<Reservation>| {
        fence.state == FenceState::Consumed && fence.effect == Some((&record.order).into())
    };
    is_receipt_there && fence.is_none_or(is_fence_right)
}

/// I2, from the other side: no service knows an order that the record does not.
fn check_orphans(books: &Books, report: &mut Report) {
    for order_id in books.reservations.keys().filter(|id| !books.orders.contains_key(*id)) {
        if books.reservations[order_id].state != FenceState::Cancelled {
            report.find(Invariant::I2, &format!("order {order_id}"), "holds or has consumed stock and has no record");
        }
    }
    for order_id in books.postings.keys().filter(|id| !books.orders.contains_key(*id)) {
        if books.net_minor(order_id) != 0 || books.postings[order_id].state == FenceState::Applied {
            report.find(Invariant::I2, &format!("order {order_id}"), "is posted and has no record");
        }
    }
}

/// I3: what is reserved is what open reservations hold, and nothing is sold that is not there.
fn check_stock(books: &Books, report: &mut Report) {
    let held = books.held();
    for (key, stock) in &books.stock {
        let at = format!("stock of {} in {}", key.1, key.0);
        let open = held.get(key).copied().unwrap_or_default();
        if stock.reserved != open {
            report.find(
                Invariant::I3,
                &at,
                format!("has {} reserved, and open reservations hold {open}", stock.reserved),
            );
        }
        if stock.available < 0 {
            report.find(Invariant::I3, &at, format!("has {} available", stock.available));
        }
    }
    for (key, quantity) in held.iter().filter(|(key, _)| !books.stock.contains_key(*key)) {
        let at = format!("stock of {} in {}", key.1, key.0);
        report.find(Invariant::I3, &at, format!("does not exist, and open reservations hold {quantity}"));
    }
}

/// I3, from the other side: an adjustment and the stock that it adjusts are written together.
fn check_adjustments(books: &Books, report: &mut Report) {
    for (id, AdjustmentRecord { adjustment, .. }) in &books.adjustments {
        if !books.stock.contains_key(&(adjustment.store_id.clone(), adjustment.sku.clone())) {
            let what = format!("adjusts {} in {}, of which there is no stock", adjustment.sku, adjustment.store_id);
            report.find(Invariant::I3, &format!("adjustment {id}"), what);
        }
    }
}

/// I4: every entry balances, the journal does, and customers owe what the journal says.
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
            report.find(Invariant::I4, &at, "has a reversal that does not fit its posting");
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
            let what = format!("owes {} by its account and {standing} by the journal", account.receivable_minor);
            report.find(Invariant::I4, &format!("account {customer_id}"), what);
        }
    }
}
