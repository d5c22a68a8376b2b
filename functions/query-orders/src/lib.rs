//! Reading orders: one as it stands, and lists of them.
//!
//! | module | request |
//! |---|---|
//! | `order` | `GET /orders/{orderId}` |
//! | [`list`] | `GET /customers/{customerId}/orders`, `/stores/{storeId}/orders`, `/counties/{countyId}/orders`, `/orders?status=…` |
//! | [`parameters`] | the parameters of a list |
//! | [`cursor`] | a place in a list, as a text |

pub mod cursor;
pub mod list;
mod order;
pub mod parameters;

use api::{Answer, Handler, Kind, Problem};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use persist_order::Orders;

use crate::list::Resource;

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
}

impl Handler for QueryOrders {
    async fn handle(&self, request: ApiGatewayProxyRequest, _request_id: &str) -> Answer {
        match request.resource.as_deref() {
            Some("/customers/{customerId}/orders") => self.list(Resource::OfCustomer, &request).await,
            Some("/stores/{storeId}/orders") => self.list(Resource::OfStore, &request).await,
            Some("/counties/{countyId}/orders") => self.list(Resource::OfCounty, &request).await,
            Some("/orders") => self.list(Resource::Work, &request).await,
            // What is no order id names no order either.
            _ => match request.path_parameters.get("orderId").and_then(|text| text.parse().ok()) {
                Some(order_id) => self.order(&order_id, api::headers(&request)).await,
                None => Problem::new(Kind::OrderNotFound).answer(),
            },
        }
    }
}
