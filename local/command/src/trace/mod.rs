//! `order-saga trace`.
//!
//! | module | knows |
//! |---|---|
//! | [`deployment`] | how a deployment's log is read |
//! | [`logged`] | what its lines tell of executions |

pub mod deployment;
pub mod logged;

use std::path::PathBuf;
use std::time::Duration;

use anstream::print;
use local_aws::{DynamoDb, StoreError};
use local_http::inspect::trace;
use local_stack::{Options, Stack, StackError};
use order::OrderId;

use self::deployment::{Log, LogError};

/// Show what happened to one order: its record, the audit's verdict, and the path of each of its executions.
///
/// Asks a running `order-saga serve`, which keeps the last executions in memory. With `--data` it reads the records of a
/// stack that has stopped. With `--aws` it reads the log of a deployment's workflow: what each execution did, merged by time.
/// Exits with 1 if there is no such order.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The order's id.
    #[arg(value_name = "ORDER_ID")]
    pub order_id: OrderId,
    /// The address of the running `order-saga serve`.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", conflicts_with = "data")]
    pub url: String,
    /// The data directory. `serve` must not be running on it.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The log group of a deployment's workflow: `terraform output -raw state_machine_log_group`. Region and credentials are
    /// those of the AWS command line.
    #[arg(long, value_name = "LOG_GROUP", conflicts_with_all = ["data", "url"])]
    pub aws: Option<String>,
    /// How many days back the log is searched.
    #[arg(long, value_name = "DAYS", default_value_t = 7, requires = "aws")]
    pub days: u32,
}

const DAY: Duration = Duration::from_hours(24);

/// The order could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The data cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stack could not be started.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The deployment's log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The running stack did not answer.
    #[error("no order-saga serve answers at {url}; start it, or name its address with --url")]
    NoAnswer {
        /// The address.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
}

/// Prints the order's story, and returns whether there is such an order.
///
/// # Errors
/// [`TraceError`].
pub async fn run(args: Args) -> Result<bool, TraceError> {
    let story = match (&args.data, &args.aws) {
        (_, Some(group)) => logged_story(group, &args).await?,
        (Some(dir), None) => {
            let stack = Stack::open(Options::new(DynamoDb::open_existing(dir)?)?)?;
            trace::story(&stack, &args.order_id).await
        }
        (None, None) => ask(&args).await.map_err(|source| TraceError::NoAnswer { url: args.url.clone(), source })?,
    };
    match &story {
        Some(story) => print!("{story}"),
        None => match &args.aws {
            Some(group) => {
                anstream::println!(
                    "no execution of order {} is in {group} of the last {} days",
                    args.order_id,
                    args.days
                );
            }
            None => anstream::println!("there is no order {}", args.order_id),
        },
    }
    Ok(story.is_some())
}

async fn logged_story(group: &str, args: &Args) -> Result<Option<String>, LogError> {
    let lines = Log::open(group.to_owned()).await?.lines_about(&args.order_id, DAY * args.days).await?;
    let executions = logged::executions(&lines);
    if executions.is_empty() {
        return Ok(None);
    }
    let mut story = format!("order {}: {} in {group}\n", args.order_id, counted(executions.len()));
    executions.iter().for_each(|execution| execution.add_to(&mut story));
    Ok(Some(story))
}

fn counted(executions: usize) -> String {
    if executions == 1 { "one execution".to_owned() } else { format!("{executions} executions") }
}

async fn ask(args: &Args) -> Result<Option<String>, reqwest::Error> {
    let url = format!("{}/_local/orders/{}/trace", args.url.trim_end_matches('/'), args.order_id);
    // The stack is on this machine, whatever proxy leads to others, and needs no certificate.
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let answer = client.get(url).send().await?;
    if answer.status() == http::StatusCode::NOT_FOUND {
        return Ok(None);
    }
    answer.error_for_status()?.text().await.map(Some)
}
