//! `GET /orders/{orderId}`: an order as it stands.

use api::{Answer, Handler, Kind, Problem};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use http::HeaderMap;
use order::OrderId;
use persist_order::Orders;
use saga::task::chain;

/// The function's handler.
#[derive(Debug, Clone)]
pub struct QueryOrders {
    orders: Orders,
}

impl QueryOrders {
    /// A handler on the given records.
    pub fn new(orders: Orders) -> Self {
        Self { orders }
    }

    /// Reads strongly: whoever was just told of a decision finds it here.
    async fn order(&self, order_id: &OrderId, headers: &HeaderMap) -> Answer {
        match self.orders.read(order_id).await {
            Ok(Some(record)) => api::stored_unless_known(&record, headers),
            Ok(None) => Problem::new(Kind::OrderNotFound).about(order_id).answer(),
            Err(error) => {
                tracing::warn!(%order_id, reason = chain(&error), "the order was not read");
                Problem::new(Kind::StoreUnavailable).about(order_id).answer()
            }
        }
    }
}

impl Handler for QueryOrders {
    async fn handle(&self, request: ApiGatewayProxyRequest, _request_id: &str) -> Answer {
        // What is no order id names no order either.
        match request.path_parameters.get("orderId").and_then(|text| text.parse().ok()) {
            Some(order_id) => self.order(&order_id, api::headers(&request)).await,
            None => Problem::new(Kind::OrderNotFound).answer(),
        }
    }
}
