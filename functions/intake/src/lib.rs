//! `POST /orders`: take an order, start its saga, answer. `POST /orders/{orderId}/cancel` and
//! `/orders/{orderId}/fulfil`: the same for its cancellation and for the hand-over of its goods.
//!
//! What the function promises is in one sentence: once it has answered 2xx, the order is in DynamoDB
//! or in SQS. The steps, in the order in which they run:
//!
//! 1. [`request`]: the event becomes an order with an id that follows from its idempotency key, or
//!    an answer that lists what is wrong with it.
//! 2. [`workflow`]: the saga is started, and its end is awaited for at most 20 s.
//! 3. [`mod@keep`]: whenever that gave no decision, the order's record says what happened, and if there
//!    is none, it is written here.
//! 4. [`queue`]: if DynamoDB does not answer, the order goes into the overflow queue.
//!
//! [`cancel`] is the customer's cancellation, and [`fulfil`] the store's hand-over. [`finish`] waits
//! for either.

pub mod cancel;
pub mod finish;
pub mod fulfil;
pub mod keep;
pub mod queue;
pub mod request;
pub mod workflow;

use api::idempotency::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED};
use api::{Answer, Client, Handler, Kind, Problem, Scope};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use http::HeaderValue;
use order::{EpochMs, Order, OrderRecord};
use persist_order::{Orders, Written};
use saga::{Clock, task::chain};

use crate::keep::{Kept, keep};
use crate::queue::Queue;
use crate::request::{Mode, Placement};
use crate::workflow::{Ended, Workflow};

/// The function's handler.
#[derive(Debug, Clone)]
pub struct Intake {
    orders: Orders,
    workflow: Workflow,
    overflow: Queue,
    clock: Clock,
}

impl Intake {
    /// A handler on these services.
    pub fn new(orders: Orders, workflow: Workflow, overflow: Queue, clock: Clock) -> Self {
        Self { orders, workflow, overflow, clock }
    }

    /// Starts the saga and waits for it.
    async fn place(&self, order: &Order) -> Answer {
        let asked_ms = self.clock.now_ms();
        match self.workflow.run(order.order_id(), Some(order)).await {
            Ok(Ended::Decided(record)) => answer(&record, order, asked_ms),
            Ok(Ended::Conflict) => conflict(order),
            Err(unknown) => {
                tracing::warn!(order_id = %order.order_id(), reason = chain(&unknown), "the saga gave no decision");
                self.keep(order, asked_ms).await
            }
        }
    }

    /// Writes the record first, so that what was accepted can be read at once and a conflict is
    /// answered at once; then starts the saga and does not wait for it.
    async fn accept(&self, order: &Order) -> Answer {
        let now_ms = self.clock.now_ms();
        match self.orders.put_pending(order, now_ms, now_ms).await {
            Ok(Written::Now(record)) => {
                // The record is due already: if the start fails, recovery starts the saga.
                if let Err(error) = self.workflow.start(order.order_id()).await {
                    tracing::warn!(order_id = %order.order_id(), reason = chain(&error), "left to recovery");
                }
                api::placed(&record)
            }
            Ok(Written::Before(record)) => answer(&record, order, now_ms),
            Err(error) => {
                tracing::warn!(order_id = %order.order_id(), reason = chain(&error), "the order was not written");
                self.queue(order).await
            }
        }
    }

    async fn keep(&self, order: &Order, asked_ms: EpochMs) -> Answer {
        match keep(&self.orders, order, self.clock.now_ms()).await {
            Ok(Kept::Record(record)) => placed(&record, asked_ms),
            Ok(Kept::Conflict) => conflict(order),
            Err(error) => {
                tracing::warn!(order_id = %order.order_id(), reason = chain(&error), "the order was not written");
                self.queue(order).await
            }
        }
    }

    async fn queue(&self, order: &Order) -> Answer {
        match self.overflow.send(order).await {
            Ok(()) => api::queued(order.order_id()),
            Err(error) => {
                tracing::error!(order_id = %order.order_id(), reason = chain(&error), "the order was not queued");
                Problem::new(Kind::Unavailable).about(order.order_id()).answer()
            }
        }
    }
}

impl Handler for Intake {
    async fn handle(&self, request: ApiGatewayProxyRequest, client: &Client, request_id: &str) -> Answer {
        match request.resource.as_deref() {
            Some("/orders/{orderId}/cancel") => match client.require(&[Scope::Submit, Scope::Operations]) {
                Ok(()) => self.cancel(&request, client.reach()).await,
                Err(problem) => problem.answer(),
            },
            Some("/orders/{orderId}/fulfil") => match client.require(&[Scope::Operations]) {
                Ok(()) => self.fulfil(&request).await,
                Err(problem) => problem.answer(),
            },
            _ => match client.require(&[Scope::Submit]) {
                Ok(()) => self.submit(&request, client, request_id).await,
                Err(problem) => problem.answer(),
            },
        }
    }
}

impl Intake {
    async fn submit(&self, request: &ApiGatewayProxyRequest, client: &Client, request_id: &str) -> Answer {
        match request::read(request, client, request_id) {
            Err(problem) => problem.answer(),
            Ok(Placement { order, key, mode }) => {
                let answer = match mode {
                    Mode::Wait => self.place(&order).await,
                    Mode::RespondAsync => self.accept(&order).await,
                };
                // Also on 503: whoever sent no key needs it to ask again.
                answer.with(IDEMPOTENCY_KEY, key.as_str())
            }
        }
    }
}

/// The record's answer, unless the record is of other content: nobody is answered with the outcome
/// of an order that they did not send.
fn answer(record: &OrderRecord, order: &Order, asked_ms: EpochMs) -> Answer {
    if record.order.fingerprint() == order.fingerprint() { placed(record, asked_ms) } else { conflict(order) }
}

/// The record's answer, marked as a replay if the record is older than the request.
///
/// The record does not say which request wrote it, so times are compared. The writer's clock is
/// another one, but a request has come a longer way before its record is written than such clocks
/// are apart. Of two requests within one millisecond neither is marked.
fn placed(record: &OrderRecord, asked_ms: EpochMs) -> Answer {
    let answer = api::placed(record);
    if record.created_ms < asked_ms {
        answer.with(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"))
    } else {
        answer
    }
}

fn conflict(order: &Order) -> Answer {
    Problem::new(Kind::IdempotencyConflict).about(order.order_id()).answer()
}
