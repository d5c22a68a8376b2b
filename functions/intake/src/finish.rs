//! Common to cancellation and fulfilment: once decided, the workflow carries them out.

use api::{Answer, Caller, Kind, Problem};
use order::{Order, OrderId};
use saga::Unavailable;
use saga::task::chain;
use workflow::Ended;

use crate::Intake;

impl Intake {
    /// Runs the saga of an order whose decision is on record, and answers with the order as it is then.
    pub(crate) async fn finish(&self, order: &Order, caller: &Caller) -> Result<Answer, Problem> {
        let order_id = order.order_id();
        match self.workflow.resume(order).await {
            Ok(Ended::Decided(record)) => return Ok(api::stored(&record, caller)),
            Ok(Ended::Conflict) => {}
            Err(unknown) => {
                tracing::warn!(reason = chain(&unknown), "the saga has not ended; recovery will finish it");
            }
        }
        match self.orders.read(order_id).await {
            Ok(Some(record)) if record.status.is_open() => Ok(api::accepted(&record, caller)),
            Ok(Some(record)) => Ok(api::stored(&record, caller)),
            Ok(None) => Err(Problem::new(Kind::OrderNotFound).about(order_id)),
            Err(error) => Err(unavailable(order_id, &error)),
        }
    }
}

pub(crate) fn unavailable(order_id: &OrderId, error: &Unavailable) -> Problem {
    tracing::warn!(reason = chain(error), "could not read or change the order; answering 503");
    Problem::new(Kind::StoreUnavailable).about(order_id)
}
