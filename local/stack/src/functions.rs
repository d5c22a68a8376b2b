//! The handlers of the declared functions: the one place that maps a function's name to its code.
//!
//! To add a function, add a line here. [`problems`] finds where handlers and declarations disagree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use api::{Answer, Handler};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;
use capture_payment::CapturePayment;
use clock::WallClock;
use declarations::{Function, Kind};
use engine::TaskError;
use intake::Intake;
use inventory::Stocks;
use inventory::settings::Spreading;
use journal::Journal;
use lambda_runtime::Diagnostic;
use local_aws::{BoxFuture, queue_url};
use manage_accounts::ManageAccounts;
use manage_stock::ManageStock;
use order::{Order, OrderId, PaymentReference};
use orders::Orders;
use payments::{Capture, Desk, Gateway, GatewayError, Payment};
use persist_order::{Input, PersistError, PersistOrder};
use post_accounting::PostAccounting;
use prices::Prices;
use query_orders::QueryOrders;
use queue::Queue;
use reserve_inventory::ReserveInventory;
use saga::task::{InvalidInput, read_input};
use saga::{ExternalFunction, ExternalStep, Item, Step, StepFunction, Task};
use serde::Deserialize;
use serde_json::{Value, json};
use strum::VariantNames;
use tracing::{Instrument, Span};
use workflow::Workflow;

use crate::OVERFLOW_QUEUE;
use crate::step_functions::machine_arn;

/// The functions that the state machine calls. Each has its own clients.
#[must_use]
pub fn tasks(config: &SdkConfig, payments: &PaymentProvider, clock: WallClock) -> Vec<TaskHandler> {
    let client = || Client::new(config);
    let reserve = ReserveInventory::new(client(), inventory::table::TABLE, Spreading::Automatic);
    let capture = CapturePayment::new(Arc::clone(&payments.gateway), payments.capture, journal::table::TABLE);
    vec![
        record("persist-order", PersistOrder::new(Orders::new(client(), orders::table::TABLE), clock)),
        step("reserve-inventory", reserve, client(), clock),
        step("post-accounting", PostAccounting::new(client(), journal::table::TABLE), client(), clock),
        external_step("capture-payment", capture, client(), clock),
    ]
}

/// The payment provider, as the functions see it.
#[derive(Debug, Clone)]
pub struct PaymentProvider {
    /// Its calls.
    pub gateway: Arc<dyn Gateway>,
    /// When new orders' payments are captured.
    pub capture: Capture,
}

/// The functions that API Gateway calls.
#[must_use]
pub fn apis(services: &Services) -> Vec<ApiHandler> {
    let Services { orders, stocks, prices, journal, workflow, overflow, payments, clock, .. } = services;
    let list = services.price_list.then(|| prices.clone());
    vec![
        api("intake", Intake::new(orders.clone(), workflow.clone(), overflow.clone(), payments.clone(), list, *clock)),
        api("query-orders", QueryOrders::new(orders.clone())),
        api("manage-stock", ManageStock::new(stocks.clone(), prices.clone(), *clock)),
        api("manage-accounts", ManageAccounts::new(journal.clone(), *clock)),
    ]
}

/// What the functions behind API Gateway need.
#[derive(Debug, Clone)]
pub struct Services {
    /// The orders table.
    pub orders: Orders,
    /// The inventory table.
    pub stocks: Stocks,
    /// The prices table.
    pub prices: Prices,
    /// Whether orders are compared with the price list.
    pub price_list: bool,
    /// The journal table.
    pub journal: Journal,
    /// The state machine.
    pub workflow: Workflow,
    /// The overflow queue.
    pub overflow: Queue,
    /// The payments; `None` if there is no payment provider.
    pub payments: Option<Desk>,
    /// The time.
    pub clock: WallClock,
}

/// An invocation's result as Step Functions sees it: the payload, or a named error.
pub type Invoked = Result<Value, TaskError>;

impl Services {
    /// The services that these clients call.
    #[must_use]
    pub fn new(config: &SdkConfig, gateway: Option<Arc<dyn Gateway>>, price_list: bool, clock: WallClock) -> Self {
        let client = Client::new(config);
        let payments = gateway.map(|gateway| Desk::new(client.clone(), payments::table::TABLE, gateway));
        Self {
            orders: Orders::new(client.clone(), orders::table::TABLE),
            stocks: Stocks::new(client.clone(), inventory::table::TABLE),
            prices: Prices::new(client.clone(), prices::table::TABLE),
            price_list,
            journal: Journal::new(client, journal::table::TABLE),
            workflow: Workflow::new(config, machine_arn()),
            overflow: Queue::new(aws_sdk_sqs::Client::new(config), queue_url(OVERFLOW_QUEUE)),
            payments,
            clock,
        }
    }
}

type Invoke = dyn Fn(Value) -> BoxFuture<'static, Invoked> + Send + Sync;
type Check = dyn Fn(&Value) -> Result<(), PayloadError> + Send + Sync;
type FenceKey = dyn Fn(&OrderId) -> Item + Send + Sync;
type IsEffect = dyn Fn(&Order, &Value) -> bool + Send + Sync;

/// Why a function would not take a payload.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// It is not an input of the function.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// The order record refuses it.
    #[error(transparent)]
    Record(#[from] PersistError),
}

/// The handler of a function that the state machine calls.
#[derive(Clone)]
pub struct TaskHandler {
    name: &'static str,
    invoke: Arc<Invoke>,
    check_payload: Arc<Check>,
    /// The refusals that its code can return.
    refusals: BTreeSet<&'static str>,
    step: Option<StepFacts>,
}

/// What a step can say about an order without reading anything.
#[derive(Clone)]
struct StepFacts {
    fence_key: Arc<FenceKey>,
    is_effect: Arc<IsEffect>,
}

impl TaskHandler {
    /// The function's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Invokes it, as Lambda does except for the time limit.
    pub fn invoke(&self, payload: Value) -> BoxFuture<'static, Invoked> {
        Box::pin((self.invoke)(payload).instrument(service(self.name)))
    }

    /// Checks whether it accepts this payload.
    ///
    /// # Errors
    /// [`PayloadError`].
    pub fn check_payload(&self, payload: &Value) -> Result<(), PayloadError> {
        (self.check_payload)(payload)
    }

    /// For a step: whether an effect, as its fence stores it, is what the order asks of it.
    pub fn is_effect(&self, order: &Order, effect: &Value) -> bool {
        self.step.as_ref().is_some_and(|step| (step.is_effect)(order, effect))
    }
}

impl fmt::Debug for TaskHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandler").field("name", &self.name).finish_non_exhaustive()
    }
}

type Respond = dyn Fn(ApiGatewayProxyRequest, String) -> BoxFuture<'static, Answer> + Send + Sync;

/// Which function writes a log line: the process runs them all.
fn service(name: &str) -> Span {
    tracing::info_span!("function", service = name)
}

/// The handler of a function that API Gateway calls.
#[derive(Clone)]
pub struct ApiHandler {
    name: &'static str,
    respond: Arc<Respond>,
}

impl ApiHandler {
    /// The function's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Answers a request.
    pub fn answer(&self, event: ApiGatewayProxyRequest, id: String) -> BoxFuture<'static, Answer> {
        Box::pin((self.respond)(event, id).instrument(service(self.name)))
    }
}

impl fmt::Debug for ApiHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiHandler").field("name", &self.name).finish_non_exhaustive()
    }
}

fn record(name: &'static str, handler: PersistOrder) -> TaskHandler {
    let check = |payload: &Value| -> Result<(), PayloadError> {
        let input: Input = read_input(payload, &persist_order::actions())?;
        Ok(input.check()?)
    };
    TaskHandler {
        name,
        invoke: invoke(handler),
        check_payload: Arc::new(check),
        refusals: PersistError::VARIANTS.iter().copied().filter(|name| *name != "Unavailable").collect(),
        step: None,
    }
}

fn step<S: Step + Clone>(name: &'static str, step: S, client: Client, clock: WallClock) -> TaskHandler
where
    S::Refusal: VariantNames,
{
    let declaration = step_declaration(name);
    let (keys, effects) = (step.clone(), step.clone());
    let facts = StepFacts {
        fence_key: Arc::new(move |order_id| keys.fence_key(order_id)),
        is_effect: Arc::new(move |order, effect| {
            S::Effect::deserialize(effect).is_ok_and(|effect| effects.is_effect_of(&effect, order))
        }),
    };
    TaskHandler {
        name,
        invoke: invoke(StepFunction::new(declaration, step, client, &declaration.fence.table, clock)),
        check_payload: Arc::new(|payload| Ok(saga::function::check_payload(declaration, payload)?)),
        refusals: S::Refusal::VARIANTS.iter().copied().collect(),
        step: Some(facts),
    }
}

fn external_step<S>(name: &'static str, step: S, client: Client, clock: WallClock) -> TaskHandler
where
    S: ExternalStep + Clone,
    S::Refusal: VariantNames,
{
    let declaration = step_declaration(name);
    let (keys, effects) = (step.clone(), step.clone());
    let facts = StepFacts {
        fence_key: Arc::new(move |order_id| keys.fence_key(order_id)),
        is_effect: Arc::new(move |order, effect| json!(effects.effect(order)) == *effect),
    };
    TaskHandler {
        name,
        invoke: invoke(ExternalFunction::new(declaration, step, client, &declaration.fence.table, clock)),
        check_payload: Arc::new(|payload| Ok(saga::function::check_payload(declaration, payload)?)),
        refusals: S::Refusal::VARIANTS.iter().copied().collect(),
        step: Some(facts),
    }
}

fn step_declaration(name: &str) -> &'static declarations::Step {
    let declaration = declarations::function(name).and_then(|function| function.step.as_ref());
    declaration.unwrap_or_else(|| panic!("functions/{name}/function.json does not declare a step"))
}

fn invoke<T: Task>(task: T) -> Arc<Invoke> {
    let task = Arc::new(task);
    Arc::new(move |payload| {
        let task = Arc::clone(&task);
        Box::pin(async move {
            saga::task::invoke(&*task, payload).await.map_err(|failure| {
                let Diagnostic { error_type, error_message } = failure.into();
                lambda_error(&error_type, &error_message)
            })
        })
    })
}

fn api<H: Handler>(name: &'static str, handler: H) -> ApiHandler {
    let function = declarations::function(name).unwrap_or_else(|| panic!("functions/{name}/function.json is missing"));
    let handler = Arc::new(handler);
    let respond = move |event, id: String| -> BoxFuture<'static, Answer> {
        let handler = Arc::clone(&handler);
        Box::pin(async move { api::handler::answer(&*handler, function, event, &id).await })
    };
    ApiHandler { name, respond: Arc::new(respond) }
}

/// An error of a function, with the cause that Lambda builds from it.
pub fn lambda_error(error_type: &str, error_message: &str) -> TaskError {
    let cause = json!({ "errorMessage": error_message, "errorType": error_type });
    TaskError::new(error_type, cause.to_string())
}

/// Every disagreement between handlers and declarations; each message names the file to change.
pub fn problems(tasks: &[TaskHandler], apis: &[ApiHandler]) -> Vec<String> {
    let mut problems = declarations::problems();
    let handled: BTreeSet<&str> =
        tasks.iter().map(TaskHandler::name).chain(apis.iter().map(ApiHandler::name)).collect();
    for function in
        declarations::functions().iter().filter(|function| !matches!(function.kind, Kind::Authorizer | Kind::Worker))
    {
        if !handled.contains(function.name.as_str()) {
            let place = "local/stack/src/functions.rs";
            problems.push(format!("{place}: has no handler for {}, which functions/ declares", function.name));
        }
    }
    let declared: BTreeMap<&str, &Function> =
        declarations::functions().iter().map(|function| (function.name.as_str(), function)).collect();
    for task in tasks {
        let Some(function) = declared.get(task.name) else { continue };
        let of_step = function.step.iter().flat_map(|step| step.refusals.keys());
        let of_record = function.record.iter().flat_map(|record| &record.refusals);
        let refusals: BTreeSet<&str> = of_step.chain(of_record).map(String::as_str).collect();
        if refusals != task.refusals {
            let at = format!("functions/{}/function.json", task.name);
            problems.push(format!("{at}: declares the refusals {refusals:?}, but the code has {:?}", task.refusals));
        }
        problems.extend(fence_problem(function, task));
    }
    problems
}

fn fence_problem(function: &Function, task: &TaskHandler) -> Option<String> {
    let (step, fence_key) = (function.step.as_ref()?, &task.step.as_ref()?.fence_key);
    let order_id: OrderId = "0123456789abcdef0123456789abcdef".parse().expect("it is an order id");
    let declared = step.fence.key.iter().map(|(name, value)| {
        let value = value.replace("{order_id}", order_id.as_str());
        (name.clone(), aws_sdk_dynamodb::types::AttributeValue::S(value))
    });
    let (declared, found) = (declared.collect::<Item>(), fence_key(&order_id));
    (declared != found).then(|| {
        format!("functions/{}/function.json: the fence's key is {declared:?}, but the code's is {found:?}", task.name)
    })
}

/// The task functions with clients that reach nothing, to ask them what needs no request.
pub fn unconnected() -> &'static [TaskHandler] {
    static ALL: LazyLock<Vec<TaskHandler>> = LazyLock::new(|| {
        let nobody = PaymentProvider { gateway: Arc::new(NoGateway), capture: Capture::Confirmation };
        tasks(&crate::config(&local_aws::Services::new()), &nobody, WallClock::System)
    });
    &ALL
}

/// A payment provider that is never asked.
#[derive(Debug)]
struct NoGateway;

impl NoGateway {
    fn answer<'a, T: Send + 'a>() -> payments::Answer<'a, T> {
        Box::pin(async { Err(GatewayError::NotBegun("there is no payment provider".to_owned())) })
    }
}

impl Gateway for NoGateway {
    fn payment<'a>(&'a self, _: &'a PaymentReference) -> payments::Answer<'a, Option<Payment>> {
        Self::answer()
    }

    fn capture<'a>(&'a self, _: &'a PaymentReference, _: i64, _: &'a str, _: &'a str) -> payments::Answer<'a, Payment> {
        Self::answer()
    }

    fn cancel<'a>(&'a self, _: &'a PaymentReference, _: &'a str) -> payments::Answer<'a, ()> {
        Self::answer()
    }

    fn refund<'a>(&'a self, _: &'a PaymentReference, _: &'a str) -> payments::Answer<'a, ()> {
        Self::answer()
    }
}

/// Whether an effect, as a step's fence stores it, is what the order asks of the step.
pub fn is_effect(step: &str, order: &Order, effect: &Value) -> bool {
    unconnected().iter().any(|task| task.name() == step && task.is_effect(order, effect))
}
