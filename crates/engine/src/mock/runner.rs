//! Returns a state's responses, one for each invocation.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::{Answer, NotMocked, Responses};
use crate::failure::RUNTIME;
use crate::{TaskError, TaskRequest, TaskRunner};

/// The responses of [`Mocks`](super::Mocks), for one execution: it counts every state's invocations.
#[derive(Debug)]
pub struct MockRunner<'a> {
    states: &'a BTreeMap<String, Responses>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// How many times each state was invoked.
    invocations: HashMap<String, usize>,
    not_mocked: Option<NotMocked>,
}

impl<'a> MockRunner<'a> {
    pub(super) fn new(states: &'a BTreeMap<String, Responses>) -> Self {
        Self { states, progress: Mutex::default() }
    }

    /// The first state that was called and is not mocked.
    pub fn not_mocked(&self) -> Option<NotMocked> {
        self.progress().not_mocked.clone()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // No operation under the lock can leave it half changed.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn respond(&self, task: &TaskRequest) -> Result<Value, TaskError> {
        let Some(responses) = self.states.get(&*task.state) else {
            let not_mocked = NotMocked { state: task.state.to_string(), resource: task.resource.to_string() };
            let error = TaskError::new(RUNTIME, not_mocked.to_string());
            self.progress().not_mocked.get_or_insert(not_mocked);
            return Err(error);
        };
        let invocation = {
            let mut progress = self.progress();
            let count = progress.invocations.entry(task.state.to_string()).or_default();
            *count += 1;
            *count - 1
        };
        match responses.at(invocation) {
            Some(Answer::Return(result)) => Ok(result_of(result, &task.resource)),
            Some(Answer::Throw { error, cause }) => Err(TaskError::new(error, cause)),
            None => {
                let cause =
                    format!("The state '{}' has no mocked response for its invocation {invocation}.", task.state);
                Err(TaskError::new(RUNTIME, cause))
            }
        }
    }
}

/// The result of a call. A function called by its own ARN returns its payload. If the response has the
/// form of the invoke API, its payload is used, as in LocalStack.
fn result_of(returned: &Value, resource: &str) -> Value {
    let is_function = resource.split(':').nth(2) == Some("lambda");
    match returned.get("Payload") {
        Some(payload) if is_function && returned.get("StatusCode").is_some() => payload.clone(),
        _ => returned.clone(),
    }
}

impl TaskRunner for MockRunner<'_> {
    async fn run(&self, task: TaskRequest) -> Result<Value, TaskError> {
        self.respond(&task)
    }
}
