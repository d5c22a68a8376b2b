//! The client crate on the local stack, and its types against the API's description.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use order_client::{
    Client, Decimal, Decision, Error, List, NewOrder, Order, PaymentTerms, Problem, ProblemKind, Reason, Retries,
    Status,
};
use serde_json::{Value, json};
use system_tests::openapi::{description, resolve};
use system_tests::process::Serve;
use tokio::task::JoinSet;

/// A value that a schema allows, with everything that it describes.
fn sample(api: &Value, schema: &Value) -> Value {
    let target = resolve(api, schema);
    if !std::ptr::eq(target, schema) {
        return sample(api, target);
    }
    let first = |name: &str| schema[name].get(0).or(schema.get(name)).filter(|value| !value.is_null()).cloned();
    if let Some(value) = first("const").or_else(|| first("enum")) {
        return value;
    }
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object().unwrap().iter();
            properties.map(|(name, schema)| (name.clone(), sample(api, schema))).collect()
        }
        Some("array") => json!([sample(api, &schema["items"])]),
        Some("integer" | "number") => json!(1),
        Some("string") if schema["format"] == "date-time" => json!("2026-01-31T08:00:00Z"),
        Some("string") => json!("text"),
        other => panic!("a schema of type {other:?} has no sample: {schema}"),
    }
}

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_clients_order_has_every_field_of_the_description() {
    let api = description().unwrap();
    let order = sample(&api, &api["components"]["schemas"]["Order"]);
    let read: Order = serde_json::from_value(order.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), order);
}

#[test]
fn the_clients_request_has_every_field_of_the_description() {
    let api = description().unwrap();
    let schemas = &api["components"]["schemas"];
    let order = NewOrder::by("c").item("A", 1, Decimal::ONE).from_store("s").for_county("k").on_invoice();
    let order: Value =
        serde_json::from_slice(&order.with_reference("r").in_currency("USD").to_json().unwrap()).unwrap();
    let mut described = names(&schemas["OrderRequest"]["properties"]);
    // The client sends its key in the header.
    described.remove("clientRequestId");
    assert_eq!(names(&order), described);
    assert_eq!(names(&order["items"][0]), names(&schemas["Item"]["properties"]));
}

#[test]
fn the_client_knows_every_status_reason_and_problem_of_the_description() {
    let api = description().unwrap();
    let values = |name: &str| api["components"]["schemas"][name]["enum"].as_array().unwrap().iter().cloned();
    for status in values("Status") {
        assert_ne!(serde_json::from_value::<Status>(status.clone()).unwrap(), Status::Unknown, "{status}");
    }
    for reason in values("Reason") {
        let is_refusal = matches!(serde_json::from_value::<Reason>(reason.clone()).unwrap(), Reason::Refused(_));
        assert_eq!(is_refusal, declarations::refusals().any(|(_, refusal)| refusal.reason == reason), "{reason}");
    }
    for terms in values("PaymentTerms") {
        assert_ne!(serde_json::from_value::<PaymentTerms>(terms.clone()).unwrap(), PaymentTerms::Unknown, "{terms}");
    }
    for uri in values("ProblemType") {
        let kind: ProblemKind = serde_json::from_value(uri.clone()).unwrap();
        let is_other = matches!(kind, ProblemKind::Other(_));
        assert_eq!(is_other, declarations::refusals().any(|(_, refusal)| refusal.problem == kind.name()), "{uri}");
        assert!(uri.as_str().unwrap().ends_with(kind.name()), "{uri} is {kind:?}");
    }
}

#[test]
fn the_client_reads_every_problem_document_of_the_description() {
    let api = description().unwrap();
    let schemas = &api["components"]["schemas"];
    let problem: Problem = serde_json::from_value(sample(&api, &schemas["Problem"])).unwrap();
    let violation = &problem.errors[0];
    assert!(problem.detail.is_some() && problem.order_id.is_some() && problem.request_id.is_some());
    assert!(violation.pointer.is_some() && violation.header.is_some() && violation.parameter.is_some());
    let cancelled: Problem = serde_json::from_value(sample(&api, &schemas["CancelledProblem"])).unwrap();
    assert!(cancelled.order.is_some() && cancelled.reason.is_some());
}

#[test]
fn the_crate_stands_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/client");
    let copy = tempfile::tempdir().unwrap();
    fs::copy(folder.join("Cargo.toml"), copy.path().join("Cargo.toml")).unwrap();
    fs::create_dir(copy.path().join("src")).unwrap();
    fs::copy(folder.join("src/lib.rs"), copy.path().join("src/lib.rs")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version=1"]).current_dir(copy.path());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let dependencies = metadata["packages"][0]["dependencies"].as_array().unwrap();
    assert!(dependencies.iter().all(|dependency| dependency["path"].is_null()), "{dependencies:?}");
}

fn laptop() -> NewOrder {
    NewOrder::by("demo123").item("LAPTOP001", 1, Decimal::new(129_999, 2))
}

async fn serve(arguments: &[&str]) -> (Serve, Client) {
    let serve = Serve::start(arguments).await;
    let client = Client::new(&serve.url).unwrap();
    (serve, client)
}

#[tokio::test]
async fn an_order_is_placed_once_however_often_it_is_sent_and_is_cancelled() {
    let (_serve, client) = serve(&[]).await;
    let order = laptop().for_county("kings").with_reference("PO 7");
    let first = client.place(&order).await.unwrap();
    let again = client.place(&order).await.unwrap();
    assert_eq!((first.replayed, again.replayed, &again.order_id), (false, true, &first.order_id));
    assert_eq!(again.decision, first.decision);
    let Decision::Confirmed(placed) = first.decision else { panic!("{first:?}") };

    let read = client.read(&placed.order_id).await.unwrap();
    assert_eq!((&read.order, read.order.total_amount.to_string()), (&placed, "1299.99".to_owned()));
    assert_eq!(client.read_unless(&placed.order_id, &read.etag).await.unwrap(), None);

    let cancelled = client.cancel(&placed.order_id).await.unwrap();
    assert_eq!((cancelled.status, &cancelled.reason), (Status::Cancelled, &Some(Reason::CustomerRequest)));
    let changed = client.read_unless(&placed.order_id, &read.etag).await.unwrap().unwrap();
    assert_eq!(changed.order, cancelled);
    let Decision::Cancelled { order: known, problem: Some(problem) } = client.place(&order).await.unwrap().decision
    else {
        panic!("a cancelled order is not confirmed")
    };
    assert_eq!((known, problem.kind), (cancelled, ProblemKind::CancelledByCustomer));
    let conflict = client.place(&laptop().with_key(order.key())).await.unwrap_err();
    let Error::Refused { status: 422, problem } = &conflict else { panic!("{conflict:?}") };
    assert_eq!(problem.kind, ProblemKind::IdempotencyConflict);
}

#[tokio::test]
async fn an_order_that_is_refused_says_why() {
    let (_serve, client) = serve(&[]).await;
    let placed = client.place(&NewOrder::by("c").item("LIMITED001", 3, Decimal::ONE)).await.unwrap();
    let Decision::Cancelled { order, .. } = placed.decision else { panic!("{placed:?}") };
    assert_eq!(
        (order.reason.clone(), order.shortages[0].product_id.as_str()),
        (Some(Reason::Refused("OUT_OF_STOCK".to_owned())), "LIMITED001")
    );
    assert_eq!(order.shortages[0].available, 1);

    let invalid = client.place(&NewOrder::by("").item("A", 0, Decimal::ONE)).await.unwrap_err();
    let Error::Refused { status: 422, problem } = &invalid else { panic!("{invalid:?}") };
    let mut pointers: Vec<_> = problem.errors.iter().filter_map(|violation| violation.pointer.as_deref()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["#/customerId", "#/items/0/quantity"]);
    let missing = client.read("short").await.unwrap_err();
    assert!(matches!(missing, Error::Refused { status: 404, problem } if problem.kind == ProblemKind::OrderNotFound));
}

#[tokio::test]
async fn a_walk_sees_every_order_once() {
    let (_serve, client) = serve(&[]).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, client.place(&laptop()).await.unwrap().order_id);
    }
    let mut walk = client.list(&List::of_customer("demo123").page_size(2));
    let mut seen = Vec::new();
    while let Some(order) = walk.next().await.unwrap() {
        seen.push(order.order_id);
    }
    assert_eq!(seen, ids);
    assert_eq!(client.fulfil(&ids[4]).await.unwrap().status, Status::Fulfilled);
    let gone = client.cancel(&ids[4]).await.unwrap_err();
    assert!(matches!(gone, Error::Refused { status: 409, problem } if problem.kind == ProblemKind::OrderFulfilled));
    let mut waiting = client.list(&List::to_pick("main"));
    let mut to_pick = Vec::new();
    while let Some(order) = waiting.next().await.unwrap() {
        to_pick.insert(0, order.order_id);
    }
    assert_eq!(
        to_pick,
        ids[..4],
        "the first one that was confirmed comes first, and what is handed over does not come"
    );
    let mut open = client.list(&List::open(Status::Pending));
    assert_eq!(open.next().await.unwrap(), None);
    let mut nowhere = client.list(&List::of_store("a b"));
    assert!(matches!(nowhere.next().await, Err(Error::Refused { status: 400, .. })));
}

#[tokio::test]
async fn a_campaign_beyond_the_rate_limit_ends_with_every_order_placed_once() {
    const ORDERS: usize = 30;

    let (_serve, client) = serve(&["--requests-per-second", "10"]).await;
    let patient = Retries { attempts: 100, max_delay: Duration::from_secs(2), ..Retries::default() };
    let client = client.with_retries(patient);
    let mut orders = JoinSet::new();
    for _ in 0..ORDERS {
        let client = client.clone();
        orders.spawn(async move { client.place(&laptop()).await.unwrap() });
    }
    let placed = orders.join_all().await;
    assert!(placed.iter().all(|placed| matches!(placed.decision, Decision::Confirmed(_))), "{placed:?}");
    assert!(placed.iter().any(|placed| placed.attempts > 1), "the limit was never met");
    let mut walk = client.list(&List::of_customer("demo123"));
    let mut listed = BTreeSet::new();
    while let Some(order) = walk.next().await.unwrap() {
        assert!(listed.insert(order.order_id));
    }
    assert_eq!(listed, placed.into_iter().map(|placed| placed.order_id).collect());
}
