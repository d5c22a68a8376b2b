//! `POST /orders/{orderId}/fulfil`: the store hands the goods over.
//!
//! It is decided by one compare-and-set on the record, like everything else, and the stock is consumed
//! by the same workflow. An order that is fulfilled already answers with its record.

use api::{Answer, Kind, Problem};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use order::Status;

use crate::Intake;
use crate::finish::{order_id, unavailable};

impl Intake {
    /// Hands over the order that the path names, and waits for its stock to be consumed.
    pub(crate) async fn fulfil(&self, request: &ApiGatewayProxyRequest) -> Answer {
        let order_id = match order_id(request) {
            Ok(order_id) => order_id,
            Err(problem) => return problem.answer(),
        };
        let refuse = |kind| Problem::new(kind).about(&order_id).answer();
        match self.orders.fulfil(&order_id, self.clock.now_ms()).await {
            Ok(None) => refuse(Kind::OrderNotFound),
            Ok(Some(record)) => match record.status {
                Status::Fulfilled => api::stored(&record),
                // From here on the order ends as fulfilled, whoever sees to it.
                Status::Confirmed | Status::Fulfilling => self.finish(&order_id).await,
                Status::Pending => refuse(Kind::OrderNotConfirmed),
                Status::Cancelling | Status::Cancelled => refuse(Kind::OrderCancelled),
            },
            Err(error) => unavailable(&order_id, &error),
        }
    }
}
