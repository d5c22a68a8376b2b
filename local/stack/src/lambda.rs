//! The task functions of one local stack, invoked as Step Functions invokes Lambda.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_types::SdkConfig;
use lambda_runtime::Diagnostic;
use persist_order::{Orders, PersistOrder};
use post_accounting::PostAccounting;
use reserve_inventory::ReserveInventory;
use saga::{Clock, Task};
use serde_json::{Value, json};
use engine::{TaskError, TaskRequest, TaskRunner};

use crate::aws::{BoxFuture, TableNames};

/// The functions' time limit, as they are deployed with. It is longer than the deadline that a
/// handler keeps by itself, and shorter than the `TimeoutSeconds` of the states that call it.
pub const FUNCTION_TIMEOUT: Duration = Duration::from_secs(6);

/// A task function of the saga.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Function {
    /// The order record.
    PersistOrder,
    /// The inventory step.
    ReserveInventory,
    /// The accounting step.
    PostAccounting,
}

impl Function {
    /// The placeholder that stands for its ARN in the definition.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::PersistOrder => "PersistOrderFunctionArn",
            Self::ReserveInventory => "ReserveInventoryFunctionArn",
            Self::PostAccounting => "PostAccountingFunctionArn",
        }
    }

    /// Its ARN on a local stack.
    pub fn arn(self) -> String {
        format!("arn:aws:lambda:us-east-1:000000000000:function:{self}")
    }

    fn by_arn(arn: &str) -> Option<Self> {
        arn.rsplit(':').next()?.parse().ok()
    }
}

/// One invocation of a task function.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// Counts the invocations of one stack from 0 on.
    pub number: u64,
    /// The function.
    pub function: Function,
    /// The state that invokes it.
    pub state: Arc<str>,
    /// The execution's ARN.
    pub execution: Arc<str>,
    /// How often the state has tried before.
    pub attempt: u32,
    /// What the function is given.
    pub payload: Value,
}

/// What Step Functions sees of an invocation: the payload, or a named error.
pub type Invoked = Result<Value, TaskError>;

/// Stands between the state machine and the functions, and decides what becomes of an invocation.
///
/// It runs in the invocation's own task, which a state that times out does not end: an invocation
/// that is held back here lands later, as a late one on Lambda does.
pub trait InvocationLayer: Send + Sync + fmt::Debug {
    /// Decides what becomes of `invocation`; `functions` applies it as often as it is asked to.
    fn around<'a>(&'a self, invocation: Invocation, functions: &'a Functions) -> BoxFuture<'a, Invoked>;
}

/// The task functions.
#[derive(Debug)]
pub struct Functions {
    persist_order: PersistOrder,
    reserve_inventory: ReserveInventory,
    post_accounting: PostAccounting,
}

impl Functions {
    /// The handlers, each with a client of its own, as each function has.
    pub fn new(config: &SdkConfig, tables: &TableNames, clock: Clock) -> Self {
        let client = || aws_sdk_dynamodb::Client::new(config);
        Self {
            persist_order: PersistOrder::new(Orders::new(client(), &tables.orders), clock),
            reserve_inventory: ReserveInventory::new(client(), &tables.inventory, clock),
            post_accounting: PostAccounting::new(client(), &tables.journal, clock),
        }
    }

    /// Invokes a function.
    ///
    /// # Errors
    /// The function's own error, by its name; `Sandbox.Timedout` past its time limit.
    pub async fn invoke(&self, function: Function, payload: Value) -> Invoked {
        let invoked = async {
            match function {
                Function::PersistOrder => run(&self.persist_order, payload).await,
                Function::ReserveInventory => run(&self.reserve_inventory, payload).await,
                Function::PostAccounting => run(&self.post_accounting, payload).await,
            }
        };
        tokio::time::timeout(FUNCTION_TIMEOUT, invoked).await.unwrap_or_else(|_| {
            let message = format!("Task timed out after {} seconds", FUNCTION_TIMEOUT.as_secs());
            Err(lambda_error("Sandbox.Timedout", &message))
        })
    }
}

async fn run<T: Task>(task: &T, payload: Value) -> Invoked {
    saga::task::invoke(task, payload).await.map_err(|failure| {
        let Diagnostic { error_type, error_message } = failure.into();
        lambda_error(&error_type, &error_message)
    })
}

/// An error of a function, with the cause that Lambda makes of it.
pub fn lambda_error(error_type: &str, error_message: &str) -> TaskError {
    let cause = json!({ "errorMessage": error_message, "errorType": error_type });
    TaskError::new(error_type, cause.to_string())
}

/// Lambda, as a state machine's Task states reach it.
#[derive(Debug)]
pub struct Lambda {
    functions: Arc<Functions>,
    layer: Option<Arc<dyn InvocationLayer>>,
    invocations: AtomicU64,
}

impl Lambda {
    /// Lambda with these functions, and perhaps a layer before them.
    pub fn new(functions: Functions, layer: Option<Arc<dyn InvocationLayer>>) -> Self {
        Self { functions: Arc::new(functions), layer, invocations: AtomicU64::new(0) }
    }
}

impl TaskRunner for Lambda {
    async fn run(&self, task: TaskRequest) -> Invoked {
        let arn = task.arguments["FunctionName"].as_str().unwrap_or_default();
        let Some(function) = Function::by_arn(arn) else {
            let cause = format!("Functions.ResourceNotFoundException: Function not found: {arn}");
            return Err(TaskError::new("Lambda.ResourceNotFoundException", cause));
        };
        let invocation = Invocation {
            number: self.invocations.fetch_add(1, Ordering::Relaxed),
            function,
            state: task.state,
            execution: task.execution,
            attempt: task.attempt,
            payload: task.arguments["Payload"].clone(),
        };
        let (functions, layer) = (Arc::clone(&self.functions), self.layer.clone());
        // A state that times out stops waiting, and the function goes on.
        let invoked = tokio::spawn(async move {
            match layer {
                Some(layer) => layer.around(invocation, &functions).await,
                None => functions.invoke(invocation.function, invocation.payload).await,
            }
        });
        let payload = match invoked.await {
            Ok(invoked) => invoked?,
            // What Lambda says of a process that ends before it answers.
            Err(crash) => return Err(TaskError::new("Lambda.Unknown", crash.to_string())),
        };
        Ok(json!({ "ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200 }))
    }
}
