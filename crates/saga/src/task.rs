//! A function as Step Functions sees it: input, output, and named errors.
//!
//! The state machine matches errors by name, and a Rust function's default error name is a type
//! path that no `ErrorEquals` matches. So every function has one error enum whose variant names are
//! the names in the definition. Renaming a variant changes an interface.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use clock::WallClock;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use metrics::Metric;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use tracing::{Instrument, Span};

use crate::unavailable::Unavailable;

/// The time after which a task function answers `Unavailable` itself. It is below the function's own
/// time limit: a store that hangs is then a transient error, from which recovery continues, and not a
/// crash, which would cancel the order.
pub const TASK_DEADLINE: Duration = Duration::from_secs(5);

/// An error with the name that the state machine matches.
pub trait NamedError: Error + Send + Sync + 'static {
    /// The name.
    fn name(&self) -> &'static str;

    /// Data for the order's record.
    fn details(&self) -> Map<String, Value> {
        Map::new()
    }
}

/// An input that the task cannot act on.
#[derive(Debug, thiserror::Error)]
pub enum InvalidInput {
    /// It does not have the shape of the task's input.
    #[error("read the input of the task")]
    Unreadable(#[from] serde_json::Error),
    /// It asks for an action that the task does not have.
    #[error("unknown action {action}; the actions are {known}")]
    UnknownAction {
        /// The action asked for.
        action: String,
        /// The task's actions.
        known: String,
    },
    /// It lacks a member that its action needs.
    #[error("the action {action} needs {member}")]
    Lacks {
        /// The action.
        action: String,
        /// The member.
        member: &'static str,
    },
}

impl InvalidInput {
    pub(crate) fn unknown_action(action: &str, known: &[&str]) -> Self {
        Self::UnknownAction { action: action.to_owned(), known: known.join(", ") }
    }
}

/// Reads a task's input. Its `action` must be one of `known`.
///
/// # Errors
/// [`InvalidInput`].
pub fn read_input<I: DeserializeOwned>(payload: &Value, known: &[&str]) -> Result<I, InvalidInput> {
    match payload.get("action").and_then(Value::as_str) {
        Some(action) if !known.contains(&action) => Err(InvalidInput::unknown_action(action, known)),
        _ => Ok(I::deserialize(payload)?),
    }
}

/// A task's error, besides the error's name.
///
/// A Lambda error has only a name and a text. So data passes through the state machine as JSON in that
/// text; a text without data is sent as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorMessage {
    /// The message.
    pub message: String,
    /// The data.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

impl ErrorMessage {
    /// Reads an error's text.
    pub fn read(text: String) -> Self {
        serde_json::from_str(&text).unwrap_or(Self { message: text, details: Map::new() })
    }

    fn into_text(self) -> String {
        if self.details.is_empty() {
            return self.message;
        }
        serde_json::to_string(&self).expect("texts and values are always JSON")
    }
}

/// The handler of a task function.
pub trait Task: Send + Sync + 'static {
    /// Its input.
    type Input: DeserializeOwned + Send;
    /// Its output.
    type Output: Serialize;
    /// Its errors.
    type Error: NamedError;

    /// The actions that its input can ask for.
    fn actions(&self) -> Vec<&str>;

    /// Carries out the input. Must be safe to run any number of times, and to be dropped at any point.
    fn run(&self, input: Self::Input) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;
}

/// Why a task function failed.
#[derive(Debug, thiserror::Error)]
pub enum TaskFailure<E: NamedError> {
    /// The function does not accept the input.
    #[error(transparent)]
    InvalidOrder(#[from] InvalidInput),
    /// The output is not JSON.
    #[error("write the output of the task")]
    InvalidOutput(#[source] serde_json::Error),
    /// The action failed.
    #[error(transparent)]
    Failed(E),
    /// The action took too long.
    #[error(transparent)]
    Unavailable(Unavailable),
}

/// The errors that every task can have: those of [`TaskFailure`].
pub const SERVING_ERRORS: [&str; 3] = ["InvalidOrder", "InvalidOutput", "Unavailable"];

impl<E: NamedError> TaskFailure<E> {
    /// The name that the state machine matches.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InvalidOrder(_) => "InvalidOrder",
            Self::InvalidOutput(_) => "InvalidOutput",
            Self::Failed(error) => error.name(),
            Self::Unavailable(_) => "Unavailable",
        }
    }

    fn message(&self) -> ErrorMessage {
        let details = match self {
            Self::Failed(error) => error.details(),
            Self::InvalidOrder(_) | Self::InvalidOutput(_) | Self::Unavailable(_) => Map::new(),
        };
        ErrorMessage { message: chain(self), details }
    }
}

impl<E: NamedError> From<TaskFailure<E>> for Diagnostic {
    /// The message is the whole chain of causes, because it is read in the execution's log.
    fn from(failure: TaskFailure<E>) -> Self {
        Self { error_type: failure.name().to_owned(), error_message: failure.message().into_text() }
    }
}

/// An error and its sources in one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Transparent wrappers and some SDK errors repeat their source's text.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Where a task is run, as every state's `Payload` says in `trace`.
#[derive(Debug, Default, Deserialize)]
struct Trace {
    correlation_id: Option<String>,
    execution: Option<String>,
    state: Option<String>,
    attempt: Option<u64>,
}

/// What every log line of a task has. A payload of an earlier definition has no `trace`.
fn span(payload: &Value) -> Span {
    let trace = payload.get("trace").and_then(|trace| Trace::deserialize(trace).ok()).unwrap_or_default();
    let order_id = payload.get("order_id").or_else(|| payload.pointer("/order/order_id")).and_then(Value::as_str);
    tracing::info_span!(
        "task",
        correlation_id = trace.correlation_id,
        order_id,
        execution = trace.execution,
        state = trace.state,
        attempt = trace.attempt,
    )
}

/// Runs a task on a raw payload, on Lambda and on the local stack.
///
/// # Errors
/// [`TaskFailure`].
pub async fn invoke<T: Task>(task: &T, payload: Value) -> Result<Value, TaskFailure<T::Error>> {
    let span = span(&payload);
    async {
        let result = run(task, &payload).await;
        let action = payload.get("action").and_then(Value::as_str);
        match &result {
            Ok(_) => tracing::debug!(action, "the task succeeded"),
            // As many as there are orders that a step refuses: a campaign has many, and each is on its order's record.
            Err(failure) if is_refusal(failure.name()) => {
                tracing::debug!(action, error = failure.name(), "the step refused the order; the workflow cancels it");
            }
            Err(failure) => {
                let reason = chain(failure);
                tracing::warn!(
                    action,
                    error = failure.name(),
                    reason,
                    "the task failed; the workflow retries it or rolls the order back"
                );
            }
        }
        result
    }
    .instrument(span)
    .await
}

fn is_refusal(name: &str) -> bool {
    declarations::refusals().any(|(refusal, _)| refusal == name)
}

async fn run<T: Task>(task: &T, payload: &Value) -> Result<Value, TaskFailure<T::Error>> {
    let input = read_input(payload, &task.actions())?;
    let output = tokio::time::timeout(TASK_DEADLINE, task.run(input))
        .await
        .map_err(|_| TaskFailure::Unavailable(Unavailable::TooSlow { limit_ms: TASK_DEADLINE.as_millis() }))?
        .map_err(TaskFailure::Failed)?;
    serde_json::to_value(output).map_err(TaskFailure::InvalidOutput)
}

/// Serves a task as this process's Lambda function, until Lambda ends the process.
///
/// # Errors
/// Those of the Lambda Runtime API.
pub async fn serve<T: Task>(task: T) -> Result<(), lambda_runtime::Error> {
    metrics::emit(&[(Metric::ColdStarts, 1)], WallClock::System.now_ms());
    let task = &task;
    let serving = service_fn(move |event: LambdaEvent<Value>| {
        let invocation = logging::invocation(&event.context);
        async move { invoke(task, event.payload).await.map_err(Diagnostic::from) }.instrument(invocation)
    });
    // Without the runtime's own span, whose fields have other names than our lines.
    Runtime::new(serving).run().await
}
