//! `GET /orders/{orderId}`: an order as it stands.

use api::{Answer, Kind, Problem};
use http::HeaderMap;
use order::OrderId;
use saga::task::chain;

use crate::QueryOrders;

impl QueryOrders {
    /// Reads strongly: whoever was just told of a decision finds it here. A client that has this
    /// version already, by its `If-None-Match`, gets 304.
    ///
    /// # Cost
    /// One read unit per 4 KiB of the order, also for 304 and 404.
    pub(crate) async fn order(&self, order_id: &OrderId, headers: &HeaderMap) -> Answer {
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
