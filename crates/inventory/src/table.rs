//! The inventory table: stock by store and article, the orders' reservations, and the adjustments.
//!
//! | item | key `pk` | attributes |
//! |---|---|---|
//! | stock | `STOCK#<store>#<sku>` | a [`Root`](crate::pool::Root): `store_id`, `sku`, `available`, `reserved`; on hand is their sum; `changed_by`, `changed_ms` |
//! | shard of a [pool](crate::pool) | `SHARD#<number>#<store>#<sku>` | a [`Shard`](crate::pool::Shard) |
//! | reservation | `ORDER#<order id>` | a fence whose effect is a [`Reservation`] |
//! | adjustment | `ADJUSTMENT#<adjustment id>` | an [`AdjustmentRecord`](crate::adjustment::AdjustmentRecord) |
//!
//! The index `stock_by_store` holds only the keys of stock items: no other item has `store_id` and `sku`
//! at its top.

use aws_sdk_dynamodb::types::AttributeValue;
use order::{Actor, EpochMs, Order, OrderId, OrderLine, Sku, StoreId};
use saga::Item;
use serde::{Deserialize, Serialize};

/// The table's name, as it declares itself.
pub const TABLE: &str = "inventory";

/// What an order holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The store whose stock it is.
    pub store_id: StoreId,
    /// How much of each article.
    pub lines: Vec<ReservedLine>,
    /// What it took from shards of [pools](crate::pool); the rest is on the stock items. The lines are what the order
    /// holds, whatever the places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
}

/// What an order took from one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The index of the line.
    pub line: usize,
    /// The shard of the line's article.
    pub shard: u16,
    /// The era of the pool. Once that is merged, the stock is on the stock item.
    pub era: u32,
    /// How many.
    pub quantity: u32,
}

impl Reservation {
    /// Whether both hold the same, wherever.
    pub fn holds_same(&self, other: &Self) -> bool {
        (&self.store_id, &self.lines) == (&other.store_id, &other.lines)
    }

    /// The places of a line.
    pub fn places_of(&self, line: usize) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(move |place| place.line == line)
    }

    /// How many of a line are on the stock item.
    pub fn on_root(&self, line: usize) -> u32 {
        let elsewhere: u32 = self.places_of(line).map(|place| place.quantity).sum();
        self.lines.get(line).map_or(0, |held| held.quantity.saturating_sub(elsewhere))
    }
}

/// How much of one article an order holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedLine {
    /// The article.
    pub sku: Sku,
    /// How many.
    pub quantity: u32,
}

impl From<&Order> for Reservation {
    fn from(order: &Order) -> Self {
        let line = |line: &OrderLine| ReservedLine { sku: line.sku.clone(), quantity: line.quantity };
        Self { store_id: order.store_id.clone(), lines: order.lines.iter().map(line).collect(), places: Vec::new() }
    }
}

/// Stock of one article in one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// The store.
    pub store_id: StoreId,
    /// The article.
    pub sku: Sku,
    /// How many can still be reserved. Never negative.
    pub available: i64,
    /// How many open reservations hold.
    pub reserved: i64,
    /// Who last set or adjusted it. Orders leave it as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<Actor>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_ms: Option<EpochMs>,
}

impl Stock {
    /// Stock that nobody has set, as a receipt or a seed creates it.
    pub fn new(store_id: StoreId, sku: Sku, available: i64, reserved: i64) -> Self {
        Self { store_id, sku, available, reserved, changed_by: None, changed_ms: None }
    }

    /// Whether both have the same numbers, no matter who set them.
    pub fn counts_same(&self, other: &Self) -> bool {
        (&self.store_id, &self.sku, self.available, self.reserved)
            == (&other.store_id, &other.sku, other.available, other.reserved)
    }

    /// How many the store has.
    pub fn on_hand(&self) -> i64 {
        self.available + self.reserved
    }
}

/// The key of an article's stock in a store.
pub fn stock_key(store_id: &StoreId, sku: &Sku) -> Item {
    key(format!("STOCK#{store_id}#{sku}"))
}

/// The key of an order's reservation.
pub fn reservation_key(order_id: &OrderId) -> Item {
    key(format!("ORDER#{order_id}"))
}

/// The key of an item that never exists.
pub fn absent_key() -> Item {
    key("-".to_owned())
}

pub(crate) fn key(pk: String) -> Item {
    Item::from([("pk".to_owned(), AttributeValue::S(pk))])
}
