//! The world around the handlers: it counts the points of a run, and injects faults where the schedule says
//! so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::{Answer, Caller};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use order::EpochMs;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::fault::{Fault, FaultKind, Point, PointNumber};
use super::invocation::{Surroundings, strike};
use super::kinds::OrderKind;
use local_aws::BoxFuture;
use local_stack::Stack;
use local_stack::functions::Invoked;
use local_stack::lambda::{Functions, Invocation, InvocationLayer};

/// How long an outage of a table lasts.
const OUTAGE: Duration = Duration::from_mins(15);

/// How long a long outage lasts: longer than recovery's attempts to confirm, shorter than its attempts to
/// roll back.
const LONG_OUTAGE: Duration = Duration::from_hours(6);

/// A request that was answered.
#[derive(Debug)]
pub struct Exchange {
    /// What was sent.
    pub request: ApiGatewayProxyRequest,
    /// What came back.
    pub answer: Answer,
}

/// The world of one run.
#[derive(Debug, Default)]
pub struct World {
    state: Mutex<State>,
    /// Dropped at the end, because the stack's services in turn hold the world.
    stack: Mutex<Option<Arc<Stack>>>,
}

#[derive(Debug, Default)]
struct State {
    /// Points do not count before the run begins or after it has come to rest.
    is_counting: bool,
    points: Vec<Point>,
    plan: BTreeMap<PointNumber, Fault>,
    held: Vec<Held>,
    /// The fault that strikes a state's next attempt as well, by execution and state.
    again: BTreeMap<(Arc<str>, Arc<str>), Fault>,
    /// Until when each table does not answer.
    outages: BTreeMap<String, EpochMs>,
    callers: Vec<JoinHandle<Exchange>>,
}

/// A hung invocation.
#[derive(Debug)]
struct Held {
    lands: PointNumber,
    gate: oneshot::Sender<()>,
    landed: oneshot::Receiver<()>,
}

impl Held {
    async fn land(self) {
        // After a run has ended, nobody is left to open the gate for.
        let _ = self.gate.send(());
        let _ = self.landed.await;
    }
}

impl World {
    /// A world in which these faults happen.
    pub fn new(faults: &[Fault]) -> Self {
        let plan = faults.iter().map(|fault| (fault.point, *fault)).collect();
        Self { state: Mutex::new(State { plan, ..State::default() }), stack: Mutex::default() }
    }

    /// Starts counting points and injecting faults.
    pub fn begin(&self, stack: &Stack) {
        *self.stack.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(stack.clone()));
        self.lock().is_counting = true;
    }

    /// Stops injecting faults, and drops the stack.
    pub fn end(&self) {
        self.lock().is_counting = false;
        *self.stack.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The points that were reached.
    pub fn points(&self) -> Vec<Point> {
        self.lock().points.clone()
    }

    /// Sends a request on someone's behalf.
    pub fn call(&self, request: ApiGatewayProxyRequest) {
        let Some(stack) = self.stack() else { return };
        let caller = tokio::spawn(async move {
            let answer = stack.answer(request.clone(), &Caller::of_an_open_api(), "explorer").await;
            Exchange { request, answer }
        });
        self.lock().callers.push(caller);
    }

    /// Waits until every sender has an answer.
    pub async fn clients(&self) -> Vec<Exchange> {
        let mut clients = Vec::new();
        loop {
            let callers = std::mem::take(&mut self.lock().callers);
            if callers.is_empty() {
                return clients;
            }
            for caller in callers {
                clients.push(caller.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())));
            }
        }
    }

    /// Lands what is still delayed.
    pub async fn land_all(&self) {
        let held = std::mem::take(&mut self.lock().held);
        for held in held {
            held.land().await;
        }
    }

    /// Whether a table is out at the moment.
    pub fn is_out(&self, table: &str) -> bool {
        let Some(stack) = self.stack() else { return false };
        self.lock().outages.get(table).is_some_and(|until_ms| stack.clock.now_ms() < *until_ms)
    }

    /// Until when a table is out, if it ever was.
    pub fn out_until_ms(&self, table: &str) -> Option<EpochMs> {
        self.lock().outages.get(table).copied()
    }

    /// Begins an outage of a table.
    pub fn start_outage(&self, table: &str, kind: FaultKind) {
        let Some(stack) = self.stack() else { return };
        let lasts = if kind == FaultKind::LongOutage { LONG_OUTAGE } else { OUTAGE };
        let lasts_ms = EpochMs::try_from(lasts.as_millis()).unwrap_or(EpochMs::MAX);
        self.lock().outages.insert(table.to_owned(), stack.clock.now_ms() + lasts_ms);
    }

    /// The time, as the stack sees it; 0 once the run has ended.
    pub fn now_ms(&self) -> EpochMs {
        self.stack().map_or(0, |stack| stack.clock.now_ms())
    }

    /// Whether points are being counted.
    pub fn is_counting(&self) -> bool {
        self.lock().is_counting
    }

    /// Counts a point, does what is scheduled before it, and returns the fault at it.
    pub async fn arrive(&self, point: Point) -> Option<Fault> {
        let (landing, fault) = {
            let mut state = self.lock();
            if !state.is_counting {
                return None;
            }
            let number = PointNumber::try_from(state.points.len()).unwrap_or(PointNumber::MAX);
            state.points.push(point);
            let (landing, held) = std::mem::take(&mut state.held).into_iter().partition(|held| held.lands == number);
            state.held = held;
            let landing: Vec<Held> = landing;
            (landing, state.plan.remove(&number))
        };
        for held in landing {
            held.land().await;
        }
        match fault {
            Some(fault) if fault.kind.is_event() || fault.kind == FaultKind::RecoveryRuns => {
                self.happen(fault.kind).await;
                None
            }
            fault => fault,
        }
    }

    async fn happen(&self, kind: FaultKind) {
        let Some(stack) = self.stack() else { return };
        match kind {
            FaultKind::RecoveryRuns => super::run::recover(&stack, EpochMs::MAX).await,
            FaultKind::CustomerCancels | FaultKind::CustomerCancelsBeside => {
                self.call(OrderKind::cancellation());
            }
            _ => self.call(OrderKind::other_request()),
        }
        if matches!(kind, FaultKind::CustomerCancels | FaultKind::OtherBody) {
            let caller = self.lock().callers.pop();
            if let Some(caller) = caller {
                // It is put back with its answer, to be read with the others.
                let client = caller.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
                self.lock().callers.push(tokio::spawn(async move { client }));
            }
        }
    }

    /// The fault at an attempt: the one planned for its point, or the one that struck the previous attempt
    /// and strikes twice.
    fn strike(&self, planned: Option<Fault>, attempt: (Arc<str>, Arc<str>)) -> Option<Fault> {
        let mut state = self.lock();
        match planned.map(|fault| (fault, fault.kind.each_time())) {
            Some((fault, Some(kind))) => {
                let fault = Fault { kind, ..fault };
                state.again.insert(attempt, fault);
                Some(fault)
            }
            Some((fault, None)) => Some(fault),
            None => state.again.remove(&attempt),
        }
    }

    pub(super) fn hold(&self, lands: PointNumber) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (gate, opened) = oneshot::channel();
        let (done, landed) = oneshot::channel();
        self.lock().held.push(Held { lands, gate, landed });
        (opened, done)
    }

    fn stack(&self) -> Option<Arc<Stack>> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic that a run survives leaves no change to the state half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InvocationLayer for World {
    fn around<'a>(&'a self, invocation: Invocation, functions: &'a Functions) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let (execution, state) = (Arc::clone(&invocation.execution), Arc::clone(&invocation.state));
            let point = Point::Invocation { state: state.to_string(), attempt: invocation.attempt };
            let planned = self.arrive(point).await;
            let Some(fault) = self.strike(planned, (execution, state)) else {
                return functions.invoke(&invocation.function, invocation.payload).await;
            };
            let lands = fault.lands.unwrap_or(super::fault::AT_THE_END);
            strike(fault.kind, invocation, functions, &Scheduled { world: self, lands }).await
        })
    }
}

/// A fault of the schedule, with the point at which it lands if it is late.
#[derive(Debug)]
struct Scheduled<'a> {
    world: &'a World,
    lands: PointNumber,
}

impl Surroundings for Scheduled<'_> {
    fn hold<'a>(&'a self, landing: BoxFuture<'a, Invoked>) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let (opened, landed) = self.world.hold(self.lands);
            let _ = opened.await;
            let invoked = landing.await;
            let _ = landed.send(());
            invoked
        })
    }

    fn kill(&self, execution_arn: &str) {
        let Some(stack) = self.world.stack() else { return };
        for execution in stack.executions.all().iter().filter(|execution| execution.arn == execution_arn) {
            execution.kill();
        }
    }

    fn start_beside(&self, execution_arn: &str) {
        if let Some(stack) = self.world.stack() {
            stack.step_functions.repeat(execution_arn);
        }
    }
}
