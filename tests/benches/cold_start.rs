//! Starts the deployed executables as Lambda does, and measures the first invocation and later ones. For
//! `benches/cold-start`, which unpacks the zips.
//!
//! The Runtime API, AWS's APIs and the payment provider are in this process. So a time has what the function itself
//! does, and none of Lambda's own start, the network or DynamoDB.

#![allow(clippy::unwrap_used, reason = "a measurement may stop at what should not happen")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use declarations::{Function, Kind, setting_variable};
use engine::EventKind;
use local_aws::Services;
use local_issuer::{SigningKey, jwks};
use local_stack::seed::Seed;
use local_stack::{Options, Stack, config};
use serde_json::{Value, json};
use system_tests::client::LAPTOP;
use system_tests::deployed::{authorizer_event, gateway_event, settings, tokens};
use system_tests::issuer::KeyServer;
use system_tests::orders::{order, order_id};
use system_tests::runtime_api::LambdaFunction;

/// How many times each function is started.
const STARTS: usize = 20;

/// How many invocations follow the first one of each start.
const WARM: usize = 100;

/// A function's measurements.
#[derive(Default)]
struct Measured {
    /// From the start of the process to the answer to the first invocation.
    first: Vec<Duration>,
    /// Each later invocation.
    warm: Vec<Duration>,
    peak_kib: u64,
}

fn percentile(times: &[Duration], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
    let index = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[index].as_secs_f64() * 1000.0
}

/// The stack that the functions' requests go to, and the payload of each task in the order that it has confirmed.
async fn stack() -> (Stack, BTreeMap<String, Value>) {
    let stack = Stack::open(Options::in_memory().unwrap()).unwrap();
    Seed::sample().unwrap().store(&aws_sdk_dynamodb::Client::new(&config(&stack.services))).await.unwrap();
    let payment = "pi_1".parse().unwrap();
    let card = local_payments::Card::Good;
    stack.payments.authorise_as(payment, 10_00, "USD".parse().unwrap(), card).await.unwrap();
    let reply = order("first").of("LAPTOP001", 1).paid_with("pi_1").place_order(&stack).await;
    assert_eq!(reply.outcome(), (201, "CONFIRMED", ""), "{:?}", reply.body);
    let mut payloads = BTreeMap::new();
    for event in stack.executions.all().pop().unwrap().history.events() {
        if let EventKind::TaskScheduled { parameters, .. } = event.kind {
            let function = parameters["FunctionName"].as_str().unwrap().rsplit(':').next().unwrap();
            payloads.entry(function.to_owned()).or_insert_with(|| parameters["Payload"].clone());
        }
    }
    (stack, payloads)
}

/// What the function is invoked with: something that it does in every order's way, and that may be repeated.
fn payload(function: &Function, tasks: &BTreeMap<String, Value>, token: &str) -> Value {
    let orders = order_id("first");
    let path = json!({ "orderId": orders, "storeId": "main", "sku": "LAPTOP001", "customerId": "acme-wholesale" });
    let read = |resource| gateway_event("GET", resource, &path, "everything", "-", None);
    match function.name.as_str() {
        "authorize" => authorizer_event("Authorization", &format!("Bearer {token}")),
        "intake" => gateway_event("POST", "/orders", &Value::Null, "everything", "cold", Some(LAPTOP)),
        "query-orders" => read("/orders/{orderId}"),
        "manage-stock" => read("/stores/{storeId}/stock/{sku}"),
        "manage-accounts" => read("/accounts/{customerId}"),
        "recover-orders" => json!({ "action": "recover" }),
        // A compensation without an effect, because the action would ask the payment provider, which is not here.
        "capture-payment" => json!({ "action": "release", "order_id": "0123456789abcdef0123456789abcdef" }),
        task => tasks[task].clone(),
    }
}

async fn measure(
    file: &Path,
    function: &Function,
    settings: &[(String, String)],
    payload: &Value,
    services: &Services,
) -> Measured {
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (&**name, &**value)).collect();
    let mut measured = Measured::default();
    for _ in 0..STARTS {
        let process = LambdaFunction::start_file(file, &function.name, &settings, services.clone()).await;
        let answer = process.invoke(payload).await;
        measured.first.push(process.spawned().elapsed());
        let is_good = answer.as_ref().is_ok_and(|answer| answer["statusCode"].as_u64().is_none_or(|code| code < 300));
        assert!(is_good, "{}: {answer:?}", function.name);
        for _ in 0..WARM {
            let asked = Instant::now();
            process.invoke(payload).await.unwrap();
            measured.warm.push(asked.elapsed());
        }
        measured.peak_kib = measured.peak_kib.max(process.peak_memory_kib().unwrap_or_default());
    }
    measured
}

#[tokio::main]
async fn main() {
    let Some(folder) = std::env::args().nth(1).filter(|first| !first.starts_with('-')).map(PathBuf::from) else {
        eprintln!("usage: cargo bench --workspace --bench cold_start -- FOLDER   (FOLDER/FUNCTION/bootstrap)");
        std::process::exit(2);
    };
    let (stack, tasks) = stack().await;
    let key = SigningKey::es256("k1");
    let issuer = KeyServer::start(jwks([&key])).await;
    let expires_s = stack.clock.now_ms() / 1000 + 3600;
    let token = key.sign(&json!({
        "iss": "https://issuer.example.com", "aud": "orders", "sub": "alice", "exp": expires_s,
        "tenant": "shop", "scope": "submit", "customer": "demo123",
    }));
    println!("{STARTS} starts of each function with {WARM} further invocations; milliseconds");
    println!("{:<20} {:>8} {:>8} {:>8} {:>8} {:>8}", "function", "first", "worst", "warm p50", "p99", "MiB");
    for function in declarations::functions() {
        let mut settings = settings(function);
        if function.kind == Kind::Authorizer {
            let name = setting_variable(authorize::settings::TOKENS);
            settings.retain(|(setting, _)| *setting != name);
            settings.push((name, tokens(&issuer.url)));
        }
        let file = folder.join(&function.name).join("bootstrap");
        let payload = payload(function, &tasks, &token);
        let measured = measure(&file, function, &settings, &payload, &stack.services).await;
        let [first, worst] = [0.5, 1.0].map(|share| percentile(&measured.first, share));
        let [p50, p99] = [0.5, 0.99].map(|share| percentile(&measured.warm, share));
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let mib = measured.peak_kib as f64 / 1024.0;
        println!("{:<20} {first:>8.1} {worst:>8.1} {p50:>8.2} {p99:>8.2} {mib:>8.1}", function.name);
    }
}
