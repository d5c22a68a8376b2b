//! `GET /orders/{orderId}`: an order as it stands.

use api::{Answer, Client, Kind, Problem, Scope};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use saga::task::chain;

use crate::QueryOrders;

impl QueryOrders {
    /// Reads strongly: whoever was just told of a decision finds it here. A client that has this
    /// version already, by its `If-None-Match`, gets 304. An order beyond the client's reach is
    /// answered as one that does not exist, after the same read.
    ///
    /// # Cost
    /// One read unit per 4 KiB of the order, also for 304 and 404.
    pub(crate) async fn order(&self, request: &ApiGatewayProxyRequest, client: &Client) -> Answer {
        if let Err(problem) = client.require(&[Scope::Submit, Scope::Read, Scope::Operations]) {
            return problem.answer();
        }
        // What is no order id names no order either.
        let Some(order_id) = request.path_parameters.get("orderId").and_then(|text| text.parse().ok()) else {
            return Problem::new(Kind::OrderNotFound).answer();
        };
        match self.orders.read(&order_id).await {
            Ok(Some(record)) if client.reach().has(&record.order) => {
                api::stored_unless_known(&record, api::headers(request))
            }
            Ok(_) => Problem::new(Kind::OrderNotFound).about(&order_id).answer(),
            Err(error) => {
                tracing::warn!(%order_id, reason = chain(&error), "the order was not read");
                Problem::new(Kind::StoreUnavailable).about(&order_id).answer()
            }
        }
    }
}
