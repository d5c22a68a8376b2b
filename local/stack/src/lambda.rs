//! The task functions of one local stack, invoked as Step Functions invokes Lambda.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::WallClock;
use engine::{TaskError, TaskRequest, TaskRunner};
use local_aws::BoxFuture;
use local_traces::{Span, within};
use order::EpochMs;
use serde::Serialize;
use serde_json::{Value, json};

use crate::functions::{Invoked, TaskHandler, lambda_error};
use crate::spans::{self, Spans};

/// The ARN of a function on a local stack.
pub fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")
}

/// One invocation of a task function.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// Numbers the invocations of one stack, from 0.
    pub number: u64,
    /// The function's name.
    pub function: String,
    /// The state that invokes it.
    pub state: Arc<str>,
    /// The execution's ARN.
    pub execution: Arc<str>,
    /// How many times the state has tried before.
    pub attempt: u32,
    /// The function's input.
    pub payload: Value,
}

/// Stands between the state machine and the functions, and decides what happens to an invocation.
///
/// It runs in the invocation's own task, which continues when the state times out. An invocation that is
/// delayed here lands later, as a late one does on Lambda.
pub trait InvocationLayer: Send + Sync + fmt::Debug {
    /// Decides what happens to `invocation`; `functions` runs it as many times as it is called.
    fn around<'a>(&'a self, invocation: Invocation, functions: &'a Functions) -> BoxFuture<'a, Invoked>;
}

/// The task functions.
#[derive(Debug)]
pub struct Functions {
    tasks: Vec<TaskHandler>,
}

impl Functions {
    /// The functions with these handlers.
    pub fn new(tasks: Vec<TaskHandler>) -> Self {
        Self { tasks }
    }

    /// Invokes a function.
    ///
    /// # Errors
    /// The function's own error under its name, `Sandbox.Timedout` after its declared time limit, or
    /// `Lambda.ResourceNotFoundException` for a function that does not exist.
    pub async fn invoke(&self, function: &str, payload: Value) -> Invoked {
        let Some(task) = self.tasks.iter().find(|task| task.name() == function) else {
            let cause = format!("Function not found: {function}");
            return Err(TaskError::new("Lambda.ResourceNotFoundException", cause));
        };
        let seconds = declarations::function(function).map_or(0, |function| function.timeout.seconds);
        let invoked = tokio::time::timeout(Duration::from_secs(seconds.into()), task.invoke(payload)).await;
        invoked.unwrap_or_else(|_| {
            let message = format!("Task timed out after {seconds} seconds");
            Err(lambda_error("Sandbox.Timedout", &message))
        })
    }
}

/// How many late landings are kept: there are few, and each belongs to an execution that had a fault.
const KEPT_LANDINGS: usize = 1000;

/// An invocation that ended when its state no longer waited for it: the state had timed out, or its execution had
/// died. No event of the execution shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Landing {
    /// The execution's ARN.
    #[serde(skip)]
    pub execution: Arc<str>,
    /// The state that had invoked the function.
    pub state: Arc<str>,
    /// How many times the state had tried before.
    pub attempt: u32,
    /// The function.
    pub function: String,
    /// When it ended.
    pub landed_ms: EpochMs,
    /// The function's answer, if it had one.
    pub output: Option<Value>,
    /// The function's error, if it failed.
    pub error: Option<String>,
    /// What the error said.
    pub cause: Option<String>,
}

/// The late landings, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Landings(Arc<Mutex<VecDeque<Landing>>>);

impl Landings {
    /// Those of an execution.
    pub fn of(&self, execution: &str) -> Vec<Landing> {
        let landings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        landings.iter().filter(|landing| &*landing.execution == execution).cloned().collect()
    }

    /// How many there are of an execution.
    pub fn count(&self, execution: &str) -> usize {
        let landings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        landings.iter().filter(|landing| &*landing.execution == execution).count()
    }

    fn keep(&self, landing: Landing) {
        let mut landings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if landings.len() >= KEPT_LANDINGS {
            landings.pop_front();
        }
        landings.push_back(landing);
    }
}

/// Set when a state stops waiting for its invocation.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Lambda, as a state machine's Task states call it.
#[derive(Debug)]
pub struct Lambda {
    functions: Arc<Functions>,
    layer: Option<Arc<dyn InvocationLayer>>,
    invocations: AtomicU64,
    landings: Landings,
    spans: Spans,
    clock: WallClock,
}

impl Lambda {
    /// Lambda with these functions, and optionally a layer in front of them.
    pub fn new(functions: Functions, layer: Option<Arc<dyn InvocationLayer>>, spans: Spans, clock: WallClock) -> Self {
        let (invocations, landings) = (AtomicU64::new(0), Landings::default());
        Self { functions: Arc::new(functions), layer, invocations, landings, spans, clock }
    }

    /// The late landings; they stay readable once Lambda is in use.
    pub fn landings(&self) -> Landings {
        self.landings.clone()
    }
}

impl TaskRunner for Lambda {
    async fn run(&self, task: TaskRequest) -> Invoked {
        let arn = task.arguments["FunctionName"].as_str().unwrap_or_default();
        let invocation = Invocation {
            number: self.invocations.fetch_add(1, Ordering::Relaxed),
            function: arn.rsplit(':').next().unwrap_or_default().to_owned(),
            state: task.state,
            execution: task.execution,
            attempt: task.attempt,
            payload: task.arguments["Payload"].clone(),
        };
        let (functions, layer) = (Arc::clone(&self.functions), self.layer.clone());
        let (landings, clock) = (self.landings.clone(), self.clock);
        // While the attempt waits, so that it is there to be the span's parent.
        let mut span = self.spans.invoke(&invocation);
        let began_ms = clock.now_ms();
        let is_abandoned = Arc::new(AtomicBool::new(false));
        let _waiting = Waiting(Arc::clone(&is_abandoned));
        // A state that times out stops waiting; the function continues.
        let invoked = tokio::spawn(async move {
            let (function, state) = (invocation.function.clone(), Arc::clone(&invocation.state));
            let (execution, attempt) = (Arc::clone(&invocation.execution), invocation.attempt);
            let invoked = async {
                match layer {
                    Some(layer) => layer.around(invocation, &functions).await,
                    None => functions.invoke(&invocation.function, invocation.payload).await,
                }
            };
            let invoked = within(span.as_ref().map(Span::place), invoked).await;
            if let Some(span) = &mut span {
                let is_step = declarations::function(&function).is_some_and(|function| function.step.is_some());
                spans::add_outcome(span, &invoked, is_step, began_ms, is_abandoned.load(Ordering::Acquire));
            }
            if is_abandoned.load(Ordering::Acquire) {
                let (output, error, cause) = match invoked.clone() {
                    Ok(output) => (Some(output), None, None),
                    Err(TaskError { error, cause }) => (None, Some(error), Some(cause)),
                };
                let landed_ms = clock.now_ms();
                landings.keep(Landing { execution, state, attempt, function, landed_ms, output, error, cause });
            }
            invoked
        });
        let payload = match invoked.await {
            Ok(invoked) => invoked?,
            // Lambda's message for a process that ends before it answers.
            Err(crash) => return Err(TaskError::new("Lambda.Unknown", crash.to_string())),
        };
        Ok(json!({ "ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200 }))
    }
}
