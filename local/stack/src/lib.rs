//! The whole system in one process: the shipped definition, the shipped handlers, and AWS's APIs.

pub mod lambda;
pub mod schedule;
pub mod step_functions;

use std::path::Path;
use std::sync::Arc;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_types::SdkConfig;
use intake::{Intake, queue::Queue, workflow::Workflow};
use manage_accounts::ManageAccounts;
use manage_stock::ManageStock;
use order::EpochMs;
use persist_order::Orders;
use post_accounting::Journal;
use query_orders::QueryOrders;
use recover_orders::RecoverOrders;
use reserve_inventory::Stocks;
use saga::Clock;
use engine::{LoadError, MissingPlaceholder, Random, StateMachine, TokioClock};
use strum::VariantArray;

use crate::aws::{
    Api, DynamoDb, InProcess, Layer, Services, Sqs, StoreError, TableError, TableNames, WallClock, create_missing,
    default_queues, queue_url,
};

use lambda::{Function, Functions, InvocationLayer, Lambda};
use step_functions::{Executions, StepFunctions, machine_arn};

/// The definition that is deployed.
pub const DEFINITION: &str = include_str!("../../../../statemachine/order-saga.asl.json");

/// The overflow queue's name on a local stack.
pub const OVERFLOW_QUEUE: &str = "order-overflow";

/// The name of the queue that an overflow message ends in when it cannot be worked off.
pub const DEAD_LETTER_QUEUE: &str = "order-overflow-dead";

/// The name of the queue of parked orders on a local stack.
pub const PARKED_QUEUE: &str = "orders-parked";

/// The stack could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The data cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tables cannot be used.
    #[error(transparent)]
    Tables(#[from] TableError),
    /// The definition has placeholders that this stack has no value for.
    #[error("fill in the definition's placeholders")]
    Placeholder(#[from] MissingPlaceholder),
    /// The definition is refused.
    #[error("load the definition of the state machine")]
    Definition(#[from] LoadError),
}

/// What a stack is made of, beside the shipped code.
#[derive(Debug)]
pub struct Options {
    /// Where the data is.
    pub store: DynamoDb,
    /// The state machine.
    pub machine: StateMachine,
    /// What the time is when it starts.
    pub origin_ms: EpochMs,
    /// Where the jitter of retries comes from.
    pub random: Random,
    /// What stands before DynamoDB, Step Functions and SQS, outermost first.
    pub layers: Vec<Arc<dyn Layer>>,
    /// What stands before the task functions.
    pub invocations: Option<Arc<dyn InvocationLayer>>,
}

impl Options {
    /// As it is deployed, on this data.
    ///
    /// # Errors
    /// [`StackError::Definition`].
    pub fn new(store: DynamoDb) -> Result<Self, StackError> {
        Ok(Self::with_machine(store, load(DEFINITION)?))
    }

    /// As it is deployed but for the state machine, on this data.
    pub fn with_machine(store: DynamoDb, machine: StateMachine) -> Self {
        Self {
            store,
            machine,
            origin_ms: Clock::System.now_ms(),
            random: Random::from_entropy(),
            layers: Vec::new(),
            invocations: None,
        }
    }

    /// As it is deployed, in memory.
    ///
    /// # Errors
    /// [`StackError::Store`] and [`StackError::Definition`].
    pub fn in_memory() -> Result<Self, StackError> {
        Self::new(DynamoDb::in_memory()?)
    }

    /// As it is deployed, in a directory.
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
    /// `POST /orders`.
    pub intake: Arc<Intake>,
    /// `GET /orders/{orderId}`, and the lists.
    pub query_orders: Arc<QueryOrders>,
    /// The stock, for operations.
    pub manage_stock: Arc<ManageStock>,
    /// The customers' accounts and the journal, for operations.
    pub manage_accounts: Arc<ManageAccounts>,
    /// The schedule's and the overflow queue's function.
    pub recover_orders: Arc<RecoverOrders>,
    /// The queues, for the part of Lambda that polls them.
    pub queues: Sqs,
    /// The data, for those who look at it from outside.
    pub store: DynamoDb,
    /// The tables' names.
    pub tables: TableNames,
    /// Step Functions, for those who start an execution beside another.
    pub step_functions: Arc<StepFunctions<Lambda>>,
    /// The executions.
    pub executions: Executions,
    /// The order records, read as the functions read them.
    pub orders: Orders,
    /// The state machine, to start sagas from outside.
    pub workflow: Workflow,
    /// The time as everything here sees it.
    pub clock: Clock,
    /// DynamoDB, Step Functions and SQS, to be served to others.
    pub services: Services,
}

impl Stack {
    /// Brings it up; creates the tables where they are missing.
    ///
    /// # Errors
    /// [`StackError`].
    pub fn open(options: Options) -> Result<Self, StackError> {
        let Options { store, machine, origin_ms, random, layers, invocations } = options;
        let tables = TableNames::default();
        create_missing(&store, &tables)?;
        let clock = Clock::tokio(origin_ms);
        let queue_clock = WallClock::starting_at(origin_ms.unsigned_abs());
        let queues = Sqs::open(store.clone(), queue_clock, default_queues())?;
        let services = layers.into_iter().fold(Services::new(), Services::with_layer);
        let services = services.with(Api::DynamoDb, Arc::new(store.clone())).with(Api::Sqs, Arc::new(queues.clone()));

        let functions = Functions::new(&config(&services), &tables, clock);
        let engine_clock = TokioClock::starting_at(origin_ms);
        let step_functions = StepFunctions::new(machine, Lambda::new(functions, invocations), engine_clock, random);
        let executions = step_functions.executions();
        let step_functions = Arc::new(step_functions);
        let services = services.with(Api::StepFunctions, Arc::<StepFunctions<Lambda>>::clone(&step_functions));

        let config = config(&services);
        let client = aws_sdk_dynamodb::Client::new(&config);
        let orders = Orders::new(client.clone(), &tables.orders);
        let stocks = Stocks::new(client.clone(), &tables.inventory);
        let workflow = Workflow::new(&config, machine_arn());
        let queue = |name| Queue::new(aws_sdk_sqs::Client::new(&config), queue_url(name));
        let recovery = RecoverOrders::new(orders.clone(), workflow.clone(), queue(PARKED_QUEUE), clock);
        Ok(Self {
            intake: Arc::new(Intake::new(orders.clone(), workflow.clone(), queue(OVERFLOW_QUEUE), clock)),
            query_orders: Arc::new(QueryOrders::new(orders.clone())),
            manage_stock: Arc::new(ManageStock::new(stocks, clock)),
            manage_accounts: Arc::new(ManageAccounts::new(Journal::new(client, &tables.journal))),
            recover_orders: Arc::new(recovery),
            queues,
            store,
            tables,
            step_functions,
            executions,
            orders,
            workflow,
            clock,
            services,
        })
    }
}

/// Loads a definition whose placeholders are the functions' ARNs.
///
/// # Errors
/// [`StackError::Placeholder`] and [`StackError::Definition`].
pub fn load(definition: &str) -> Result<StateMachine, StackError> {
    Ok(StateMachine::load(&fill(definition)?)?)
}

/// The definition with the functions' local ARNs.
///
/// # Errors
/// [`MissingPlaceholder`], if it names another function.
pub fn fill(definition: &str) -> Result<String, MissingPlaceholder> {
    engine::fill(definition, |name| {
        Function::VARIANTS.iter().find(|function| function.placeholder() == name).map(|function| function.arn())
    })
}

/// The clients' configuration: the one they have on Lambda, but for where requests go.
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
