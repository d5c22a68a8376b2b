//! One execution on a virtual clock, and its results.

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use super::Mocks;
use crate::{EventKind, History, Outcome, Start, StateMachine, Status, TokioClock};

/// A state calls something that is not mocked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the state {state:?} calls {resource} and is not mocked")]
pub struct NotMocked {
    /// The Task state.
    pub state: String,
    /// What it calls.
    pub resource: String,
}

/// A finished execution.
#[derive(Debug, Clone)]
pub struct Execution {
    /// How it ended.
    pub outcome: Outcome,
    /// What happened, event by event.
    pub history: History,
}

impl Execution {
    /// How it ended.
    pub fn status(&self) -> Status {
        self.outcome.status
    }

    /// The output, if it succeeded.
    pub fn output(&self) -> Option<&Value> {
        self.outcome.output.as_deref()
    }

    /// The error's name, if it did not succeed and the error has one.
    pub fn error(&self) -> Option<&str> {
        self.outcome.error.as_deref()
    }

    /// The error's cause, if it did not succeed and the error has one.
    pub fn cause(&self) -> Option<&str> {
        self.outcome.cause.as_deref()
    }

    /// How long it took, on its own clock.
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.outcome.stopped_ms - self.outcome.started_ms).unwrap_or(0))
    }

    /// The states in the order in which they were entered.
    pub fn path(&self) -> Vec<String> {
        let events = self.history.events();
        let entered = events.iter().filter_map(|event| match &event.kind {
            EventKind::StateEntered { state, .. } => Some(state.to_string()),
            _ => None,
        });
        entered.collect()
    }

    /// How many times a Task was attempted, over all its visits.
    pub fn attempts(&self, state: &str) -> usize {
        self.arguments(state).len()
    }

    /// What each attempt at a Task was given.
    pub fn arguments(&self, state: &str) -> Vec<Value> {
        let events = self.history.events();
        let scheduled = events.iter().filter_map(|event| match &event.kind {
            EventKind::TaskScheduled { state: scheduled, parameters, .. } if &**scheduled == state => {
                Some(Value::clone(parameters))
            }
            _ => None,
        });
        scheduled.collect()
    }
}

pub(super) fn execute(mocks: &Mocks, machine: &StateMachine, input: Value) -> Result<Execution, NotMocked> {
    // A separate thread, because a runtime cannot be started inside another one, and time can be paused
    // only in a single-threaded runtime.
    std::thread::scope(|scope| {
        let execution = scope.spawn(|| on_paused_clock(mocks, machine, input));
        execution.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn on_paused_clock(mocks: &Mocks, machine: &StateMachine, input: Value) -> Result<Execution, NotMocked> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime with only a clock needs nothing that the system could refuse");
    runtime.block_on(async {
        let (runner, history) = (mocks.runner(), History::new());
        let clock = TokioClock::starting_at(mocks.started_ms);
        let start = Start { time_limit: mocks.time_limit, ..Start::new("mocked", input) };
        let outcome = machine.execute(start, &runner, &clock, &history, &mocks.random()).await;
        match runner.not_mocked() {
            Some(not_mocked) => Err(not_mocked),
            None => Ok(Execution { outcome, history }),
        }
    })
}
