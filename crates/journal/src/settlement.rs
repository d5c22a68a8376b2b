//! The settlement of a captured payment, and its reversal.
//!
//! Each is a write in somebody else's transaction: that of the payment's fence. So the books follow the money, and no
//! crash leaves a capture out.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use order::{EpochMs, OrderId};
use saga::Item;

use crate::table::{Entry, Settlement, settlement_key, settlement_reversal_key};

/// The write that settles an order: its payment was captured.
pub fn settle(table: &str, order_id: &OrderId, entry: Entry, now_ms: EpochMs) -> TransactWriteItem {
    put(table, settlement_key(order_id), Settlement { effect: entry, posted_ms: now_ms })
}

/// The write that takes the settlement back: the payment was refunded.
pub fn reverse(table: &str, order_id: &OrderId, settled: &Entry, now_ms: EpochMs) -> TransactWriteItem {
    put(table, settlement_reversal_key(order_id), Settlement { effect: settled.reversed(), posted_ms: now_ms })
}

fn put(table: &str, key: Item, settlement: Settlement) -> TransactWriteItem {
    let mut item: Item = serde_dynamo::to_item(settlement).expect("an entry is a map of plain values");
    item.extend(key);
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        // An entry is written once. The fence already ensures that; this keeps a mistake in the fence from
        // overwriting history.
        .condition_expression("attribute_not_exists(pk)")
        .build()
        .expect("a put with a table and an item is complete");
    TransactWriteItem::builder().put(put).build()
}
