//! The list of executions, and one execution.

use std::sync::Arc;

use api::{Answer, Kind, Problem};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use engine::Event;
use http::StatusCode;
use local_stack::lambda::Landing;
use local_stack::step_functions::{Execution, KEPT_EXECUTIONS};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Inspected;
use super::summary::{Summary, id};
use crate::front::respond;

/// The most rows of a page, and how many there are without a limit.
const MAX_PAGE: usize = 100;
const PAGE: usize = 50;

/// How many executions are looked at before the list is locked again. New ones start in between.
const CHUNK: usize = 256;

/// Which executions to list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Filter {
    status: String,
    /// A state that they went through.
    state: String,
    reason: String,
    /// The order's id, or its beginning.
    order_id: String,
    customer_id: String,
    /// Only executions that were started before the one of this number.
    before: Option<u64>,
    limit: Option<usize>,
}

impl Filter {
    fn takes(&self, summary: &Summary) -> bool {
        let is = |wanted: &str, found: Option<&str>| wanted.is_empty() || found == Some(wanted);
        is(&self.status, Some(summary.status))
            && (self.state.is_empty() || summary.states.iter().any(|state| **state == *self.state))
            && is(&self.reason, summary.reason.as_deref())
            && is(&self.customer_id, summary.customer_id.as_deref())
            && summary.order_id.starts_with(&self.order_id)
    }
}

/// A page of the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    executions: Vec<Arc<Summary>>,
    /// The `before` of the next page; `None` on the last one.
    next_before: Option<u64>,
    /// How many executions are kept, and at most.
    kept: usize,
    limit: usize,
}

/// Lists executions, newest first.
pub async fn list(State(inspected): State<Inspected>, Query(filter): Query<Filter>) -> Response {
    let executions = &inspected.stack.executions;
    let limit = filter.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let mut page = Page { executions: Vec::new(), next_before: None, kept: executions.kept(), limit: KEPT_EXECUTIONS };
    let mut before = filter.before.unwrap_or(u64::MAX);
    'page: loop {
        let chunk = executions.before(before, CHUNK);
        let Some(last) = chunk.last() else { break };
        before = last.number;
        for execution in &chunk {
            let summary = inspected.summary(execution);
            if !filter.takes(&summary) {
                continue;
            }
            if page.executions.len() == limit {
                page.next_before = page.executions.last().map(|last| last.number);
                break 'page;
            }
            page.executions.push(summary);
        }
    }
    respond(Answer::json(StatusCode::OK, &page))
}

/// One execution, with everything that happened in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    arn: &'a str,
    input: &'a Value,
    output: Option<&'a Value>,
    error: Option<&'a str>,
    cause: Option<&'a str>,
    events: Vec<OfState>,
    landings: Vec<Landing>,
}

/// An event as Step Functions logs it, with its state, which the log line of a Task's event does not name.
#[derive(Debug, Serialize)]
struct OfState {
    state: Option<String>,
    #[serde(flatten)]
    event: Event,
}

impl From<Event> for OfState {
    fn from(event: Event) -> Self {
        Self { state: event.kind.state().map(str::to_owned), event }
    }
}

/// Shows an execution.
pub async fn show(State(inspected): State<Inspected>, Path(wanted): Path<String>) -> Response {
    let found = inspected.stack.executions.matching(|execution| id(&execution.arn) == wanted);
    let Some(execution) = found.first() else {
        let detail = format!("there is no such execution, or it is older than the last {KEPT_EXECUTIONS}");
        return respond(Problem::new(Kind::RouteNotFound).detail(detail).answer());
    };
    let outcome = execution.outcome.borrow().clone();
    respond(Answer::json(
        StatusCode::OK,
        &Whole {
            summary: &inspected.summary(execution),
            arn: &execution.arn,
            input: &execution.input,
            output: outcome.as_ref().and_then(|outcome| outcome.output.as_deref()),
            error: outcome.as_ref().and_then(|outcome| outcome.error.as_deref()),
            cause: outcome.as_ref().and_then(|outcome| outcome.cause.as_deref()),
            events: execution.history.events().into_iter().map(OfState::from).collect(),
            landings: inspected.stack.landings.of(&execution.arn),
        },
    ))
}

impl Inspected {
    /// The row of an execution.
    pub(super) fn summary(&self, execution: &Execution) -> Arc<Summary> {
        self.summaries.of(execution, self.stack.landings.count(&execution.arn))
    }
}
