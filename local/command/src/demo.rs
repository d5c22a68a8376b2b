//! `order-saga demo`: sample orders through the real workflow, and their outcomes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anstream::println;
use anstyle::Style;
use api::Caller;
use api::idempotency::IDEMPOTENCY_KEY;
use comfy_table::{ContentArrangement, Table, presets};
use http::{HeaderMap, HeaderValue, Method, header};
use journal::table::SALES;
use order::{Currency, OrderId};
use saga::fence::FenceState;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::sync::Notify;

use local_audit::{Books, Report};
use local_aws::BoxFuture;
use local_explorer::RunError;
use local_explorer::trace::Trace;
use local_stack::functions::Invoked;
use local_stack::gateway::{self, PathParameters};
use local_stack::lambda::{Functions, Invocation, InvocationLayer};
use local_stack::samples::{self, Expected, Sample};
use local_stack::seed::Seed;
use local_stack::{self as stack, Options, Stack};

use crate::audit::print;

/// Run eight sample orders through the workflow, and show the path and the records of each.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What its customer does at the checkout.
async fn check_out(stack: &Stack, scenario: &Sample) -> Result<(), RunError> {
    let Some(card) = scenario.card else { return Ok(()) };
    let text = |member: &str| scenario.body[member].as_str().unwrap_or_default();
    let payment = text("paymentReference").parse().expect("the scenario names its payment");
    let currency: Currency = Currency::DEFAULT_CODE.parse().expect("the default is a currency");
    let total = currency.minor_units(&scenario.body["totalAmount"].to_string()).expect("the scenario has a total");
    stack.payments.authorise_as(payment, total, currency, card).await?;
    Ok(())
}

/// The outcome of one order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    title: String,
    as_expected: bool,
    answers: Vec<Value>,
    executions: Vec<Trace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    late_landings: Option<Vec<String>>,
}

/// Runs the demo, and returns whether every order ended as expected and the audit holds. Its clock jumps
/// over every delay, so nobody waits for a timeout.
///
/// # Errors
/// [`RunError`].
pub fn run(args: &Args) -> Result<bool, RunError> {
    Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(demo(args))
}

async fn demo(args: &Args) -> Result<bool, RunError> {
    let late = Arc::new(LateReservation::default());
    let stack = Stack::open(Options { invocations: Some(late.clone()), ..Options::in_memory()? })?;
    let client = aws_sdk_dynamodb::Client::new(&stack::config(&stack.services));
    Seed::sample()?.store(&client).await?;

    let mut all_shown = Vec::new();
    for (index, scenario) in samples::all().expect("the samples are part of this program").iter().enumerate() {
        if !args.json {
            println!("{BOLD}{}. {}{BOLD:#}", index + 1, scenario.title);
        }
        check_out(&stack, scenario).await?;
        let shown = show(&stack, &late, scenario).await;
        if !args.json {
            print_shown(&shown);
        }
        all_shown.push(shown);
        // The records are sorted by the time they were placed, so no two may share it.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    let mut books = Books::default();
    local_audit::read(&stack.store, &mut books)?;
    let report = local_audit::check(&books);
    let is_well = report.holds && all_shown.iter().all(|shown| shown.as_expected);
    if args.json {
        println!("{}", json!({ "orders": all_shown, "audit": report }));
    } else {
        print_records(&books);
        print(&report);
        print_verdict(&all_shown, &report);
    }
    Ok(is_well)
}

const BOLD: Style = Style::new().bold();

async fn show(stack: &Stack, late: &LateReservation, scenario: &Sample) -> Shown {
    let is_late = scenario.late.is_some();
    if is_late {
        late.arm();
    }
    let seen = stack.executions.all().len();
    let clients: Vec<_> = (0..scenario.clients)
        .map(|_| {
            let (stack, event) = (stack.clone(), event(scenario));
            tokio::spawn(async move { stack.answer(event, &Caller::of_an_open_api(), "demo").await })
        })
        .collect();
    let mut answers = Vec::new();
    let mut as_expected = true;
    for client in clients {
        let answer = client.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let found = (answer.status.as_u16(), body["status"].as_str(), body["reason"].as_str());
        let Expected { http_status, status, reason } = &scenario.expected;
        as_expected &= found == (*http_status, Some(status.as_str()), reason.as_deref());
        answers.push(json!({
            "httpStatus": answer.status.as_u16(), "orderId": body["orderId"], "status": body["status"],
            "reason": body["reason"], "detail": body["detail"],
        }));
    }
    let late_landings = if is_late { Some(late.landed().await) } else { None };
    as_expected &= late_landings.iter().flatten().all(|landing| landing == "SagaCancelled");
    let executions = stack.executions.all().iter().skip(seen).map(|run| Trace::of(&run.history.events())).collect();
    Shown { title: scenario.title.clone(), as_expected, answers, executions, late_landings }
}

fn event(scenario: &Sample) -> aws_lambda_events::apigw::ApiGatewayProxyRequest {
    let headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (IDEMPOTENCY_KEY, HeaderValue::from_str(&scenario.key).expect("a sample's key is a header's value")),
    ]);
    gateway::event(Method::POST, "/orders", headers, PathParameters::new(), scenario.body.to_string().as_bytes())
}

fn print_shown(shown: &Shown) {
    for (index, trace) in shown.executions.iter().enumerate() {
        if shown.executions.len() > 1 {
            println!("   execution {}:", index + 1);
        }
        anstream::print!("{trace}");
    }
    for landing in shown.late_landings.iter().flatten() {
        println!("   a late reservation lands, finds the tombstone and fails: {landing}");
    }
    for answer in &shown.answers {
        let words = ["status", "reason", "detail"].map(|member| answer[member].as_str().unwrap_or_default().to_owned());
        let words = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
        println!("   {BOLD}HTTP {}{BOLD:#} {words}", answer["httpStatus"]);
    }
    if !shown.as_expected {
        println!("   this is NOT the expected result");
    }
    println!();
}

/// What the three services have on record for each order.
fn print_records(books: &Books) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["order", "customer", "status", "reason", "stock held", "journal"]);
    let mut orders: Vec<_> = books.orders.iter().collect();
    orders.sort_by_key(|(_, order)| order.record.created_ms);
    for (order_id, order) in orders {
        let record = &order.record;
        table.add_row([
            short(order_id),
            record.order.customer_id.to_string(),
            record.status.to_string(),
            record.reason.as_ref().map(ToString::to_string).unwrap_or_default(),
            held(books, order_id),
            journal(books, order_id, record.order.currency),
        ]);
    }
    println!("What the records say:\n{table}");
}

fn short(order_id: &OrderId) -> String {
    format!("{}…", &order_id.as_str()[..8])
}

fn held(books: &Books, order_id: &OrderId) -> String {
    let Some(fence) = books.reservations.get(order_id) else { return "nothing".to_owned() };
    match (&fence.effect, fence.state) {
        (Some(_), FenceState::Cancelled) => "released".to_owned(),
        (Some(_), FenceState::Consumed) => "handed over".to_owned(),
        (Some(effect), _) => {
            effect.lines.iter().map(|line| format!("{} × {}", line.quantity, line.sku)).collect::<Vec<_>>().join(", ")
        }
        (None, _) => "nothing (tombstone)".to_owned(),
    }
}

fn journal(books: &Books, order_id: &OrderId, currency: Currency) -> String {
    let Some(fence) = books.postings.get(order_id) else { return "nothing".to_owned() };
    match (&fence.effect, fence.state) {
        (Some(_), FenceState::Cancelled) => "reversed".to_owned(),
        (Some(_), _) => format!(
            "{currency} {}",
            currency.decimal(-books.net_minor(order_id).get(SALES).copied().unwrap_or_default())
        ),
        (None, _) => "nothing (tombstone)".to_owned(),
    }
}

fn print_verdict(all_shown: &[Shown], report: &Report) {
    let right = all_shown.iter().filter(|shown| shown.as_expected).count();
    println!("{right} of {} orders ended as expected", all_shown.len());
    if report.holds && right == all_shown.len() {
        println!("\nNext: `order-saga serve` (here: `cargo run -- serve`) takes your own orders over HTTP.");
    }
}

/// How many times a state before the decision tries a function that does not answer.
const ATTEMPTS: usize = 2;

/// Once armed, delays the reservations of one order until the state that asked for them has timed out and the
/// roll-back has left its tombstone.
#[derive(Debug, Default)]
struct LateReservation {
    armed: Mutex<usize>,
    landings: Mutex<Vec<String>>,
    has_landed: Notify,
}

impl LateReservation {
    fn arm(&self) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = ATTEMPTS;
    }

    fn disarm(&self) -> bool {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_armed = *armed > 0;
        *armed = armed.saturating_sub(1);
        is_armed
    }

    async fn landed(&self) -> Vec<String> {
        loop {
            let landings = self.landings.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if landings.len() == ATTEMPTS {
                return landings;
            }
            self.has_landed.notified().await;
        }
    }
}

/// Longer than all attempts of the state together with the roll-back.
const HOLD: Duration = Duration::from_secs(30);

impl InvocationLayer for LateReservation {
    fn around<'a>(&'a self, invocation: Invocation, functions: &'a Functions) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let is_late = invocation.function == "reserve-inventory" && self.disarm();
            if is_late {
                tokio::time::sleep(HOLD).await;
            }
            let invoked = functions.invoke(&invocation.function, invocation.payload).await;
            if is_late {
                let landing = invoked.as_ref().err().map_or("it was applied", |error| error.error.as_str()).to_owned();
                self.landings.lock().unwrap_or_else(PoisonError::into_inner).push(landing);
                self.has_landed.notify_one();
            }
            invoked
        })
    }
}
