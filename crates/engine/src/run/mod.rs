//! One execution: walks from state to state.

mod context;
mod iterate;
mod join;
mod leave;
mod retry;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use self::context::Item;
use self::leave::{Left, Subject};
use crate::clock::Clock;
use crate::definition::{
    Choice, Condition, Fail, Kind, MAX_SECONDS, MAX_VARIABLES_BYTES, Scope, State, Text, Transition, Until, Whole,
};
use crate::expression::{EvaluationError, Expression};
use crate::failure::{DATA_LIMIT_EXCEEDED, Failure, NO_CHOICE_MATCHED};
use crate::history::{EventKind, History};
use crate::load::parse_timestamp;
use crate::outcome::Start;
use crate::random::Random;
use crate::scene::{Scene, Variables};
use crate::task::TaskRunner;

/// Maximum number of states that one pass through a scope may enter before it waits for its time limit.
/// A loop that takes no time would otherwise fill the memory. Standard workflows end after as many events.
const MAX_TRANSITIONS: u32 = 25_000;

/// Maximum number of states that one execution may enter in all its scopes: more than Express has time for.
const MAX_ALL_TRANSITIONS: u32 = 500_000;

/// After this many states, the execution yields the thread.
const TRANSITIONS_PER_TURN: u32 = 64;

/// One execution, and everything that it needs from outside.
pub(crate) struct Run<'a, R, C> {
    start: &'a Start,
    started_ms: i64,
    runner: &'a R,
    clock: &'a C,
    history: &'a History,
    random: &'a Random,
    /// The states entered so far, in all scopes.
    transitions: AtomicU32,
}

/// The values that a scope starts with.
pub(crate) struct Entry {
    input: Arc<Value>,
    variables: Variables,
    /// The item of the innermost Map around the scope.
    item: Option<Arc<Item>>,
}

impl Entry {
    /// Enters the machine's own scope.
    pub(crate) fn new(input: Arc<Value>) -> Self {
        Self { input, variables: Variables::default(), item: None }
    }
}

/// One visit of a state: the values that it was entered with.
struct Visit<'a> {
    state: &'a State,
    input: &'a Arc<Value>,
    variables: &'a Variables,
    item: Option<&'a Arc<Item>>,
    entered_ms: i64,
    entered_event: u64,
    /// How many times the state has been retried in this visit.
    retry_count: u32,
}

impl<'a, R: TaskRunner, C: Clock> Run<'a, R, C> {
    pub(crate) fn new(
        start: &'a Start,
        started_ms: i64,
        runner: &'a R,
        clock: &'a C,
        history: &'a History,
        random: &'a Random,
    ) -> Self {
        Self { start, started_ms, runner, clock, history, random, transitions: AtomicU32::new(0) }
    }

    /// Runs a scope from its start to one of its ends, and returns the last output.
    ///
    /// `cursor` is the id of the last event on this path through the machine.
    pub(crate) async fn scope(&self, scope: &Scope, mut entry: Entry, cursor: &mut u64) -> Result<Arc<Value>, Failure> {
        let mut at = scope.start;
        let mut count = 0;
        loop {
            count += 1;
            self.count_transition(count).await;
            let state = &scope.states[at];
            let left = self.visit(state, &entry, cursor).await?;
            if !left.assigned.is_empty() {
                entry.variables.assign(left.assigned);
                check_variables(state, &entry.variables)?;
            }
            match left.to {
                Transition::Next(next) => (at, entry.input) = (next, left.output),
                Transition::End => return Ok(left.output),
            }
        }
    }

    /// Yields the thread now and then, and stops a loop. `count` is how many states the scope has
    /// entered.
    async fn count_transition(&self, count: u32) {
        let all = self.transitions.fetch_add(1, Ordering::Relaxed) + 1;
        if count > MAX_TRANSITIONS || all > MAX_ALL_TRANSITIONS {
            // In Step Functions a loop takes time until the time limit ends it. Here it takes none, so it
            // waits for the limit.
            self.clock.sleep(Duration::MAX).await;
        }
        if all.is_multiple_of(TRANSITIONS_PER_TURN) {
            tokio::task::yield_now().await;
        }
    }

    async fn visit(&self, state: &State, entry: &Entry, cursor: &mut u64) -> Result<Left, Failure> {
        let input = &entry.input;
        self.record(cursor, || EventKind::StateEntered {
            state_type: state.kind.type_name(),
            state: Arc::clone(&state.name),
            input: Arc::clone(input),
        });
        let mut visit = Visit {
            state,
            input,
            variables: &entry.variables,
            item: entry.item.as_ref(),
            entered_ms: self.clock.now_ms(),
            entered_event: *cursor,
            retry_count: 0,
        };
        let left = match &state.kind {
            Kind::Task(task) => self.work_until_done(&task.handling, &task.exit, &mut visit, cursor).await,
            Kind::Parallel(parallel) => {
                self.work_until_done(&parallel.handling, &parallel.exit, &mut visit, cursor).await
            }
            Kind::Map(map) => self.work_until_done(&map.handling, &map.exit, &mut visit, cursor).await,
            Kind::Wait(wait) => match self.wait_for(&wait.until, &visit) {
                Ok(duration) => {
                    self.clock.sleep(duration).await;
                    self.leave(&visit, &wait.exit, Subject::Entry, cursor)
                }
                Err(error) => Err(self.evaluation_failed(&visit, &error, cursor)),
            },
            Kind::Pass(exit) => self.leave(&visit, exit, Subject::Entry, cursor),
            Kind::Choice(choice) => self.choose(choice, &visit, cursor),
            Kind::Succeed { output } => self.leave_last(&visit, output.as_ref(), cursor),
            Kind::Fail(fail) => Err(self.fail(fail, &visit, cursor)),
        }?;
        self.record(cursor, || EventKind::StateExited {
            state_type: state.kind.type_name(),
            state: Arc::clone(&state.name),
            output: Arc::clone(&left.output),
            assigned: left.assigned.clone(),
        });
        Ok(left)
    }

    /// The first rule that matches decides; without one, the default.
    fn choose(&self, choice: &Choice, visit: &Visit<'_>, cursor: &mut u64) -> Result<Left, Failure> {
        let chosen = self.with_scene(visit, Subject::Entry, |scene| {
            for rule in &choice.rules {
                let holds = match &rule.condition {
                    Condition::Constant(constant) => *constant,
                    Condition::Expression(expression) => expression.evaluate_bool(scene)?,
                };
                if holds {
                    return Ok(Some(&rule.exit));
                }
            }
            Ok(choice.default.as_ref())
        });
        match chosen {
            Ok(Some(exit)) => self.leave(visit, exit, Subject::Entry, cursor),
            Ok(None) => {
                let name = &visit.state.name;
                Err(Failure::new(
                    NO_CHOICE_MATCHED,
                    format!("No rule of the state '{name}' holds, and it has no Default."),
                ))
            }
            Err(error) => Err(self.evaluation_failed(visit, &error, cursor)),
        }
    }

    fn fail(&self, fail: &Fail, visit: &Visit<'_>, cursor: &mut u64) -> Failure {
        let failure = self.with_scene(visit, Subject::Entry, |scene| {
            Ok(Failure {
                error: evaluate_text(fail.error.as_ref(), scene)?,
                cause: evaluate_text(fail.cause.as_ref(), scene)?,
            })
        });
        failure.unwrap_or_else(|error| self.evaluation_failed(visit, &error, cursor))
    }

    fn wait_for(&self, until: &Until, visit: &Visit<'_>) -> Result<Duration, EvaluationError> {
        let until_ms = match until {
            Until::Seconds(seconds) => {
                let seconds = self.with_scene(visit, Subject::Entry, |scene| {
                    evaluate_whole(seconds, 0, "a whole number from 0 to 99999999", scene)
                })?;
                return Ok(Duration::from_secs(seconds.into()));
            }
            Until::Moment(moment) => epoch_ms(*moment),
            Until::MomentOf(expression) => {
                self.with_scene(visit, Subject::Entry, |scene| evaluate_moment(expression, scene))?
            }
        };
        let wait_ms = until_ms.saturating_sub(self.clock.now_ms());
        Ok(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)))
    }

    /// Records that an expression returned no value that its field accepts, and returns that as a failure.
    fn evaluation_failed(&self, visit: &Visit<'_>, error: &EvaluationError, cursor: &mut u64) -> Failure {
        let failure = Failure::new(
            crate::failure::QUERY_EVALUATION_ERROR,
            format!(
                "An error occurred while executing the state '{}' (entered at the event id #{}). {error}",
                visit.state.name, visit.entered_event,
            ),
        );
        self.record(cursor, || EventKind::EvaluationFailed {
            state: Arc::clone(&visit.state.name),
            location: error.field.to_string(),
            error: failure.error.clone(),
            cause: failure.cause.clone(),
        });
        failure
    }

    /// Records an event that nothing follows: the next event follows the one before it.
    fn record_leaf(&self, previous: u64, kind: impl FnOnce() -> EventKind) {
        self.history.record(previous, self.clock.now_ms(), kind);
    }

    /// Records that the states entered after the event `since` that have not ended were stopped.
    fn record_aborted(&self, since: u64, previous: u64) {
        self.history.record_aborted(since, previous, self.clock.now_ms());
    }

    fn record(&self, cursor: &mut u64, kind: impl FnOnce() -> EventKind) {
        *cursor = self.history.record(*cursor, self.clock.now_ms(), kind);
    }
}

fn evaluate_text(text: Option<&Text>, scene: &Scene<'_>) -> Result<Option<String>, EvaluationError> {
    match text {
        None => Ok(None),
        Some(Text::Constant(constant)) => Ok(Some(constant.clone())),
        Some(Text::Expression(expression)) => expression.evaluate_string(scene).map(Some),
    }
}

/// All variables that a scope sees have a common limit.
fn check_variables(state: &State, variables: &Variables) -> Result<(), Failure> {
    if variables.exceed(MAX_VARIABLES_BYTES) {
        let name = &state.name;
        let cause =
            format!("With those that the state '{name}' assigned, the variables are larger than 10485760 bytes.");
        return Err(Failure::new(DATA_LIMIT_EXCEEDED, cause));
    }
    Ok(())
}

/// A field's number, from `least` to 99999999; `expected` is the range in words.
fn evaluate_whole(
    whole: &Whole,
    least: u32,
    expected: &'static str,
    scene: &Scene<'_>,
) -> Result<u32, EvaluationError> {
    match whole {
        Whole::Constant(constant) => Ok(*constant),
        Whole::Expression(expression) => expression.evaluate_integer(scene, least, MAX_SECONDS, expected),
    }
}

fn evaluate_moment(expression: &Expression, scene: &Scene<'_>) -> Result<i64, EvaluationError> {
    let text = expression.evaluate_string(scene)?;
    parse_timestamp(&text)
        .map(epoch_ms)
        .ok_or_else(|| expression.out_of_range("a timestamp such as 2026-03-14T01:59:00Z", &Value::String(text)))
}

/// Milliseconds since the Unix epoch, rounded up so that a wait never ends early.
fn epoch_ms(moment: time::OffsetDateTime) -> i64 {
    const NANOS_PER_MS: i128 = 1_000_000;
    let ms = (moment.unix_timestamp_nanos() + NANOS_PER_MS - 1).div_euclid(NANOS_PER_MS);
    i64::try_from(ms).unwrap_or(i64::MAX)
}
