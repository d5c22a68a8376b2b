//! One order: its attempts, their limit, and what happens after them.

use order::{Actor, CorrelationId, EpochMs, Order, OrderId, Reason, Status};
use orders::work::MAX_ATTEMPTS;
use orders::{Canceller, Closing, OpenOrder, RECOVER_AFTER_MS};
use saga::{Unavailable, task::chain};
use serde::Serialize;
use tracing::{Instrument, Span};
use workflow::Unknown;

use crate::{RecoverOrders, metrics};

/// The longest delay between two attempts.
const MAX_DELAY_MS: EpochMs = 60 * 60 * 1000;

/// How long after a refused start the next one is tried. Nothing is running meanwhile, so there is nothing to wait for.
const REFUSED_DELAY_MS: EpochMs = 60 * 1000;

/// How long an order may wait for a start before a person has to look.
const MAX_WAIT_MS: EpochMs = 24 * 60 * 60 * 1000;

/// What became of an order that recovery looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryOutcome {
    /// Its saga was started.
    Started,
    /// Its saga could not be started. Recovery will retry. The attempt counts, unless Step Functions refused it.
    NotStarted,
    /// Its attempts are used up, and it is being cancelled. If the saga could not be started for that, recovery will retry.
    GivenUp,
    /// Its attempts at the roll-back or the fulfilment are used up, or Step Functions has refused to start its saga for a
    /// day. It is parked, which raises an alarm.
    Parked,
    /// It is decided already, or was taken by somebody else.
    NotOurs,
    /// Its record could not be read or written. Recovery will retry.
    Unavailable,
}

/// The message about a parked order.
#[derive(Debug, Serialize)]
struct ParkedMessage<'a> {
    order_id: &'a OrderId,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a CorrelationId>,
    status: Status,
    attempts: u32,
    parked_at_ms: EpochMs,
}

impl RecoverOrders {
    /// Retries an order that is due by `due_by_ms`.
    ///
    /// # Idempotency
    /// If several recoveries run at once, one of them takes the order.
    pub(crate) async fn take_due(&self, order_id: &OrderId, by: &Actor, due_by_ms: EpochMs) -> RecoveryOutcome {
        match self.orders.read_open(order_id).await {
            Ok(Some(open)) if open.due_ms <= due_by_ms && open.parked_at_ms.is_none() => {
                let taken = async { self.take(&open, by).await.unwrap_or_else(|error| unavailable(order_id, &error)) };
                taken.instrument(span(&open.record.order)).await
            }
            // The index was behind.
            Ok(_) => RecoveryOutcome::NotOurs,
            Err(error) => unavailable(order_id, &error),
        }
    }

    /// Retries an order on an operator's request: its attempts start over, and its record says who asked for it.
    ///
    /// # Idempotency
    /// Safe to call any number of times.
    pub async fn take_up(&self, order_id: &OrderId, by: &Actor) -> RecoveryOutcome {
        let taken = async {
            let Some(open) = self.orders.read_open(order_id).await? else { return Ok(RecoveryOutcome::NotOurs) };
            let now_ms = self.now_ms();
            if !self.orders.take_up(&open, by, now_ms, now_ms + delay_ms(0)).await? {
                return Ok(RecoveryOutcome::NotOurs);
            }
            let is_started =
                matches!(self.start(&open.record.order).instrument(span(&open.record.order)).await, Start::Started);
            Ok(if is_started { RecoveryOutcome::Started } else { RecoveryOutcome::NotStarted })
        };
        taken.await.unwrap_or_else(|error| unavailable(order_id, &error))
    }

    async fn take(&self, open: &OpenOrder, by: &Actor) -> Result<RecoveryOutcome, Unavailable> {
        if open.record.attempts < MAX_ATTEMPTS {
            let next_due_ms = self.now_ms() + delay_ms(open.record.attempts);
            if !self.orders.count_attempt(open, next_due_ms).await? {
                return Ok(RecoveryOutcome::NotOurs);
            }
            return match self.start(&open.record.order).await {
                Start::Started => Ok(RecoveryOutcome::Started),
                Start::Unknown => Ok(RecoveryOutcome::NotStarted),
                Start::Refused => self.wait_for_start(&OpenOrder { due_ms: next_due_ms, ..open.clone() }, by).await,
            };
        }
        match open.record.status {
            Status::Pending => self.give_up(open).await,
            // A decision never changes: an order whose goods are handed over is never cancelled, and one
            // that is being cancelled is never confirmed.
            _ => self.park(open, by).await,
        }
    }

    /// An attempt that was counted and refused is no attempt at the order: with it, an order would be cancelled because
    /// nothing could be started for it. `counted` has the due time that counting the attempt has set.
    async fn wait_for_start(&self, counted: &OpenOrder, by: &Actor) -> Result<RecoveryOutcome, Unavailable> {
        if self.now_ms() - counted.open_since_ms() >= MAX_WAIT_MS {
            return self.park(counted, by).await;
        }
        // If somebody else has taken the order since, its attempt stands.
        self.orders.give_attempt_back(counted, self.now_ms() + REFUSED_DELAY_MS).await?;
        Ok(RecoveryOutcome::NotStarted)
    }

    /// Rolls back an order that could not go forward. The roll-back has its own attempts: they start over
    /// with the new status.
    async fn give_up(&self, open: &OpenOrder) -> Result<RecoveryOutcome, Unavailable> {
        let order_id = open.record.order.order_id();
        let closing =
            Closing { reason: Reason::Unavailable, detail: None, shortages: Vec::new(), now_ms: self.now_ms() };
        match self.orders.cancel(order_id, Canceller::Recovery(open.due_ms), &closing).await? {
            // Otherwise a customer was first.
            Some(record) if record.status == Status::Cancelling && record.cancelling_ms == Some(closing.now_ms) => {
                metrics::given_up(&closing.reason, closing.now_ms);
                self.start(&record.order).await;
                Ok(RecoveryOutcome::GivenUp)
            }
            _ => Ok(RecoveryOutcome::NotOurs),
        }
    }

    /// The decision could not be carried out, or nothing could be started, so a person has to look. The message is sent first: a
    /// duplicate is harmless, a missing one is not.
    async fn park(&self, open: &OpenOrder, by: &Actor) -> Result<RecoveryOutcome, Unavailable> {
        let order_id = open.record.order.order_id();
        let parked_at_ms = self.now_ms();
        let message = ParkedMessage {
            order_id,
            correlation_id: open.record.order.correlation_id(),
            status: open.record.status,
            attempts: open.record.attempts,
            parked_at_ms,
        };
        if let Err(error) = self.parked.send(&message).await {
            tracing::error!(
                reason = chain(&error),
                "not parked: the alarm message could not be sent; the next run will retry"
            );
            return Ok(RecoveryOutcome::Unavailable);
        }
        tracing::error!(attempts = open.record.attempts, status = %open.record.status, "the order could not be finished; parking it for a person to look at");
        Ok(if self.orders.park(open, by, parked_at_ms).await? {
            RecoveryOutcome::Parked
        } else {
            RecoveryOutcome::NotOurs
        })
    }

    async fn start(&self, order: &Order) -> Start {
        let Err(error) = self.workflow.start(order).await else { return Start::Started };
        tracing::warn!(reason = chain(&error), "could not start the workflow; the next attempt will retry");
        if matches!(error, Unknown::NotStarted(_)) { Start::Refused } else { Start::Unknown }
    }
}

/// The result of starting an order's saga.
enum Start {
    Started,
    /// Nothing is running.
    Refused,
    /// It may be running.
    Unknown,
}

/// What every line about an order has.
pub(crate) fn span(order: &Order) -> Span {
    logging::order(order.order_id().as_str(), order.correlation_id().map(CorrelationId::as_str))
}

fn unavailable(order_id: &OrderId, error: &Unavailable) -> RecoveryOutcome {
    tracing::warn!(%order_id, reason = chain(error), "could not read or change the order; the next run will retry");
    RecoveryOutcome::Unavailable
}

/// How long after this many attempts an order is due again. The delay outlasts the execution that starts
/// now, and doubles with each attempt up to [`MAX_DELAY_MS`].
fn delay_ms(attempts: u32) -> EpochMs {
    (RECOVER_AFTER_MS << attempts.min(MAX_ATTEMPTS)).min(MAX_DELAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_never_due_before_its_execution_must_have_ended() {
        let delays: Vec<_> = (0..MAX_ATTEMPTS).map(delay_ms).collect();
        assert_eq!(delays[0], RECOVER_AFTER_MS);
        assert!(delays.windows(2).all(|pair| pair[0] < pair[1] || pair[1] == MAX_DELAY_MS));
    }
}
