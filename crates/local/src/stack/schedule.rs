//! What AWS does for the deployed system by itself: EventBridge Scheduler's recovery every minute,
//! and Lambda's polling of the overflow queue.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use order::EpochMs;
use recover_orders::{RUN_TIME, Report};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use crate::aws::{QueueError, Received};
use crate::stack::{OVERFLOW_QUEUE, Stack};

/// How often recovery runs: often enough that an order whose start was lost is decided within a
/// minute, and so cheap when there is nothing to do that it does not matter.
pub const RECOVERY_PERIOD: Duration = Duration::from_mins(1);

/// How many messages the poller hands over at once: what SQS gives at most in one receive.
const BATCH: usize = 10;

/// How long one receive waits for messages: SQS's own limit.
const RECEIVE_WAIT: Duration = Duration::from_secs(20);

/// Starts both, until they are aborted. The first recovery takes up every open order: no execution
/// outlives the process that it ran in.
pub fn spawn(stack: &Stack) -> JoinHandle<()> {
    let (recovery, poller) = (stack.clone(), stack.clone());
    tokio::spawn(async move {
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { recover_forever(&recovery).await });
        tasks.spawn(async move { poll_forever(&poller).await });
        tasks.join_all().await;
    })
}

async fn recover_forever(stack: &Stack) {
    report(&take_up_all(stack).await);
    let mut ticks = interval(RECOVERY_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        report(&stack.recover_orders.run(stack.clock.now_ms(), RUN_TIME).await);
    }
}

/// Takes up every open order, due or not.
pub async fn take_up_all(stack: &Stack) -> Report {
    stack.recover_orders.run(EpochMs::MAX, RUN_TIME).await
}

fn report(report: &Report) {
    if !report.taken.is_empty() || report.left > 0 || report.parked > 0 {
        tracing::info!(taken = ?report.taken, left = report.left, parked = report.parked, "recovery");
    }
}

async fn poll_forever(stack: &Stack) {
    loop {
        if let Err(error) = poll_overflow(stack, RECEIVE_WAIT).await {
            tracing::warn!(reason = saga::task::chain(&error), "the overflow queue could not be polled");
            tokio::time::sleep(RECEIVE_WAIT).await;
        }
    }
}

/// Hands one batch of the overflow queue to its function, and deletes what the function has done. It
/// says how many messages there were.
///
/// # Errors
/// [`QueueError`].
pub async fn poll_overflow(stack: &Stack, wait: Duration) -> Result<usize, QueueError> {
    let received = stack.queues.receive(OVERFLOW_QUEUE, BATCH, wait).await?;
    if received.is_empty() {
        return Ok(0);
    }
    let mut event = SqsEvent::default();
    event.records = received.iter().map(record).collect();
    let batch = stack.recover_orders.work_off(event).await;
    for message in &received {
        let failed = batch.batch_item_failures.iter().any(|failure| failure.item_identifier == message.message_id);
        if !failed {
            stack.queues.delete(OVERFLOW_QUEUE, &message.receipt_handle).await?;
        }
    }
    Ok(received.len())
}

/// A message as Lambda hands it over.
pub fn record(received: &Received) -> SqsMessage {
    let mut message = SqsMessage::default();
    message.message_id = Some(received.message_id.clone());
    message.receipt_handle = Some(received.receipt_handle.clone());
    message.body = Some(received.body.clone());
    message
}
