//! The deployed executables, run through the deployed definition.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::BTreeMap;
use std::sync::Arc;

use clock::WallClock;
use declarations::{Function, Kind, setting_variable};
use engine::{EventKind, Random, StateMachine, TaskRequest, TaskRunner, TokioClock};
use local_audit::{self as audit, Report};
use local_aws::{Api, DynamoDb, Services, Sqs, create_missing, declared_queues};
use local_issuer::{SigningKey, jwks};
use local_stack::functions::{Invoked, lambda_error};
use local_stack::seed::Seed;
use local_stack::spans::Spans;
use local_stack::step_functions::{Execution, Executions, StepFunctions};
use local_stack::{config, fill};
use order::Order;
use serde_json::{Value, json};
use statemachine::DEFINITION;
use system_tests::client::{LAPTOP, order_of};
use system_tests::deployed::{authorizer_event, context, gateway_event, settings, tokens};
use system_tests::issuer::KeyServer;
use system_tests::orders::order;
use system_tests::runtime_api::{LambdaFunction, Request};

async fn start(function: &Function, settings: &[(String, String)], services: &Services) -> LambdaFunction {
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (&**name, &**value)).collect();
    LambdaFunction::start(&function.name, &settings, services.clone()).await
}

async fn start_by_name(name: &str, services: &Services) -> LambdaFunction {
    let function = declarations::function(name).unwrap();
    start(function, &settings(function), services).await
}

fn tasks() -> impl Iterator<Item = &'static Function> {
    declarations::functions().iter().filter(|function| function.is_task())
}

/// The task functions' processes, invoked as Step Functions does.
#[derive(Debug)]
struct Processes(BTreeMap<&'static str, LambdaFunction>);

impl Processes {
    async fn start(services: &Services) -> Self {
        let mut processes = BTreeMap::new();
        for function in tasks() {
            processes.insert(function.name.as_str(), start(function, &settings(function), services).await);
        }
        Self(processes)
    }

    fn process(&self, function: &str) -> &LambdaFunction {
        &self.0[function]
    }
}

impl TaskRunner for Processes {
    async fn run(&self, task: TaskRequest) -> Invoked {
        assert_eq!(&*task.resource, "arn:aws:states:::lambda:invoke");
        let arn = task.arguments["FunctionName"].as_str().unwrap();
        match self.process(arn.rsplit(':').next().unwrap()).invoke(&task.arguments["Payload"]).await {
            Ok(payload) => Ok(json!({ "ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200 })),
            Err(error) => Err(lambda_error(&error.error_type, &error.error_message)),
        }
    }
}

/// The whole system, with a process for every function.
struct System {
    store: DynamoDb,
    services: Services,
    processes: Arc<Processes>,
    executions: Executions,
    intake: LambdaFunction,
    query_orders: LambdaFunction,
}

impl System {
    async fn start() -> Self {
        let (services, store) = aws().await;
        let processes = Arc::new(Processes::start(&services).await);
        let machine = StateMachine::load(&fill(DEFINITION).unwrap()).unwrap();
        let clock = TokioClock::starting_at(0);
        let step_functions =
            StepFunctions::new(machine, Arc::clone(&processes), Spans::default(), clock, Random::from_entropy());
        let executions = step_functions.executions();
        let services = services.with(Api::StepFunctions, Arc::new(step_functions));
        Self {
            intake: start_by_name("intake", &services).await,
            query_orders: start_by_name("query-orders", &services).await,
            store,
            services,
            processes,
            executions,
        }
    }

    async fn place(&self, client: &str, key: &str, body: impl ToString) -> Answer {
        let event = gateway_event("POST", "/orders", &Value::Null, client, key, Some(&body.to_string()));
        Answer(self.intake.invoke(&event).await.unwrap())
    }

    async fn read(&self, client: &str, order_id: &Value) -> Answer {
        let path = json!({ "orderId": order_id });
        let event = gateway_event("GET", "/orders/{orderId}", &path, client, "-", None);
        Answer(self.query_orders.invoke(&event).await.unwrap())
    }

    fn audit(&self) -> Report {
        audit::run(&self.store).unwrap()
    }

    fn last_execution(&self) -> Execution {
        self.executions.all().pop().unwrap()
    }
}

/// DynamoDB and SQS, with the sample's stock.
async fn aws() -> (Services, DynamoDb) {
    let store = DynamoDb::in_memory().unwrap();
    create_missing(&store).unwrap();
    let queues = Sqs::open(store.clone(), WallClock::System, declared_queues()).unwrap();
    let services = Services::new().with(Api::DynamoDb, Arc::new(store.clone())).with(Api::Sqs, Arc::new(queues));
    let client = aws_sdk_dynamodb::Client::new(&config(&services));
    Seed::sample().unwrap().store(&client).await.unwrap();
    (services, store)
}

/// A function's response to API Gateway.
#[derive(Debug, PartialEq)]
struct Answer(Value);

impl Answer {
    fn status(&self) -> u64 {
        self.0["statusCode"].as_u64().unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.0["headers"][name].as_str().unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    fn body(&self) -> Value {
        serde_json::from_str(self.0["body"].as_str().unwrap()).unwrap()
    }
}

/// The errors with which an execution's tasks ended, in order.
fn task_errors(execution: &Execution) -> Vec<String> {
    let errors = execution.history.events().into_iter().filter_map(|event| match event.kind {
        EventKind::TaskFailed { error, .. } => error,
        _ => None,
    });
    errors.collect()
}

fn aws_call(operation: &str) -> Request {
    Request::Aws(operation.to_owned())
}

#[tokio::test]
async fn the_binaries_confirm_one_order_and_roll_another_one_back() {
    let system = System::start().await;

    let confirmed = system.place("shop-key", "first", LAPTOP).await;
    assert_eq!(confirmed.status(), 201, "{confirmed:?}");
    let order = confirmed.body();
    assert_eq!(order["status"], "CONFIRMED");
    // The stage is part of the address.
    assert_eq!(confirmed.header("location"), format!("/prod/orders/{}", order["orderId"].as_str().unwrap()));
    assert_eq!(confirmed.header("idempotency-key"), "first");
    assert_eq!(task_errors(&system.last_execution()), [""; 0]);
    let read = system.read("shop-key", &order["orderId"]).await;
    assert_eq!((read.status(), read.body()), (200, order.clone()));
    assert_eq!(read.header("etag"), confirmed.header("etag"));

    let refused = system.place("shop-key", "second", order_of("LIMITED001", 2)).await;
    assert_eq!(refused.status(), 409, "{refused:?}");
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert_eq!((&refused.body()["status"], &refused.body()["reason"]), (&json!("CANCELLED"), &json!("OUT_OF_STOCK")));
    assert_eq!(refused.body()["detail"], "main has 1 of LIMITED001, and 2 were ordered");
    assert_eq!(task_errors(&system.last_execution()), ["OutOfStock"]);
    assert_eq!(system.read("shop-key", &refused.body()["orderId"]).await.body()["reason"], "OUT_OF_STOCK");

    assert_eq!(system.place("shop-key", "first", LAPTOP).await.0["body"], confirmed.0["body"]);
    let conflict = system.place("shop-key", "first", order_of("MOUSE001", 1)).await;
    assert_eq!(conflict.status(), 422, "{conflict:?}");
    assert_eq!(conflict.body()["type"], "urn:order-saga:problem:idempotency-conflict");
    assert_eq!(task_errors(&system.last_execution()), ["IdempotencyConflict"]);
    let other = system.place("market-key", "first", LAPTOP).await;
    assert_ne!(other.body()["orderId"], order["orderId"], "another tenant's key is another order");
    assert_eq!(system.read("market-key", &order["orderId"]).await.status(), 404, "it cannot see that one");
    assert_eq!(system.read("clerk-key", &order["orderId"]).await.status(), 200);
    assert_eq!(system.place("clerk-key", "fourth", LAPTOP).await.status(), 403);
    assert_eq!(system.place("nobody's-key", "fourth", LAPTOP).await.status(), 403);
    let nonsense = system.place("shop-key", "third", "{}").await;
    assert_eq!((nonsense.status(), nonsense.body()["errors"].as_array().unwrap().len()), (422, 3));
    let absent = system.read("shop-key", &json!("00000000000000000000000000000000")).await;
    assert_eq!((absent.status(), absent.header("content-type")), (404, "application/problem+json"));

    let report = system.audit();
    assert!(report.holds, "{report:?}");
    assert_eq!(
        serde_json::to_value(&report.orders).unwrap(),
        json!({
            "PENDING": 0, "CONFIRMED": 2, "FULFILLING": 0, "FULFILLED": 0, "CANCELLING": 0, "CANCELLED": 1,
        })
    );
}

/// The names of what a metric is counted by, of which each value costs something.
fn dimensions(line: &Value) -> &Value {
    &line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
}

fn decided(line: &Value) -> [u64; 3] {
    ["OrdersConfirmed", "OrdersCancelled", "OrdersFailed"].map(|name| line[name].as_u64().unwrap())
}

#[tokio::test]
async fn decisions_failures_and_failed_starts_are_counted() {
    // Step Functions is missing here.
    let (services, _store) = aws().await;
    let persist_order = start_by_name("persist-order", &services).await;
    let recover_orders = start_by_name("recover-orders", &services).await;
    let persist = async |key: &str| {
        let order = order(key).of("LAPTOP001", 1).placed();
        let persist = json!({ "action": "persist", "order_id": order.order_id(), "order": order });
        assert_eq!(persist_order.invoke(&persist).await.unwrap()["status"], "PENDING");
        order
    };

    let first = persist("k1").await;
    let started = recover_orders.invoke(&json!({ "action": "take_up", "order_id": first.order_id() })).await;
    assert_eq!(started.unwrap(), "not_started");
    assert_eq!(recover_orders.next_metric("StartsFailed").await["StartsFailed"], 1);

    let receipts = json!({
        "reserve-inventory": { "at_ms": 1, "effect": "APPLIED" }, "post-accounting": { "at_ms": 1, "effect": "APPLIED" },
    });
    let confirm =
        json!({ "action": "confirm", "order_id": first.order_id(), "store_id": first.store_id, "receipts": receipts });
    assert_eq!(persist_order.invoke(&confirm).await.unwrap()["status"], "CONFIRMED");
    let confirmed = persist_order.next_metric("OrdersConfirmed").await;
    assert_eq!(decided(&confirmed), [1, 0, 0]);
    assert_eq!(dimensions(&confirmed), &json!([["FunctionName"]]));

    let second = persist("k2").await;
    let cancel = |order: &Order| {
        json!({
            "action": "cancel", "order_id": order.order_id(), "failed_state": "ReserveInventory",
            "failure": { "Error": "States.Timeout", "Cause": "" },
        })
    };
    // Repetitions decide nothing, so they count nothing: the next line is that of the second order.
    assert_eq!(persist_order.invoke(&confirm).await.unwrap()["status"], "CONFIRMED");
    assert_eq!(persist_order.invoke(&cancel(&first)).await.unwrap()["status"], "CONFIRMED");
    assert_eq!(persist_order.invoke(&cancel(&second)).await.unwrap()["status"], "CANCELLING");
    let cancelled = persist_order.next_line().await;
    assert_eq!(decided(&cancelled), [0, 1, 1]);
    assert_eq!((&cancelled["Reason"], &cancelled["State"]), (&json!("STEP_FAILED"), &json!("ReserveInventory")));
    let sets = cancelled["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    let by: Vec<_> = sets.iter().map(|set| (&set["Dimensions"][0], &set["Metrics"][0]["Name"])).collect();
    let expected = [
        (json!(["FunctionName"]), json!("OrdersConfirmed")),
        (json!(["FunctionName", "Reason"]), json!("OrdersCancelled")),
        (json!(["FunctionName", "State"]), json!("OrdersFailed")),
    ];
    assert_eq!(by, expected.iter().map(|(dimensions, metric)| (dimensions, metric)).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_binaries_for_operations_answer_only_operations() {
    let (services, _store) = aws().await;
    let manage_stock = start_by_name("manage-stock", &services).await;
    let manage_accounts = start_by_name("manage-accounts", &services).await;

    let article = json!({ "storeId": "main", "sku": "LAPTOP001" });
    let adjustments = "/stores/{storeId}/stock/{sku}/adjustments";
    let received = json!({ "difference": 5, "reason": "RECEIVED" }).to_string();
    let receipt = |client| gateway_event("POST", adjustments, &article, client, "a1", Some(&received));
    let adjusted = Answer(manage_stock.invoke(&receipt("clerk-key")).await.unwrap());
    assert_eq!((adjusted.status(), &adjusted.body()["stock"]["onHand"]), (201, &json!(105)), "{adjusted:?}");
    assert_eq!(Answer(manage_stock.invoke(&receipt("shop-key")).await.unwrap()).status(), 403);
    let read = gateway_event("GET", "/stores/{storeId}/stock/{sku}", &article, "clerk-key", "-", None);
    let read = Answer(manage_stock.invoke(&read).await.unwrap());
    assert_eq!((read.status(), &read.body()["onHand"]), (200, &json!(105)), "{read:?}");

    let customer = json!({ "customerId": "acme-wholesale" });
    let account = |client| gateway_event("GET", "/accounts/{customerId}", &customer, client, "-", None);
    let read = Answer(manage_accounts.invoke(&account("clerk-key")).await.unwrap());
    assert_eq!((read.status(), &read.body()["creditLimit"]), (200, &json!(5000.0)), "{read:?}");
    assert_eq!(Answer(manage_accounts.invoke(&account("shop-key")).await.unwrap()).status(), 403);
}

#[tokio::test]
async fn what_the_authorizer_says_about_a_caller_is_what_the_functions_read() {
    let system = System::start().await;
    let key = SigningKey::es256("k1");
    let function = declarations::function("authorize").unwrap();
    let mut settings = settings(function);
    let server = KeyServer::start(jwks([&key])).await;
    settings.retain(|(name, _)| *name != setting_variable(authorize::settings::TOKENS));
    settings.push((setting_variable(authorize::settings::TOKENS), tokens(&server.url)));
    let authorizer = start(function, &settings, &system.services).await;
    let expires_s = WallClock::System.now_ms() / 1000 + 600;
    let token = |scope: &str, expires_s: i64| {
        let claims = json!({
            "iss": "https://issuer.example.com", "aud": "orders", "sub": "alice", "exp": expires_s,
            "tenant": "shop", "scope": scope, "customer": "demo123",
        });
        format!("Bearer {}", key.sign(&claims))
    };

    let place = async |context: &Value, key: &str| {
        let mut event = gateway_event("POST", "/orders", &Value::Null, "", key, Some(LAPTOP));
        event["requestContext"]["authorizer"] = context.clone();
        event["requestContext"]["authorizer"]["principalId"] = "alice".into();
        event["requestContext"]["authorizer"]["integrationLatency"] = 3.into();
        Answer(system.intake.invoke(&event).await.unwrap())
    };
    let allowed = authorizer.invoke(&authorizer_event("Authorization", &token("submit", expires_s))).await.unwrap();
    assert_eq!(allowed["policyDocument"]["Statement"][0]["Effect"], "Allow");
    assert_eq!(place(&allowed["context"], "by-token").await.status(), 201, "{allowed}");
    let reader = authorizer.invoke(&authorizer_event("Authorization", &token("read", expires_s))).await.unwrap();
    assert_eq!(place(&reader["context"], "by-reader").await.status(), 403, "{reader}");
    let by_key = authorizer.invoke(&authorizer_event("X-API-Key", "shop-key")).await.unwrap();
    assert_eq!((&by_key["context"], &by_key["usageIdentifierKey"]), (&context("shop-key"), &json!("shop-key")));
    assert_eq!(place(&by_key["context"], "by-key").await.status(), 201, "{by_key}");
    for (header, value) in
        [("X-API-Key", "nobody's"), ("Authorization", &token("submit", expires_s - 601)), ("X-Other", "")]
    {
        let error = authorizer.invoke(&authorizer_event(header, value)).await.unwrap_err();
        assert_eq!(error.error_message, "Unauthorized", "{header}");
    }
    assert_eq!(place(&json!({}), "by-nobody").await.status(), 403);
}

#[tokio::test]
async fn a_process_opens_its_connections_before_it_asks_for_work_and_serves_every_invocation() {
    let system = System::start().await;
    assert_eq!(system.place("shop-key", "1", LAPTOP).await.status(), 201);
    assert_eq!(system.place("shop-key", "2", LAPTOP).await.status(), 201);

    let invocation = |operation: &str| [Request::Next, aws_call(operation), Request::Response];
    let expected = |operations: &[&str]| {
        let invocations = operations.iter().flat_map(|operation| invocation(operation));
        std::iter::once(aws_call("GetItem")).chain(invocations).collect::<Vec<_>>()
    };
    for (function, operations) in [
        ("persist-order", &["PutItem", "UpdateItem", "PutItem", "UpdateItem"] as &[_]),
        ("reserve-inventory", &["TransactWriteItems", "TransactWriteItems"]),
        ("post-accounting", &["PutItem", "PutItem"]),
    ] {
        let mut requests = system.processes.process(function).requests();
        // It may already have asked for the next one, or be about to.
        requests.pop_if(|last| *last == Request::Next);
        assert_eq!(requests, expected(operations), "{function}");
    }
    let mut intake = system.intake.requests();
    intake.pop_if(|last| *last == Request::Next);
    intake[..2].sort_by_key(|request| format!("{request:?}"));
    let start = aws_call("StartSyncExecution");
    let served = [Request::Next, start.clone(), Request::Response];
    assert_eq!(intake, [&[aws_call("GetItem"), start] as &[_], &served, &served].concat());
}

#[tokio::test]
async fn errors_arrive_under_the_names_that_the_definition_matches() {
    let system = System::start().await;
    let functions = ["persist-order", "reserve-inventory", "post-accounting"];
    for function in functions {
        for garbage in [json!(null), json!(7), json!("reserve"), json!({}), json!({ "action": "fly" })] {
            let error = system.processes.process(function).invoke(&garbage).await.unwrap_err();
            assert_eq!(error.error_type, "InvalidOrder", "{function} {garbage}: {error:?}");
            let expected = match garbage["action"].as_str() {
                Some("fly") => "unknown action fly; the actions are ",
                _ => "read the input of the task: ",
            };
            assert!(error.error_message.starts_with(expected), "{function} {garbage}: {error:?}");
        }
    }
    let absent = json!({ "action": "persist", "order_id": "00000000000000000000000000000000" });
    let error = system.processes.process("persist-order").invoke(&absent).await.unwrap_err();
    assert_eq!(error.error_type, "InvalidOrder", "{error:?}");

    // A compensation that runs first leaves a tombstone, and the action then loses to it.
    assert_eq!(system.place("shop-key", "1", LAPTOP).await.status(), 201);
    let input = match &system.last_execution().history.events()[0].kind {
        EventKind::ExecutionStarted { input } => Value::clone(input),
        other => panic!("unexpected action {other:?}"),
    };
    let mut order = input["order"].clone();
    let order_id = json!("0123456789abcdef0123456789abcdef");
    order["order_id"] = order_id.clone();
    for (function, undo, action) in
        [("reserve-inventory", "release", "reserve"), ("post-accounting", "reverse", "post")]
    {
        let process = system.processes.process(function);
        let undone = process.invoke(&json!({ "action": undo, "order_id": order_id })).await.unwrap();
        assert_eq!(undone["effect"], "NOTHING", "{function}");
        let error = process.invoke(&json!({ "action": action, "order": order })).await.unwrap_err();
        assert_eq!(error.error_type, "SagaCancelled", "{function}: {error:?}");
    }

    // A table that does not answer is a transient error, not a crash.
    let deaf = LambdaFunction::start(
        "reserve-inventory",
        &[("INVENTORY_TABLE", "none"), ("STOCK_SPREADING", "manual")],
        system.services.clone(),
    )
    .await;
    let error = deaf.invoke(&json!({ "action": "reserve", "order": input["order"] })).await.unwrap_err();
    assert_eq!(error.error_type, "Unavailable", "{error:?}");
    assert!(system.audit().holds);
}

#[tokio::test]
async fn a_function_that_lacks_a_setting_names_it() {
    let (services, _store) = aws().await;
    for function in declarations::functions() {
        let (name, mut settings) = (&function.name, settings(function));
        // The prices' table is needed with it only.
        let price_list = setting_variable(prices::settings::PRICE_LIST);
        settings
            .iter_mut()
            .filter(|(name, _)| *name == price_list)
            .for_each(|(_, value)| *value = "enforced".to_owned());
        assert!(!settings.is_empty(), "{name} needs nothing");
        // Without the first there is no payment provider, which only the payment step needs. Without the second there are
        // no tokens, without the third there is no price list.
        let is_needed = |setting: &str| {
            (setting != setting_variable(payments::settings::CAPTURE) || function.kind == Kind::Step)
                && setting != setting_variable(authorize::settings::TOKENS)
                && setting != price_list
        };
        for (missing, _) in settings.iter().filter(|(name, _)| is_needed(name)) {
            let others: Vec<_> = settings.iter().filter(|(other, _)| other != missing).cloned().collect();
            let (succeeded, requests, log) = start(function, &others, &services).await.ended().await;
            assert!(!succeeded, "{name} without {missing}: {log}");
            assert!(log.contains(missing), "{name} without {missing}: {log}");
            assert!(!requests.contains(&Request::Next), "{name} without {missing} asked for work");
        }
    }
}
