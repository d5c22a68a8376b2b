//! A loaded state machine, and one execution of it from start to end.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::definition::{Machine, Scope, exceeds_limit};
use crate::failure::{DATA_LIMIT_EXCEEDED, Failure, TIMEOUT};
use crate::fault::LoadError;
use crate::history::{EventKind, History};
use crate::load;
use crate::outcome::{EXPRESS_TIME_LIMIT, Outcome, Start, Status};
use crate::random::Random;
use crate::run::{Entry, Run};
use crate::task::TaskRunner;

/// A state machine that was loaded and checked. Its clones share one definition.
#[derive(Debug, Clone)]
pub struct StateMachine(Arc<Machine>);

impl StateMachine {
    /// Loads and checks a definition. It finds every fault that can be found without executing it.
    ///
    /// # Errors
    /// [`LoadError::Json`] if the text is not JSON, and [`LoadError::Faults`] with every fault, each
    /// with its state, field and rule.
    pub fn load(definition: &str) -> Result<Self, LoadError> {
        load::load(definition).map(|machine| Self(Arc::new(machine)))
    }

    /// The names of all states. The states of branches follow the state that contains them.
    pub fn state_names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        collect_names(&self.0.scope, &mut names);
        names
    }

    /// The machine's `TimeoutSeconds`. An execution may end sooner, see [`EXPRESS_TIME_LIMIT`].
    pub fn timeout(&self) -> Option<Duration> {
        self.0.timeout_s.map(|seconds| Duration::from_secs(seconds.into()))
    }

    pub(crate) fn definition(&self) -> &Machine {
        &self.0
    }

    /// Executes the machine once.
    ///
    /// Dropping the future kills the execution at once: no Catch runs and no further event is recorded.
    /// The history stays readable. Work that the runner spawned continues.
    pub async fn execute<R: TaskRunner, C: Clock>(
        &self,
        start: Start,
        runner: &R,
        clock: &C,
        history: &History,
        random: &Random,
    ) -> Outcome {
        let started_ms = clock.now_ms();
        history.record(0, started_ms, || EventKind::ExecutionStarted { input: Arc::clone(&start.input) });
        // The first state follows no event: AWS numbers it so.
        let mut cursor = 0;
        let run = Run::new(&start, started_ms, runner, clock, history, random);
        let ended = if exceeds_limit(&start.input) {
            let cause = "The input of the execution is larger than 262144 bytes.";
            Some(Err(Failure::new(DATA_LIMIT_EXCEEDED, cause)))
        } else {
            let input = Arc::clone(&start.input);
            let work = run.scope(&self.0.scope, Entry::new(input), &mut cursor);
            tokio::select! {
                // Work that ends exactly at the limit did not exceed it.
                biased;
                ended = work => Some(ended),
                () = clock.sleep(self.time_limit(start.time_limit)) => None,
            }
        };
        let stopped_ms = clock.now_ms();
        let (status, output, failure) = match ended {
            Some(Ok(output)) => (Status::Succeeded, Some(output), None),
            Some(Err(failure)) => (Status::Failed, None, Some(failure)),
            None => (Status::TimedOut, None, Some(Failure { error: Some(TIMEOUT.to_owned()), cause: None })),
        };
        let (error, cause) = failure.map_or((None, None), |failure| (failure.error, failure.cause));
        history.record(cursor, stopped_ms, || match (status, &output) {
            (Status::Succeeded, Some(output)) => EventKind::ExecutionSucceeded { output: Arc::clone(output) },
            (Status::TimedOut, _) => EventKind::ExecutionTimedOut { error: error.clone(), cause: cause.clone() },
            _ => EventKind::ExecutionFailed { error: error.clone(), cause: cause.clone() },
        });
        Outcome { status, output, error, cause, started_ms, stopped_ms }
    }

    /// An execution's time limit: the smallest of the machine's `TimeoutSeconds`, the execution's `own`
    /// limit and that of Express.
    pub(crate) fn time_limit(&self, own: Option<Duration>) -> Duration {
        [self.timeout(), own].into_iter().flatten().fold(EXPRESS_TIME_LIMIT, Duration::min)
    }
}

fn collect_names<'a>(scope: &'a Scope, names: &mut Vec<&'a str>) {
    for state in &scope.states {
        names.push(&state.name);
        for branch in state.kind.branches() {
            collect_names(branch, names);
        }
    }
}
