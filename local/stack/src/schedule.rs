//! What AWS does for the deployed system on its own: EventBridge Scheduler runs recovery every minute, and
//! Lambda polls the overflow queue.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use local_aws::{QueueError, Received};
use order::Actor;
use recover_orders::{Batch, RUN_TIME, RecoveryOutcome, Report};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use crate::{OVERFLOW_QUEUE, Stack};

/// How often recovery runs, as its function declares.
pub fn recovery_period() -> Duration {
    let schedule = declarations::function("recover-orders").and_then(|function| function.schedule.as_ref());
    let minutes = schedule.map_or(1, |schedule| schedule.every_minutes.get());
    Duration::from_mins(minutes.into())
}

/// After a start, the interval at which all open orders are recovered, and how many times.
const START_ROUND_PERIOD: Duration = Duration::from_secs(10);
const START_ROUNDS: u32 = 5;

/// The maximum number of messages in one batch, as the function declares.
fn batch() -> usize {
    let receives = declarations::function("recover-orders").and_then(|function| function.receives.get("overflow"));
    receives.map_or(1, |receives| usize::try_from(receives.batch).unwrap_or(1))
}

/// How long one receive waits for messages: SQS's own limit.
const RECEIVE_WAIT: Duration = Duration::from_secs(20);

/// Starts both; they run until aborted. The first recoveries restart every open order, and the first poll
/// gets every message that was in progress, because no execution or receiver outlives its process.
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
    // What a crash left open, or the rush after the restart delayed, would not be due for minutes.
    let mut rounds = interval(START_ROUND_PERIOD);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let by = Actor::new("serve", "after its start");
    for _ in 0..START_ROUNDS {
        rounds.tick().await;
        report(&stack.traced("recover-orders", take_up_all(stack, &by)).await);
    }
    let mut ticks = interval(recovery_period());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let recovery = stack.recover_orders.run(&by, stack.clock.now_ms(), RUN_TIME);
        report(&stack.traced("recover-orders", recovery).await);
    }
}

/// Restarts the workflow for every open order whose execution is not running, due or not. On AWS nobody knows
/// which executions run, so recovery waits there until none can.
pub async fn take_up_all(stack: &Stack, by: &Actor) -> Report {
    stack.recover_orders.take_up_all(RUN_TIME, by, &|order_id| stack.executions.is_running(order_id.as_str())).await
}

fn report(report: &Report) {
    let has_taken = report.taken.keys().any(|taken| *taken != RecoveryOutcome::NotOurs);
    if has_taken || report.left > 0 || report.parked != Some(0) {
        tracing::info!(taken = ?report.taken, left = report.left, parked = report.parked, "recovery run finished");
    }
}

async fn poll_forever(stack: &Stack) {
    // An earlier process is gone, and so are its receivers.
    if let Err(error) = stack.queues.release(OVERFLOW_QUEUE).await {
        tracing::warn!(
            reason = saga::task::chain(&error),
            "could not release messages held by an earlier process; they return after their visibility timeout"
        );
    }
    loop {
        if let Err(error) = poll_overflow(stack, RECEIVE_WAIT).await {
            tracing::warn!(reason = saga::task::chain(&error), "could not poll the overflow queue; will retry");
            tokio::time::sleep(RECEIVE_WAIT).await;
        }
    }
}

/// Hands one batch of the overflow queue to its function, and deletes the messages that it has handled.
/// Returns `None` if there is no message.
///
/// # Errors
/// [`QueueError`].
pub async fn poll_overflow(stack: &Stack, wait: Duration) -> Result<Option<Batch>, QueueError> {
    let received = stack.queues.receive(OVERFLOW_QUEUE, batch(), wait).await?;
    if received.is_empty() {
        return Ok(None);
    }
    let mut event = SqsEvent::default();
    event.records = received.iter().map(record).collect();
    let batch = stack.traced("recover-orders", stack.recover_orders.work_off(event)).await;
    for message in &received {
        let failed = batch.batch_item_failures.iter().any(|failure| failure.item_identifier == message.message_id);
        if !failed {
            stack.queues.delete(OVERFLOW_QUEUE, &message.receipt_handle).await?;
        }
    }
    Ok(Some(batch))
}

/// A message as Lambda hands it over.
pub fn record(received: &Received) -> SqsMessage {
    let mut message = SqsMessage::default();
    message.message_id = Some(received.message_id.clone());
    message.receipt_handle = Some(received.receipt_handle.clone());
    message.body = Some(received.body.clone());
    message
}
