//! `order-saga recover`.

use std::path::PathBuf;
use std::time::Duration;

use anstream::println;
use order::{Actor, OrderId};
use recover_orders::{RecoveryOutcome, Report};
use saga::Unavailable;

use local_aws::{DynamoDb, StoreError};
use local_stack::{Options, Stack, StackError, schedule};

/// Restart the workflow for every open order now, or for one order, even if it is parked.
///
/// Waits for the executions that it starts. Exits with 0 if no order is left open or parked, with 1
/// otherwise. A running `order-saga serve` recovers by itself, and on `POST /_local/recover` and
/// `POST /_local/recover/ORDER`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The data directory. `serve` must not be running on it.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Recover only this order, whether or not it is due or parked.
    #[arg(long, value_name = "ID")]
    pub order: Option<OrderId>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The orders could not be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The data cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stack could not be started.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The records cannot be read.
    #[error(transparent)]
    Read(#[from] Unavailable),
}

/// How long the command waits for the executions that it started: no execution lives longer.
const PATIENCE: Duration = Duration::from_mins(5);

/// Recovers, waits for the executions that it started, and returns whether nothing is left open.
///
/// # Errors
/// [`RecoverError`].
pub async fn run(args: Args) -> Result<bool, RecoverError> {
    let stack = Stack::open(Options::new(DynamoDb::open_existing(&args.data)?)?)?;
    let by = Actor::new("order-saga recover", "");
    let report = match &args.order {
        Some(order_id) => {
            let taken = stack.recover_orders.take_up(order_id, &by).await;
            Report { taken: [(taken, 1)].into(), ..Report::default() }
        }
        None => schedule::take_up_all(&stack, &by).await,
    };
    for mut execution in stack.executions.all() {
        // An execution that is killed or takes too long leaves its order open, which is counted below.
        let _ = tokio::time::timeout(PATIENCE, execution.outcome.wait_for(Option::is_some)).await;
    }
    let still_open = match &args.order {
        Some(order_id) => u64::from(stack.orders.read_open(order_id).await?.is_some()),
        None => still_open(&stack).await?,
    };
    print(&args, &report, still_open);
    Ok(still_open == 0 && report.count_of(RecoveryOutcome::Unavailable) == 0)
}

async fn still_open(stack: &Stack) -> Result<u64, Unavailable> {
    let mut open = stack.orders.count_parked().await?;
    for shard in orders::work::SHARDS {
        open += stack.orders.count_due(shard, order::EpochMs::MAX).await?;
    }
    Ok(open)
}

fn print(args: &Args, report: &Report, still_open: u64) {
    if args.json {
        println!("{}", serde_json::json!({ "report": report, "stillOpen": still_open }));
        return;
    }
    if report.taken.is_empty() {
        println!("no open orders");
    }
    for (taken, count) in &report.taken {
        println!("{count} {}", words(*taken));
    }
    if still_open > 0 {
        println!(
            "{still_open} still open or parked; `order-saga audit` counts them, and `--order ID` restarts a parked one"
        );
    }
}

fn words(taken: RecoveryOutcome) -> &'static str {
    match taken {
        RecoveryOutcome::Started => "restarted",
        RecoveryOutcome::NotStarted => "not started; the next run will retry",
        RecoveryOutcome::GivenUp => "given up after too many attempts; now rolling back",
        RecoveryOutcome::Parked => "parked: could not be finished; an operator is needed",
        RecoveryOutcome::NotOurs => "skipped: already decided, or recovered by someone else",
        RecoveryOutcome::Unavailable => "not read or written: the store did not answer",
    }
}
