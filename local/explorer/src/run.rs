//! One run: an order, the faults that happen to it, and what is left at rest.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engine::{Random, StateMachine};
use order::{Actor, EpochMs};
use orders::table::open_work;
use orders::work::PARKED_WORK;
use recover_orders::RUN_TIME;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Builder;

use super::check::{self, Aftermath};
use super::fault::{Fault, Point};
use super::kinds::OrderKind;
use super::payment::PaymentFaults;
use super::store::Faults;
use super::world::{Exchange, World};
use crate::trace::Trace;
use local_audit::Books;
use local_aws::{DynamoDb, Layer, SnapshotError};
use local_stack::schedule::{poll_overflow, recovery_period};
use local_stack::seed::{Seed, SeedError};
use local_stack::{
    self as stack, DEAD_LETTER_QUEUE, OVERFLOW_QUEUE, Options, PaymentLayer, Payments, Stack, StackError,
};
use payments::GatewayError;
use statemachine::DEFINITION;

/// When every run begins. It is always the same moment, so runs are reproducible.
const ORIGIN_MS: EpochMs = 1_760_000_000_000;

/// The file with the tables that a ground starts from.
const TABLES_FILE: &str = "tables.sqlite";

/// How many recoveries a run may take to come to rest. One that takes more never comes to rest.
const MAX_RECOVERIES: u32 = 40;

/// How a run's stack differs from the deployed one: not at all, unless a test disables a protection to check
/// that the explorer notices.
#[derive(Clone)]
pub struct Wiring {
    /// The definition.
    pub definition: String,
    /// Creates the layer outside the faults of each run, which rewrites requests.
    pub layer: Option<Arc<MakeLayer>>,
    /// Changes the payment provider.
    pub payments: Option<Arc<ChangePayments>>,
    /// Whether recovery runs.
    pub has_recovery: bool,
    /// Whether the overflow queue keeps a message whose order may not be on record.
    pub keeps_failed_messages: bool,
}

/// Changes the payment provider of a run, whose faults are in front of it already.
pub type ChangePayments = dyn Fn(Payments) -> Payments + Send + Sync;

/// Creates a layer: one for each run, because runs are concurrent.
pub type MakeLayer = dyn Fn() -> Arc<dyn Layer> + Send + Sync;

impl fmt::Debug for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wiring").field("has_recovery", &self.has_recovery).finish_non_exhaustive()
    }
}

impl Default for Wiring {
    fn default() -> Self {
        Self {
            definition: DEFINITION.to_owned(),
            layer: None,
            payments: None,
            has_recovery: true,
            keeps_failed_messages: true,
        }
    }
}

/// The result of a run.
#[derive(Debug)]
pub struct Run {
    /// The points that it reached.
    pub points: Vec<Point>,
    /// The invariants that it broke.
    pub violations: Vec<String>,
    /// The path of each of its executions.
    pub traces: Vec<Trace>,
    /// What each of its clients was told.
    pub answers: Vec<String>,
}

/// A run could not be set up or read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The async runtime could not be created.
    #[error("cannot create the async runtime")]
    Runtime(#[from] std::io::Error),
    /// The stack could not be started.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The stock could not be loaded.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The customer could not check out.
    #[error(transparent)]
    CheckOut(#[from] GatewayError),
    /// The tables could not be read.
    #[error(transparent)]
    Read(#[from] SnapshotError),
}

/// The common start of all runs of one kind of order on one wiring. It is made only once, because making it
/// costs as much as a run.
#[derive(Debug)]
pub struct Ground {
    kind: OrderKind,
    wiring: Wiring,
    machine: StateMachine,
    /// The folder with the tables and their stock.
    dir: TempDir,
}

impl Ground {
    /// Loads the definition, and fills the tables.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn new(kind: OrderKind, wiring: &Wiring) -> Result<Self, RunError> {
        let (machine, dir) = (stack::load(&wiring.definition)?, tempfile::tempdir()?);
        let store = DynamoDb::in_memory().map_err(StackError::from)?;
        let options = Options { payments: kind.provider(), ..Options::with_machine(store, machine.clone()) };
        let stack = Stack::open(options)?;
        let client = aws_sdk_dynamodb::Client::new(&stack::config(&stack.services));
        let seed = Seed::parse(&kind.seed())?;
        let runtime = Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(seed.store(&client))?;
        runtime.block_on(kind.check_out(&stack))?;
        stack.store.save(&dir.path().join(TABLES_FILE)).map_err(StackError::from)?;
        Ok(Self { kind, wiring: wiring.clone(), machine, dir })
    }

    /// Runs the order through the given faults.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(&self, faults: &[Fault]) -> Result<Run, RunError> {
        Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(self.drive(faults))
    }

    async fn drive(&self, faults: &[Fault]) -> Result<Run, RunError> {
        let Self { kind, wiring, .. } = self;
        let store = DynamoDb::in_memory_like(&self.dir.path().join(TABLES_FILE)).map_err(StackError::from)?;
        let world = Arc::new(World::new(faults));
        let mut layers: Vec<_> = wiring.layer.iter().map(|make| make()).collect();
        layers.push(Arc::new(Faults::new(Arc::clone(&world), store.clone())));
        let faults_of_payments: Arc<dyn PaymentLayer> = Arc::new(PaymentFaults { world: Arc::clone(&world) });
        let provider = Payments { layer: Some(faults_of_payments), ..kind.provider() };
        let stack = Stack::open(Options {
            origin_ms: ORIGIN_MS,
            random: Random::fixed(1.0),
            layers,
            invocations: Some(Arc::<World>::clone(&world)),
            payments: match &wiring.payments {
                Some(change) => change(provider),
                None => provider,
            },
            ..Options::with_machine(store, self.machine.clone())
        })?;

        world.begin(&stack);
        for request in kind.requests() {
            world.call(request);
        }
        let mut clients = world.clients().await;
        settle(&stack).await;
        let mut dropped = 0;
        let mut is_at_rest = come_to_rest(&stack, &world, wiring, &mut clients, &mut dropped).await?;
        for request in kind.later_requests() {
            world.call(request);
        }
        clients.extend(world.clients().await);
        settle(&stack).await;
        is_at_rest &= come_to_rest(&stack, &world, wiring, &mut clients, &mut dropped).await?;
        // A hung invocation can land at the very end, when nobody expects it any more.
        world.land_all().await;
        is_at_rest &= come_to_rest(&stack, &world, wiring, &mut clients, &mut dropped).await?;
        // A refusal that parked the order is for an operator, who has made the provider accept the call.
        for _ in faults.iter().filter(|fault| fault.kind.is_refusal()) {
            if is_parked(&stack) {
                stack.recover_orders.take_up(&OrderKind::order_id(), &Actor::new("operator", "explore")).await;
                settle(&stack).await;
                is_at_rest &= come_to_rest(&stack, &world, wiring, &mut clients, &mut dropped).await?;
            }
        }
        world.end();

        let dead_letters = stack.queues.len(DEAD_LETTER_QUEUE).await.unwrap_or_default();
        let rest =
            Aftermath { books: read(&stack)?, clients, executions: stack.executions.all(), dead_letters, dropped };
        let traces: Vec<_> = rest.executions.iter().map(|execution| Trace::of(&execution.history.events())).collect();
        let mut violations = check::run(*kind, faults, &rest);
        if !is_at_rest {
            violations.push(format!("I1  the order is not at rest after {MAX_RECOVERIES} recoveries"));
        }
        let answers = rest.clients.iter().map(check::told).collect();
        Ok(Run { points: world.points(), violations, traces, answers })
    }
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

/// Lets time pass until no order is open, with recovery and the overflow queue's poller at work as on AWS.
/// Returns whether that point was reached.
async fn come_to_rest(
    stack: &Stack,
    world: &World,
    wiring: &Wiring,
    clients: &mut Vec<Exchange>,
    dropped: &mut u64,
) -> Result<bool, RunError> {
    for _ in 0..MAX_RECOVERIES {
        *dropped += work_off(stack, wiring).await;
        settle(stack).await;
        let queued = stack.queues.len(OVERFLOW_QUEUE).await.unwrap_or_default();
        let Some(due_ms) = next_due_ms(stack, queued) else { return Ok(true) };
        if !wiring.has_recovery {
            return Ok(false);
        }
        // Recovery keeps looking while its own table is out, and sees nothing. Those runs are skipped; there
        // are too many.
        let due_ms = due_ms.max(world.out_until_ms(orders::table::TABLE).unwrap_or(due_ms));
        let wait_ms = (due_ms - stack.clock.now_ms()).max(0).unsigned_abs();
        // Recovery runs once a minute, and finds what has become due since.
        let period_ms = u64::try_from(recovery_period().as_millis()).unwrap_or(u64::MAX);
        tokio::time::sleep(Duration::from_millis(wait_ms.next_multiple_of(period_ms).max(period_ms))).await;
        recover(stack, stack.clock.now_ms()).await;
        settle(stack).await;
        clients.extend(world.clients().await);
    }
    Ok(false)
}

/// Recovery for the one shard that can hold the order; the work index's other shards are empty.
pub(super) async fn recover(stack: &Stack, due_by_ms: EpochMs) {
    stack
        .recover_orders
        .run_shards(&[OrderKind::order_id().shard()], &Actor::new("recovery", "explorer"), due_by_ms, RUN_TIME)
        .await;
}

/// Works off the overflow queue, and returns how many orders were dropped because their key stands for
/// others.
async fn work_off(stack: &Stack, wiring: &Wiring) -> u64 {
    if wiring.keeps_failed_messages {
        let mut dropped = 0;
        while let Ok(Some(batch)) = poll_overflow(stack, Duration::ZERO).await {
            dropped += batch.conflicts;
        }
        return dropped;
    }
    while let Ok(received) = stack.queues.receive(OVERFLOW_QUEUE, 10, Duration::ZERO).await {
        if received.is_empty() {
            break;
        }
        for message in received {
            let mut event = aws_lambda_events::sqs::SqsEvent::default();
            event.records = vec![stack::schedule::record(&message)];
            stack.recover_orders.work_off(event).await;
            let _ = stack.queues.delete(OVERFLOW_QUEUE, &message.receipt_handle).await;
        }
    }
    0
}

/// The order's record as stored.
fn item(stack: &Stack) -> Option<Value> {
    let key = json!({ "order_id": { "S": OrderKind::order_id() } });
    stack.store.item(&orders::table::TABLE.into(), &key)
}

fn is_parked(stack: &Stack) -> bool {
    item(stack).is_some_and(|item| item["work"]["S"].as_str() == Some(PARKED_WORK))
}

/// When the next thing must be done, if anything is left to do.
fn next_due_ms(stack: &Stack, queued: usize) -> Option<EpochMs> {
    let work = open_work(&OrderKind::order_id());
    let open = item(stack).filter(|item| item["work"]["S"].as_str() == Some(&work));
    let due_ms = open.and_then(|item| item["due_ms"]["N"].as_str()?.parse().ok());
    let queued = (queued > 0).then(|| stack.clock.now_ms());
    due_ms.into_iter().chain(queued).min()
}

fn read(stack: &Stack) -> Result<Books, RunError> {
    let mut books = Books::default();
    local_audit::read(&stack.store, &mut books)?;
    Ok(books)
}
