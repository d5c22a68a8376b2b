//! Executions as Step Functions logs them: one line of JSON per event.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html>

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use engine::{Event, EventKind};
use local_explorer::trace::Trace;
use local_http::inspect::trace::seconds;
use serde_json::Value;

/// An execution's events, in their order.
#[derive(Debug)]
pub struct Logged {
    arn: String,
    events: Vec<Event>,
    /// The execution's own last event, if it is in the log.
    ended: Option<String>,
}

/// The executions that these lines tell of, in the order in which they started. A line that was delivered twice counts once.
pub fn executions(lines: &[Value]) -> Vec<Logged> {
    let mut by_arn: BTreeMap<&str, BTreeMap<u64, &Value>> = BTreeMap::new();
    for line in lines {
        if let (Some(arn), Some(id)) = (line["execution_arn"].as_str(), number(line, "id")) {
            by_arn.entry(arn).or_default().insert(id, line);
        }
    }
    let mut executions: Vec<Logged> = by_arn.into_iter().map(|(arn, lines)| Logged::of(arn, &lines)).collect();
    executions.sort_by_key(|execution| execution.events.first().map(|event| event.timestamp_ms));
    executions
}

impl Logged {
    fn of(arn: &str, lines: &BTreeMap<u64, &Value>) -> Self {
        // The line of a Task's event does not name its state, but the event before it does.
        let mut states: HashMap<u64, Arc<str>> = HashMap::new();
        let mut events = Vec::new();
        let mut ended = None;
        for (&id, line) in lines {
            let previous = number(line, "previous_event_id").unwrap_or_default();
            let kind = line["type"].as_str().unwrap_or_default();
            let named = line["details"]["name"].as_str().filter(|_| kind.contains("State")).map(Arc::from);
            let state = named.or_else(|| states.get(&previous).cloned());
            if let Some(status) = kind.strip_prefix("Execution").filter(|status| *status != "Started") {
                // As the API names it.
                ended = Some(if status == "TimedOut" { "TIMED_OUT".to_owned() } else { status.to_uppercase() });
            }
            let timestamp_ms =
                number(line, "event_timestamp").and_then(|ms| i64::try_from(ms).ok()).unwrap_or_default();
            // An execution's end follows a state's event, and belongs to no state.
            if let Some(kind) = of_execution(kind) {
                events.push(Event { id, previous_event_id: previous, timestamp_ms, kind });
            } else if let Some(state) = state {
                states.insert(id, Arc::clone(&state));
                if let Some(kind) = of_state(kind, state, &line["details"]) {
                    events.push(Event { id, previous_event_id: previous, timestamp_ms, kind });
                }
            }
        }
        Self { arn: arn.to_owned(), events, ended }
    }

    /// Adds its path to a text.
    pub fn add_to(&self, text: &mut String) {
        let id = self.arn.rsplit(':').next().unwrap_or_default();
        let took =
            self.events.first().zip(self.events.last()).map(|(first, last)| last.timestamp_ms - first.timestamp_ms);
        let status = match &self.ended {
            Some(status) => format!("{status} in {}", seconds(took.unwrap_or_default())),
            None => format!("no end in the log after {}: it runs, or it died", seconds(took.unwrap_or_default())),
        };
        let _ = write!(text, "\nexecution {id}: {status}\n{}", Trace::of(&self.events));
    }
}

/// The events that a path is made of; the others say nothing more.
fn of_state(kind: &str, state: Arc<str>, details: &Value) -> Option<EventKind> {
    let text = |member: &str| details[member].as_str().map(str::to_owned);
    let resource = Arc::from("lambda");
    // Without `include_execution_data` there is none.
    let payload =
        |member: &str| details[member].as_str().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    if let Some(state_type) = kind.strip_suffix("StateEntered") {
        return Some(EventKind::StateEntered { state_type: type_of(state_type)?, state, input: Arc::default() });
    }
    if let Some(state_type) = kind.strip_suffix("StateExited") {
        let (output, assigned) = (Arc::default(), Vec::new());
        return Some(EventKind::StateExited { state_type: type_of(state_type)?, state, output, assigned });
    }
    let (error, cause) = (text("error"), text("cause"));
    match kind {
        "LambdaFunctionSucceeded" | "TaskSucceeded" => {
            Some(EventKind::TaskSucceeded { state, resource, output: Arc::new(payload("output")) })
        }
        "LambdaFunctionFailed"
        | "LambdaFunctionScheduleFailed"
        | "LambdaFunctionStartFailed"
        | "TaskFailed"
        | "TaskStartFailed"
        | "TaskSubmitFailed" => Some(EventKind::TaskFailed { state, resource, error, cause }),
        "LambdaFunctionTimedOut" | "TaskTimedOut" => {
            let error = Some(error.unwrap_or_else(|| "States.Timeout".to_owned()));
            Some(EventKind::TaskTimedOut { state, resource, error, cause })
        }
        _ => None,
    }
}

fn of_execution(kind: &str) -> Option<EventKind> {
    match kind {
        "ExecutionStarted" => Some(EventKind::ExecutionStarted { input: Arc::default() }),
        "ExecutionSucceeded" => Some(EventKind::ExecutionSucceeded { output: Arc::default() }),
        "ExecutionFailed" | "ExecutionAborted" => Some(EventKind::ExecutionFailed { error: None, cause: None }),
        "ExecutionTimedOut" => Some(EventKind::ExecutionTimedOut { error: None, cause: None }),
        _ => None,
    }
}

fn type_of(name: &str) -> Option<&'static str> {
    ["Task", "Choice", "Pass", "Parallel", "Map", "Wait", "Succeed", "Fail"].into_iter().find(|known| *known == name)
}

/// The log writes numbers as text.
fn number(line: &Value, member: &str) -> Option<u64> {
    line[member].as_str().and_then(|text| text.parse().ok()).or_else(|| line[member].as_u64())
}
