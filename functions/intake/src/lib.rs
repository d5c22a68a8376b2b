//! `POST /orders`: take an order, start its saga, answer. `POST /orders/{orderId}/cancel` and
//! `/orders/{orderId}/fulfil`: the same for its cancellation and for the hand-over of its goods.
//!
//! The function promises one thing: once it has answered 2xx, the order is in DynamoDB or in SQS. Its
//! steps, in the order in which they run:
//!
//! 1. [`request`]: the event becomes an order whose id follows from its idempotency key, or an answer
//!    that lists what is wrong.
//! 2. [`workflow`]: the saga is started, and intake waits for its end, at most 20 s.
//! 3. If that gave no decision, the order's record says what happened. If there isn't one, it is
//!    [written now](orders::on_record).
//! 4. If DynamoDB does not answer, the order goes into the overflow [`queue`].
//!
//! [`prices`] compares an order with the price list before that, if the deployment wants it. An order whose prices cannot be
//! read is not queued.
//!
//! [`cancel`] is the customer's cancellation, and [`fulfil`] the store's hand-over. [`finish`] waits
//! for either. [`payment`] replaces a payment that is lost.

pub mod cancel;
pub mod counts;
pub mod finish;
pub mod fulfil;
pub mod payment;
pub mod prices;
pub mod request;

use ::prices::Prices;
use api::handler::not_handled;
use api::idempotency::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED};
use api::{Answer, Caller, Handler, Kind, Problem, Request};
use clock::WallClock;
use http::HeaderValue;
use order::{EpochMs, Order, OrderRecord, PaymentTerms};
use orders::{OnRecord, Orders, Written};
use payments::Desk;
use queue::Queue;
use saga::task::chain;
use tracing::Span;
use workflow::{Ended, Workflow};

use crate::request::{Mode, Placement};

/// The function's handler.
#[derive(Debug, Clone)]
pub struct Intake {
    orders: Orders,
    workflow: Workflow,
    overflow: Queue,
    /// The payments, if there is a payment provider.
    payments: Option<Desk>,
    /// The price list, if orders are compared with it.
    prices: Option<Prices>,
    clock: WallClock,
}

impl Intake {
    /// A handler on these services.
    pub fn new(
        orders: Orders,
        workflow: Workflow,
        overflow: Queue,
        payments: Option<Desk>,
        prices: Option<Prices>,
        clock: WallClock,
    ) -> Self {
        Self { orders, workflow, overflow, payments, prices, clock }
    }

    /// Starts the saga and waits for it.
    async fn place(&self, order: &Order, caller: &Caller) -> Answer {
        let asked_ms = self.clock.now_ms();
        match self.workflow.run(order).await {
            Ok(Ended::Decided(record)) => answer(&record, order, caller, asked_ms),
            Ok(Ended::Conflict) => conflict(order),
            Err(unknown) => {
                tracing::warn!(
                    reason = chain(&unknown),
                    "the saga gave no decision; reading or writing the order's record instead"
                );
                self.put_on_record(order, caller, asked_ms).await
            }
        }
    }

    /// Writes the record first, so that the order can be read and a conflict is reported at once. Then
    /// starts the saga without waiting for it.
    async fn accept(&self, order: &Order, caller: &Caller) -> Answer {
        let now_ms = self.clock.now_ms();
        match self.orders.put_pending(order, now_ms, now_ms).await {
            Ok(Written::Now(record)) => {
                // The record is due already: if the start fails, recovery starts the saga.
                if let Err(error) = self.workflow.start(order).await {
                    tracing::warn!(reason = chain(&error), "could not start the workflow; recovery will retry");
                }
                api::placed(&record, caller)
            }
            Ok(Written::Before(record)) => answer(&record, order, caller, now_ms),
            Err(error) => {
                tracing::warn!(reason = chain(&error), "could not write the order; sending it to the overflow queue");
                self.queue(order).await
            }
        }
    }

    async fn put_on_record(&self, order: &Order, caller: &Caller, asked_ms: EpochMs) -> Answer {
        match self.orders.put_on_record(order, self.clock.now_ms()).await {
            Ok(OnRecord::Same(record)) => placed(&record, caller, asked_ms),
            Ok(OnRecord::Other) => conflict(order),
            Err(error) => {
                tracing::warn!(reason = chain(&error), "could not write the order; sending it to the overflow queue");
                self.queue(order).await
            }
        }
    }

    async fn queue(&self, order: &Order) -> Answer {
        match self.overflow.send(order).await {
            Ok(()) => api::queued(order.order_id()),
            Err(error) => {
                tracing::error!(reason = chain(&error), "could not queue the order either; answering 503");
                Problem::new(Kind::Unavailable).about(order.order_id()).answer()
            }
        }
    }
}

impl Handler for Intake {
    async fn handle(&self, request: Request) -> Result<Answer, Problem> {
        match request.route {
            "POST /orders" => self.submit(&request).await,
            "POST /orders/{orderId}/cancel" => self.cancel(&request).await,
            "POST /orders/{orderId}/fulfil" => self.fulfil(&request).await,
            "PUT /orders/{orderId}/payment" => self.replace_payment(&request).await,
            route => Err(not_handled(route)),
        }
    }
}

impl Intake {
    async fn submit(&self, request: &Request) -> Result<Answer, Problem> {
        let Placement { order, former, key, mode } = request::read(request)?;
        if order.payment_terms == PaymentTerms::Authorized && self.payments.is_none() {
            return Err(request::no_payments());
        }
        // Callers who are bound to one customer had the ids of their whole tenant once, and an order that they placed then
        // must not be placed again under its new id. This is for the transition, and can go with `Placement::former` 30 days
        // after every function derives the new ids: nobody repeats a request for so long.
        let order = match former {
            Some(former) if self.is_on_record(&former).await? => former,
            _ => order,
        };
        // The request's path does not name the order, as other requests' paths do.
        Span::current().record("order_id", order.order_id().as_str());
        self.check_prices(&order).await?;
        let answer = match mode {
            Mode::Wait => self.place(&order, &request.caller).await,
            Mode::RespondAsync => self.accept(&order, &request.caller).await,
        };
        counts::submitted(&answer, self.clock.now_ms());
        // Also on 503: a client that sent no key needs this one to retry.
        Ok(answer.with(IDEMPOTENCY_KEY, key.as_str()))
    }
}

impl Intake {
    /// Whether this very order of this customer is on record.
    ///
    /// # Cost
    /// A read unit, or half of one if there is no such record.
    ///
    /// # Errors
    /// The problem to answer with, if the record cannot be read: the order might be placed twice, or refused although it
    /// was placed.
    async fn is_on_record(&self, order: &Order) -> Result<bool, Problem> {
        let record = self.orders.read(order.order_id()).await.map_err(|error| {
            tracing::warn!(order_id = %order.order_id(), reason = chain(&error), "could not look for the order; answering 503");
            Problem::new(Kind::Unavailable).about(order.order_id())
        })?;
        let is_same = |record: &OrderRecord| {
            record.order.customer_id == order.customer_id && record.order.fingerprint() == order.fingerprint()
        };
        Ok(record.as_ref().is_some_and(is_same))
    }
}

/// The record's answer, or a conflict if the record has other content: nobody gets the outcome of an
/// order that they did not send.
fn answer(record: &OrderRecord, order: &Order, caller: &Caller, asked_ms: EpochMs) -> Answer {
    if record.order.fingerprint() == order.fingerprint() { placed(record, caller, asked_ms) } else { conflict(order) }
}

/// The record's answer, marked as a replay if the record is older than the request.
///
/// The record does not say which request wrote it, so times are compared. The record's writer has its
/// own clock, but clocks differ by less than the time from a request to its record. If two requests
/// come within one millisecond, neither is marked.
fn placed(record: &OrderRecord, caller: &Caller, asked_ms: EpochMs) -> Answer {
    let answer = api::placed(record, caller);
    if record.created_ms < asked_ms {
        answer.with(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"))
    } else {
        answer
    }
}

fn conflict(order: &Order) -> Answer {
    Problem::new(Kind::IdempotencyConflict).about(order.order_id()).answer()
}
