//! One run: an order, the faults that happen to it, and what is left when everything is at rest.

use std::sync::Arc;
use std::time::Duration;

use order::EpochMs;
use recover_orders::RUN_TIME;
use statemachine::Random;
use tokio::runtime::Builder;

use super::check;
use super::fault::{Fault, Point};
use super::kinds::OrderKind;
use super::store::Faults;
use super::world::{Client, World};
use crate::audit::{self, Books};
use crate::aws::{DynamoDb, Layer, SnapshotError};
use crate::seed::{Seed, SeedError};
use crate::stack::schedule::{RECOVERY_PERIOD, poll_overflow};
use crate::stack::{self, DEAD_LETTER_QUEUE, DEFINITION, OVERFLOW_QUEUE, Options, Stack, StackError};
use crate::trace::Trace;

/// When every run begins: the same moment, so that every run is the same each time.
const ORIGIN_MS: EpochMs = 1_760_000_000_000;

/// How many recoveries a run may take to come to rest. One that takes more never will.
const MAX_RECOVERIES: u32 = 40;

/// How the stack of a run differs from the one that is deployed: in nothing, unless a test switches a
/// protection off to see that the explorer finds it missing.
#[derive(Debug, Clone)]
pub struct Wiring {
    /// The definition.
    pub definition: String,
    /// Layers outside the faults, which rewrite requests.
    pub layers: Vec<Arc<dyn Layer>>,
    /// Whether recovery runs.
    pub has_recovery: bool,
    /// Whether the overflow queue keeps a message whose order is not known to be on record.
    pub keeps_failed_messages: bool,
}

impl Default for Wiring {
    fn default() -> Self {
        Self { definition: DEFINITION.to_owned(), layers: Vec::new(), has_recovery: true, keeps_failed_messages: true }
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    /// The points that it reached.
    pub points: Vec<Point>,
    /// What it broke.
    pub violations: Vec<String>,
    /// The way of each of its executions.
    pub traces: Vec<Trace>,
    /// What each of its clients was told.
    pub answers: Vec<String>,
}

/// A run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The runtime could not be made.
    #[error("make a runtime")]
    Runtime(#[from] std::io::Error),
    /// The stack could not be brought up.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The stock could not be loaded.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The tables could not be read.
    #[error(transparent)]
    Read(#[from] SnapshotError),
}

/// Runs an order of a kind through the given faults.
///
/// # Errors
/// [`RunError`].
pub fn run(kind: OrderKind, faults: &[Fault], wiring: &Wiring) -> Result<Run, RunError> {
    Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(drive(kind, faults, wiring))
}

async fn drive(kind: OrderKind, faults: &[Fault], wiring: &Wiring) -> Result<Run, RunError> {
    let store = DynamoDb::in_memory().map_err(StackError::from)?;
    let world = Arc::new(World::new(faults));
    let mut layers = wiring.layers.clone();
    layers.push(Arc::new(Faults::new(Arc::clone(&world), store.clone())));
    let stack = Stack::open(Options {
        definition: wiring.definition.clone(),
        origin_ms: ORIGIN_MS,
        random: Random::fixed(1.0),
        layers,
        invocations: Some(Arc::<World>::clone(&world)),
        ..Options::new(store)
    })?;
    let client = aws_sdk_dynamodb::Client::new(&stack::config(&stack.services));
    Seed::parse(&kind.seed())?.store(&client, &stack.tables).await?;

    world.begin(&stack);
    for request in kind.requests() {
        world.call(request);
    }
    let mut clients = world.clients().await;
    settle(&stack).await;
    let mut rest = come_to_rest(&stack, &world, wiring, &mut clients).await?;
    // The latest that a hung invocation can land is when nobody expects it any more.
    world.land_all().await;
    rest &= come_to_rest(&stack, &world, wiring, &mut clients).await?;
    world.end();

    let books = read(&stack)?;
    let executions = stack.executions.all();
    let traces: Vec<_> = executions.iter().map(|execution| Trace::of(&execution.history.events())).collect();
    let dead_letters = stack.queues.len(DEAD_LETTER_QUEUE).await.unwrap_or_default();
    let mut violations = check::run(kind, faults, &books, &clients, &executions, dead_letters);
    if !rest {
        violations.push(format!("I1  the order is not decided after {MAX_RECOVERIES} recoveries"));
    }
    let answers = clients.iter().map(check::told).collect();
    Ok(Run { points: world.points(), violations, traces, answers })
}

/// Waits until no execution runs.
async fn settle(stack: &Stack) {
    let mut seen = 0;
    loop {
        let executions = stack.executions.all();
        if executions.len() == seen {
            return;
        }
        for mut execution in executions.into_iter().skip(seen) {
            seen += 1;
            // An execution that was killed has no outcome.
            let _ = execution.outcome.wait_for(Option::is_some).await;
        }
    }
}

/// Lets time pass, with recovery and the overflow queue's poller at work as on AWS, until nothing is
/// open any more. It says whether that ever was so.
async fn come_to_rest(
    stack: &Stack,
    world: &World,
    wiring: &Wiring,
    clients: &mut Vec<Client>,
) -> Result<bool, RunError> {
    for _ in 0..MAX_RECOVERIES {
        work_off(stack, wiring).await;
        settle(stack).await;
        let queued = stack.queues.len(OVERFLOW_QUEUE).await.unwrap_or_default();
        let Some(due_ms) = next_due_ms(&read(stack)?, stack, queued) else { return Ok(true) };
        if !wiring.has_recovery {
            return Ok(false);
        }
        // Recovery keeps looking while its own table is out, and sees nothing. That is left out, for
        // there is no end to it.
        let due_ms = due_ms.max(world.out_until_ms(&stack.tables.orders).unwrap_or(due_ms));
        let wait_ms = (due_ms - stack.clock.now_ms()).max(0).unsigned_abs();
        // Recovery comes once a minute, and finds what has become due since.
        let period_ms = u64::try_from(RECOVERY_PERIOD.as_millis()).unwrap_or(u64::MAX);
        tokio::time::sleep(Duration::from_millis(wait_ms.next_multiple_of(period_ms).max(period_ms))).await;
        stack.recover_orders.run(stack.clock.now_ms(), RUN_TIME).await;
        settle(stack).await;
        clients.extend(world.clients().await);
    }
    Ok(false)
}

async fn work_off(stack: &Stack, wiring: &Wiring) {
    if wiring.keeps_failed_messages {
        while poll_overflow(stack, Duration::ZERO).await.is_ok_and(|handled| handled > 0) {}
        return;
    }
    while let Ok(received) = stack.queues.receive(OVERFLOW_QUEUE, 10, Duration::ZERO).await {
        if received.is_empty() {
            return;
        }
        for message in received {
            let mut event = aws_lambda_events::sqs::SqsEvent::default();
            event.records = vec![stack::schedule::record(&message)];
            stack.recover_orders.work_off(event).await;
            let _ = stack.queues.delete(OVERFLOW_QUEUE, &message.receipt_handle).await;
        }
    }
}

/// When something has to be done next, if anything is left to do.
fn next_due_ms(books: &Books, stack: &Stack, queued: usize) -> Option<EpochMs> {
    let open = books.orders.values().filter(|order| order.record.status.is_open() && !order.is_parked);
    let queued = (queued > 0).then(|| stack.clock.now_ms());
    open.filter_map(|order| order.due_ms).chain(queued).min()
}

fn read(stack: &Stack) -> Result<Books, RunError> {
    let mut books = Books::default();
    audit::read(&stack.store, &stack.tables, &mut books)?;
    Ok(books)
}
