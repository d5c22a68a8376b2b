//! The states that do work that may fail: attempts, retries, catches.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::join::{self, Branch};
use super::leave::{Left, Subject, too_large};
use super::retry::Retries;
use super::{Entry, Run, Visit, evaluate_whole};
use crate::clock::Clock;
use crate::definition::{Exit, Handling, Kind, Parallel, Scope, Task, Whole, exceeds_limit};
use crate::expression::EvaluationError;
use crate::failure::{Failure, TIMEOUT};
use crate::history::EventKind;
use crate::scene::Scene;
use crate::task::{TaskRequest, TaskRunner};
use crate::template::Template;

/// How an attempt at a state's work failed.
pub(super) struct WorkFailed {
    failure: Failure,
    /// In a branch or an iteration, not in an expression of the state itself.
    is_inside: bool,
}

impl WorkFailed {
    pub(super) fn inside(failure: Failure) -> Self {
        Self { failure, is_inside: true }
    }
}

impl From<Failure> for WorkFailed {
    fn from(failure: Failure) -> Self {
        Self { failure, is_inside: false }
    }
}

impl<R: TaskRunner, C: Clock> Run<'_, R, C> {
    /// Attempts the state's work until it succeeds or its retries are used up. Then a catcher may take
    /// the error. If an expression of the state fails, that counts as a failed attempt.
    pub(super) async fn work_until_done(
        &self,
        handling: &Handling,
        exit: &Exit,
        visit: &mut Visit<'_>,
        cursor: &mut u64,
    ) -> Result<Left, Failure> {
        let mut retries = Retries::new(&handling.retriers);
        loop {
            let attempted = match &visit.state.kind {
                Kind::Task(task) => self.attempt_task(task, visit, cursor).await.map_err(WorkFailed::from),
                Kind::Parallel(parallel) => self.attempt_parallel(parallel, visit, cursor).await,
                Kind::Map(map) => self.attempt_map(map, visit, cursor).await,
                other => unreachable!("a {} state has no work", other.type_name()),
            };
            let left = attempted.and_then(|result| Ok(self.leave(visit, exit, Subject::Result(&result), cursor)?));
            let WorkFailed { failure, is_inside } = match left {
                Ok(left) => return Ok(left),
                Err(failed) => failed,
            };
            let Some(delay) = retries.next_delay(&failure, self.random) else {
                if is_inside {
                    self.record_failed(visit, &failure, cursor);
                }
                return self.catch(handling, failure, visit, cursor);
            };
            self.clock.sleep(delay).await;
            visit.retry_count += 1;
        }
    }

    /// The first catcher that matches takes the error. An error in the catcher itself fails the state:
    /// no other catcher sees it.
    fn catch(
        &self,
        handling: &Handling,
        failure: Failure,
        visit: &Visit<'_>,
        cursor: &mut u64,
    ) -> Result<Left, Failure> {
        let mut catchers = handling.catchers.iter();
        let Some(catcher) = catchers.find(|catcher| failure.matches(&catcher.error_equals)) else {
            return Err(failure);
        };
        let output = Arc::new(failure.error_output());
        self.leave(visit, &catcher.exit, Subject::ErrorOutput(&output), cursor)
    }

    /// The end of a Parallel or Map whose branch or iteration failed for good.
    fn record_failed(&self, visit: &Visit<'_>, failure: &Failure, cursor: &mut u64) {
        let (error, cause) = (failure.error.clone(), failure.cause.clone());
        let state = Arc::clone(&visit.state.name);
        self.record(cursor, || match visit.state.kind {
            Kind::Map(_) => EventKind::MapStateFailed { state, error, cause },
            _ => EventKind::ParallelStateFailed { state, error, cause },
        });
    }

    async fn attempt_task(&self, task: &Task, visit: &Visit<'_>, cursor: &mut u64) -> Result<Arc<Value>, Failure> {
        let evaluated = self.with_scene(visit, Subject::Entry, |scene| {
            let credentials = task.credentials.as_ref().map(|credentials| credentials.evaluate(scene)).transpose()?;
            let arguments = evaluate_arguments(task.arguments.as_ref(), visit.input, scene)?;
            let (timeout_s, heartbeat_s) = evaluate_limits(task, scene)?;
            Ok((timeout_s, heartbeat_s, credentials, arguments))
        });
        let (timeout_s, heartbeat_s, credentials, arguments) =
            evaluated.map_err(|error| self.evaluation_failed(visit, &error, cursor))?;
        if exceeds_limit(&arguments) {
            return Err(too_large(visit, "is passed"));
        }
        let state = || Arc::clone(&visit.state.name);
        let resource = || Arc::clone(&task.resource);
        self.record(cursor, || EventKind::TaskScheduled {
            state: state(),
            resource: resource(),
            parameters: Arc::clone(&arguments),
            timeout_s,
            heartbeat_s,
            credentials,
            attempt: visit.retry_count,
        });
        self.record(cursor, || EventKind::TaskStarted { state: state(), resource: resource() });
        let work = self.runner.run(TaskRequest {
            state: state(),
            resource: resource(),
            arguments,
            attempt: visit.retry_count,
            execution: Arc::clone(&self.start.execution_id),
        });
        let ended = match timeout_s {
            None => Some(work.await),
            // A result that arrives exactly at the limit is in time.
            Some(seconds) => tokio::select! {
                biased;
                ended = work => Some(ended),
                () = self.clock.sleep(Duration::from_secs(seconds.into())) => None,
            },
        };
        let failure = match ended {
            Some(Ok(result)) if exceeds_limit(&result) => too_large(visit, "returned"),
            Some(Ok(result)) => {
                let output = Arc::new(result);
                self.record(cursor, || EventKind::TaskSucceeded {
                    state: state(),
                    resource: resource(),
                    output: Arc::clone(&output),
                });
                return Ok(output);
            }
            Some(Err(error)) => Failure::from(error),
            None => {
                // AWS gives a timeout no cause.
                let failure = Failure { error: Some(TIMEOUT.to_owned()), cause: None };
                self.record(cursor, || EventKind::TaskTimedOut {
                    state: state(),
                    resource: resource(),
                    error: failure.error.clone(),
                    cause: failure.cause.clone(),
                });
                return Err(failure);
            }
        };
        self.record(cursor, || EventKind::TaskFailed {
            state: state(),
            resource: resource(),
            error: failure.error.clone(),
            cause: failure.cause.clone(),
        });
        Err(failure)
    }

    async fn attempt_parallel(
        &self,
        parallel: &Parallel,
        visit: &Visit<'_>,
        cursor: &mut u64,
    ) -> Result<Arc<Value>, WorkFailed> {
        let evaluated = self.with_scene(visit, Subject::Entry, |scene| {
            evaluate_arguments(parallel.arguments.as_ref(), visit.input, scene)
        });
        let input = evaluated.map_err(|error| self.evaluation_failed(visit, &error, cursor))?;
        if exceeds_limit(&input) {
            return Err(too_large(visit, "is passed").into());
        }
        let state = || Arc::clone(&visit.state.name);
        self.record(cursor, || EventKind::ParallelStateStarted { state: state() });
        let started = *cursor;
        let count = parallel.branches.len();
        let branches = join::all(count, count, |index, _: Option<&(_, u64)>| {
            let entry =
                Entry { input: Arc::clone(&input), variables: visit.variables.clone(), item: visit.item.cloned() };
            self.branch(&parallel.branches[index], entry, started)
        });
        match branches.await {
            Ok(ended) => {
                *cursor = ended.iter().map(|(_, last_event)| *last_event).max().unwrap_or(*cursor);
                let outputs = ended.into_iter().map(|(output, _)| Arc::unwrap_or_clone(output));
                let result = Arc::new(Value::Array(outputs.collect()));
                if exceeds_limit(&result) {
                    return Err(WorkFailed::inside(too_large(visit, "returned")));
                }
                self.record_leaf(*cursor, || EventKind::ParallelStateSucceeded { state: state() });
                Ok(result)
            }
            Err(stopped) => {
                let (failure, last_event) = stopped.error;
                *cursor = last_event;
                self.record_aborted(started, last_event);
                Err(WorkFailed::inside(failure))
            }
        }
    }

    /// A running branch. Its type is named, unlike that of an `async fn`, because scopes contain branches
    /// and branches contain scopes.
    fn branch<'b>(
        &'b self,
        scope: &'b Scope,
        entry: Entry,
        mut cursor: u64,
    ) -> Branch<'b, (Arc<Value>, u64), (Failure, u64)> {
        Box::pin(async move {
            match self.scope(scope, entry, &mut cursor).await {
                Ok(output) => Ok((output, cursor)),
                Err(failure) => Err((failure, cursor)),
            }
        })
    }
}

/// A Task's `TimeoutSeconds` and `HeartbeatSeconds`, of which the second must be the smaller.
///
/// Heartbeats come from activities or with task tokens, and Express has neither. So the number is
/// checked, but has no further effect.
fn evaluate_limits(task: &Task, scene: &Scene<'_>) -> Result<(Option<u32>, Option<u32>), EvaluationError> {
    const EXPECTED: &str = "a whole number from 1 to 99999999";
    let seconds = |seconds: &Option<Whole>| {
        seconds.as_ref().map(|seconds| evaluate_whole(seconds, 1, EXPECTED, scene)).transpose()
    };
    let (timeout_s, heartbeat_s) = (seconds(&task.timeout)?, seconds(&task.heartbeat)?);
    if let (Some(timeout_s), Some(heartbeat_s)) = (timeout_s, heartbeat_s)
        && heartbeat_s >= timeout_s
        && let Some(expression) = [&task.heartbeat, &task.timeout].into_iter().find_map(|limit| match limit {
            Some(Whole::Expression(expression)) => Some(expression),
            _ => None,
        })
    {
        return Err(expression.out_of_range("HeartbeatSeconds less than TimeoutSeconds", &heartbeat_s.into()));
    }
    Ok((timeout_s, heartbeat_s))
}

fn evaluate_arguments(
    arguments: Option<&Template>,
    input: &Arc<Value>,
    scene: &Scene<'_>,
) -> Result<Arc<Value>, EvaluationError> {
    match arguments {
        None => Ok(Arc::clone(input)),
        Some(arguments) => arguments.evaluate(scene),
    }
}
