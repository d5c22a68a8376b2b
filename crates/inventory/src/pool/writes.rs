//! The writes of orders on an article's stock. Each is a part of a transaction with the order's fence, so it happens
//! once.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use order::{Sku, StoreId};
use saga::Item;

use super::{Pool, RootPhase, ShardPhase, shard_key};
use crate::table::{Place, stock_key};

/// The writes on one article.
#[derive(Debug, Clone, Copy)]
pub struct Writes<'a> {
    /// The inventory table.
    pub table: &'a str,
    /// The store.
    pub store_id: &'a StoreId,
    /// The article.
    pub sku: &'a Sku,
}

impl Writes<'_> {
    /// Holds stock of a whole root.
    pub fn hold(&self, quantity: u32) -> TransactWriteItem {
        let update = self
            .root()
            .expression_attribute_values(":quantity", number(quantity))
            .update_expression("SET available = available - :quantity, reserved = reserved + :quantity")
            // Available stock never goes below zero, even if many orders want it at once. An article that the store
            // does not keep has no `available`, so it fails too. A pool's stock is in its shards: what its root has
            // left says nothing about the article.
            .condition_expression("available >= :quantity AND attribute_not_exists(phase)");
        write(update)
    }

    /// Holds stock of a shard.
    pub fn hold_in_shard(&self, pool: Pool, shard: u16, quantity: u32) -> TransactWriteItem {
        let update = self
            .shard(shard)
            .expression_attribute_values(":quantity", number(quantity))
            .expression_attribute_values(":era", number(pool.era))
            .expression_attribute_values(":open", text(ShardPhase::Open.into()))
            .update_expression("SET available = available - :quantity, reserved = reserved + :quantity")
            // The pool is remembered from before and may be gone. Then the shard is shut, or in a later era.
            .condition_expression("available >= :quantity AND era = :era AND phase = :open");
        write(update)
    }

    /// Moves `taken` from the root to a shard and holds `quantity` of it, which is at most as many.
    pub fn refill(&self, pool: Pool, shard: u16, taken: i64, quantity: u32) -> [TransactWriteItem; 2] {
        [self.take(pool, taken), self.put(pool, shard, taken - i64::from(quantity), quantity)]
    }

    /// Takes stock that goes to shards off the root, in the same transaction.
    pub fn take(&self, pool: Pool, taken: i64) -> TransactWriteItem {
        let update = self
            .open_root(pool)
            .expression_attribute_values(":taken", number(taken))
            .update_expression("SET available = available - :taken")
            // Once the pool closes, nothing may leave the root any more: the merge counts on it.
            .condition_expression("available >= :taken AND phase = :open AND era = :era");
        write(update)
    }

    /// Puts stock from the root into a shard, and opens it if this era has not used it yet.
    pub fn put(&self, pool: Pool, shard: u16, available: i64, reserved: u32) -> TransactWriteItem {
        let update = self
            .shard(shard)
            .expression_attribute_values(":available", number(available))
            .expression_attribute_values(":reserved", number(reserved))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":era", number(pool.era))
            .expression_attribute_values(":open", text(ShardPhase::Open.into()))
            .update_expression(
                "SET available = if_not_exists(available, :none) + :available, \
                 reserved = if_not_exists(reserved, :none) + :reserved, era = :era, phase = :open",
            )
            // A shard that is shut or merged in this era stays so.
            .condition_expression("attribute_not_exists(era) OR era < :era OR (era = :era AND phase = :open)");
        write(update)
    }

    /// Gives stock back to the root, whole or not.
    pub fn give_back(&self, quantity: u32) -> TransactWriteItem {
        let update = self
            .root()
            .expression_attribute_values(":quantity", number(quantity))
            .update_expression("SET available = available + :quantity, reserved = reserved - :quantity")
            // The fence says that `reserved` contains this order's stock. If it does not, someone has changed the
            // stock by hand: better an order that cannot be closed, and an alarm, than stock out of nothing.
            .condition_expression("reserved >= :quantity");
        write(update)
    }

    /// Gives stock back to its shard.
    pub fn give_back_in_shard(&self, place: &Place) -> TransactWriteItem {
        let expression = "SET available = available + :quantity, reserved = reserved - :quantity";
        write(self.place(place).update_expression(expression))
    }

    /// Takes stock that was handed over off the root's books.
    pub fn hand_over(&self, quantity: u32) -> TransactWriteItem {
        let update = self
            .root()
            .expression_attribute_values(":quantity", number(quantity))
            .update_expression("SET reserved = reserved - :quantity")
            // As in `give_back`: stock that is not in the books cannot leave them.
            .condition_expression("reserved >= :quantity");
        write(update)
    }

    /// Takes stock that was handed over off its shard's books.
    pub fn hand_over_in_shard(&self, place: &Place) -> TransactWriteItem {
        write(self.place(place).update_expression("SET reserved = reserved - :quantity"))
    }

    fn root(&self) -> UpdateBuilder {
        self.update(stock_key(self.store_id, self.sku))
    }

    fn open_root(&self, pool: Pool) -> UpdateBuilder {
        self.root()
            .expression_attribute_values(":era", number(pool.era))
            .expression_attribute_values(":open", text(RootPhase::Open.into()))
    }

    fn shard(&self, shard: u16) -> UpdateBuilder {
        self.update(shard_key(self.store_id, self.sku, shard))
    }

    /// An update of the shard that holds this, as long as it does.
    fn place(&self, place: &Place) -> UpdateBuilder {
        self.shard(place.shard)
            .expression_attribute_values(":quantity", number(place.quantity))
            .expression_attribute_values(":era", number(place.era))
            .expression_attribute_values(":merged", text(ShardPhase::Merged.into()))
            // What was merged is on the root. What a later era holds here belongs to other orders.
            .condition_expression("reserved >= :quantity AND era = :era AND phase <> :merged")
    }

    fn update(&self, key: Item) -> UpdateBuilder {
        Update::builder()
            .table_name(self.table)
            .set_key(Some(key))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

pub(super) fn number(value: impl Into<i64>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

pub(super) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub(super) fn write(update: UpdateBuilder) -> TransactWriteItem {
    let update = update.build().expect("an update with a table, a key and an expression is complete");
    TransactWriteItem::builder().update(update).build()
}
