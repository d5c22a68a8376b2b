//! A runner that follows a script, and executions on a paused clock.
// Not every test file uses everything.
#![allow(dead_code)]

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{
    EventKind, Fault, History, Outcome, Random, Rule, Start, StateMachine, TaskError, TaskRequest, TaskRunner,
    TokioClock,
};
use serde_json::{Value, json};

/// 2026-03-14T01:59:00Z, the start of every execution in a test.
pub const EPOCH_MS: i64 = 1_773_453_540_000;

/// One answer to a Task.
#[derive(Debug, Clone)]
pub struct Answer {
    after: Duration,
    result: Result<Value, TaskError>,
}

/// The result of a Lambda function with this payload.
pub fn payload(payload: Value) -> Answer {
    result(json!({"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200}))
}

/// A result as it is.
pub fn result(result: Value) -> Answer {
    Answer { after: Duration::ZERO, result: Ok(result) }
}

/// An error by its name.
pub fn error(name: &str) -> Answer {
    Answer { after: Duration::ZERO, result: Err(TaskError::new(name, format!("{name} happened"))) }
}

impl Answer {
    /// The same answer, later.
    pub fn after_s(mut self, seconds: u64) -> Self {
        self.after = Duration::from_secs(seconds);
        self
    }
}

/// Answers each state's attempts in order; the last answer applies to all further attempts.
#[derive(Debug, Default, Clone)]
pub struct Script {
    answers: Arc<Mutex<HashMap<String, VecDeque<Answer>>>>,
    requests: Arc<Mutex<Vec<TaskRequest>>>,
}

impl Script {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn on(self, state: &str, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.answers.lock().unwrap().insert(state.to_owned(), answers.into_iter().collect());
        self
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<TaskRequest> {
        self.requests.lock().unwrap().clone()
    }

    /// How many times a state was attempted.
    pub fn attempts(&self, state: &str) -> usize {
        self.requests().iter().filter(|request| &*request.state == state).count()
    }

    /// The arguments of a state's last attempt.
    pub fn arguments(&self, state: &str) -> Value {
        let requests = self.requests();
        let last = requests.iter().rev().find(|request| &*request.state == state);
        Value::clone(&last.unwrap_or_else(|| panic!("{state} was never attempted")).arguments)
    }
}

impl TaskRunner for Script {
    async fn run(&self, task: TaskRequest) -> Result<Value, TaskError> {
        let answer = {
            self.requests.lock().unwrap().push(task.clone());
            let mut answers = self.answers.lock().unwrap();
            let queue = answers.get_mut(&*task.state).unwrap_or_else(|| panic!("no answer for {}", task.state));
            if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() }
        };
        let answer = answer.expect("a script has at least one answer per state");
        tokio::time::sleep(answer.after).await;
        answer.result
    }
}

/// A finished execution.
pub struct Ended {
    pub outcome: Outcome,
    pub history: History,
}

impl Ended {
    /// Asserts that it succeeded, and returns its output.
    #[track_caller]
    pub fn output(&self) -> Value {
        match &self.outcome.output {
            Some(output) => Value::clone(output),
            None => panic!("did not succeed: {:?}", self.outcome),
        }
    }

    /// Asserts that it did not succeed, and returns the error's name.
    #[track_caller]
    pub fn error(&self) -> &str {
        assert_eq!(self.outcome.output, None, "did not fail");
        self.outcome.error.as_deref().unwrap_or_else(|| panic!("has no error: {:?}", self.outcome))
    }

    pub fn cause(&self) -> &str {
        self.outcome.cause.as_deref().unwrap_or_default()
    }

    /// The virtual time that it took.
    pub fn elapsed_ms(&self) -> i64 {
        self.outcome.stopped_ms - self.outcome.started_ms
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

    /// The types of all events.
    pub fn types(&self) -> Vec<String> {
        self.history.events().iter().map(|event| event.kind.type_name()).collect()
    }
}

/// A machine of these states, which begins with the first.
pub fn machine(states: Value) -> Value {
    let start = states.as_object().unwrap().keys().next().unwrap().clone();
    json!({"QueryLanguage": "JSONata", "StartAt": start, "States": states})
}

#[track_caller]
pub fn load(definition: &Value) -> StateMachine {
    StateMachine::load(&definition.to_string()).unwrap_or_else(|error| panic!("{error}"))
}

/// Executes a definition with full delays where there is jitter.
pub async fn execute(definition: &Value, input: Value, script: &Script) -> Ended {
    execute_with(definition, input, script, &Random::fixed(1.0)).await
}

pub async fn execute_with(definition: &Value, input: Value, script: &Script, random: &Random) -> Ended {
    let history = History::new();
    let clock = TokioClock::starting_at(EPOCH_MS);
    let start = Start::new("test-1", input);
    let outcome = load(definition).execute(start, script, &clock, &history, random).await;
    Ended { outcome, history }
}

/// The output of a Pass state with this `Output`, given an input.
pub async fn output_of(output: Value, input: Value) -> Ended {
    let definition = machine(json!({"Only": {"Type": "Pass", "Output": output, "End": true}}));
    execute(&definition, input, &Script::new()).await
}

/// A Task state that calls a function, with further fields.
pub fn task(fields: Value) -> Value {
    let mut state = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "f"},
    });
    merge(&mut state, fields);
    state
}

/// Sets the members of `fields` in `state`; `null` removes one.
pub fn merge(state: &mut Value, fields: Value) {
    for (name, value) in fields.as_object().unwrap() {
        match value {
            Value::Null => drop(state.as_object_mut().unwrap().remove(name)),
            _ => state[name] = value.clone(),
        }
    }
}

/// The faults that a definition is refused with.
#[track_caller]
pub fn faults(definition: &Value) -> Vec<Fault> {
    match StateMachine::load(&definition.to_string()) {
        Ok(_) => panic!("was not refused"),
        Err(error) => error.faults().to_vec(),
    }
}

/// Asserts that a definition is refused for exactly one fault.
#[track_caller]
pub fn assert_refused(definition: &Value, state: Option<&str>, field: &str, rule: &Rule) {
    let found = faults(definition);
    let [found] = &*found else { panic!("is refused for {found:?}") };
    assert_eq!((found.state.as_deref(), &*found.field, &found.rule), (state, field, rule));
}
