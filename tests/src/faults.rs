//! What can go wrong between a caller and a service, and who goes first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use local_aws::{Api, BoxFuture, Call, Layer, Next, Outcome, Services, Unanswered, WireError};
use local_stack::functions::{Invoked, lambda_error};
use local_stack::lambda::{Functions, Invocation, InvocationLayer};
use serde_json::Value;
use tokio::sync::Notify;

/// The calls that a fault strikes.
#[derive(Debug, Clone, Copy)]
pub struct Calls {
    api: Api,
    operation: Option<&'static str>,
    table: Option<&'static str>,
}

impl Calls {
    /// Every call of a service.
    pub fn to(api: Api) -> Self {
        Self { api, operation: None, table: None }
    }

    /// Only those of this operation.
    #[must_use]
    pub fn operation(self, operation: &'static str) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Only those that touch this table.
    #[must_use]
    pub fn table(self, table: &'static str) -> Self {
        Self { table: Some(table), ..self }
    }

    fn include(self, call: &Call) -> bool {
        self.api == call.api
            && self.operation.is_none_or(|operation| operation == call.operation)
            && self.table.is_none_or(|table| touches(call, table))
    }
}

fn touches(call: &Call, table: &str) -> bool {
    let actions = call.body["TransactItems"].as_array().into_iter().flatten();
    let mut actions = actions.filter_map(|item| item.as_object()?.values().next());
    call.body["RequestItems"].get(table).is_some()
        || call.body["TableName"] == table
        || actions.any(|action| action["TableName"] == table)
}

/// What happens to a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is refused and has no effect.
    Refuse(WireError),
    /// It never arrives.
    LoseRequest,
    /// It takes effect, but the answer is lost.
    LoseAnswer,
    /// It has no effect and gets no answer.
    Hang,
    /// It takes effect at once, but the answer takes this long.
    DelayAnswer(Duration),
    /// Its caller loses it; it arrives when the test [delivers](Faults::deliver) it.
    Strand,
}

#[derive(Debug)]
struct Rule {
    calls: Calls,
    fault: Fault,
    left: u32,
}

/// A [`Layer`] that injects faults.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    struck: Mutex<u32>,
    stranded: Mutex<Vec<Call>>,
}

impl Faults {
    /// No faults yet.
    pub fn none() -> Arc<Self> {
        Arc::default()
    }

    /// Injects a fault into each of these calls, until [healed](Self::heal).
    pub fn strike(&self, calls: Calls, fault: Fault) {
        self.strike_times(u32::MAX, calls, fault);
    }

    /// Injects a fault into the next so many of these calls.
    pub fn strike_times(&self, times: u32, calls: Calls, fault: Fault) {
        lock(&self.rules).push(Rule { calls, fault, left: times });
    }

    /// Stops injecting faults.
    pub fn heal(&self) {
        lock(&self.rules).clear();
    }

    /// How many calls were struck since the last time this was asked.
    pub fn struck(&self) -> u32 {
        std::mem::take(&mut *lock(&self.struck))
    }

    /// Delivers the stranded calls, and returns the result of each; nobody else waits for it.
    pub async fn deliver(&self, services: &Services) -> Vec<Value> {
        self.heal();
        let stranded = std::mem::take(&mut *lock(&self.stranded));
        let mut answers = Vec::new();
        for call in stranded {
            let target = format!("{}.{}", call.api.target_prefix(), call.operation);
            let answer = services.call(&target, call.body.to_string().as_bytes()).await;
            answers.push(answer.map(|answer| answer.json()).unwrap_or_default());
        }
        answers
    }

    fn next(&self, call: &Call) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let rule = rules.iter_mut().find(|rule| rule.left > 0 && rule.calls.include(call))?;
        rule.left -= 1;
        *lock(&self.struck) += 1;
        Some(rule.fault.clone())
    }
}

impl Layer for Faults {
    fn around<'a>(&'a self, mut call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            // DynamoDB forgets a transaction's token after ten minutes, so nothing may rely on it.
            if let Some(body) = call.body.as_object_mut() {
                body.remove("ClientRequestToken");
            }
            match self.next(&call) {
                None => next.apply(&call).await,
                Some(Fault::Refuse(error)) => Ok(error.into()),
                Some(Fault::LoseRequest) => Err(Unanswered::ConnectionLost),
                Some(Fault::LoseAnswer) => {
                    next.apply(&call).await.ok();
                    Err(Unanswered::ConnectionLost)
                }
                Some(Fault::Hang) => std::future::pending().await,
                Some(Fault::DelayAnswer(delay)) => {
                    let outcome = next.apply(&call).await;
                    tokio::time::sleep(delay).await;
                    outcome
                }
                Some(Fault::Strand) => {
                    lock(&self.stranded).push(call);
                    Err(Unanswered::ConnectionLost)
                }
            }
        })
    }
}

tokio::task_local! {
    static ACTOR: char;
}

/// A [`Layer`] that passes actors' DynamoDB requests in the order that a script sets.
///
/// The script has one letter per request. An actor that has finished leaves its remaining turns to the others, and
/// after the script's end everyone continues freely.
#[derive(Debug, Default)]
pub struct Turns {
    script: Mutex<VecDeque<char>>,
    moved: Notify,
}

impl Turns {
    /// No script yet.
    pub fn free() -> Arc<Self> {
        Arc::default()
    }

    /// Starts a script.
    pub fn play(&self, script: &str) {
        *lock(&self.script) = script.chars().collect();
    }

    /// Does `work` as this actor.
    pub async fn of<T>(&self, actor: char, work: impl Future<Output = T>) -> T {
        let done = ACTOR.scope(actor, work).await;
        lock(&self.script).retain(|turn| *turn != actor);
        self.moved.notify_waiters();
        done
    }

    async fn turn(&self, actor: char) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // Registered before the look, so that a turn just after it is not missed.
            moved.as_mut().enable();
            if lock(&self.script).front().is_none_or(|turn| *turn == actor) {
                return;
            }
            moved.await;
        }
    }
}

impl Layer for Turns {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        let actor = ACTOR.try_with(|actor| *actor).ok().filter(|_| call.api == Api::DynamoDb);
        let Some(actor) = actor else { return next.apply(&call) };
        Box::pin(async move {
            self.turn(actor).await;
            let outcome = next.apply(&call).await;
            lock(&self.script).pop_front();
            self.moved.notify_waiters();
            outcome
        })
    }
}

/// All distinct orders of the letters.
pub fn permutations(letters: &str) -> Vec<String> {
    let mut sorted: Vec<char> = letters.chars().collect();
    sorted.sort_unstable();
    let mut found = Vec::new();
    permute(&mut sorted, String::new(), &mut found);
    found
}

fn permute(left: &mut Vec<char>, begun: String, found: &mut Vec<String>) {
    if left.is_empty() {
        found.push(begun);
        return;
    }
    for index in 0..left.len() {
        // The same letter again would start the same permutations.
        if index > 0 && left[index] == left[index - 1] {
            continue;
        }
        let letter = left.remove(index);
        permute(left, format!("{begun}{letter}"), found);
        left.insert(index, letter);
    }
}

/// What happens to an invocation.
#[derive(Debug, Clone, Copy)]
pub enum Mishap {
    /// It fails under this name, and the function does not run.
    Fail(&'static str),
    /// It fails under this name after this long, and the function does not run.
    SlowlyFail(Duration, &'static str),
    /// The function runs, but its process dies before it answers.
    CrashAfter,
    /// The process dies before the function runs.
    Crash,
    /// The function runs, but only after this long.
    Late(Duration),
    /// The function runs at once, but nobody gets its answer.
    Unheard,
}

/// An [`InvocationLayer`] that injects mishaps into the invocations of states.
#[derive(Debug, Default)]
pub struct Mishaps {
    rules: Mutex<Vec<(&'static str, Mishap, u32)>>,
    landed: Mutex<Vec<(String, Invoked)>>,
}

impl Mishaps {
    /// No mishaps yet.
    pub fn none() -> Arc<Self> {
        Arc::default()
    }

    /// Injects this into each invocation by this state, until [healed](Self::heal).
    pub fn strike(&self, state: &'static str, mishap: Mishap) {
        self.strike_times(u32::MAX, state, mishap);
    }

    /// Injects it into the next so many.
    pub fn strike_times(&self, times: u32, state: &'static str, mishap: Mishap) {
        lock(&self.rules).push((state, mishap, times));
    }

    /// Stops injecting mishaps.
    pub fn heal(&self) {
        lock(&self.rules).clear();
    }

    /// The results of the late invocations, by state.
    pub fn landed(&self) -> Vec<(String, Invoked)> {
        lock(&self.landed).clone()
    }

    fn next(&self, state: &str) -> Option<Mishap> {
        let mut rules = lock(&self.rules);
        let (_, mishap, left) = rules.iter_mut().find(|(struck, _, left)| *struck == state && *left > 0)?;
        *left -= 1;
        Some(*mishap)
    }
}

impl InvocationLayer for Mishaps {
    fn around<'a>(&'a self, invocation: Invocation, functions: &'a Functions) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let mishap = self.next(&invocation.state);
            let Invocation { function, state, payload, .. } = invocation;
            match mishap {
                None => functions.invoke(&function, payload).await,
                Some(Mishap::Fail(error)) => Err(lambda_error(error, "injected by the test")),
                Some(Mishap::SlowlyFail(delay, error)) => {
                    tokio::time::sleep(delay).await;
                    Err(lambda_error(error, "injected by the test"))
                }
                Some(Mishap::Crash) => panic!("{state} crashes before it runs, injected by the test"),
                Some(Mishap::CrashAfter) => {
                    functions.invoke(&function, payload).await.ok();
                    panic!("{state} crashes after it ran, injected by the test")
                }
                Some(Mishap::Late(delay)) => {
                    tokio::time::sleep(delay).await;
                    let invoked = functions.invoke(&function, payload).await;
                    lock(&self.landed).push((state.to_string(), invoked.clone()));
                    invoked
                }
                Some(Mishap::Unheard) => {
                    functions.invoke(&function, payload).await.ok();
                    std::future::pending().await
                }
            }
        })
    }
}

/// Nothing is left half done under these locks, so a poisoned one is still usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
