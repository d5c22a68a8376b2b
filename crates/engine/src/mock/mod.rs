//! Executions whose Tasks are answered from a list, on a clock that jumps: for tests of a definition.
//!
//! The list is AWS's own mock configuration, [`MockConfig`], or one written in place, [`Mocks`]. It
//! behaves as in Step Functions Local. A state's responses are numbered through the whole execution,
//! across retries, iterations of a Map and loops. An invocation without a response fails the execution
//! with `States.Runtime`, which nothing catches. Unlike there, a state that is not mocked is never
//! called: that is [`NotMocked`].
//!
//! ```
//! use serde_json::json;
//! use engine::StateMachine;
//! use engine::mock::{Mocks, Response};
//!
//! # let definition = r#"{"QueryLanguage": "JSONata", "StartAt": "Charge", "States": {"Charge": {
//! #     "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "charge"},
//! #     "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 60, "BackoffRate": 2}],
//! #     "Output": "{% $states.result.Payload %}", "End": true}}}"#;
//! let machine = StateMachine::load(definition)?;
//! let execution = Mocks::new()
//!     .on("Charge", [Response::throw("Busy", "try later").times(2), Response::payload(json!("paid"))])
//!     .execute(&machine, json!({"order": 7}))?;
//! assert_eq!(execution.output(), Some(&json!("paid")));
//! assert_eq!(execution.attempts("Charge"), 3);
//! assert_eq!(execution.elapsed().as_secs(), 60 + 120);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod execution;
mod runner;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub use config::{MockCaseError, MockConfig, MockConfigError};
pub use execution::{Execution, NotMocked};
pub use runner::MockRunner;

use crate::{Random, StateMachine};

/// The response to a state's invocations, once or several times.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    answer: Answer,
    times: usize,
}

/// What an invocation comes to.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Return(Value),
    Throw { error: String, cause: String },
}

impl Response {
    /// The whole result of the call.
    pub fn returned(result: Value) -> Self {
        Self { answer: Answer::Return(result), times: 1 }
    }

    /// The result of `arn:aws:states:::lambda:invoke` for a function that returns this payload.
    pub fn payload(payload: Value) -> Self {
        let mut result = json!({"ExecutedVersion": "$LATEST", "StatusCode": 200});
        result["Payload"] = payload;
        Self::returned(result)
    }

    /// A call that fails with this error name.
    pub fn throw(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { answer: Answer::Throw { error: error.into(), cause: cause.into() }, times: 1 }
    }

    /// The same response for this many consecutive invocations.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }
}

/// The responses of one state, each for a range of invocations, counted from 0.
#[derive(Debug, Clone, Default, PartialEq)]
struct Responses {
    ranges: Vec<(usize, usize, Answer)>,
}

impl Responses {
    fn at(&self, invocation: usize) -> Option<&Answer> {
        let range = self.ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&invocation));
        range.map(|(_, _, answer)| answer)
    }
}

/// The responses of each state, and everything else that an execution depends on.
#[derive(Debug, Clone)]
pub struct Mocks {
    states: BTreeMap<String, Responses>,
    started_ms: i64,
    seed: u64,
    time_limit: Option<Duration>,
}

impl Default for Mocks {
    fn default() -> Self {
        Self::new()
    }
}

impl Mocks {
    /// No state is mocked yet.
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        Self { states: BTreeMap::new(), started_ms, seed: 0, time_limit: None }
    }

    /// Answers a state's invocations with these responses, one after another.
    #[must_use]
    pub fn on(mut self, state: impl Into<String>, responses: impl IntoIterator<Item = Response>) -> Self {
        let mut ranges: Vec<(usize, usize, Answer)> = Vec::new();
        for Response { answer, times } in responses.into_iter().filter(|response| response.times > 0) {
            let first = ranges.last().map_or(0, |(_, last, _)| last + 1);
            ranges.push((first, first.saturating_add(times - 1), answer));
        }
        self.states.insert(state.into(), Responses { ranges });
        self
    }

    /// When executions begin, in milliseconds since the Unix epoch. The default is now.
    #[must_use]
    pub fn starting_at(self, started_ms: i64) -> Self {
        Self { started_ms, ..self }
    }

    /// The seed of jitter, `$random` and `$uuid`. The same seed gives the same execution. The default
    /// is 0.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Ends executions after this time, if the machine's `TimeoutSeconds` or
    /// [`EXPRESS_TIME_LIMIT`](crate::EXPRESS_TIME_LIMIT) does not end them sooner.
    #[must_use]
    pub fn time_limit(self, limit: Duration) -> Self {
        Self { time_limit: Some(limit), ..self }
    }

    /// The states that are mocked.
    pub fn states(&self) -> impl Iterator<Item = &str> {
        self.states.keys().map(String::as_str)
    }

    /// A runner that gives these responses to one execution, for a clock of your own.
    pub fn runner(&self) -> MockRunner<'_> {
        MockRunner::new(&self.states)
    }

    /// Executes the machine on a clock that jumps over every delay.
    ///
    /// This blocks until the execution ends, which takes only as long as its expressions. It may be
    /// called from anywhere, inside or outside an async runtime.
    ///
    /// # Errors
    /// [`NotMocked`], if it reached a state that calls something and has no responses.
    pub fn execute(&self, machine: &StateMachine, input: Value) -> Result<Execution, NotMocked> {
        execution::execute(self, machine, input)
    }

    fn random(&self) -> Random {
        Random::seeded(self.seed)
    }
}
