//! `GET /orders/{orderId}`: one order.

use api::parameters::order_id;
use api::{Answer, Kind, Problem, Request};
use saga::task::chain;

use crate::QueryOrders;

impl QueryOrders {
    /// The read is strongly consistent: anyone who was just told of a decision sees it here. A client
    /// whose `If-None-Match` names this version gets 304. An order beyond the client's reach is answered
    /// like one that does not exist, after the same read.
    ///
    /// # Cost
    /// One read unit per 4 KiB of the order, also for 304 and 404.
    pub(crate) async fn order(&self, request: &Request) -> Result<Answer, Problem> {
        let order_id = order_id(&request.event)?;
        match self.orders.read(&order_id).await {
            Ok(Some(record)) if request.caller.reach().has(&record.order) => {
                Ok(api::stored_unless_known(&record, &request.caller, request.headers()))
            }
            Ok(_) => Err(Problem::new(Kind::OrderNotFound).about(&order_id)),
            Err(error) => {
                tracing::warn!(reason = chain(&error), "could not read the order; answering 503");
                Err(Problem::new(Kind::StoreUnavailable).about(&order_id))
            }
        }
    }
}
