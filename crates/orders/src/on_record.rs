//! Making sure that an order is on record, even if its saga failed. Intake does this when the workflow gave no
//! decision, and recovery for each order in the overflow queue.

use order::{EpochMs, Order, OrderRecord};
use saga::Unavailable;

use crate::table::{Orders, Written};

/// What is on record under an order's id.
#[derive(Debug, Clone, PartialEq)]
pub enum OnRecord {
    /// This order, in its current state.
    Same(Box<OrderRecord>),
    /// A different order, sent earlier with the same key.
    Other,
}

impl Orders {
    /// Reads the order's record, or writes it as `PENDING` and due for recovery at once.
    ///
    /// # Idempotency
    /// The write is the same conditional put as in `PersistOrder`.
    ///
    /// # Cost
    /// A read unit, and the write units of a new order if it had no record.
    ///
    /// # Errors
    /// [`Unavailable`]: it is unknown whether there is a record.
    pub async fn put_on_record(&self, order: &Order, now_ms: EpochMs) -> Result<OnRecord, Unavailable> {
        // Strongly consistent: the saga may have written the record a moment ago.
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
