//! The order's prices, compared with the store's price list, if the deployment wants that.
//!
//! Without the list a client states the prices of its order itself.

use api::{Kind, Problem};
use order::Order;
use saga::task::chain;

use crate::{Intake, request};

impl Intake {
    /// Rejects an order with other prices than the list's. An order that is on record is not compared: it had the right
    /// prices when it was placed, and its client asks what became of it.
    ///
    /// # Cost
    /// One read unit for each line, and one if a price is wrong; nothing without a price list.
    ///
    /// # Errors
    /// The problem to answer with: what is wrong, or that it cannot be said at the moment.
    pub(crate) async fn check_prices(&self, order: &Order) -> Result<(), Problem> {
        let Some(prices) = &self.prices else { return Ok(()) };
        let list = prices.of_order(order).await.map_err(|error| {
            tracing::warn!(reason = chain(&error), "could not read the price list; answering 503");
            Problem::new(Kind::Unavailable).about(order.order_id())
        })?;
        let violations = prices::violations(order, &list);
        if violations.is_empty() || self.is_on_record(order).await? {
            return Ok(());
        }
        Err(request::invalid(violations))
    }
}
