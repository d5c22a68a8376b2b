//! Reading orders: one as it stands, and lists of them.
//!
//! | module | request |
//! |---|---|
//! | `order` | `GET /orders/{orderId}` |
//! | [`list`] | `GET /customers/{customerId}/orders`, `/stores/{storeId}/orders`, `/counties/{countyId}/orders`, `/orders?status=…` |
//! | [`cursor`] | a place in a list, as a text |

pub mod cursor;
pub mod list;
mod order;

use api::{Answer, Client, Handler};
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
    async fn handle(&self, request: ApiGatewayProxyRequest, client: &Client, _request_id: &str) -> Answer {
        let resource = match request.resource.as_deref() {
            Some("/customers/{customerId}/orders") => Resource::OfCustomer,
            Some("/stores/{storeId}/orders") => Resource::OfStore,
            Some("/counties/{countyId}/orders") => Resource::OfCounty,
            Some("/orders") => Resource::Work,
            _ => return self.order(&request, client).await,
        };
        self.list(resource, &request, client).await
    }
}
