//! `POST /orders/{orderId}/cancel`: the customer's cancellation.
//!
//! One compare-and-set on the record decides, as everywhere, and the same workflow rolls the order
//! back. If the order is cancelled already, the answer is its record. An order whose goods are handed
//! over can no longer be cancelled.

use api::parameters::order_id;
use api::{Answer, Kind, Problem, Request};
use order::{Reason, Status};
use orders::{Canceller, Closing};

use crate::Intake;
use crate::counts;
use crate::finish::unavailable;

impl Intake {
    /// Cancels the order in the path, if the caller may reach it, and waits for the roll-back.
    pub(crate) async fn cancel(&self, request: &Request) -> Result<Answer, Problem> {
        let order_id = order_id(&request.event)?;
        let closing = Closing {
            reason: Reason::CustomerRequest,
            detail: None,
            shortages: Vec::new(),
            now_ms: self.clock.now_ms(),
        };
        let actor = request.actor();
        let customer = Canceller::Customer(request.caller.reach(), &actor);
        let cancelled = self.orders.cancel(&order_id, customer, &closing).await;
        let record = cancelled.map_err(|error| unavailable(&order_id, &error))?;
        let record = record.ok_or_else(|| Problem::new(Kind::OrderNotFound).about(&order_id))?;
        counts::cancelled(&record, closing.now_ms);
        match record.status {
            Status::Cancelled => Ok(api::stored(&record, &request.caller)),
            Status::Fulfilling | Status::Fulfilled => Err(Problem::new(Kind::OrderFulfilled).about(&order_id)),
            // From here on the order ends as cancelled, by this request or by recovery.
            Status::Pending | Status::Confirmed | Status::Cancelling => {
                self.finish(&record.order, &request.caller).await
            }
        }
    }
}
