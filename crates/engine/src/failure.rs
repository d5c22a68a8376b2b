//! The errors of the language: a name, a cause, and what matches the name.

use serde_json::{Map, Value};

use crate::TaskError;

pub(crate) const ALL: &str = "States.ALL";
pub(crate) const TASK_FAILED: &str = "States.TaskFailed";
pub(crate) const TIMEOUT: &str = "States.Timeout";
pub(crate) const RUNTIME: &str = "States.Runtime";
pub(crate) const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";
pub(crate) const NO_CHOICE_MATCHED: &str = "States.NoChoiceMatched";
pub(crate) const QUERY_EVALUATION_ERROR: &str = "States.QueryEvaluationError";

/// The error names that the language and the service reserve; others must not begin with `States.`.
///
/// See <https://states-language.net/spec.html#appendix-a> and
/// <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>.
const RESERVED_ERROR_NAMES: [&str; 17] = [
    ALL,
    "States.BranchFailed",
    DATA_LIMIT_EXCEEDED,
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.Socket",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    NO_CHOICE_MATCHED,
    "States.ParameterPathFailure",
    "States.Permissions",
    QUERY_EVALUATION_ERROR,
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    RUNTIME,
    TASK_FAILED,
    TIMEOUT,
];

/// What the names of an HTTP Task's errors begin with; the status code follows.
const HTTP_ERRORS: &str = "States.Http.StatusCode.";

/// Whether a name that begins with `States.` is one that the language reserves.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED_ERROR_NAMES.contains(&name) || name.starts_with(HTTP_ERRORS)
}

/// How a state failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    /// The error's name; a Fail state may leave it out.
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
}

impl Failure {
    pub(crate) fn new(error: &str, cause: impl Into<String>) -> Self {
        Self { error: Some(error.to_owned()), cause: Some(cause.into()) }
    }

    /// Whether an `ErrorEquals` with these names matches.
    ///
    /// Nothing matches `States.Runtime`, which always ends the execution. `States.ALL` and
    /// `States.TaskFailed` do not match `States.DataLimitExceeded`, and `States.TaskFailed` does not
    /// match `States.Timeout` either.
    pub(crate) fn matches(&self, error_equals: &[String]) -> bool {
        let error = self.error.as_deref().unwrap_or_default();
        if error == RUNTIME {
            return false;
        }
        error_equals.iter().any(|name| match name.as_str() {
            ALL => error != DATA_LIMIT_EXCEEDED,
            TASK_FAILED => error != DATA_LIMIT_EXCEEDED && error != TIMEOUT,
            name => name == error,
        })
    }

    /// `$states.errorOutput`. A missing name or cause is an empty string. That is how a timeout, which has
    /// no cause, arrives at a catcher in AWS, as LocalStack's tests recorded.
    pub(crate) fn error_output(&self) -> Value {
        let members = [("Error", &self.error), ("Cause", &self.cause)];
        let members = members.map(|(name, value)| (name.to_owned(), value.clone().unwrap_or_default().into()));
        Value::Object(Map::from_iter(members))
    }
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Self {
        Self { error: Some(error.error), cause: Some(error.cause) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(error: &str, error_equals: &str) -> bool {
        Failure::new(error, "").matches(&[error_equals.to_owned()])
    }

    /// <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>
    #[test]
    fn states_all_matches_all_but_data_limit_exceeded_and_runtime() {
        assert!(matches("OutOfStock", ALL));
        assert!(matches(TIMEOUT, ALL));
        assert!(matches(QUERY_EVALUATION_ERROR, ALL));
        assert!(!matches(DATA_LIMIT_EXCEEDED, ALL));
        assert!(!matches(RUNTIME, ALL));
    }

    /// <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>
    #[test]
    fn task_failed_matches_any_task_error_but_a_timeout() {
        assert!(matches("OutOfStock", TASK_FAILED));
        assert!(matches("Lambda.Unknown", TASK_FAILED));
        assert!(!matches(TIMEOUT, TASK_FAILED));
        assert!(!matches(DATA_LIMIT_EXCEEDED, TASK_FAILED));
        assert!(!matches(RUNTIME, TASK_FAILED));
    }

    #[test]
    fn runtime_errors_match_nothing_and_data_limits_only_their_name() {
        assert!(!matches(RUNTIME, RUNTIME));
        assert!(matches(DATA_LIMIT_EXCEEDED, DATA_LIMIT_EXCEEDED));
    }

    #[test]
    fn an_error_without_a_name_matches_only_the_wildcards() {
        let nameless = Failure { error: None, cause: None };
        assert!(nameless.matches(&[ALL.to_owned()]));
        assert!(!nameless.matches(&["OutOfStock".to_owned()]));
        assert_eq!(nameless.error_output(), serde_json::json!({"Error": "", "Cause": ""}));
    }
}
