//! What an audit found.

use std::collections::BTreeMap;

use order::Status;
use serde::Serialize;
use strum::VariantArray;

use super::Books;

/// The invariants that can be read off the tables.
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
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which.
    pub invariant: Invariant,
    /// Where.
    pub at: String,
    /// What breaks it.
    pub what: String,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether every invariant holds.
    pub holds: bool,
    /// How many orders there are of each status.
    pub orders: BTreeMap<Status, usize>,
    /// How many of them are parked: recovery has given them to a person.
    pub parked: usize,
    /// How many orders wait in the overflow queue, on record nowhere else.
    pub waiting: usize,
    /// How many messages of the overflow queue nobody could work off: a person has to look.
    pub dead_letters: usize,
    /// How many articles were looked at.
    pub stock_items: usize,
    /// How many journal entries were looked at.
    pub journal_entries: usize,
    /// The sum of the journal by currency, in minor units.
    pub trial_balance: BTreeMap<&'static str, i64>,
    /// What is broken.
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
