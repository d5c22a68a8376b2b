//! What a cancellation and a fulfilment share: once they are decided, the workflow carries them out.

use api::{Answer, Kind, Problem};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use order::OrderId;
use saga::task::chain;

use crate::Intake;
use crate::workflow::Ended;

impl Intake {
    /// Runs the saga of an order whose decision is on record, and answers with how it stands then.
    pub(crate) async fn finish(&self, order_id: &OrderId) -> Answer {
        match self.workflow.run(order_id, None).await {
            Ok(Ended::Decided(record)) => return api::stored(&record),
            Ok(Ended::Conflict) => {}
            Err(unknown) => tracing::warn!(%order_id, reason = chain(&unknown), "the saga goes on"),
        }
        match self.orders.read(order_id).await {
            Ok(Some(record)) if record.status.is_open() => api::accepted(&record),
            Ok(Some(record)) => api::stored(&record),
            Ok(None) => Problem::new(Kind::OrderNotFound).about(order_id).answer(),
            Err(error) => unavailable(order_id, &error),
        }
    }
}

/// The order that a request's path names. What is no order id names no order either.
pub(crate) fn order_id(request: &ApiGatewayProxyRequest) -> Result<OrderId, Problem> {
    let order_id = request.path_parameters.get("orderId").and_then(|text| text.parse().ok());
    order_id.ok_or_else(|| Problem::new(Kind::OrderNotFound))
}

pub(crate) fn unavailable(order_id: &OrderId, error: &saga::Unavailable) -> Answer {
    tracing::warn!(%order_id, reason = chain(error), "the order could not be read or changed");
    Problem::new(Kind::StoreUnavailable).about(order_id).answer()
}
