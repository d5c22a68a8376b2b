//! `POST /orders/{orderId}/fulfil`: the store hands the goods over.
//!
//! One compare-and-set on the record decides, as everywhere, and the same workflow consumes the stock.
//! If the order is fulfilled already, the answer is its record.

use api::parameters::order_id;
use api::{Answer, Kind, Problem, Request};
use order::Status;

use crate::Intake;
use crate::finish::unavailable;

impl Intake {
    /// Hands over the order in the path, and waits until its stock is consumed.
    pub(crate) async fn fulfil(&self, request: &Request) -> Result<Answer, Problem> {
        let order_id = order_id(&request.event)?;
        let refused = |kind| Err(Problem::new(kind).about(&order_id));
        let fulfilled = self.orders.fulfil(&order_id, self.clock.now_ms()).await;
        match fulfilled.map_err(|error| unavailable(&order_id, &error))? {
            None => refused(Kind::OrderNotFound),
            Some(record) => match record.status {
                Status::Fulfilled => Ok(api::stored(&record)),
                // From here on the order ends as fulfilled, by this request or by recovery.
                Status::Confirmed | Status::Fulfilling => self.finish(&order_id).await,
                Status::Pending => refused(Kind::OrderNotConfirmed),
                Status::Cancelling | Status::Cancelled => refused(Kind::OrderCancelled),
            },
        }
    }
}
