//! The Step Functions API that the functions call, backed by our own engine.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{History, Outcome, Random, Start, StateMachine, TaskRunner, TokioClock};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use uuid::Uuid;

use local_aws::{BoxFuture, Service, ServiceAnswer, WireError};

use crate::spans::Spans;

/// The state machine's name on a local stack.
pub const MACHINE_NAME: &str = "order-saga";

/// How many executions are kept for inspection; more while the oldest of them still runs. One takes some 40 KB.
pub const KEPT_EXECUTIONS: usize = 10_000;

/// How many asynchronous executions run at once; the others wait their turn. Lambda scales with the load and
/// this machine does not: a thousand recovered executions at once would make each other time out.
const ASYNCHRONOUS_AT_ONCE: usize = 64;

/// The state machine's ARN on a local stack.
pub fn machine_arn() -> String {
    format!("arn:aws:states:us-east-1:000000000000:stateMachine:{MACHINE_NAME}")
}

/// One execution that was started.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Numbers the executions of one stack, from 1, in the order in which they are kept.
    pub number: u64,
    /// Its ARN.
    pub arn: String,
    /// Its name: the order's id.
    pub name: String,
    /// Its input.
    pub input: Arc<Value>,
    /// Its history so far.
    pub history: History,
    /// How it ended, once it has.
    pub outcome: watch::Receiver<Option<Arc<Outcome>>>,
    abort: AbortHandle,
}

impl Execution {
    /// Stops it where it is: no Catch runs, and nothing is recorded.
    pub fn kill(&self) {
        self.abort.abort();
    }

    /// Whether it still runs, or waits for its turn.
    pub fn is_running(&self) -> bool {
        !self.abort.is_finished()
    }
}

/// The executions that were started last, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Executions(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// In the order of their numbers.
    executions: VecDeque<Execution>,
    started: u64,
}

impl Executions {
    /// All executions that are kept.
    pub fn all(&self) -> Vec<Execution> {
        self.lock().executions.iter().cloned().collect()
    }

    /// How many are kept.
    pub fn kept(&self) -> usize {
        self.lock().executions.len()
    }

    /// Those with a lower number, newest first, and at most so many of them.
    pub fn before(&self, number: u64, at_most: usize) -> Vec<Execution> {
        let executions = &self.lock().executions;
        let end = executions.partition_point(|execution| execution.number < number);
        executions.range(end.saturating_sub(at_most)..end).rev().cloned().collect()
    }

    /// Those for which `is` holds, oldest first.
    pub fn matching(&self, is: impl Fn(&Execution) -> bool) -> Vec<Execution> {
        self.lock().executions.iter().filter(|execution| is(execution)).cloned().collect()
    }

    /// Whether an execution of this name is running.
    pub fn is_running(&self, name: &str) -> bool {
        self.lock().executions.iter().any(|execution| execution.name == name && execution.is_running())
    }

    fn remember(&self, mut execution: Execution) -> Execution {
        let kept = &mut *self.lock();
        // Several, if the oldest one ran for long.
        while kept.executions.len() >= KEPT_EXECUTIONS
            && kept.executions.front().is_some_and(|first| !first.is_running())
        {
            kept.executions.pop_front();
        }
        kept.started += 1;
        execution.number = kept.started;
        kept.executions.push_back(execution.clone());
        execution
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A push is the last thing that a change does, so a poisoned lock still guards a complete list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service: one Express state machine, and its executions.
#[derive(Debug)]
pub struct StepFunctions<R> {
    machine: StateMachine,
    runner: Arc<R>,
    clock: TokioClock,
    random: Random,
    executions: Executions,
    turns: Arc<Semaphore>,
    spans: Spans,
}

impl<R: TaskRunner + 'static> StepFunctions<R> {
    /// The service for `machine`, whose tasks `runner` runs.
    pub fn new(machine: StateMachine, runner: R, spans: Spans, clock: TokioClock, random: Random) -> Self {
        let turns = Arc::new(Semaphore::new(ASYNCHRONOUS_AT_ONCE));
        Self { machine, runner: Arc::new(runner), clock, random, executions: Executions::default(), turns, spans }
    }

    /// The executions; they stay readable once the service is in use.
    pub fn executions(&self) -> Executions {
        self.executions.clone()
    }

    /// Starts an execution again from the beginning, as Step Functions does when it has lost the state of an
    /// asynchronous one.
    pub fn repeat(&self, arn: &str) {
        if let Some(execution) = self.executions.all().into_iter().find(|execution| execution.arn == arn) {
            self.spawn(execution.name, (*execution.input).clone(), None);
        }
    }

    /// Starts an execution in a task of its own, optionally when its turn comes. It outlives its caller.
    fn spawn(&self, name: String, input: Value, turns: Option<Arc<Semaphore>>) -> Execution {
        let arn = format!("arn:aws:states:us-east-1:000000000000:express:{MACHINE_NAME}:{name}:{}", Uuid::new_v4());
        let start = Start {
            execution_id: arn.as_str().into(),
            machine_name: MACHINE_NAME.into(),
            machine_id: machine_arn().into(),
            ..Start::new(&name, input)
        };
        let input = Arc::clone(&start.input);
        let has_order = input.get("order").is_some_and(|order| !order.is_null());
        let (history, ending) = self.spans.start(&start.execution_id, &name, has_order);
        let (sender, outcome) = watch::channel(None);
        let task = tokio::spawn({
            let (machine, runner) = (self.machine.clone(), Arc::clone(&self.runner));
            let (clock, random, history) = (self.clock, self.random.clone(), history.clone());
            async move {
                let _ending = ending;
                let _turn = match turns {
                    // The semaphore is never closed. If it were, nobody would need to wait.
                    Some(turns) => turns.acquire_owned().await.ok(),
                    None => None,
                };
                let outcome = machine.execute(start, &runner, &clock, &history, &random).await;
                sender.send_replace(Some(Arc::new(outcome)));
            }
        });
        self.executions.remember(Execution {
            number: 0,
            arn,
            name,
            input,
            history,
            outcome,
            abort: task.abort_handle(),
        })
    }

    fn read(body: &[u8]) -> Result<(String, Value), WireError> {
        let request: StartRequest = serde_json::from_slice(body)
            .map_err(|error| WireError::new(StatusCode::BAD_REQUEST, "SerializationException", &error.to_string()))?;
        if !request.state_machine_arn.starts_with("arn:") {
            let message = format!("Invalid Arn: '{}'", request.state_machine_arn);
            return Err(WireError::new(StatusCode::BAD_REQUEST, "InvalidArn", &message));
        }
        if request.state_machine_arn != machine_arn() {
            let message = format!("State Machine Does Not Exist: '{}'", request.state_machine_arn);
            return Err(WireError::new(StatusCode::BAD_REQUEST, "StateMachineDoesNotExist", &message));
        }
        let input = serde_json::from_str(request.input.as_deref().unwrap_or("{}")).map_err(|error| {
            let message = format!("Invalid State Machine Execution Input: '{error}'");
            WireError::new(StatusCode::BAD_REQUEST, "InvalidExecutionInput", &message)
        })?;
        Ok((request.name.unwrap_or_else(|| Uuid::new_v4().to_string()), input))
    }

    async fn start_sync(&self, body: &[u8]) -> Result<ServiceAnswer, WireError> {
        let (name, input) = Self::read(body)?;
        let input_text = input.to_string();
        let mut execution = self.spawn(name, input, None);
        let Ok(outcome) = execution.outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone()) else {
            // It was killed, so there is nobody to answer.
            return std::future::pending().await;
        };
        let outcome = outcome.expect("waited until it is there");
        let mut answer = json!({
            "executionArn": execution.arn,
            "name": execution.name,
            "stateMachineArn": machine_arn(),
            "startDate": epoch_seconds(outcome.started_ms),
            "stopDate": epoch_seconds(outcome.stopped_ms),
            "status": outcome.status.as_str(),
            "input": input_text,
            "inputDetails": { "included": true },
        });
        if let Some(output) = &outcome.output {
            answer["output"] = output.to_string().into();
            answer["outputDetails"] = json!({ "included": true });
        }
        for (member, text) in [("error", &outcome.error), ("cause", &outcome.cause)] {
            if let Some(text) = text {
                answer[member] = text.as_str().into();
            }
        }
        Ok(ServiceAnswer::ok(&answer))
    }

    fn start(&self, body: &[u8]) -> Result<ServiceAnswer, WireError> {
        let (name, input) = Self::read(body)?;
        let started_ms = engine::Clock::now_ms(&self.clock);
        let execution = self.spawn(name, input, Some(Arc::clone(&self.turns)));
        Ok(ServiceAnswer::ok(&json!({ "executionArn": execution.arn, "startDate": epoch_seconds(started_ms) })))
    }
}

/// A time in the API's JSON form: seconds, with milliseconds as decimals.
fn epoch_seconds(epoch_ms: i64) -> Value {
    // Exact: a double holds every millisecond until the year 287396.
    #[allow(clippy::cast_precision_loss)]
    let seconds = epoch_ms as f64 / 1000.0;
    json!(seconds)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartRequest {
    state_machine_arn: String,
    name: Option<String>,
    input: Option<String>,
}

impl<R: TaskRunner + std::fmt::Debug + 'static> Service for StepFunctions<R> {
    fn call<'a>(&'a self, operation: &'a str, body: &'a [u8]) -> BoxFuture<'a, ServiceAnswer> {
        Box::pin(async move {
            let answer = match operation {
                "StartSyncExecution" => self.start_sync(body).await,
                "StartExecution" => self.start(body),
                _ => Err(WireError::unknown_operation(operation)),
            };
            answer.unwrap_or_else(ServiceAnswer::from)
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    fn execution(task: &JoinHandle<()>) -> Execution {
        let (_, outcome) = watch::channel(None);
        let (arn, name, input) = (String::new(), String::new(), Arc::default());
        Execution { number: 0, arn, name, input, history: History::off(), outcome, abort: task.abort_handle() }
    }

    async fn end(task: &JoinHandle<()>) {
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_oldest_executions_leave_once_they_have_ended() {
        let (running, ended) = (tokio::spawn(std::future::pending()), tokio::spawn(async {}));
        end(&ended).await;
        let executions = Executions::default();
        executions.remember(execution(&running));
        for _ in 0..KEPT_EXECUTIONS + 5 {
            executions.remember(execution(&ended));
        }
        assert_eq!(executions.kept(), KEPT_EXECUTIONS + 6, "the oldest one still runs");
        running.abort();
        end(&running).await;
        executions.remember(execution(&ended));
        assert_eq!(executions.kept(), KEPT_EXECUTIONS);
        assert_eq!(executions.all()[0].number, 8);
    }
}
