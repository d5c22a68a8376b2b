//! Load test: places a number of orders each second, for a number of seconds, and prints a summary.
//!
//! ```console
//! cargo run --release --example load -- 50 10
//! ```
//!
//! | variable | is | default |
//! |---|---|---|
//! | `BASE_URL` | the API's address, including the path of the stage | `http://127.0.0.1:8080` |
//! | `API_KEY` | the `x-api-key` header | none |
//! | `SKU` | the article; each order is for one | `LAPTOP001` |
//!
//! Orders are sent on time, whether or not the earlier ones are answered, as real customers do. The client retries
//! each as usual. The exit status is 1 if it is unknown of any order whether it was accepted.

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use order_client::{Client, Decimal, Decision, NewOrder, Placed};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

type Outcome = (Duration, Result<Placed, order_client::Error>);

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut number = |name| -> Result<u32, String> {
        let number = arguments.next().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
        number.ok_or_else(|| format!("usage: load ORDERS_PER_SECOND SECONDS; {name} is a whole number from 1"))
    };
    let rate = number("ORDERS_PER_SECOND")?;
    let seconds = number("SECONDS")?;
    let url = env::var("BASE_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let mut client = Client::new(&url)?;
    if let Ok(key) = env::var("API_KEY") {
        client = client.with_api_key(&key)?;
    }
    let sku = env::var("SKU").unwrap_or_else(|_| "LAPTOP001".to_owned());

    println!("{rate} orders of one {sku} a second, for {seconds} s, at {url}");
    let started = Instant::now();
    let outcomes = run(&client, &sku, rate, seconds).await;
    let summary = Summary::of(outcomes);
    summary.print(started.elapsed());
    Ok(if summary.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(client: &Client, sku: &str, rate: u32, seconds: u32) -> Vec<Outcome> {
    let mut orders = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / rate);
    // A machine that falls behind has to catch up, or the rate would be lower than asked for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..u64::from(rate) * u64::from(seconds) {
        ticks.tick().await;
        let client = client.clone();
        let order = NewOrder::by("demo123").item(sku, 1, Decimal::ONE);
        orders.spawn(async move {
            let sent = Instant::now();
            let placed = client.place(&order).await;
            (sent.elapsed(), placed)
        });
    }
    orders.join_all().await
}

#[derive(Default)]
struct Summary {
    confirmed: usize,
    cancelled: usize,
    undecided: usize,
    failed: usize,
    retries: u32,
    /// Of the accepted orders, shortest first.
    latencies: Vec<Duration>,
    last_failure: Option<order_client::Error>,
}

impl Summary {
    fn of(outcomes: Vec<Outcome>) -> Self {
        let mut summary = Self::default();
        for (latency, outcome) in outcomes {
            match outcome {
                Ok(placed) => {
                    match placed.decision {
                        Decision::Confirmed(_) => summary.confirmed += 1,
                        Decision::Cancelled { .. } => summary.cancelled += 1,
                        Decision::Undecided => summary.undecided += 1,
                    }
                    summary.retries += placed.attempts - 1;
                    summary.latencies.push(latency);
                }
                Err(error) => {
                    if let order_client::Error::GaveUp { attempts, .. } = &error {
                        summary.retries += attempts.saturating_sub(1);
                    }
                    summary.failed += 1;
                    summary.last_failure = Some(error);
                }
            }
        }
        summary.latencies.sort_unstable();
        summary
    }

    fn print(&self, took: Duration) {
        let accepted = self.latencies.len();
        println!("took        {:>8.1} s", took.as_secs_f64());
        println!("accepted    {accepted:>8}");
        println!("  confirmed {:>8}", self.confirmed);
        println!("  cancelled {:>8}", self.cancelled);
        println!("  undecided {:>8}", self.undecided);
        println!("failed      {:>8}", self.failed);
        println!("retries     {:>8}", self.retries);
        for (name, percent) in [("p50", 50), ("p90", 90), ("p99", 99), ("max", 100)] {
            if let Some(latency) = self.latencies.get((accepted * percent).div_ceil(100).saturating_sub(1)) {
                println!("{name}         {:>8.1} ms", latency.as_secs_f64() * 1000.0);
            }
        }
        if let Some(error) = &self.last_failure {
            let mut reasons = error.to_string();
            let mut source = Error::source(error);
            while let Some(reason) = source {
                reasons = format!("{reasons}: {reason}");
                source = reason.source();
            }
            println!("last failure: {reasons}");
        }
    }
}
