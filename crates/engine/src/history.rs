//! What happened in an execution, event by event, in the form in which Step Functions logs it.
//!
//! See <https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html> and, for the details of
//! each type, <https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html>.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use crate::expression::as_aws_writes;

/// The events of one execution. Clones share them, so the history can be read while the execution runs,
/// and after it was dropped.
#[derive(Debug, Clone, Default)]
pub struct History(Option<Arc<Kept>>);

type Observer = dyn Fn(&Event) + Send + Sync;

#[derive(Default)]
struct Kept {
    events: Mutex<Vec<Event>>,
    observer: Option<Box<Observer>>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("events", &self.events).finish_non_exhaustive()
    }
}

impl History {
    /// An empty history.
    pub fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// An empty history that shows each event to `observer` when it happens. The execution waits for it.
    pub fn observed(observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Kept { events: Mutex::default(), observer: Some(Box::new(observer)) })))
    }

    /// A history that records nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// The events so far, in the order in which they happened.
    pub fn events(&self) -> Vec<Event> {
        self.0.as_ref().map(|kept| lock(&kept.events).clone()).unwrap_or_default()
    }

    /// Appends an event that followed the one with the id `previous`, and returns its id.
    pub(crate) fn record(&self, previous: u64, timestamp_ms: i64, kind: impl FnOnce() -> EventKind) -> u64 {
        let Some(kept) = &self.0 else {
            return previous;
        };
        let mut events = lock(&kept.events);
        let id = events.len() as u64 + 1;
        let event = Event { id, previous_event_id: previous, timestamp_ms, kind: kind() };
        if let Some(observer) = &kept.observer {
            observer(&event);
        }
        events.push(event);
        id
    }

    /// Records that the open states were stopped, the innermost first: those that were entered after the
    /// event `since`, on a path from it. States such as Fail are left out: they ended by themselves.
    pub(crate) fn record_aborted(&self, since: u64, previous: u64, timestamp_ms: i64) {
        let Some(kept) = &self.0 else {
            return;
        };
        let open = open_since(&lock(&kept.events), since);
        for (state_type, state) in open.into_iter().rev().filter(|(state_type, _)| ABORTABLE.contains(state_type)) {
            self.record(previous, timestamp_ms, || EventKind::StateAborted { state_type, state });
        }
    }
}

/// The types of states that can be stopped: those that wait for something.
const ABORTABLE: [&str; 4] = ["Task", "Parallel", "Map", "Wait"];

/// The types and names of the states that were entered on a path from the event `since` and neither left
/// nor stopped, in the order of entry.
fn open_since(events: &[Event], since: u64) -> Vec<(&'static str, Arc<str>)> {
    // An event comes after the one that led to it, so one pass finds all.
    let mut descends = HashSet::new();
    let mut open: Vec<(&'static str, Arc<str>)> = Vec::new();
    for event in events {
        if event.id != since && !descends.contains(&event.previous_event_id) {
            continue;
        }
        descends.insert(event.id);
        match &event.kind {
            EventKind::StateEntered { state_type, state, .. } => open.push((state_type, Arc::clone(state))),
            EventKind::StateExited { state, .. } | EventKind::StateAborted { state, .. } => {
                if let Some(at) = open.iter().position(|(_, entered)| entered == state) {
                    open.remove(at);
                }
            }
            _ => {}
        }
    }
    open
}

fn lock(events: &Mutex<Vec<Event>>) -> MutexGuard<'_, Vec<Event>> {
    // A push cannot leave the list half changed, so the list behind a poisoned lock is intact.
    events.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One event. Serialises as a line of the Express log, without the execution's ARN.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// 1 for the first event of an execution, then one more each.
    pub id: u64,
    /// The event that led to this one; 0 for the first. In a branch, it is an event of that branch.
    pub previous_event_id: u64,
    /// When it happened, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// What happened.
    pub kind: EventKind,
}

/// What happened. Every event of a state names the state, even if its log line does not.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum EventKind {
    /// The execution began with this input.
    ExecutionStarted { input: Arc<Value> },
    /// A state was entered; `state_type` is its `Type`.
    StateEntered { state_type: &'static str, state: Arc<str>, input: Arc<Value> },
    /// A state was left; `assigned` are the variables that it set.
    StateExited { state_type: &'static str, state: Arc<str>, output: Arc<Value>, assigned: Vec<(Arc<str>, Arc<Value>)> },
    /// A state was stopped, because another branch or iteration failed.
    StateAborted { state_type: &'static str, state: Arc<str> },
    /// An attempt at a Task was scheduled; `attempt` is 0 for the first.
    TaskScheduled {
        state: Arc<str>,
        resource: Arc<str>,
        parameters: Arc<Value>,
        timeout_s: Option<u32>,
        heartbeat_s: Option<u32>,
        credentials: Option<Arc<Value>>,
        attempt: u32,
    },
    /// The attempt began.
    TaskStarted { state: Arc<str>, resource: Arc<str> },
    /// The attempt had this result.
    TaskSucceeded { state: Arc<str>, resource: Arc<str>, output: Arc<Value> },
    /// The attempt failed.
    TaskFailed { state: Arc<str>, resource: Arc<str>, error: Option<String>, cause: Option<String> },
    /// The attempt took longer than its `TimeoutSeconds`.
    TaskTimedOut { state: Arc<str>, resource: Arc<str>, error: Option<String>, cause: Option<String> },
    /// The branches of a Parallel began.
    ParallelStateStarted { state: Arc<str> },
    /// Every branch of a Parallel ended.
    ParallelStateSucceeded { state: Arc<str> },
    /// A branch of a Parallel failed, and the others were stopped.
    ParallelStateFailed { state: Arc<str>, error: Option<String>, cause: Option<String> },
    /// A Map began, or was retried, with `length` items.
    MapStateStarted { state: Arc<str>, length: usize },
    /// Every iteration of a Map ended.
    MapStateSucceeded { state: Arc<str> },
    /// An iteration of a Map failed, and the others were stopped.
    MapStateFailed { state: Arc<str>, error: Option<String>, cause: Option<String> },
    /// An iteration of a Map began.
    MapIterationStarted { state: Arc<str>, index: usize },
    /// An iteration of a Map ended.
    MapIterationSucceeded { state: Arc<str>, index: usize },
    /// An iteration of a Map failed.
    MapIterationFailed { state: Arc<str>, index: usize },
    /// An iteration of a Map was stopped, because another one failed.
    MapIterationAborted { state: Arc<str>, index: usize },
    /// An expression returned no value that its field accepts; `location` is the field.
    EvaluationFailed { state: Arc<str>, location: String, error: Option<String>, cause: Option<String> },
    /// The execution ended with this output.
    ExecutionSucceeded { output: Arc<Value> },
    /// The execution ended in a Fail state or with an error that nothing caught.
    ExecutionFailed { error: Option<String>, cause: Option<String> },
    /// The execution exceeded its time limit.
    ExecutionTimedOut { error: Option<String>, cause: Option<String> },
}

impl EventKind {
    /// The event's type as Step Functions names it, for example `TaskStateEntered`.
    pub fn type_name(&self) -> String {
        let name = match self {
            Self::StateEntered { state_type, .. } => return format!("{state_type}StateEntered"),
            Self::StateExited { state_type, .. } => return format!("{state_type}StateExited"),
            Self::StateAborted { state_type, .. } => return format!("{state_type}StateAborted"),
            Self::TaskScheduled { resource, .. } if is_function(resource) => "LambdaFunctionScheduled",
            Self::TaskStarted { resource, .. } if is_function(resource) => "LambdaFunctionStarted",
            Self::TaskSucceeded { resource, .. } if is_function(resource) => "LambdaFunctionSucceeded",
            Self::TaskFailed { resource, .. } if is_function(resource) => "LambdaFunctionFailed",
            Self::TaskTimedOut { resource, .. } if is_function(resource) => "LambdaFunctionTimedOut",
            Self::ExecutionStarted { .. } => "ExecutionStarted",
            Self::TaskScheduled { .. } => "TaskScheduled",
            Self::TaskStarted { .. } => "TaskStarted",
            Self::TaskSucceeded { .. } => "TaskSucceeded",
            Self::TaskFailed { .. } => "TaskFailed",
            Self::TaskTimedOut { .. } => "TaskTimedOut",
            Self::ParallelStateStarted { .. } => "ParallelStateStarted",
            Self::ParallelStateSucceeded { .. } => "ParallelStateSucceeded",
            Self::ParallelStateFailed { .. } => "ParallelStateFailed",
            Self::MapStateStarted { .. } => "MapStateStarted",
            Self::MapStateSucceeded { .. } => "MapStateSucceeded",
            Self::MapStateFailed { .. } => "MapStateFailed",
            Self::MapIterationStarted { .. } => "MapIterationStarted",
            Self::MapIterationSucceeded { .. } => "MapIterationSucceeded",
            Self::MapIterationFailed { .. } => "MapIterationFailed",
            Self::MapIterationAborted { .. } => "MapIterationAborted",
            Self::EvaluationFailed { .. } => "EvaluationFailed",
            Self::ExecutionSucceeded { .. } => "ExecutionSucceeded",
            Self::ExecutionFailed { .. } => "ExecutionFailed",
            Self::ExecutionTimedOut { .. } => "ExecutionTimedOut",
        };
        name.to_owned()
    }

    /// The state that the event belongs to; `None` for an event of the execution.
    pub fn state(&self) -> Option<&str> {
        match self {
            Self::ExecutionStarted { .. }
            | Self::ExecutionSucceeded { .. }
            | Self::ExecutionFailed { .. }
            | Self::ExecutionTimedOut { .. } => None,
            Self::StateEntered { state, .. }
            | Self::StateExited { state, .. }
            | Self::StateAborted { state, .. }
            | Self::MapStateStarted { state, .. }
            | Self::MapStateSucceeded { state }
            | Self::MapStateFailed { state, .. }
            | Self::MapIterationStarted { state, .. }
            | Self::MapIterationSucceeded { state, .. }
            | Self::MapIterationFailed { state, .. }
            | Self::MapIterationAborted { state, .. }
            | Self::TaskScheduled { state, .. }
            | Self::TaskStarted { state, .. }
            | Self::TaskSucceeded { state, .. }
            | Self::TaskFailed { state, .. }
            | Self::TaskTimedOut { state, .. }
            | Self::ParallelStateStarted { state }
            | Self::ParallelStateSucceeded { state }
            | Self::ParallelStateFailed { state, .. }
            | Self::EvaluationFailed { state, .. } => Some(state),
        }
    }

    /// The event's details as Step Functions logs them, with payloads as strings of JSON text.
    pub fn details(&self) -> Value {
        let mut details = Map::new();
        let mut put = |name: &str, value: Value| details.insert(name.to_owned(), value);
        match self {
            Self::ExecutionStarted { input } => {
                put("input", text(input));
                put("inputDetails", whole());
            }
            Self::StateEntered { state, input, .. } => {
                put("name", json!(&**state));
                put("input", text(input));
                put("inputDetails", whole());
            }
            Self::StateExited { state, output, assigned, .. } => {
                put("name", json!(&**state));
                put("output", text(output));
                put("outputDetails", whole());
                if !assigned.is_empty() {
                    let variables = assigned.iter().map(|(name, value)| (name.to_string(), text(value)));
                    put("assignedVariables", Value::Object(variables.collect()));
                    put("assignedVariablesDetails", whole());
                }
            }
            Self::TaskScheduled { resource, parameters, timeout_s, heartbeat_s, credentials, .. } => {
                if is_function(resource) {
                    put("resource", json!(&**resource));
                    put("input", text(parameters));
                    put("inputDetails", whole());
                } else {
                    put_resource(&mut put, resource);
                    put("parameters", text(parameters));
                }
                for (name, seconds) in [("timeoutInSeconds", timeout_s), ("heartbeatInSeconds", heartbeat_s)] {
                    if let Some(seconds) = seconds {
                        put(name, json!(seconds));
                    }
                }
                if let Some(role) = credentials.as_ref().and_then(|credentials| credentials.get("RoleArn")) {
                    put("taskCredentials", json!({"roleArn": role}));
                }
            }
            Self::TaskStarted { resource, .. } => put_resource(&mut put, resource),
            Self::TaskSucceeded { resource, output, .. } => {
                put_resource(&mut put, resource);
                put("output", text(output));
                put("outputDetails", whole());
            }
            Self::TaskFailed { resource, error, cause, .. } | Self::TaskTimedOut { resource, error, cause, .. } => {
                put_resource(&mut put, resource);
                put_error(&mut put, error.as_deref(), cause.as_deref());
            }
            Self::ParallelStateStarted { .. }
            | Self::ParallelStateSucceeded { .. }
            | Self::MapStateSucceeded { .. }
            | Self::StateAborted { .. } => {}
            Self::MapStateStarted { length, .. } => {
                put("length", json!(length));
            }
            Self::MapIterationStarted { state, index }
            | Self::MapIterationSucceeded { state, index }
            | Self::MapIterationFailed { state, index }
            | Self::MapIterationAborted { state, index } => {
                put("name", json!(&**state));
                put("index", json!(index));
            }
            Self::ExecutionSucceeded { output } => {
                put("output", text(output));
                put("outputDetails", whole());
            }
            Self::EvaluationFailed { state, location, error, cause } => {
                put("state", json!(&**state));
                put("location", json!(as_aws_writes(location)));
                put_error(&mut put, error.as_deref(), cause.as_deref());
            }
            Self::ParallelStateFailed { error, cause, .. }
            | Self::MapStateFailed { error, cause, .. }
            | Self::ExecutionFailed { error, cause }
            | Self::ExecutionTimedOut { error, cause } => {
                put_error(&mut put, error.as_deref(), cause.as_deref());
            }
        }
        Value::Object(details)
    }
}

fn text(value: &Value) -> Value {
    Value::String(value.to_string())
}

/// Step Functions truncates payloads that are too long for `CloudWatch`; this history never does.
fn whole() -> Value {
    json!({"truncated": false})
}

fn put_error(put: &mut impl FnMut(&str, Value) -> Option<Value>, error: Option<&str>, cause: Option<&str>) {
    if let Some(error) = error {
        put("error", error.into());
    }
    if let Some(cause) = cause {
        put("cause", cause.into());
    }
}

/// Whether the resource is a Lambda function itself, not an integration. Its events have other names.
fn is_function(resource: &str) -> bool {
    resource.split(':').nth(2) == Some("lambda")
}

/// `arn:aws:states:::lambda:invoke` is the resource `invoke` of the type `lambda`. Of a function's own
/// events, only the first has a resource.
fn put_resource(put: &mut impl FnMut(&str, Value) -> Option<Value>, resource: &str) {
    if is_function(resource) {
        return;
    }
    let service = resource.splitn(6, ':').nth(5);
    let (resource_type, action) = match service.and_then(|service| service.rsplit_once(':')) {
        Some((resource_type, action)) if resource.contains(":states:::") => (resource_type, action),
        _ => ("lambda", resource),
    };
    put("resourceType", resource_type.into());
    put("resource", action.into());
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(Some(5))?;
        line.serialize_entry("id", &self.id.to_string())?;
        line.serialize_entry("type", &self.kind.type_name())?;
        line.serialize_entry("details", &self.kind.details())?;
        line.serialize_entry("previous_event_id", &self.previous_event_id.to_string())?;
        line.serialize_entry("event_timestamp", &self.timestamp_ms.to_string())?;
        line.end()
    }
}
