//! `POST /orders/{orderId}/fulfil`: the store hands the goods over.
//!
//! One compare-and-set on the record decides, as everywhere, and the same workflow consumes the stock.
//! If the order is fulfilled already, the answer is its record. A payment that is captured at the hand-over is read
//! first: goods that nobody pays for stay in the store.

use api::parameters::order_id;
use api::{Answer, Kind, Problem, Request};
use order::{Actor, OrderId, OrderRecord, PaymentTerms, Status};
use orders::handover::PaymentCheck;
use payments::HandOver;

use crate::Intake;
use crate::finish::unavailable;

impl Intake {
    /// Hands over the order in the path, and waits until its stock is consumed.
    pub(crate) async fn fulfil(&self, request: &Request) -> Result<Answer, Problem> {
        let order_id = order_id(&request.event)?;
        let refused = |kind| Err(Problem::new(kind).about(&order_id));
        let actor = request.actor();
        let mut record = self.hand_over(&order_id, PaymentCheck::ToDo, &actor).await?;
        let is_paid_by_card = |record: &OrderRecord| record.order.payment_terms == PaymentTerms::Authorized;
        if record.as_ref().is_some_and(|record| record.status == Status::Confirmed && is_paid_by_card(record)) {
            self.check_payment(&order_id).await?;
            record = self.hand_over(&order_id, PaymentCheck::Done, &actor).await?;
        }
        match record {
            None => refused(Kind::OrderNotFound),
            Some(record) => match record.status {
                Status::Fulfilled => Ok(api::stored(&record, &request.caller)),
                // From here on the order ends as fulfilled, by this request or by recovery.
                Status::Confirmed | Status::Fulfilling => self.finish(&record.order, &request.caller).await,
                Status::Pending => refused(Kind::OrderNotConfirmed),
                Status::Cancelling | Status::Cancelled => refused(Kind::OrderCancelled),
            },
        }
    }

    async fn hand_over(
        &self,
        order_id: &OrderId,
        payment: PaymentCheck,
        by: &Actor,
    ) -> Result<Option<OrderRecord>, Problem> {
        let record = self.orders.fulfil(order_id, payment, by, self.clock.now_ms()).await;
        record.map_err(|error| unavailable(order_id, &error))
    }

    /// # Errors
    /// The problem to answer with, if nobody would pay for the goods, or that cannot be said at the moment.
    async fn check_payment(&self, order_id: &OrderId) -> Result<(), Problem> {
        let Some(desk) = &self.payments else {
            tracing::error!("the order has a payment, but no payment provider is configured; answering 503");
            return Err(Problem::new(Kind::StoreUnavailable).about(order_id));
        };
        match desk.hand_over(order_id).await.map_err(|error| unavailable(order_id, &error))? {
            HandOver::Paid => Ok(()),
            HandOver::Lapsed => Err(Problem::new(Kind::PaymentLapsed).about(order_id)),
        }
    }
}
