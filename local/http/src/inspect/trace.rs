//! An order's story as text, for a terminal: what the record says, and the path of each execution.

use std::fmt::Write;

use api::{Caller, Kind, Problem};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, header};
use local_explorer::trace::Trace;
use local_stack::Stack;
use local_stack::gateway::{PathParameters, event};
use local_stack::lambda::Landing;
use local_stack::step_functions::Execution;
use order::{EpochMs, OrderId};
use serde_json::Value;

use super::Inspected;
use super::records::verdict;
use super::summary::Summary;
use crate::front::respond;

/// Shows an order's story.
pub async fn show(State(inspected): State<Inspected>, Path(order_id): Path<String>) -> Response {
    let story = match order_id.parse::<OrderId>() {
        Ok(order_id) => story(&inspected.stack, &order_id).await,
        Err(_) => None,
    };
    match story {
        Some(story) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], story).into_response(),
        None => respond(Problem::new(Kind::OrderNotFound).answer()),
    }
}

/// An order's story, with ANSI colours; `None` if neither a record nor an execution knows the order.
pub async fn story(stack: &Stack, order_id: &OrderId) -> Option<String> {
    let order = read(stack, order_id).await;
    let executions = stack.executions.matching(|execution| execution.name == order_id.as_str());
    let mut story = String::new();
    match &order {
        Some(order) => add_record(&mut story, order),
        None if executions.is_empty() => return None,
        None => _ = writeln!(story, "order {order_id}: not on record"),
    }
    match verdict(stack, order_id).await {
        Ok(findings) if findings.is_empty() => story.push_str("   the audit finds nothing wrong\n"),
        Ok(findings) => findings.iter().for_each(|finding| {
            let _ = writeln!(story, "   {:?} is broken: the order {}", finding.invariant, finding.what);
        }),
        Err(error) => _ = writeln!(story, "   the tables could not be read: {error}"),
    }
    for execution in &executions {
        add_execution(&mut story, execution, &stack.landings.of(&execution.arn));
    }
    Some(story)
}

/// Reads an order as a client would.
async fn read(stack: &Stack, order_id: &OrderId) -> Option<Value> {
    let parameters = PathParameters::from([("orderId".to_owned(), order_id.to_string())]);
    let event = event(Method::GET, "/orders/{orderId}", HeaderMap::new(), parameters, b"");
    let answer = stack.answer(event, &Caller::of_an_open_api(), "trace").await;
    answer.status.is_success().then(|| serde_json::from_str(&answer.body).ok()).flatten()
}

fn add_record(story: &mut String, order: &Value) {
    let text = |member: &str| order[member].as_str().unwrap_or_default();
    let mut head = vec![text("status"), text("reason"), text("detail")];
    head.retain(|text| !text.is_empty());
    let _ = writeln!(story, "order {} of {}: {}", text("orderId"), text("customerId"), head.join(", "));
    for moment in order["timeline"].as_array().into_iter().flatten() {
        let part = |member: &str| moment[member].as_str().unwrap_or_default();
        let _ = writeln!(story, "   {}  {}", part("at"), part("event"));
    }
}

fn add_execution(story: &mut String, execution: &Execution, landings: &[Landing]) {
    let summary = Summary::of(execution);
    let started = if summary.has_order { "with the order" } else { "with the order's id alone" };
    let took = summary.started_ms.zip(summary.stopped_ms).map(|(from, to)| format!(" in {}", seconds(to - from)));
    let took = took.unwrap_or_default();
    let _ = writeln!(story, "\nexecution {}, started {started}: {}{took}", summary.number, summary.status);
    let _ = write!(story, "{}", Trace::of(&execution.history.events()));
    for landing in landings {
        let after = summary.stopped_ms.map_or(0, |stopped_ms| landing.landed_ms - stopped_ms);
        let when = if after > 0 { format!("{} after the end", seconds(after)) } else { "while it ran".to_owned() };
        let ended = landing.error.as_deref().unwrap_or("it had an answer that nobody waited for");
        let (attempt, state) = (landing.attempt + 1, &landing.state);
        let _ = writeln!(story, "   attempt {attempt} of {state} landed late, {when}: {ended}");
    }
}

/// A duration, for people.
pub fn seconds(ms: EpochMs) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{}.{} s", ms / 1000, ms % 1000 / 100) }
}
