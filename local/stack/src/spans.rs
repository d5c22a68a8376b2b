//! The spans of the executions: each with its states, their attempts, and the functions that these invoked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{Event, EventKind, History};
use local_traces::{Kind, Place, Span, Tracer, current};
use order::EpochMs;
use serde_json::Value;

use crate::functions::Invoked;
use crate::lambda::Invocation;

/// Makes the spans of a stack's executions.
#[derive(Debug, Clone, Default)]
pub struct Spans(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    tracer: Tracer,
    running: Mutex<HashMap<Arc<str>, Arc<Mutex<Running>>>>,
}

/// An execution that runs. Its fields are dropped, and so its spans end, from the innermost to the outermost.
#[derive(Debug)]
struct Running {
    tracer: Tracer,
    /// The states that were entered and not left, in the order of entry.
    states: Vec<OpenState>,
    last_state: Arc<str>,
    has_ended: bool,
    execution: Span,
}

#[derive(Debug)]
struct OpenState {
    attempt: Option<Span>,
    attempts: u32,
    error: Option<String>,
    name: Arc<str>,
    is_parallel: bool,
    span: Span,
}

/// Ends an execution's spans when it is dropped, even if the execution was killed.
#[derive(Debug)]
pub struct Ending {
    spans: Spans,
    execution: Arc<str>,
}

impl Spans {
    /// With this tracer; without one there are no spans.
    pub fn new(tracer: Option<Tracer>) -> Self {
        Self(tracer.map(|tracer| Arc::new(Shared { tracer, running: Mutex::default() })))
    }

    /// Begins an execution's span below the one that starts it. Returns the history that makes the others.
    pub fn start(&self, execution: &Arc<str>, name: &str, has_order: bool) -> (History, Ending) {
        let ending = Ending { spans: self.clone(), execution: Arc::clone(execution) };
        let Some(shared) = &self.0 else { return (History::new(), ending) };
        let mut span = shared.tracer.begin(current(), Kind::Internal, "execution");
        span.set("order.id", name.to_owned());
        span.set("aws.step_functions.execution.arn", execution.to_string());
        span.set("saga.started_with", if has_order { "the order" } else { "the order's id" });
        let running = Running {
            tracer: shared.tracer.clone(),
            states: Vec::new(),
            last_state: "".into(),
            has_ended: false,
            execution: span,
        };
        let running = Arc::new(Mutex::new(running));
        lock(&shared.running).insert(Arc::clone(execution), Arc::clone(&running));
        (History::observed(move |event| lock(&running).see(event)), ending)
    }

    /// Begins the span of a function that a state's attempt invokes.
    pub fn invoke(&self, invocation: &Invocation) -> Option<Span> {
        let shared = self.0.as_ref()?;
        let running = lock(&shared.running).get(&invocation.execution).map(Arc::clone)?;
        let parent = lock(&running).attempt_of(&invocation.state)?;
        let mut span = shared.tracer.begin(Some(parent), Kind::Server, invocation.function.clone());
        let payload = &invocation.payload;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        if let Some(order_id) = text(payload.get("order_id").or_else(|| payload.pointer("/order/order_id"))) {
            span.set("order.id", order_id);
        }
        if let Some(action) = text(payload.get("action")) {
            span.set("saga.action", action);
        }
        span.set("saga.attempt", invocation.attempt + 1);
        Some(span)
    }

    fn end(&self, execution: &str) {
        let Some(shared) = &self.0 else { return };
        // The list is unlocked before the spans end, because a sink takes them.
        let running = lock(&shared.running).remove(execution);
        if let Some(running) = running {
            lock(&running).end();
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.spans.end(&self.execution);
    }
}

impl Running {
    fn see(&mut self, event: &Event) {
        match &event.kind {
            EventKind::StateEntered { state_type, state, .. } => self.enter(state_type, state),
            EventKind::StateExited { state, .. } => self.leave(state),
            EventKind::StateAborted { state, .. } => {
                if let Some(open) = self.state(state) {
                    open.error = Some("Aborted".to_owned());
                }
                self.leave(state);
            }
            EventKind::TaskScheduled { state, attempt, .. } => {
                let tracer = self.tracer.clone();
                if let Some(open) = self.state(state) {
                    open.attempts = attempt + 1;
                    let mut span =
                        tracer.begin(Some(open.span.place()), Kind::Client, format!("attempt {}", attempt + 1));
                    span.set("saga.state", state.to_string());
                    span.set("saga.attempt", attempt + 1);
                    open.attempt = Some(span);
                }
            }
            EventKind::TaskSucceeded { state, .. } => {
                if let Some(open) = self.state(state) {
                    (open.attempt, open.error) = (None, None);
                }
            }
            EventKind::TaskFailed { state, error, .. } | EventKind::TaskTimedOut { state, error, .. } => {
                if let Some(open) = self.state(state) {
                    open.fail(error.as_deref().unwrap_or("States.TaskFailed"));
                }
            }
            EventKind::ExecutionSucceeded { .. } => self.has_ended = true,
            EventKind::ExecutionFailed { error, .. } | EventKind::ExecutionTimedOut { error, .. } => {
                self.has_ended = true;
                self.execution.fail(error.clone().unwrap_or_default());
            }
            _ => {}
        }
    }

    fn enter(&mut self, state_type: &str, state: &Arc<str>) {
        // A state of a branch belongs to the Parallel that was entered last: the definition nests none.
        let above = self.states.iter().rev().find(|open| open.is_parallel).map_or(&self.execution, |open| &open.span);
        let span = self.tracer.begin(Some(above.place()), Kind::Internal, &**state);
        let is_parallel = matches!(state_type, "Parallel" | "Map");
        let name = Arc::clone(state);
        self.last_state = Arc::clone(state);
        self.states.push(OpenState { attempt: None, attempts: 0, error: None, name, is_parallel, span });
    }

    fn leave(&mut self, state: &str) {
        if let Some(at) = self.states.iter().rposition(|open| *open.name == *state) {
            self.states.remove(at).end();
        }
    }

    fn state(&mut self, state: &str) -> Option<&mut OpenState> {
        self.states.iter_mut().rev().find(|open| *open.name == *state)
    }

    fn attempt_of(&mut self, state: &str) -> Option<Place> {
        self.state(state)?.attempt.as_ref().map(Span::place)
    }

    fn end(&mut self) {
        for state in self.states.drain(..).rev() {
            state.end();
        }
        self.execution.set("saga.ended_in", self.last_state.to_string());
        if !self.has_ended {
            self.execution.fail("Aborted");
        }
        self.execution.end();
    }
}

impl OpenState {
    fn fail(&mut self, error: &str) {
        if let Some(mut attempt) = self.attempt.take() {
            attempt.fail(error);
        }
        self.error = Some(error.to_owned());
    }

    fn end(mut self) {
        drop(self.attempt.take());
        if self.attempts > 0 {
            self.span.set("saga.attempts", self.attempts);
            self.span.set("saga.retries", self.attempts - 1);
        }
        if let Some(error) = self.error.take() {
            self.span.fail(error);
        }
    }
}

/// Says how an invocation ended, and in which state it left or found the step's fence.
pub fn add_outcome(span: &mut Span, invoked: &Invoked, is_step: bool, began_ms: EpochMs, is_late: bool) {
    if is_late {
        span.set("saga.landed_late", true);
    }
    match invoked {
        Ok(receipt) if is_step => {
            let effect = receipt["effect"].as_str().unwrap_or_default();
            span.set("saga.fence", fence_after(effect));
            if effect == "NOTHING" {
                span.set("saga.tombstone", true);
            }
            if receipt["at_ms"].as_i64().is_some_and(|at_ms| at_ms < began_ms) {
                span.set("saga.repeated", true);
            }
        }
        Ok(record) => {
            if let Some(status) = record["status"].as_str() {
                span.set("order.status", status.to_owned());
            }
        }
        Err(error) => {
            if is_step && let Some(fence) = fence_behind(&error.error) {
                span.set("saga.fence", fence);
            }
            span.fail(error.error.clone());
        }
    }
}

/// The state of the fence that a receipt proves.
fn fence_after(effect: &str) -> &'static str {
    match effect {
        "APPLIED" => "APPLIED",
        "CONSUMED" => "CONSUMED",
        _ => "CANCELLED",
    }
}

/// The state of the fence that an error proves.
fn fence_behind(error: &str) -> Option<&'static str> {
    match error {
        "SagaCancelled" => Some("CANCELLED"),
        "OtherContent" => Some("APPLIED"),
        "AlreadyConsumed" => Some("CONSUMED"),
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
