//! Reads orders: one by its id, and lists of them.
//!
//! | module | request |
//! |---|---|
//! | `order` | `GET /orders/{orderId}` |
//! | [`list`] | `GET /customers/{customerId}/orders`, `/stores/{storeId}/orders`, `/counties/{countyId}/orders`, `/orders?status=…` |
//! | [`cursor`] | a position in a list, as text |

pub mod cursor;
pub mod list;
mod order;

use api::handler::not_handled;
use api::{Answer, Handler, Problem, Request};
use orders::Orders;

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
    async fn handle(&self, request: Request) -> Result<Answer, Problem> {
        match request.route {
            "GET /orders/{orderId}" => self.order(&request).await,
            "GET /customers/{customerId}/orders" => self.list(Resource::OfCustomer, &request).await,
            "GET /stores/{storeId}/orders" => self.list(Resource::OfStore, &request).await,
            "GET /counties/{countyId}/orders" => self.list(Resource::OfCounty, &request).await,
            "GET /orders" => self.list(Resource::Work, &request).await,
            route => Err(not_handled(route)),
        }
    }
}
