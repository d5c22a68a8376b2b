//! `POST /orders/{orderId}/cancel`: the customer's cancellation.
//!
//! It is decided by one compare-and-set on the record, like everything else, and rolled back by the
//! same workflow. An order that is cancelled already answers with its record; one whose goods are
//! handed over can no longer be cancelled.

use api::{Answer, Kind, Problem};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use order::{Reach, Reason, Status};
use persist_order::{Canceller, Closing};

use crate::Intake;
use crate::finish::{order_id, unavailable};

impl Intake {
    /// Cancels the order that the path names, if it is within reach, and waits for the roll-back.
    pub(crate) async fn cancel(&self, request: &ApiGatewayProxyRequest, reach: Reach<'_>) -> Answer {
        let order_id = match order_id(request) {
            Ok(order_id) => order_id,
            Err(problem) => return problem.answer(),
        };
        let closing = Closing {
            reason: Reason::CustomerRequest,
            detail: None,
            shortages: Vec::new(),
            now_ms: self.clock.now_ms(),
        };
        match self.orders.cancel(&order_id, Canceller::Customer(reach), &closing).await {
            Ok(None) => Problem::new(Kind::OrderNotFound).about(&order_id).answer(),
            Ok(Some(record)) => match record.status {
                Status::Cancelled => api::stored(&record),
                Status::Fulfilling | Status::Fulfilled => Problem::new(Kind::OrderFulfilled).about(&order_id).answer(),
                // From here on the order ends as cancelled, whoever sees to it.
                Status::Pending | Status::Confirmed | Status::Cancelling => self.finish(&order_id).await,
            },
            Err(error) => unavailable(&order_id, &error),
        }
    }
}
