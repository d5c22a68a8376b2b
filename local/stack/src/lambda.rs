//! The task functions of one local stack, invoked as Step Functions invokes Lambda.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::{TaskError, TaskRequest, TaskRunner};
use local_aws::BoxFuture;
use serde_json::{Value, json};

use crate::functions::{Invoked, TaskHandler, lambda_error};

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

/// Lambda, as a state machine's Task states call it.
#[derive(Debug)]
pub struct Lambda {
    functions: Arc<Functions>,
    layer: Option<Arc<dyn InvocationLayer>>,
    invocations: AtomicU64,
}

impl Lambda {
    /// Lambda with these functions, and optionally a layer in front of them.
    pub fn new(functions: Functions, layer: Option<Arc<dyn InvocationLayer>>) -> Self {
        Self { functions: Arc::new(functions), layer, invocations: AtomicU64::new(0) }
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
        // A state that times out stops waiting; the function continues.
        let invoked = tokio::spawn(async move {
            match layer {
                Some(layer) => layer.around(invocation, &functions).await,
                None => functions.invoke(&invocation.function, invocation.payload).await,
            }
        });
        let payload = match invoked.await {
            Ok(invoked) => invoked?,
            // Lambda's message for a process that ends before it answers.
            Err(crash) => return Err(TaskError::new("Lambda.Unknown", crash.to_string())),
        };
        Ok(json!({ "ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200 }))
    }
}
