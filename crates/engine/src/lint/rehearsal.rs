//! Executions of the definition, one for every combination of its tasks' answers.
//!
//! A task answers with each payload that the policy knows for it, and with one error of each kind that
//! the definition treats differently. Time does not pass, and every allowed retry is made.
//!
//! Of a Parallel's branches, one at a time answers otherwise than it should, or the first ones do in the same way, up to all
//! of them. Branches do not see each other, and none of a roll-back can stop the others, which is checked on the graph. So
//! every combination of failures would show nothing new, but would multiply the executions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::errors::{TRANSIENT_LAMBDA_ERRORS, UNKNOWN_FAILURES};
use super::finding::{Findings, Rule};
use super::payload::{CAUSE_MARK, Largest, Payload};
use super::policy::Policy;
use super::{graph, verdict};
use crate::clock::Clock;
use crate::definition::{Handling, MAX_PAYLOAD_BYTES, Machine, text_bytes};
use crate::failure::Failure;
use crate::{EventKind, History, Outcome, Random, Start, StateMachine, Status, TaskError, TaskRequest, TaskRunner};

/// Maximum number of rehearsed executions. The order saga has a few hundred.
const MAX_REHEARSALS: usize = 20_000;

/// One state's answer, after all its retries.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The state.
    pub state: Arc<str>,
    /// What it called, if that is one of the policy's functions.
    pub call: Option<Call>,
    /// The function's payload, or the error's name.
    pub answer: Result<Arc<Value>, String>,
}

/// A rehearsed execution.
#[derive(Debug)]
pub struct Performance<'a> {
    /// The answers of the states, in the order of their calls.
    pub answers: &'a [Answered],
    /// How it ended.
    pub outcome: &'a Outcome,
    /// The states in the order in which they were entered.
    pub path: &'a [String],
}

/// What was rehearsed.
#[derive(Debug, Default)]
pub(super) struct Rehearsed {
    pub(super) count: usize,
    pub(super) largest: Largest,
    /// The bytes of the largest answer to each call.
    pub(super) answers: BTreeMap<Call, usize>,
}

pub(super) async fn run(machine: &StateMachine, policy: &Policy, findings: &mut Findings) -> Rehearsed {
    let mut count = 0;
    let mut largest = Largest::default();
    let mut answers = BTreeMap::new();
    for input in &policy.rehearsal.inputs {
        let mut script = Some(Vec::new());
        while let Some(choices) = script {
            if count == MAX_REHEARSALS {
                findings.at_machine("States", Rule::TooManyRehearsals { limit: MAX_REHEARSALS });
                break;
            }
            let stage = Stage::new(machine.definition(), policy, choices);
            let history = History::new();
            let clock = NoTime::with_limit(machine.time_limit(None));
            let start = Start::new("rehearsal", input.clone());
            let outcome = machine.execute(start, &stage, &clock, &history, &Random::fixed(1.0)).await;
            count += 1;
            let acts = stage.into_acts();
            judge(&acts, &outcome, &history, policy, findings);
            largest.look_at(&history);
            measure(&acts, &mut answers);
            script = next_script(acts);
        }
    }
    let limit_bytes = policy.max_payload_bytes.min(MAX_PAYLOAD_BYTES);
    for Payload { bytes, state, part, path } in largest.made().filter(|payload| payload.bytes > limit_bytes) {
        let rule = Rule::PayloadTooLarge { part: part.noun(), bytes: *bytes, limit_bytes, path: path.clone() };
        findings.at_state(state, part.field(), rule);
    }
    Rehearsed { count, largest, answers }
}

/// Keeps the size of the largest answer to each call.
fn measure(acts: &[Act], answers: &mut BTreeMap<Call, usize>) {
    for Answered { call, answer, .. } in acts.iter().map(|act| &act.answered) {
        if let (Some(call), Ok(payload)) = (call, answer) {
            let bytes = text_bytes(payload);
            answers.entry(call.clone()).and_modify(|most| *most = bytes.max(*most)).or_insert(bytes);
        }
    }
}

/// The choices of the next execution: the last choice with another option left takes that option.
fn next_script(mut acts: Vec<Act>) -> Option<Vec<usize>> {
    while let Some(last) = acts.pop() {
        if last.chosen + 1 < last.options {
            let mut script: Vec<usize> = acts.iter().map(|act| act.chosen).collect();
            script.push(last.chosen + 1);
            return Some(script);
        }
    }
    None
}

/// A state's first attempt and its chosen answer. All its retries answer the same.
#[derive(Debug)]
struct Act {
    chosen: usize,
    options: usize,
    /// The place of the answer among all answers that the state can get; 0 is as it should be.
    option: usize,
    answered: Answered,
    /// Why the function would reject the payload.
    refused: Option<String>,
}

/// Plays the functions.
struct Stage<'a> {
    policy: &'a Policy,
    handling: HashMap<&'a str, &'a Handling>,
    /// The Parallel around a state, and the branch.
    branches: HashMap<&'a str, (&'a str, usize)>,
    script: Vec<usize>,
    acts: Mutex<Vec<Act>>,
}

impl<'a> Stage<'a> {
    fn new(machine: &'a Machine, policy: &'a Policy, script: Vec<usize>) -> Self {
        let states = graph::states(machine).into_iter();
        let handling = states.filter_map(|state| Some((&*state.name, graph::handling(state)?))).collect();
        let around = graph::states(machine).into_iter().flat_map(|parallel| {
            let branches = parallel.kind.branches().iter().enumerate();
            branches.flat_map(move |(index, branch)| {
                branch.states.iter().map(move |state| (&*state.name, (&*parallel.name, index)))
            })
        });
        Self { policy, handling, branches: around.collect(), script, acts: Mutex::default() }
    }

    fn into_acts(self) -> Vec<Act> {
        self.acts.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, task: &TaskRequest) -> Result<Arc<Value>, String> {
        let mut acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(act) = acts.iter().find(|act| act.answered.state == task.state) {
            return act.answered.answer.clone();
        }
        let call = Call::of_arguments(&task.arguments, self.policy);
        let known = match &call {
            Some(call) => (self.policy.rehearsal.answers)(call, &task.arguments["Payload"]),
            None => Err("it is not one of the project's functions".to_owned()),
        };
        let refused = known.as_ref().err().cloned();
        let mut options: Vec<Result<Arc<Value>, String>> = known.unwrap_or_default().into_iter().map(Ok).collect();
        options.extend(self.errors(task, call.as_ref()).into_iter().map(Err));
        let mut beside = None;
        let failed = self.failed_beside(&task.state, &acts);
        if let Some((_, first)) = failed.first_key_value() {
            // Only if all earlier branches gave the same answer, this one may give it too.
            let branch = self.branches.get(&*task.state).map_or(0, |(_, branch)| *branch);
            let is_common = failed.len() == branch && failed.values().all(|option| option == first);
            beside = Some(*first).filter(|_| is_common);
            let same = beside.and_then(|option| options.get(option).cloned());
            options.truncate(1);
            options.extend(same);
        }
        // A script consists of the choices of an earlier execution, so it is in range.
        let chosen = self.script.get(acts.len()).copied().unwrap_or(0);
        let answer = options[chosen.min(options.len() - 1)].clone();
        let answered = Answered { state: Arc::clone(&task.state), call, answer: answer.clone() };
        let option = if chosen == 0 { 0 } else { beside.unwrap_or(chosen) };
        acts.push(Act { chosen, options: options.len(), option, answered, refused });
        answer
    }

    /// The other branches of the same Parallel that have answered otherwise than they should, with the place of the answer.
    fn failed_beside(&self, state: &str, acts: &[Act]) -> BTreeMap<usize, usize> {
        let Some((parallel, branch)) = self.branches.get(state) else { return BTreeMap::new() };
        let other = |act: &Act| {
            let (around, other) = self.branches.get(&*act.answered.state)?;
            (around == parallel && other != branch).then_some((*other, act.option))
        };
        acts.iter().filter(|act| act.option > 0).filter_map(other).collect()
    }

    /// One error of each kind. Errors are of the same kind if they are equally transient, are both refused
    /// or not, and meet the same catcher. The retrier makes no difference, because every attempt gets the
    /// same answer. There is always at least one error, the timeout.
    fn errors(&self, task: &TaskRequest, call: Option<&Call>) -> Vec<String> {
        let function = call.and_then(|call| self.policy.function(&call.function));
        let own = function.into_iter().flat_map(|function| function.errors.iter().map(String::as_str));
        let handling = self.handling.get(&*task.state);
        let mut seen = BTreeSet::new();
        let mut errors = Vec::new();
        for error in UNKNOWN_FAILURES.into_iter().chain(TRANSIENT_LAMBDA_ERRORS).chain(own) {
            let failure = Failure::new(error, "");
            let catcher = handling
                .and_then(|handling| handling.catchers.iter().position(|entry| failure.matches(&entry.error_equals)));
            if seen.insert((self.policy.is_transient(error), self.policy.refused.contains(error), catcher)) {
                errors.push(error.to_owned());
            }
        }
        errors
    }
}

impl TaskRunner for Stage<'_> {
    async fn run(&self, task: TaskRequest) -> Result<Value, TaskError> {
        match self.answer(&task) {
            Ok(payload) => Ok(json!({
                "ExecutedVersion": "$LATEST",
                "Payload": payload,
                // The metadata of the HTTP call, which comes with each answer and is no larger than this.
                "SdkHttpMetadata": "-".repeat(1024),
                "StatusCode": 200,
            })),
            Err(error) => Err(TaskError::new(error, CAUSE_MARK)),
        }
    }
}

/// A clock on which every wait ends at once. A wait that would outlast the execution ends the execution.
struct NoTime {
    limit: Duration,
    passed_ms: AtomicI64,
    /// Whether the execution has begun to wait for its time limit.
    is_limited: AtomicBool,
    /// Whether something in the execution waits for longer than the limit.
    is_outlasted: AtomicBool,
}

impl NoTime {
    fn with_limit(limit: Duration) -> Self {
        let no = || AtomicBool::new(false);
        Self { limit, passed_ms: AtomicI64::new(0), is_limited: no(), is_outlasted: no() }
    }
}

impl Clock for NoTime {
    fn now_ms(&self) -> i64 {
        self.passed_ms.load(Ordering::Relaxed)
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        // An execution first begins to wait for its time limit.
        let is_limit = !self.is_limited.swap(true, Ordering::Relaxed);
        let outlasts = !is_limit && duration >= self.limit;
        if !is_limit && !outlasts {
            let passed_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
            self.passed_ms.fetch_add(passed_ms, Ordering::Relaxed);
        }
        poll_fn(move |_| {
            // The execution polls its limit after its work, which reports here that it is stuck.
            if outlasts {
                self.is_outlasted.store(true, Ordering::Relaxed);
            }
            let is_over = if is_limit { self.is_outlasted.load(Ordering::Relaxed) } else { !outlasts };
            if is_over { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

fn judge(acts: &[Act], outcome: &Outcome, history: &History, policy: &Policy, findings: &mut Findings) {
    let events = history.events();
    let entered = |kind: &EventKind| match kind {
        EventKind::StateEntered { state, .. } => Some(state.to_string()),
        _ => None,
    };
    let path: Vec<String> = events.iter().filter_map(|event| entered(&event.kind)).collect();
    let answers: Vec<Answered> = acts.iter().map(|act| act.answered.clone()).collect();
    for act in acts {
        if let Some(reason) = &act.refused {
            let call = act.answered.call.as_ref().map_or_else(|| "the function".to_owned(), Call::to_string);
            let rule = Rule::InputRefused { call, reason: reason.clone() };
            findings.at_state(&act.answered.state, "Arguments", rule);
        }
    }
    judge_end(&events, outcome, &path, findings);
    judge_errors(&answers, outcome, &path, policy, findings);
    let performance = Performance { answers: &answers, outcome, path: &path };
    for verdict::Verdict { state, claim } in (policy.rehearsal.judge)(&performance) {
        findings.at_state(&state, "", Rule::Contradicts { claim, path: path.clone() });
    }
}

/// An execution fails only in a Fail state.
fn judge_end(events: &[crate::Event], outcome: &Outcome, path: &[String], findings: &mut Findings) {
    if outcome.status == Status::Succeeded {
        return;
    }
    let last_entered = events.iter().rev().find_map(|event| match &event.kind {
        EventKind::StateEntered { state, state_type, .. } => Some((state, *state_type)),
        _ => None,
    });
    if last_entered.is_some_and(|(_, state_type)| state_type == "Fail") {
        return;
    }
    let error = outcome.error.clone().unwrap_or_default();
    // The event that fails an execution comes last, except for the events of the Parallel around it.
    let failed = events.iter().rev().find_map(|event| match &event.kind {
        EventKind::EvaluationFailed { state, location, .. } => Some((state, location.as_str())),
        EventKind::TaskFailed { state, .. } | EventKind::TaskTimedOut { state, .. } => Some((state, "Catch")),
        _ => None,
    });
    // But an execution that reached its time limit was not ended by a failure.
    let failed = failed.filter(|_| outcome.status == Status::Failed);
    let rule = Rule::BreaksDown { error, path: path.to_vec() };
    match failed.or(last_entered.map(|(state, _)| (state, ""))) {
        Some((state, field)) => findings.at_state(state, field, rule),
        // No state was entered: the input is too large.
        None => findings.at_machine("StartAt", rule),
    }
}

/// How a saga handles errors. A transient error leaves it open, any other error of an action leads to a
/// decision, and an error of a compensation keeps it from succeeding.
fn judge_errors(answers: &[Answered], outcome: &Outcome, path: &[String], policy: &Policy, findings: &mut Findings) {
    const FIELD: &str = "Catch";
    let path = || path.to_vec();
    let is = |answered: &Answered, call: &Call| answered.call.as_ref() == Some(call);
    let decided_at = answers.iter().position(|answered| is(answered, &policy.decide));
    let transient = |error: &str| policy.is_transient(error);
    if let Some(decided_at) = decided_at {
        let mut failed =
            answers[..decided_at].iter().filter_map(|answered| Some((answered, answered.answer.as_ref().err()?)));
        let last = failed.clone().next_back();
        if let Some((answered, error)) = last
            && failed.all(|(_, error)| transient(error))
        {
            let rule = Rule::TransientCancels { error: error.clone(), path: path() };
            findings.at_state(&answered.state, FIELD, rule);
        }
    }
    for (index, answered) in answers.iter().enumerate() {
        let Err(error) = &answered.answer else { continue };
        if policy.compensations().any(|call| is(answered, call)) && outcome.status == Status::Succeeded {
            let rule = Rule::FailureIgnored { error: error.clone(), path: path() };
            findings.at_state(&answered.state, FIELD, rule);
        }
        let is_action = policy.steps.iter().any(|step| is(answered, &step.action));
        if is_action && !transient(error) && decided_at.is_none_or(|decided_at| decided_at < index) {
            let decide = policy.decide.to_string();
            let rule = Rule::FailureUndecided { error: error.clone(), decide, path: path() };
            findings.at_state(&answered.state, FIELD, rule);
        }
    }
}
