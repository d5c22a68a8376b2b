//! The inventory table: stock by store and article, the orders' reservations, and the adjustments.
//!
//! | item | key `pk` | attributes |
//! |---|---|---|
//! | stock | `STOCK#<store>#<sku>` | `store_id`, `sku`, `available`, `reserved`; on hand is their sum |
//! | reservation | `ORDER#<order id>` | a fence whose effect is a [`Reservation`] |
//! | adjustment | `ADJUSTMENT#<adjustment id>` | an [`AdjustmentRecord`](crate::adjustment::AdjustmentRecord) |
//!
//! The index `stock_by_store` has the keys of the stock items, and of nothing else: no other item has
//! `store_id` and `sku` at its top.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use order::{EpochMs, Order, OrderId, OrderLine, Shortage, Sku, StoreId};
use saga::{Consumable, Item, Step};
use serde::{Deserialize, Serialize};

use crate::Refusal;

/// The table's name on Lambda comes from this variable.
pub const TABLE_VARIABLE: &str = "INVENTORY_TABLE";

/// What an order holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The store whose stock it is.
    pub store_id: StoreId,
    /// How much of what.
    pub lines: Vec<ReservedLine>,
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
        Self { store_id: order.store_id.clone(), lines: order.lines.iter().map(line).collect() }
    }
}

/// Stock of one article in one store, as stored beside its key.
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
}

impl Stock {
    /// How many there are.
    pub fn on_hand(&self) -> i64 {
        self.available + self.reserved
    }
}

/// The inventory step.
#[derive(Debug, Clone)]
pub struct Inventory {
    table: String,
}

impl Inventory {
    /// The inventory in `table`.
    pub fn new(table: impl Into<String>) -> Self {
        Self { table: table.into() }
    }

    /// The key of a stock item.
    pub fn stock_key(store_id: &StoreId, sku: &Sku) -> Item {
        key(format!("STOCK#{store_id}#{sku}"))
    }

    /// The key of an item that never exists.
    pub fn absent_key() -> Item {
        key("-".to_owned())
    }

    fn update(&self, store_id: &StoreId, line: &ReservedLine) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(Self::stock_key(store_id, &line.sku)))
            .expression_attribute_values(":quantity", AttributeValue::N(line.quantity.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    fn hold(&self, store_id: &StoreId, line: &ReservedLine) -> TransactWriteItem {
        let update = self
            .update(store_id, line)
            .update_expression("SET available = available - :quantity, reserved = reserved + :quantity")
            // Available stock never goes below zero, however many orders reach for it at once. An
            // article that the store does not keep has no `available` at all, and fails likewise.
            .condition_expression("available >= :quantity");
        write(update)
    }

    fn give_back(&self, store_id: &StoreId, line: &ReservedLine) -> TransactWriteItem {
        let update = self
            .update(store_id, line)
            .update_expression("SET available = available + :quantity, reserved = reserved - :quantity")
            // The fence says that this order's stock is in there. If it is not, someone has changed
            // the stock by hand: better an order that cannot be closed, and alarms, than stock out
            // of nothing.
            .condition_expression("reserved >= :quantity");
        write(update)
    }

    fn hand_over(&self, store_id: &StoreId, line: &ReservedLine) -> TransactWriteItem {
        let update = self
            .update(store_id, line)
            .update_expression("SET reserved = reserved - :quantity")
            // As in `give_back`: what the books do not hold cannot leave them.
            .condition_expression("reserved >= :quantity");
        write(update)
    }
}

/// How many of a line's article there are, if they are too few; `None` for an article that the store
/// does not keep.
type Short<'a> = (&'a OrderLine, Option<i64>);

/// What the old stock item says against a line; nothing, if there is enough.
fn short<'a>(line: &'a OrderLine, old: Option<&Item>) -> Option<Short<'a>> {
    let Some(old) = old.filter(|item| !item.is_empty()) else { return Some((line, None)) };
    let available = old.get("available")?.as_n().ok()?.parse().ok()?;
    (available < i64::from(line.quantity)).then_some((line, Some(available)))
}

fn write(update: aws_sdk_dynamodb::types::builders::UpdateBuilder) -> TransactWriteItem {
    let update = update.build().expect("an update with a table, a key and an expression is complete");
    TransactWriteItem::builder().update(update).build()
}

pub(crate) fn key(pk: String) -> Item {
    Item::from([("pk".to_owned(), AttributeValue::S(pk))])
}

impl Step for Inventory {
    type Request = Order;
    type Effect = Reservation;
    type Refusal = Refusal;

    /// The order record and the journal tell an order's story; its released reservation adds nothing.
    const CANCELLED_FENCE_EXPIRES: bool = true;

    fn fence_key(&self, order_id: &OrderId) -> Item {
        key(format!("ORDER#{order_id}"))
    }

    fn effect(&self, order: &Order) -> Reservation {
        order.into()
    }

    fn apply(&self, order: &Order, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        let Reservation { store_id, lines } = order.into();
        lines.iter().map(|line| self.hold(&store_id, line)).collect()
    }

    /// The first line that the store cannot serve says why; all of them are listed.
    fn refusal(&self, order: &Order, failed: &[(usize, Option<&Item>)]) -> Option<Refusal> {
        let short: Vec<Short<'_>> =
            failed.iter().filter_map(|(index, old)| short(order.lines.get(*index)?, *old)).collect();
        let shortage =
            |(line, available): &Short<'_>| Shortage { sku: line.sku.clone(), available: available.unwrap_or(0) };
        let shortages = short.iter().map(shortage).collect();
        let (line, available) = short.first()?;
        let (store_id, sku) = (order.store_id.clone(), line.sku.clone());
        Some(match *available {
            None => Refusal::UnknownSku { store_id, sku, shortages },
            Some(available) => Refusal::OutOfStock { store_id, sku, quantity: line.quantity, available, shortages },
        })
    }

    fn undo(&self, _order_id: &OrderId, held: &Reservation, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        held.lines.iter().map(|line| self.give_back(&held.store_id, line)).collect()
    }
}

impl Consumable for Inventory {
    fn consume(&self, _order_id: &OrderId, held: &Reservation, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        held.lines.iter().map(|line| self.hand_over(&held.store_id, line)).collect()
    }
}
