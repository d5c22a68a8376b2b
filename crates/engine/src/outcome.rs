//! What an execution is started with, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// Maximum duration of an Express execution, even if its definition has a longer `TimeoutSeconds` or
/// none. After it, the execution ends as [`Status::TimedOut`].
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>, "Maximum execution
/// time".
pub const EXPRESS_TIME_LIMIT: Duration = Duration::from_mins(5);

/// What an execution is started with.
#[derive(Debug, Clone)]
pub struct Start {
    /// The execution's name, `$states.context.Execution.Name`.
    pub name: Arc<str>,
    /// The execution's ARN, `$states.context.Execution.Id`.
    pub execution_id: Arc<str>,
    /// The state machine's name, `$states.context.StateMachine.Name`.
    pub machine_name: Arc<str>,
    /// The state machine's ARN, `$states.context.StateMachine.Id`.
    pub machine_id: Arc<str>,
    /// The role that the machine runs under, `$states.context.Execution.RoleArn`.
    pub role_arn: Arc<str>,
    /// The input of the first state.
    pub input: Arc<Value>,
    /// Ends the execution as timed out after this time. It has no effect if the machine's
    /// `TimeoutSeconds` or [`EXPRESS_TIME_LIMIT`] ends it sooner.
    pub time_limit: Option<Duration>,
}

/// A region and an account that no real resource has, for local executions.
const LOCAL: &str = "us-east-1:000000000000";

impl Start {
    /// An execution of this name and input, of a machine called `local`, without a time limit of
    /// its own.
    pub fn new(name: &str, input: Value) -> Self {
        Self {
            name: name.into(),
            execution_id: format!("arn:aws:states:{LOCAL}:express:local:{name}:{name}").into(),
            machine_name: "local".into(),
            machine_id: format!("arn:aws:states:{LOCAL}:stateMachine:local").into(),
            role_arn: "arn:aws:iam::000000000000:role/local".into(),
            input: Arc::new(input),
            time_limit: None,
        }
    }
}

/// How an execution ended, as `StartSyncExecution` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// It reached an end.
    Succeeded,
    /// It ended in a Fail state, or with an error that nothing caught.
    Failed,
    /// It reached the machine's `TimeoutSeconds`, [`EXPRESS_TIME_LIMIT`], or the time limit that it was
    /// started with.
    TimedOut,
}

impl Status {
    /// The name that the API uses: `SUCCEEDED`, `FAILED` or `TIMED_OUT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
        }
    }
}

/// The end of an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The last state's output, if it succeeded.
    pub output: Option<Arc<Value>>,
    /// The error's name, if it did not succeed and the error has one.
    pub error: Option<String>,
    /// The error's cause, if it did not succeed and the error has one.
    pub cause: Option<String>,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_ms: i64,
    /// When it ended, in milliseconds since the Unix epoch.
    pub stopped_ms: i64,
}
