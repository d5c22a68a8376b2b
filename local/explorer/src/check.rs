//! What must hold when everything is at rest.

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use engine::{Event, EventKind};
use inventory::Stock;
use order::{OrderRecord, Reason, Status};
use saga::fence::FenceState;
use serde_json::Value;

use super::fault::{Fault, FaultKind};
use super::kinds::{ON_HAND, OrderKind};
use super::world::Exchange;
use local_audit::Books;
use local_stack::step_functions::Execution;

/// What is left after a run.
#[derive(Debug)]
pub struct Aftermath {
    /// The tables.
    pub books: Books,
    /// Everyone who got an answer.
    pub clients: Vec<Exchange>,
    /// All executions.
    pub executions: Vec<Execution>,
    /// How many messages are in the dead-letter queue.
    pub dead_letters: usize,
    /// How many queued orders were dropped because their key stands for other content.
    pub dropped: u64,
}

/// Every invariant that is broken, with the evidence.
pub fn run(kind: OrderKind, faults: &[Fault], rest: &Aftermath) -> Vec<String> {
    let Aftermath { books, clients, executions, dead_letters, dropped } = rest;
    let report = local_audit::check(books);
    let mut violations: Vec<String> = report
        .findings
        .iter()
        .map(|finding| format!("{:?}  {} {}", finding.invariant, finding.at, finding.what))
        .collect();
    let record = books.orders.get(&OrderKind::order_id()).map(|stored| &stored.record);
    if let Some(stored) = books.orders.get(&OrderKind::order_id()) {
        // An order that is being cancelled when the long outage begins is rightly parked before it ends. One
        // that was given up during the outage has new attempts, which outlast it.
        let was_out = faults.iter().any(|fault| fault.kind == FaultKind::LongOutage);
        if stored.is_parked && was_out && stored.record.reason != Some(Reason::Unavailable) {
            return violations;
        }
        if stored.is_parked {
            violations.push("I1  the order is parked, though everything was reachable in time".to_owned());
        } else if stored.record.status.is_open() {
            violations.push(format!("I1  the order is left {}", stored.record.status));
        }
    }
    // An order that waited for its table longer than the overflow queue retries is in the dead-letter queue,
    // which raises an alarm. It is neither lost nor decided.
    if record.is_none() && *dead_letters > 0 && faults.iter().any(|fault| fault.kind == FaultKind::LongOutage) {
        return violations;
    }
    for client in clients.iter().filter(|client| OrderKind::is_explored(&client.request)) {
        if let Some(broken) = contradiction(client, record, *dropped > 0) {
            violations.push(format!("I6  {} was told {broken}", who(&client.request)));
        }
    }
    if let Some(broken) = health(kind, faults, clients, record) {
        violations.push(format!("I7  {broken}"));
    }
    violations.extend(books.stock.values().filter_map(|stock| lost_stock(stock, books)));
    violations.extend(record.and_then(|record| foreign_cancellation(record, executions)));
    violations.extend(executions.iter().filter_map(stopped_compensation));
    violations
}

/// I6: what the caller was told matches the records, and is about what the caller sent.
fn contradiction(client: &Exchange, record: Option<&OrderRecord>, was_dropped: bool) -> Option<String> {
    let http_status = client.answer.status.as_u16();
    let body: Value = serde_json::from_str(&client.answer.body).unwrap_or_default();
    if http_status == 503 || http_status == 404 {
        return None;
    }
    let Some(record) = record else {
        return Some(format!("{http_status}, but there is no record"));
    };
    let is_same = sent_same(&client.request, record);
    if http_status == 422 {
        return is_same.then(|| "of a conflict, but the record is of what it sent".to_owned());
    }
    // The overflow queue accepted it while the table was out. By the time it was written, the key stood for
    // another order, so that order is the key's answer.
    if !is_same && http_status == 202 && was_dropped {
        return None;
    }
    if !is_same {
        return Some(format!("{http_status} of content that it did not send"));
    }
    let status = body["status"].as_str().unwrap_or_default();
    let problem = body["type"].as_str().and_then(|uri| uri.rsplit(':').next()).unwrap_or_default();
    let holds = match (http_status, client.request.resource.as_deref()) {
        // A decision that the customer or the store was told of is the final outcome.
        (200 | 202, Some(CANCEL)) => {
            record.status == Status::Cancelled && (http_status == 202 || status == "CANCELLED")
        }
        (200 | 202, Some(FULFIL)) => {
            record.status == Status::Fulfilled && (http_status == 202 || status == "FULFILLED")
        }
        (409, Some(CANCEL)) => record.status == Status::Fulfilled && problem == "order-fulfilled",
        (409, Some(FULFIL)) => match problem {
            "order-cancelled" => record.status == Status::Cancelled,
            // It may have been confirmed since.
            "order-not-confirmed" => record.fulfilling_ms.is_none(),
            _ => false,
        },
        // A confirmation holds until the customer cancels.
        (201, _) => record.confirmed_ms.is_some() && status == "CONFIRMED",
        (409, _) => record.status == Status::Cancelled && status == "CANCELLED",
        (202, _) => !record.status.is_open(),
        _ => false,
    };
    (!holds).then(|| format!("{http_status} {status}{problem}, but the record is {}", record.status))
}

const CANCEL: &str = "/orders/{orderId}/cancel";
const FULFIL: &str = "/orders/{orderId}/fulfil";

/// Whether the record is of what this request sent. Cancellations and fulfilments send no content.
fn sent_same(request: &ApiGatewayProxyRequest, record: &OrderRecord) -> bool {
    let Some(body) = &request.body else { return true };
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body["customerId"].as_str() == Some(record.order.customer_id.as_str())
}

/// I7: an order that no step refuses and nobody cancels is confirmed, and fulfilled if the store asked for
/// it. An order that a step refuses is not confirmed.
fn health(kind: OrderKind, faults: &[Fault], clients: &[Exchange], record: Option<&OrderRecord>) -> Option<String> {
    let Some(record) = record else {
        let was_accepted = clients.iter().any(|client| client.answer.status.is_success());
        return was_accepted.then(|| "an accepted order is gone".to_owned());
    };
    if kind.is_healthy() {
        // One unknown failure is survived, because its state is retried once. Two may roll back a healthy
        // order.
        let unknown = faults.iter().filter(|fault| fault.kind.is_unknown_failure()).count();
        let others_pass = faults.iter().all(|fault| fault.kind.is_transient() || fault.kind.is_unknown_failure());
        let must_confirm = unknown == 0 && others_pass || unknown == 1 && faults.len() == 1;
        let is_asked_for = !kind.later_requests().is_empty();
        let is_right = match record.status {
            // A caller who got 503 does not know whether the order was handed over.
            Status::Confirmed => clients.iter().all(|client| !is_fulfilment(client) || client.answer.status == 503),
            Status::Fulfilled => is_asked_for,
            _ => false,
        };
        return (must_confirm && !is_right).then(|| {
            format!(
                "every fault was one that an order must survive, but the order is {} {:?}",
                record.status, record.reason
            )
        });
    }
    (kind.is_refused() && record.confirmed_ms.is_some())
        .then(|| "a step refuses the order, but it is confirmed".to_owned())
}

fn is_fulfilment(client: &Exchange) -> bool {
    client.request.resource.as_deref() == Some(FULFIL)
}

/// I3: the initial stock is all there, except for what was handed over, once.
fn lost_stock(stock: &Stock, books: &Books) -> Option<String> {
    let consumed = books.reservations.values().filter(|fence| fence.state == FenceState::Consumed);
    let lines = consumed.filter_map(|fence| fence.effect.as_ref()).flat_map(|reservation| &reservation.lines);
    let gone: i64 = lines.filter(|line| line.sku == stock.sku).map(|line| i64::from(line.quantity)).sum();
    let on_hand = stock.available + stock.reserved;
    (on_hand != ON_HAND - gone)
        .then(|| format!("I3  {on_hand} of {} are on hand, although {gone} of {ON_HAND} were handed over", stock.sku))
}

/// I7: another body under the same key does not cancel the order when it fails. Only an execution with the
/// order's own content, or with its id alone, gave it up.
fn foreign_cancellation(record: &OrderRecord, executions: &[Execution]) -> Option<String> {
    let is_given_up = matches!(record.status, Status::Cancelling | Status::Cancelled);
    if !is_given_up || matches!(record.reason, Some(Reason::CustomerRequest | Reason::Unavailable)) {
        return None;
    }
    let is_own = |execution: &&Execution| {
        let customer_id = execution.input["order"]["customer_id"].as_str();
        customer_id.is_none_or(|customer_id| customer_id == record.order.customer_id.as_str())
    };
    let gave_up = |execution: &Execution| {
        let events = execution.history.events();
        events
            .iter()
            .any(|event| matches!(&event.kind, EventKind::StateEntered { state, .. } if &**state == "CancelOrder"))
    };
    (!executions.iter().filter(is_own).any(gave_up))
        .then(|| "I7  the order was given up by an execution of other content".to_owned())
}

/// A compensation that fails does not stop the others: every state of a roll-back that was entered was also
/// exited, unless the whole execution died in it.
fn stopped_compensation(execution: &Execution) -> Option<String> {
    execution.outcome.borrow().as_ref()?;
    let events = execution.history.events();
    events.iter().find_map(|event| {
        let EventKind::StateEntered { state, state_type: "Task", .. } = &event.kind else { return None };
        let is_left = events.iter().any(|other| {
            other.id > event.id && matches!(&other.kind, EventKind::StateExited { state: left, .. } if left == state)
        });
        (!is_left && is_compensation(&events, state))
            .then(|| format!("P3  {state} was stopped before it finished, by the other branch"))
    })
}

/// Whether this state asks a step's function for its compensation.
fn is_compensation(events: &[Event], entered: &str) -> bool {
    let arguments = events.iter().find_map(|event| match &event.kind {
        EventKind::TaskScheduled { state, parameters, .. } if &**state == entered => Some(parameters),
        _ => None,
    });
    let Some(arguments) = arguments else { return false };
    let function = arguments["FunctionName"].as_str().and_then(|arn| arn.rsplit(':').next());
    let action = arguments["Payload"]["action"].as_str();
    let steps = declarations::steps().iter();
    steps.into_iter().any(|(declared, step)| {
        function == Some(declared.name.as_str()) && action == Some(step.compensation.name.as_str())
    })
}

/// What a client was told, as text for people.
pub fn told(client: &Exchange) -> String {
    let body: Value = serde_json::from_str(&client.answer.body).unwrap_or_default();
    let words = ["status", "reason", "type"].map(|member| body[member].as_str().unwrap_or_default().to_owned());
    let words = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    format!("{}: HTTP {} {words}", who(&client.request), client.answer.status.as_u16())
}

fn who(request: &ApiGatewayProxyRequest) -> &'static str {
    match &request.body {
        None if request.resource.as_deref() == Some(FULFIL) => "the store that hands the order over",
        None => "the customer who cancels",
        Some(body) if *body == OrderKind::other_request().body.unwrap_or_default() => "the sender of the other body",
        Some(_) => "the sender of the order",
    }
}
