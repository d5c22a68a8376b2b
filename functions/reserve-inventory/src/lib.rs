//! The inventory step: reserve, release and consume.
//!
//! A reservation moves stock from `available` to `reserved`, for every line of the order or for
//! none, and is itself the order's fence. Releasing it moves the stock back. Consuming it takes the
//! stock off the books: the goods have left the store.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use inventory::{Reservation, ReservedLine, reservation_key, stock_key};
use order::{EpochMs, Order, OrderId, OrderLine, Shortage, Sku, StoreId};
use saga::{Item, Refusal, Step, Unavailable};
use serde_json::{Map, Value, json};

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
}

impl ReserveInventory {
    /// The step on the inventory in `table`.
    pub fn new(table: impl Into<String>) -> Self {
        Self { table: table.into() }
    }

    fn hold(&self, store_id: &StoreId, line: &ReservedLine) -> TransactWriteItem {
        let update = self
            .update(store_id, line)
            .update_expression("SET available = available - :quantity, reserved = reserved + :quantity")
            // Available stock never goes below zero, even if many orders want it at once. An article
            // that the store does not keep has no `available`, so it fails too.
            .condition_expression("available >= :quantity");
        write(update)
    }

    fn give_back(&self, store_id: &StoreId, line: &ReservedLine) -> TransactWriteItem {
        let update = self
            .update(store_id, line)
            .update_expression("SET available = available + :quantity, reserved = reserved - :quantity")
            // The fence says that `reserved` contains this order's stock. If it does not, someone has
            // changed the stock by hand: better an order that cannot be closed, and an alarm, than
            // stock out of nothing.
            .condition_expression("reserved >= :quantity");
        write(update)
    }

    fn hand_over(&self, store_id: &StoreId, line: &ReservedLine) -> TransactWriteItem {
        let update = self
            .update(store_id, line)
            .update_expression("SET reserved = reserved - :quantity")
            // As in `give_back`: stock that is not in the books cannot leave them.
            .condition_expression("reserved >= :quantity");
        write(update)
    }

    fn update(&self, store_id: &StoreId, line: &ReservedLine) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(stock_key(store_id, &line.sku)))
            .expression_attribute_values(":quantity", AttributeValue::N(line.quantity.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

impl Step for ReserveInventory {
    type Prepared = ();
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

    async fn prepare(&self, _order: &Order) -> Result<(), Unavailable> {
        Ok(())
    }

    fn apply(&self, order: &Order, (): &(), _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        let Reservation { store_id, lines } = order.into();
        lines.iter().map(|line| self.hold(&store_id, line)).collect()
    }

    /// The first line that the store cannot serve gives the refusal; all of them are listed.
    fn refusal(&self, order: &Order, failed: &[(usize, Option<&Item>)]) -> Option<StockRefusal> {
        let short: Vec<Short<'_>> =
            failed.iter().filter_map(|(index, old)| short(order.lines.get(*index)?, *old)).collect();
        let shortage =
            |(line, available): &Short<'_>| Shortage { sku: line.sku.clone(), available: available.unwrap_or(0) };
        let shortages = short.iter().map(shortage).collect();
        let (line, available) = short.first()?;
        let (store_id, sku) = (order.store_id.clone(), line.sku.clone());
        Some(match *available {
            None => StockRefusal::UnknownSku { store_id, sku, shortages },
            Some(available) => {
                StockRefusal::OutOfStock { store_id, sku, quantity: line.quantity, available, shortages }
            }
        })
    }

    fn undo(&self, _order_id: &OrderId, held: &Reservation, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        held.lines.iter().map(|line| self.give_back(&held.store_id, line)).collect()
    }

    fn consume(&self, _order_id: &OrderId, held: &Reservation, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        held.lines.iter().map(|line| self.hand_over(&held.store_id, line)).collect()
    }
}

/// A line that the store cannot serve, and the stock available; `None` if the store does not keep the article.
type Short<'a> = (&'a OrderLine, Option<i64>);

/// The line and its available stock, if the old stock item has too little for it.
fn short<'a>(line: &'a OrderLine, old: Option<&Item>) -> Option<Short<'a>> {
    let Some(old) = old.filter(|item| !item.is_empty()) else { return Some((line, None)) };
    let available = old.get("available")?.as_n().ok()?.parse().ok()?;
    (available < i64::from(line.quantity)).then_some((line, Some(available)))
}

fn write(update: UpdateBuilder) -> TransactWriteItem {
    let update = update.build().expect("an update with a table, a key and an expression is complete");
    TransactWriteItem::builder().update(update).build()
}
