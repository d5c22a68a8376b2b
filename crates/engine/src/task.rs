//! The contract between the engine and the code that does a Task's work.

use std::sync::Arc;

use serde_json::Value;

/// One attempt at a Task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRequest {
    /// The Task state's name.
    pub state: Arc<str>,
    /// The state's `Resource`, for example `arn:aws:states:::lambda:invoke`.
    pub resource: Arc<str>,
    /// The state's evaluated `Arguments`; its input if it has no `Arguments`.
    pub arguments: Arc<Value>,
    /// How many attempts came before this one in this visit of the state: 0 for the first.
    pub attempt: u32,
    /// The execution's ARN, which is unique.
    pub execution: Arc<str>,
}

/// How an attempt failed: the values that `ErrorEquals` matches and `$states.errorOutput` shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}: {cause}")]
pub struct TaskError {
    /// The error's name, `Error` in the language.
    pub error: String,
    /// What happened, `Cause` in the language.
    pub cause: String,
}

impl TaskError {
    /// An error of this name and cause.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: error.into(), cause: cause.into() }
    }
}

/// Does the work of Task states.
pub trait TaskRunner: Send + Sync {
    /// Does the work once and returns the value of `$states.result`. For
    /// `arn:aws:states:::lambda:invoke` that is `{"ExecutedVersion", "Payload", "StatusCode"}`.
    ///
    /// The engine drops the future when the state times out, when a sibling branch fails, and when
    /// the execution ends. The runner has to spawn work that continues after that, as a Lambda
    /// function does.
    ///
    /// # Errors
    /// [`TaskError`], with the name that the state's Retry and Catch see.
    fn run(&self, task: TaskRequest) -> impl Future<Output = Result<Value, TaskError>> + Send;
}

impl<R: TaskRunner> TaskRunner for Arc<R> {
    fn run(&self, task: TaskRequest) -> impl Future<Output = Result<Value, TaskError>> + Send {
        R::run(self, task)
    }
}

impl<R: TaskRunner> TaskRunner for &R {
    fn run(&self, task: TaskRequest) -> impl Future<Output = Result<Value, TaskError>> + Send {
        R::run(self, task)
    }
}
