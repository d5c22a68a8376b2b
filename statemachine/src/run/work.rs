//! The states that do work and may fail at it: attempts, retries, catches.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::join::{self, Branch};
use super::leave::{Left, Subject, too_large};
use super::retry::Retries;
use super::{Run, Visit, evaluate_seconds};
use crate::clock::Clock;
use crate::definition::{Exit, Handling, Kind, Parallel, Scope, Task, exceeds_limit};
use crate::failure::{Failure, TIMEOUT};
use crate::history::EventKind;
use crate::scene::Variables;
use crate::task::{TaskRequest, TaskRunner};
use crate::template::Template;

impl<R: TaskRunner, C: Clock> Run<'_, R, C> {
    /// Attempts the state's work until it succeeds or its retries are used up; then a catcher may
    /// take the error. An expression of the state that fails counts as a failed attempt.
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
                Kind::Task(task) => self.attempt_task(task, visit, cursor).await,
                Kind::Parallel(parallel) => self.attempt_parallel(parallel, visit, cursor).await,
                other => unreachable!("a {} state has no work", other.type_name()),
            };
            let left = attempted.and_then(|result| self.leave(visit, exit, Subject::Result(&result), cursor));
            let failure = match left {
                Ok(left) => return Ok(left),
                Err(failure) => failure,
            };
            let Some(delay) = retries.next_delay(&failure, self.random) else {
                return self.catch(handling, failure, visit, cursor);
            };
            self.clock.sleep(delay).await;
            visit.retry_count += 1;
        }
    }

    /// The first catcher that matches takes the error. What fails in the catcher itself fails the
    /// state: no other catcher sees it.
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

    async fn attempt_task(&self, task: &Task, visit: &Visit<'_>, cursor: &mut u64) -> Result<Arc<Value>, Failure> {
        let evaluated = self.with_scene(visit, Subject::Entry, |scene| {
            let seconds = task
                .timeout
                .as_ref()
                .map(|seconds| evaluate_seconds(seconds, 1, "a whole number from 1 to 99999999", scene));
            Ok((seconds.transpose()?, evaluate_arguments(task.arguments.as_ref(), visit.input, scene)?))
        });
        let (timeout_s, arguments) = evaluated.map_err(|error| self.evaluation_failed(visit, &error, cursor))?;
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
            // A result that comes in the very moment of the limit is in time.
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
                let seconds = timeout_s.unwrap_or_default();
                let failure =
                    Failure::new(TIMEOUT, format!("The task took longer than its TimeoutSeconds, {seconds}."));
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
    ) -> Result<Arc<Value>, Failure> {
        let evaluated = self.with_scene(visit, Subject::Entry, |scene| {
            evaluate_arguments(parallel.arguments.as_ref(), visit.input, scene)
        });
        let input = evaluated.map_err(|error| self.evaluation_failed(visit, &error, cursor))?;
        if exceeds_limit(&input) {
            return Err(too_large(visit, "is passed"));
        }
        let state = || Arc::clone(&visit.state.name);
        self.record(cursor, || EventKind::ParallelStateStarted { state: state() });
        let branches = parallel
            .branches
            .iter()
            .map(|branch| self.branch(branch, Arc::clone(&input), visit.variables.clone(), *cursor))
            .collect();
        let failure = match join::all(branches).await {
            Ok(ended) => {
                *cursor = ended.iter().map(|(_, last_event)| *last_event).max().unwrap_or(*cursor);
                self.record(cursor, || EventKind::ParallelStateSucceeded { state: state() });
                let outputs = ended.into_iter().map(|(output, _)| Arc::unwrap_or_clone(output));
                let result = Arc::new(Value::Array(outputs.collect()));
                if !exceeds_limit(&result) {
                    return Ok(result);
                }
                too_large(visit, "returned")
            }
            Err(failure) => failure,
        };
        self.record(cursor, || EventKind::ParallelStateFailed {
            state: state(),
            error: failure.error.clone(),
            cause: failure.cause.clone(),
        });
        Err(failure)
    }

    /// A branch under way. Its type is named, unlike that of an `async fn`, because scopes contain
    /// branches and branches contain scopes.
    fn branch<'b>(
        &'b self,
        scope: &'b Scope,
        input: Arc<Value>,
        variables: Variables,
        mut cursor: u64,
    ) -> Branch<'b, (Arc<Value>, u64), Failure> {
        Box::pin(async move {
            let output = self.scope(scope, input, variables, &mut cursor).await?;
            Ok((output, cursor))
        })
    }
}

fn evaluate_arguments(
    arguments: Option<&Template>,
    input: &Arc<Value>,
    scene: &crate::scene::Scene<'_>,
) -> Result<Arc<Value>, crate::expression::EvaluationError> {
    match arguments {
        None => Ok(Arc::clone(input)),
        Some(arguments) => arguments.evaluate(scene),
    }
}
