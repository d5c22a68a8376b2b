//! Faults in a running stack: someone chooses one at a state, and the next executions that reach the state have it.
//!
//! These are the explorer's faults, on the real clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::TaskError;
use local_aws::{Api, BoxFuture, Call, Layer, Next, Outcome, WireError};
use local_stack::Stack;
use local_stack::functions::Invoked;
use local_stack::lambda::{Functions, Invocation, InvocationLayer};
use order::EpochMs;
use serde::{Deserialize, Serialize};

use super::fault::FaultKind;
use super::invocation::{Surroundings, strike};

/// How long a hung invocation is delayed: both attempts of its state have timed out by then, and the order is rolled
/// back.
const LANDS_AFTER: Duration = Duration::from_secs(20);

/// How long DynamoDB is away.
pub const OUTAGE: Duration = Duration::from_secs(30);

/// The most faults that wait for an execution. More than anyone chooses by hand.
const MAX_CHOSEN: usize = 100;

/// The most executions that one fault strikes: as many orders as can be placed at once.
pub const MAX_EXECUTIONS: u32 = 100;

/// A fault that can be chosen at a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LiveFault {
    /// Both attempts hang until the state has timed out, and land after the roll-back.
    Late,
    /// The function does its work, and its answer is lost.
    AnswerLost,
    /// Both attempts crash before they do anything.
    CrashedTwice,
    /// Lambda throttles the invocation.
    Throttled,
    /// The service refuses for good what must be done.
    Refused,
    /// The execution dies.
    ExecutionDies,
    /// The execution runs twice.
    ExecutionTwice,
}

impl LiveFault {
    /// What happens to an invocation; `None` for a refusal, which is the service's own answer.
    fn kind(self) -> Option<FaultKind> {
        match self {
            Self::Late => Some(FaultKind::HungTwice),
            Self::AnswerLost => Some(FaultKind::AnswerLost),
            Self::CrashedTwice => Some(FaultKind::CrashedTwiceBefore),
            Self::Throttled => Some(FaultKind::Throttled),
            Self::Refused => None,
            Self::ExecutionDies => Some(FaultKind::ExecutionDies),
            Self::ExecutionTwice => Some(FaultKind::ExecutionTwice),
        }
    }
}

/// A fault that waits for the next executions to reach its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Chosen {
    /// The state.
    pub state: String,
    /// What goes wrong.
    pub fault: LiveFault,
    /// How many more executions it strikes.
    #[serde(default = "one")]
    pub executions: u32,
}

fn one() -> u32 {
    1
}

/// The chosen faults, and the layers that inject them.
#[derive(Debug, Default)]
pub struct LiveFaults {
    state: Mutex<State>,
    /// Set once the stack runs, because its services in turn hold this.
    stack: Mutex<Option<Stack>>,
}

#[derive(Debug, Default)]
struct State {
    chosen: Vec<Chosen>,
    /// The fault that strikes a state's next attempt as well, by execution and state.
    again: BTreeMap<(Arc<str>, Arc<str>), FaultKind>,
    /// Until when DynamoDB does not answer.
    away_until_ms: EpochMs,
}

impl LiveFaults {
    /// Connects the faults with the stack that has them as its layers.
    pub fn connect(&self, stack: Stack) {
        *self.stack.lock().unwrap_or_else(PoisonError::into_inner) = Some(stack);
    }

    /// The faults that wait, oldest first.
    pub fn chosen(&self) -> Vec<Chosen> {
        self.lock().chosen.clone()
    }

    /// Lets the next executions that reach a state have a fault. Returns whether there was room for it.
    pub fn choose(&self, fault: Chosen) -> bool {
        let mut state = self.lock();
        let has_room = state.chosen.len() < MAX_CHOSEN;
        if has_room {
            state.chosen.push(fault);
        }
        has_room
    }

    /// Takes back every fault, and ends an outage.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.chosen.clear();
        state.away_until_ms = 0;
    }

    /// Lets DynamoDB be away for [`OUTAGE`], and returns until when.
    pub fn start_outage(&self) -> EpochMs {
        let until_ms = self.now_ms() + EpochMs::try_from(OUTAGE.as_millis()).unwrap_or(EpochMs::MAX);
        self.lock().away_until_ms = until_ms;
        until_ms
    }

    /// Until when DynamoDB is away, if it is.
    pub fn away_until_ms(&self) -> Option<EpochMs> {
        let (until_ms, now_ms) = (self.lock().away_until_ms, self.now_ms());
        (now_ms < until_ms).then_some(until_ms)
    }

    fn is_away(&self) -> bool {
        // Almost always there is no outage, and the clock need not be read.
        self.lock().away_until_ms > 0 && self.away_until_ms().is_some()
    }

    /// The fault that strikes this attempt.
    fn strikes(&self, invocation: &Invocation) -> Option<LiveFault> {
        let mut state = self.lock();
        let at = state.chosen.iter().position(|chosen| *chosen.state == *invocation.state)?;
        let chosen = &mut state.chosen[at];
        chosen.executions -= 1;
        let fault = chosen.fault;
        if chosen.executions == 0 {
            state.chosen.remove(at);
        }
        if let Some(kind) = fault.kind().and_then(FaultKind::each_time) {
            state.again.insert((Arc::clone(&invocation.execution), Arc::clone(&invocation.state)), kind);
        }
        Some(fault)
    }

    /// The fault that struck the attempt before, if it strikes twice.
    fn strikes_again(&self, invocation: &Invocation) -> Option<FaultKind> {
        self.lock().again.remove(&(Arc::clone(&invocation.execution), Arc::clone(&invocation.state)))
    }

    fn now_ms(&self) -> EpochMs {
        self.stack().map_or(0, |stack| stack.clock.now_ms())
    }

    fn stack(&self) -> Option<Stack> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Surroundings for LiveFaults {
    fn hold<'a>(&'a self, landing: BoxFuture<'a, Invoked>) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            tokio::time::sleep(LANDS_AFTER).await;
            landing.await
        })
    }

    fn kill(&self, execution_arn: &str) {
        let Some(stack) = self.stack() else { return };
        for execution in stack.executions.all().iter().filter(|execution| execution.arn == execution_arn) {
            execution.kill();
        }
    }

    fn start_beside(&self, execution_arn: &str) {
        if let Some(stack) = self.stack() {
            stack.step_functions.repeat(execution_arn);
        }
    }
}

impl InvocationLayer for LiveFaults {
    fn around<'a>(&'a self, invocation: Invocation, functions: &'a Functions) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let kind = match (self.strikes_again(&invocation), invocation.attempt) {
                (Some(kind), _) => Some(kind),
                // A fault is chosen for an execution's visit of a state, so it begins with the first attempt.
                (None, 0) => match self.strikes(&invocation) {
                    Some(LiveFault::Refused) => {
                        return Err(TaskError::new(REFUSED, "the payment provider refused for good"));
                    }
                    fault => fault.and_then(LiveFault::kind).map(|kind| kind.each_time().unwrap_or(kind)),
                },
                (None, _) => None,
            };
            match kind {
                Some(kind) => strike(kind, invocation, functions, self).await,
                None => functions.invoke(&invocation.function, invocation.payload).await,
            }
        })
    }
}

/// The error of an external step whose service refuses for good what must be undone.
const REFUSED: &str = "UndoRefused";

impl Layer for LiveFaults {
    fn is_idle(&self) -> bool {
        !self.is_away()
    }

    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            if call.api == Api::DynamoDb && self.is_away() {
                return Ok(WireError::provisioned_throughput_exceeded().into());
            }
            next.apply(&call).await
        })
    }
}
