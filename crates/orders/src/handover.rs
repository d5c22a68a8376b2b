//! The hand-over of a confirmed order: the decision and its completion.

use order::{EpochMs, OrderId, OrderRecord, Status, StepReceipts};
use saga::Unavailable;

use crate::table::{Orders, decide, number, open_work, status_value, string, value};

impl Orders {
    /// Moves `CONFIRMED` to `FULFILLING`: the goods are handed over for good. Returns the current
    /// record, also if it was not confirmed; `None` if there is no such order.
    ///
    /// # Idempotency
    /// Repeated, it finds `FULFILLING` or `FULFILLED` and changes nothing.
    ///
    /// # Cost
    /// One write unit per KiB, and two for the new place in the work index: 3.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn fulfil(&self, order_id: &OrderId, now_ms: EpochMs) -> Result<Option<OrderRecord>, Unavailable> {
        let update = self
            .update(order_id)
            .update_expression(
                "SET #status = :fulfilling, fulfilling_ms = :now, updated_ms = :now, \
                 #work = :work, due_ms = :now, attempts = :none",
            )
            // Only a confirmed order is guaranteed to hold stock. Of a hand-over and a cancellation
            // at once, the first one decides.
            .condition_expression("#status = :confirmed")
            .expression_attribute_names("#work", "work")
            .expression_attribute_values(":fulfilling", status_value(Status::Fulfilling))
            .expression_attribute_values(":confirmed", status_value(Status::Confirmed))
            .expression_attribute_values(":work", string(&open_work(order_id)))
            .expression_attribute_values(":none", number(0))
            // Due at once: the store's request may die before it starts an execution.
            .expression_attribute_values(":now", number(now_ms));
        decide(update, "decide to hand the order over").await
    }

    /// Moves `FULFILLING` to `FULFILLED`, once the stock is consumed. Returns the current record; `None`
    /// if there is no such order.
    ///
    /// # Idempotency
    /// Repeated, it finds `FULFILLED` and changes nothing.
    ///
    /// # Cost
    /// One write unit per KiB, and one for leaving the work index: 2.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn complete(
        &self,
        order_id: &OrderId,
        receipts: &StepReceipts,
        now_ms: EpochMs,
    ) -> Result<Option<OrderRecord>, Unavailable> {
        const ATTEMPTED: &str = "complete the order";
        let update = self
            .update(order_id)
            .update_expression(
                "SET #status = :fulfilled, fulfilled_ms = :now, updated_ms = :now, \
                 consumption_receipts = :receipts REMOVE #work, due_ms, parked_at_ms",
            )
            // Only an order that was handed over becomes fulfilled, and only once.
            .condition_expression("#status = :fulfilling")
            .expression_attribute_names("#work", "work")
            .expression_attribute_values(":fulfilled", status_value(Status::Fulfilled))
            .expression_attribute_values(":fulfilling", status_value(Status::Fulfilling))
            .expression_attribute_values(":receipts", value(receipts, ATTEMPTED)?)
            .expression_attribute_values(":now", number(now_ms));
        decide(update, ATTEMPTED).await
    }
}
