//! The whole system in one process: the shipped definition, the shipped handlers, and AWS's APIs.
//!
//! | module | knows |
//! |---|---|
//! | [`functions`] | the handlers of the declared functions |
//! | [`gateway`] | API Gateway: which function answers a request |
//! | [`lambda`] | the task functions, invoked as Step Functions invokes Lambda |
//! | [`step_functions`] | the Step Functions API, with the engine behind it |
//! | [`schedule`] | what AWS does on its own: the schedule, and polling queues |
//! | [`samples`] | sample orders |
//! | [`seed`] | the stock and the accounts of a new stack |
//! | [`spans`] | the spans of the executions |

pub mod functions;
pub mod gateway;
pub mod lambda;
pub mod samples;
pub mod schedule;
pub mod seed;
pub mod spans;
pub mod step_functions;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_types::SdkConfig;
use clock::WallClock;
use engine::lint::Policy;
use engine::{MissingPlaceholder, Random, StateMachine, TokioClock};
use local_aws::{
    Api, DynamoDb, InProcess, Layer, Services, Sqs, StoreError, TableError, create_missing, declared_queues, queue_url,
};
use local_payments::{Guard, LocalGateway};
use local_traces::{Kind, Span, Tracer, within};
use order::EpochMs;
use orders::Orders;
use payments::table::TABLE as PAYMENTS;
use payments::{Capture, Gateway, Lapsing};
use queue::Queue;
use recover_orders::RecoverOrders;
use saga::task::chain;
use statemachine::{DEFINITION, DefinitionError};
use workflow::Workflow;

use functions::{ApiHandler, PaymentProvider};
use lambda::{Functions, InvocationLayer, Lambda, Landings, function_arn};
use spans::Spans;
use step_functions::{Executions, StepFunctions};

/// The overflow queue's name on a local stack.
pub const OVERFLOW_QUEUE: &str = "order-overflow";

/// The name of the dead-letter queue of the overflow queue.
pub const DEAD_LETTER_QUEUE: &str = "order-overflow-dead";

/// The name of the queue of parked orders on a local stack.
pub const PARKED_QUEUE: &str = "orders-parked";

/// The stack could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The data cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tables cannot be used.
    #[error(transparent)]
    Tables(#[from] TableError),
    /// The definition cannot be used.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// Handlers and declarations disagree.
    #[error("the functions cannot be served:\n  {}", .0.join("\n  "))]
    Functions(Vec<String>),
}

/// The parts of a stack other than the shipped code.
#[derive(Debug)]
pub struct Options {
    /// Where the data is.
    pub store: DynamoDb,
    /// The state machine.
    pub machine: StateMachine,
    /// The time at the start.
    pub origin_ms: EpochMs,
    /// The source of the retries' jitter.
    pub random: Random,
    /// The layers in front of DynamoDB, Step Functions and SQS, outermost first.
    pub layers: Vec<Arc<dyn Layer>>,
    /// The layer in front of the task functions.
    pub invocations: Option<Arc<dyn InvocationLayer>>,
    /// The payment provider.
    pub payments: Payments,
    /// Whether orders are compared with the price list.
    pub price_list: bool,
    /// Makes spans of what the stack does, if they are wanted.
    pub tracer: Option<Tracer>,
}

/// The payment provider of a stack.
#[derive(Debug, Clone)]
pub struct Payments {
    /// When payments are captured; `None` for a stack without a payment provider.
    pub capture: Option<Capture>,
    /// Whether the provider looks at a payment's status.
    pub guard: Guard,
    /// What stands between the functions and the provider.
    pub layer: Option<Arc<dyn PaymentLayer>>,
}

/// Something between the functions and the payment provider.
pub trait PaymentLayer: fmt::Debug + Send + Sync {
    /// The provider with this in front of it.
    fn before(&self, provider: LocalGateway) -> Arc<dyn Gateway>;
}

impl Default for Payments {
    fn default() -> Self {
        Self { capture: Some(Capture::Confirmation), guard: Guard::default(), layer: None }
    }
}

impl Options {
    /// As deployed, on this data.
    ///
    /// # Errors
    /// [`StackError::Definition`].
    pub fn new(store: DynamoDb) -> Result<Self, StackError> {
        Ok(Self::with_machine(store, load(DEFINITION)?))
    }

    /// As deployed except for the state machine, on this data.
    pub fn with_machine(store: DynamoDb, machine: StateMachine) -> Self {
        Self {
            store,
            machine,
            origin_ms: WallClock::System.now_ms(),
            random: Random::from_entropy(),
            layers: Vec::new(),
            invocations: None,
            payments: Payments::default(),
            price_list: false,
            tracer: None,
        }
    }

    /// As deployed, in memory.
    ///
    /// # Errors
    /// [`StackError::Store`] and [`StackError::Definition`].
    pub fn in_memory() -> Result<Self, StackError> {
        Self::new(DynamoDb::in_memory()?)
    }

    /// As deployed, in a directory.
    ///
    /// # Errors
    /// [`StackError::Store`] and [`StackError::Definition`].
    pub fn in_dir(dir: &Path) -> Result<Self, StackError> {
        Self::new(DynamoDb::open(dir)?)
    }
}

/// The whole system.
#[derive(Debug, Clone)]
pub struct Stack {
    /// The functions behind API Gateway.
    pub apis: Arc<Vec<ApiHandler>>,
    /// The function that the schedule and the overflow queue invoke.
    pub recover_orders: Arc<RecoverOrders>,
    /// The queues, for the poller.
    pub queues: Sqs,
    /// The payment provider, for the checkout.
    pub payments: LocalGateway,
    /// The payment provider, as the functions see it.
    pub provider: PaymentProvider,
    /// The data, for reading it from outside.
    pub store: DynamoDb,
    /// Step Functions, for starting another execution alongside.
    pub step_functions: Arc<StepFunctions<Lambda>>,
    /// The executions.
    pub executions: Executions,
    /// The invocations that ended after their states had stopped waiting.
    pub landings: Landings,
    /// The order records, read as the functions read them.
    pub orders: Orders,
    /// The state machine, to start sagas from outside.
    pub workflow: Workflow,
    /// The time, as everything here sees it.
    pub clock: WallClock,
    /// DynamoDB, Step Functions and SQS, for serving them to others.
    pub services: Services,
    /// Makes spans of what the stack does, if they are wanted.
    pub tracer: Option<Tracer>,
}

impl Stack {
    /// Starts the stack, and creates missing tables.
    ///
    /// # Errors
    /// [`StackError`].
    pub fn open(options: Options) -> Result<Self, StackError> {
        let Options { store, machine, origin_ms, random, layers, invocations, payments, price_list, tracer } = options;
        create_missing(&store)?;
        let clock = WallClock::starting_at(origin_ms);
        let queues = Sqs::open(store.clone(), clock, declared_queues())?;
        let services = layers.into_iter().fold(Services::new(), Services::with_layer);
        let services = services.with_tracer(tracer.clone());
        let spans = Spans::new(tracer.clone());
        let services = services.with(Api::DynamoDb, Arc::new(store.clone())).with(Api::Sqs, Arc::new(queues.clone()));

        let gateway = LocalGateway::open(store.clone(), clock, payments.guard)?;
        let provider = PaymentProvider {
            gateway: match payments.layer {
                Some(layer) => layer.before(gateway.clone()),
                None => Arc::new(gateway.clone()),
            },
            capture: payments.capture.unwrap_or(Capture::Confirmation),
        };
        let gateway_of_intake = payments.capture.map(|_| Arc::clone(&provider.gateway));
        let tasks = functions::tasks(&config(&services), &provider, clock);
        let engine_clock = TokioClock::starting_at(origin_ms);
        let lambda = Lambda::new(Functions::new(tasks.clone()), invocations, spans.clone(), clock);
        let landings = lambda.landings();
        let step_functions = StepFunctions::new(machine, lambda, spans.clone(), engine_clock, random);
        let executions = step_functions.executions();
        let step_functions = Arc::new(step_functions);
        let services = services.with(Api::StepFunctions, Arc::<StepFunctions<Lambda>>::clone(&step_functions));

        let config = config(&services);
        let used = functions::Services::new(&config, gateway_of_intake, price_list, clock);
        let apis = functions::apis(&used);
        let problems = functions::problems(&tasks, &apis);
        if !problems.is_empty() {
            return Err(StackError::Functions(problems));
        }
        let parked = Queue::new(aws_sdk_sqs::Client::new(&config), queue_url(PARKED_QUEUE));
        let lapsing = payments.capture.map(|_| Lapsing::new(aws_sdk_dynamodb::Client::new(&config), PAYMENTS));
        let recovery = RecoverOrders::new(used.orders.clone(), used.workflow.clone(), parked, lapsing, clock);
        Ok(Self {
            apis: Arc::new(apis),
            recover_orders: Arc::new(recovery),
            queues,
            payments: gateway,
            provider,
            store,
            step_functions,
            executions,
            landings,
            orders: used.orders,
            workflow: used.workflow,
            clock,
            services,
            tracer,
        })
    }

    /// Does work that no request asks for, as a trace of its own.
    pub fn traced<F: Future>(&self, name: &str, work: F) -> impl Future<Output = F::Output> + use<F> {
        let span = self.tracer.as_ref().map(|tracer| tracer.begin(None, Kind::Internal, name));
        // On the heap, because the future is large.
        let work = Box::pin(work);
        async move { within(span.as_ref().map(Span::place), work).await }
    }
}

/// What the definition is checked against. The handlers say whether their functions accept a payload.
pub fn policy() -> Policy {
    statemachine::policy::policy(Arc::new(|name, payload| {
        let task = functions::unconnected().iter().find(|task| task.name() == name);
        let task = task.ok_or_else(|| format!("local/stack/src/functions.rs has no handler for {name}"))?;
        task.check_payload(payload).map_err(|error| chain(&error))
    }))
}

/// Every disagreement among declarations, or between them and the handlers; each message names the file to
/// change.
pub fn problems() -> Vec<String> {
    let config = config(&Services::new());
    let apis = functions::apis(&functions::Services::new(&config, None, false, WallClock::System));
    functions::problems(functions::unconnected(), &apis)
}

/// Loads a definition, with the functions' local ARNs for its placeholders.
///
/// # Errors
/// [`StackError::Definition`].
pub fn load(definition: &str) -> Result<StateMachine, StackError> {
    Ok(statemachine::load(definition, function_arn)?)
}

/// The definition with the functions' local ARNs.
///
/// # Errors
/// [`MissingPlaceholder`], if it names an undeclared function.
pub fn fill(definition: &str) -> Result<String, MissingPlaceholder> {
    statemachine::fill(definition, function_arn)
}

/// The clients' configuration: as on Lambda, except for where requests go.
pub fn config(services: &Services) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("local", "local", None, None, "local")))
        .timeout_config(saga::aws::timeouts())
        .retry_config(saga::aws::retries())
        .http_client(InProcess::new(services.clone()))
        .build()
}
