//! What the list of executions shows of each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{Event, EventKind};
use local_stack::step_functions::{Execution, KEPT_EXECUTIONS};
use order::EpochMs;
use serde::Serialize;
use serde_json::Value;

/// A row of the list.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The last part of the ARN.
    pub id: String,
    /// Its place among the executions of this process, from 1.
    pub number: u64,
    /// The order.
    pub order_id: String,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT`, or `ABORTED` if it died.
    pub status: &'static str,
    /// When it started; `None` while it waits for its turn.
    pub started_ms: Option<EpochMs>,
    /// When it ended, or was last seen alive.
    pub stopped_ms: Option<EpochMs>,
    /// Whether it was started with the whole order, as a client's request starts it. Recovery, a cancellation and a
    /// hand-over start it with the id alone.
    pub has_order: bool,
    /// The status of the order that the first state found or wrote.
    pub found: Option<String>,
    /// The order's status when this execution last saw it.
    pub order_status: Option<String>,
    /// Why the order is cancelled.
    pub reason: Option<String>,
    /// The customer.
    pub customer_id: Option<String>,
    /// The state that it is in, or ended in.
    pub state: Option<Arc<str>>,
    /// How many attempts were repeated.
    pub retries: u32,
    /// The first state that failed for good, with its error.
    pub failed_state: Option<Arc<str>>,
    /// That error.
    pub failure: Option<String>,
    /// How many invocations landed after their state had stopped waiting.
    pub late_landings: usize,
    /// The states that it went through.
    #[serde(skip)]
    pub states: Vec<Arc<str>>,
}

impl Summary {
    /// Reads an execution's history so far.
    pub fn of(execution: &Execution) -> Self {
        let is_running = execution.is_running();
        let mut summary = Self {
            id: id(&execution.arn).to_owned(),
            number: execution.number,
            order_id: execution.name.clone(),
            has_order: execution.input.get("order").is_some_and(|order| !order.is_null()),
            ..Self::default()
        };
        summary.customer_id = text(&execution.input["order"], "customer_id");
        let events = execution.history.events();
        summary.started_ms = events.first().map(|event| event.timestamp_ms);
        for event in &events {
            summary.add(event);
        }
        summary.status = match execution.outcome.borrow().as_ref() {
            Some(outcome) => outcome.status.as_str(),
            None if is_running => "RUNNING",
            None => "ABORTED",
        };
        summary.stopped_ms = events.last().map(|event| event.timestamp_ms).filter(|_| summary.status != "RUNNING");
        summary
    }

    fn add(&mut self, event: &Event) {
        match &event.kind {
            EventKind::StateEntered { state, .. } => {
                self.state = Some(Arc::clone(state));
                if !self.states.contains(state) {
                    self.states.push(Arc::clone(state));
                }
            }
            EventKind::TaskScheduled { attempt, .. } if *attempt > 0 => self.retries += 1,
            EventKind::TaskSucceeded { state, output, .. } => {
                // A state that a retry has helped did not fail.
                if self.failed_state.as_ref() == Some(state) {
                    (self.failed_state, self.failure) = (None, None);
                }
                self.add_record(&output["Payload"]);
            }
            EventKind::TaskFailed { state, error, .. } | EventKind::TaskTimedOut { state, error, .. }
                if self.failed_state.is_none() =>
            {
                self.failed_state = Some(Arc::clone(state));
                self.failure.clone_from(error);
            }
            _ => {}
        }
    }

    fn add_record(&mut self, payload: &Value) {
        let (Some(status), true) = (text(payload, "status"), payload.get("customer_id").is_some()) else { return };
        if self.found.is_none() {
            self.found = Some(status.clone());
        }
        self.order_status = Some(status);
        self.reason = text(payload, "reason");
        self.customer_id = text(payload, "customer_id");
    }
}

/// An execution's id in addresses: the last part of its ARN.
pub fn id(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

fn text(value: &Value, member: &str) -> Option<String> {
    value[member].as_str().map(str::to_owned)
}

/// The rows of executions that have ended, which change no more.
#[derive(Debug, Default)]
pub struct Summaries(Mutex<BTreeMap<u64, Arc<Summary>>>);

impl Summaries {
    /// The row of an execution.
    pub fn of(&self, execution: &Execution, late_landings: usize) -> Arc<Summary> {
        let known = self.lock().get(&execution.number).cloned();
        if let Some(summary) = known.filter(|summary| summary.late_landings == late_landings) {
            return summary;
        }
        let is_running = execution.is_running();
        let summary = Arc::new(Summary { late_landings, ..Summary::of(execution) });
        if !is_running {
            let mut summaries = self.lock();
            summaries.insert(execution.number, Arc::clone(&summary));
            // As many as there are executions; the oldest ones are kept no more.
            if summaries.len() > KEPT_EXECUTIONS {
                summaries.pop_first();
            }
        }
        summary
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Summary>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
