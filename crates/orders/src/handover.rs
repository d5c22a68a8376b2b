//! The hand-over of a confirmed order: the decision and its completion.

use order::{Actor, EpochMs, OrderId, OrderRecord, PaymentReference, PaymentTerms, Status, StepReceipts};
use saga::{Item, Unavailable};

use crate::table::{Orders, decide, number, open_work, status_value, string, value};

/// Whether an order's payment was checked before its goods are handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentCheck {
    /// Not yet. Most orders need none, so they are not asked for it.
    ToDo,
    /// It was, or it is not needed.
    Done,
}

impl PaymentCheck {
    fn values(self) -> Option<Item> {
        let authorized: &str = PaymentTerms::Authorized.into();
        (self == Self::ToDo).then(|| Item::from([(":authorized".to_owned(), string(authorized))]))
    }
}

impl Orders {
    /// Moves `CONFIRMED` to `FULFILLING`: the goods are handed over for good. Returns the current
    /// record, also if it was not confirmed; `None` if there is no such order.
    ///
    /// An order with an authorised payment is handed over only if the payment was checked before. Otherwise it is left
    /// `CONFIRMED`, and its record is returned as it is.
    ///
    /// # Idempotency
    /// Repeated, it finds `FULFILLING` or `FULFILLED` and changes nothing.
    ///
    /// # Cost
    /// One write unit per KiB, and two for the new place in the work index: 3.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn fulfil(
        &self,
        order_id: &OrderId,
        payment: PaymentCheck,
        by: &Actor,
        now_ms: EpochMs,
    ) -> Result<Option<OrderRecord>, Unavailable> {
        const ATTEMPTED: &str = "decide to hand the order over";
        let condition = match payment {
            PaymentCheck::ToDo => "#status = :confirmed AND payment_terms <> :authorized",
            PaymentCheck::Done => "#status = :confirmed",
        };
        let update = self
            .update(order_id)
            .update_expression(
                "SET #status = :fulfilling, fulfilling_ms = :now, fulfilled_by = :by, updated_ms = :now, \
                 #work = :work, due_ms = :now, attempts = :none",
            )
            // Only a confirmed order is guaranteed to hold stock. Of a hand-over and a cancellation
            // at once, the first one decides.
            .condition_expression(condition)
            .expression_attribute_names("#work", "work")
            .set_expression_attribute_values(payment.values())
            .expression_attribute_values(":fulfilling", status_value(Status::Fulfilling))
            .expression_attribute_values(":confirmed", status_value(Status::Confirmed))
            .expression_attribute_values(":work", string(&open_work(order_id)))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":by", value(by, ATTEMPTED)?)
            // Due at once: the store's request may die before it starts an execution.
            .expression_attribute_values(":now", number(now_ms));
        decide(update, ATTEMPTED).await
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

    /// Records the payment that an operator has claimed in place of a lost one, and when it lapses. `step` is the step
    /// that deals with payments. Returns the current record; `None` if there is no such order.
    ///
    /// # Idempotency
    /// Repeated with the same payment, it changes nothing: the first actor stays.
    ///
    /// # Cost
    /// One write unit per KiB.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn replace_payment(
        &self,
        order_id: &OrderId,
        step: &str,
        payment: &PaymentReference,
        lapses_ms: Option<EpochMs>,
        by: &Actor,
        now_ms: EpochMs,
    ) -> Result<Option<OrderRecord>, Unavailable> {
        const ATTEMPTED: &str = "record the order's other payment";
        let update = self.update(order_id);
        let update = match lapses_ms {
            Some(lapses_ms) => update
                .update_expression(
                    "SET payment_replacement = :payment, payment_replaced_by = :by, payment_replaced_ms = :now, \
                     updated_ms = :now, receipts.#step.lapses_ms = :lapses",
                )
                .expression_attribute_values(":lapses", number(lapses_ms)),
            None => update.update_expression(
                "SET payment_replacement = :payment, payment_replaced_by = :by, payment_replaced_ms = :now, \
                 updated_ms = :now REMOVE receipts.#step.lapses_ms",
            ),
        };
        let update = update
            // The receipt is there once the order is confirmed; a cancelled order needs none. The payment that was
            // recorded last is recorded with all of this.
            .condition_expression(
                "#status IN (:confirmed, :fulfilling) \
                 AND (attribute_not_exists(payment_replacement) OR payment_replacement <> :payment)",
            )
            .expression_attribute_names("#step", step)
            .expression_attribute_values(":payment", string(payment.as_str()))
            .expression_attribute_values(":by", value(by, ATTEMPTED)?)
            .expression_attribute_values(":now", number(now_ms))
            .expression_attribute_values(":confirmed", status_value(Status::Confirmed))
            .expression_attribute_values(":fulfilling", status_value(Status::Fulfilling));
        decide(update, ATTEMPTED).await
    }
}
