//! The result of an audit.

use std::collections::BTreeMap;

use order::Status;
use serde::Serialize;
use strum::VariantArray;

use super::Books;

/// The invariants that can be checked on the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Invariant {
    /// Every open order is where recovery finds it.
    I1,
    /// Confirmed everywhere, rolled back everywhere, or fulfilled once.
    I2,
    /// On hand = available + Σ open reservations, and available is never negative.
    I3,
    /// Every entry balances, and so does the journal.
    I4,
    /// One decision per order.
    I5,
    /// A confirmed order's payment is captured, exactly and once; a cancelled order's is not; and no order touches a
    /// payment that it has not claimed.
    I8,
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The invariant.
    pub invariant: Invariant,
    /// The place.
    pub at: String,
    /// What is wrong there.
    pub what: String,
}

/// The result of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether every invariant holds.
    pub holds: bool,
    /// How many orders have each status.
    pub orders: BTreeMap<Status, usize>,
    /// How many of them are parked, waiting for an operator.
    pub parked: usize,
    /// How many orders are in the overflow queue, on record nowhere else.
    pub waiting: usize,
    /// How many messages of the overflow queue could not be handled; an operator must look.
    pub dead_letters: usize,
    /// How many articles were checked.
    pub stock_items: usize,
    /// How many journal entries were checked.
    pub journal_entries: usize,
    /// The sum of the journal by currency, in minor units.
    pub trial_balance: BTreeMap<&'static str, i64>,
    /// The violations.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(books: &Books) -> Self {
        let mut orders: BTreeMap<Status, usize> = Status::VARIANTS.iter().map(|status| (*status, 0)).collect();
        for order in books.orders.values() {
            *orders.entry(order.record.status).or_default() += 1;
        }
        Self {
            holds: true,
            orders,
            parked: books.orders.values().filter(|order| order.is_parked).count(),
            waiting: books.waiting,
            dead_letters: books.dead_letters,
            stock_items: books.stock.len(),
            journal_entries: books.entries().count(),
            trial_balance: books.trial_balance(),
            findings: Vec::new(),
        }
    }

    pub(super) fn find(&mut self, invariant: Invariant, at: &str, what: impl Into<String>) {
        self.holds = false;
        self.findings.push(Finding { invariant, at: at.to_owned(), what: what.into() });
    }
}
