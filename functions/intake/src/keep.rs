//! Seeing to it that an order is on record, whatever became of its saga.

use order::{EpochMs, Order, OrderRecord};
use persist_order::{Orders, Written};
use saga::Unavailable;

/// What is on record under an order's id.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// This very order, as it stands.
    Record(Box<OrderRecord>),
    /// Another one, which was sent with the same key before.
    Conflict,
}

/// Reads the order's record, or writes it: `PENDING`, and due for recovery at once.
///
/// # Idempotency
/// The write is persist's own conditional put.
///
/// # Cost
/// A read unit; and the write units of a new order if there was none.
///
/// # Errors
/// [`Unavailable`]: whether there is a record is not known.
pub async fn keep(orders: &Orders, order: &Order, now_ms: EpochMs) -> Result<Kept, Unavailable> {
    // Strongly consistent: the saga that was just lost sight of may have written a moment ago.
    let record = match orders.read(order.order_id()).await? {
        Some(record) => record,
        None => match orders.put_pending(order, now_ms, now_ms).await? {
            Written::Now(record) | Written::Before(record) => record,
        },
    };
    if record.order.fingerprint() == order.fingerprint() {
        Ok(Kept::Record(Box::new(record)))
    } else {
        Ok(Kept::Conflict)
    }
}
