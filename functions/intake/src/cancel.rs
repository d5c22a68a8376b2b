//! `POST /orders/{orderId}/cancel`: the customer's cancellation.
//!
//! It is decided by one compare-and-set on the record, like everything else, and rolled back by the
//! same workflow. An order that is cancelled already answers with its record.

use api::{Answer, Kind, Problem};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use order::{OrderId, Reach, Reason, Status};
use persist_order::{Canceller, Closing};
use saga::task::chain;

use crate::Intake;
use crate::workflow::Ended;

impl Intake {
    /// Cancels the order that the path names, if it is within reach, and waits for the roll-back.
    pub(crate) async fn cancel(&self, request: &ApiGatewayProxyRequest, reach: Reach<'_>) -> Answer {
        // What is no order id names no order either.
        let Some(order_id) = request.path_parameters.get("orderId").and_then(|text| text.parse().ok()) else {
            return Problem::new(Kind::OrderNotFound).answer();
        };
        let closing = Closing {
            reason: Reason::CustomerRequest,
            detail: None,
            shortages: Vec::new(),
            now_ms: self.clock.now_ms(),
        };
        match self.orders.cancel(&order_id, Canceller::Customer(reach), &closing).await {
            Ok(None) => Problem::new(Kind::OrderNotFound).about(&order_id).answer(),
            Ok(Some(record)) if record.status == Status::Cancelled => api::stored(&record),
            Ok(Some(_)) => self.roll_back(&order_id).await,
            Err(error) => unavailable(&order_id, &error),
        }
    }

    /// The decision is on record, so from here on the order ends as cancelled, whoever sees to it.
    async fn roll_back(&self, order_id: &OrderId) -> Answer {
        match self.workflow.run(order_id, None).await {
            Ok(Ended::Decided(record)) => return api::stored(&record),
            Ok(Ended::Conflict) => {}
            Err(unknown) => tracing::warn!(%order_id, reason = chain(&unknown), "the roll-back goes on"),
        }
        match self.orders.read(order_id).await {
            Ok(Some(record)) if record.status.is_open() => api::accepted(&record),
            Ok(Some(record)) => api::stored(&record),
            Ok(None) => Problem::new(Kind::OrderNotFound).about(order_id).answer(),
            Err(error) => unavailable(order_id, &error),
        }
    }
}

fn unavailable(order_id: &OrderId, error: &saga::Unavailable) -> Answer {
    tracing::warn!(%order_id, reason = chain(error), "the order could not be cancelled");
    Problem::new(Kind::StoreUnavailable).about(order_id).answer()
}
