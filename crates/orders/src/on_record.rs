//! Seeing to it that an order is on record, whatever became of its saga.

use order::{EpochMs, Order, OrderRecord};
use saga::Unavailable;

use crate::table::{Orders, Written};

/// What is on record under an order's id.
#[derive(Debug, Clone, PartialEq)]
pub enum OnRecord {
    /// This very order, as it stands.
    Same(Box<OrderRecord>),
    /// Another one, which was sent with the same key before.
    Other,
}

impl Orders {
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
    pub async fn put_on_record(&self, order: &Order, now_ms: EpochMs) -> Result<OnRecord, Unavailable> {
        // Strongly consistent: the saga that was just lost sight of may have written a moment ago.
        let record = match self.read(order.order_id()).await? {
            Some(record) => record,
            None => match self.put_pending(order, now_ms, now_ms).await? {
                Written::Now(record) | Written::Before(record) => record,
            },
        };
        let is_same = record.order.fingerprint() == order.fingerprint();
        Ok(if is_same { OnRecord::Same(Box::new(record)) } else { OnRecord::Other })
    }
}
