//! `order-saga serve`, as its clients see it.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, DATE, ETAG, HOST, IF_NONE_MATCH,
    LOCATION, ORIGIN,
};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use system_tests::client::{Client, IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, LAPTOP, Response, order_of};
use system_tests::openapi::description;
use system_tests::process::{Serve, Signal, run, stderr};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long to wait for something that must come.
const PATIENCE: Duration = Duration::from_mins(1);

async fn serve() -> (Serve, Client) {
    let serve = Serve::start([""; 0]).await;
    let client = serve.client();
    (serve, client)
}

/// A `serve` whose only stock is `on_hand` of `SCARCE` in `main`.
async fn serve_stock(on_hand: u32) -> (Serve, Client) {
    let stock = tempfile::NamedTempFile::new().unwrap();
    let text = json!({ "stock": [{ "storeId": "main", "sku": "SCARCE", "onHand": on_hand }] });
    std::fs::write(stock.path(), text.to_string()).unwrap();
    let serve = Serve::start(["--stock".as_ref(), stock.path()]).await;
    let client = serve.client();
    (serve, client)
}

/// Asserts that the audit holds, and counts these orders and no others.
async fn assert_audit(client: &Client, orders: &[(&str, u64)]) {
    let audit = client.get("/_local/audit").await.json();
    assert_eq!(audit["holds"], true, "{audit}");
    let counts = audit["orders"].as_object().unwrap().iter();
    let present: BTreeMap<_, _> = counts
        .map(|(status, count)| (status.as_str(), count.as_u64().unwrap()))
        .filter(|(_, count)| *count != 0)
        .collect();
    assert_eq!(present, orders.iter().copied().collect());
}

/// Reads an order until it is decided.
async fn decided(client: &Client, location: &str) -> Value {
    let started = Instant::now();
    loop {
        let order = client.get(location).await.json();
        if ["CONFIRMED", "CANCELLED"].contains(&order["status"].as_str().unwrap()) {
            return order;
        }
        assert!(started.elapsed() < PATIENCE, "{order} is not decided in time");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_order_is_confirmed_and_read_where_the_answer_says() {
    let (_serve, client) = serve().await;
    let placed = client.send(client.placing(), LAPTOP).await.unwrap();
    assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
    assert_eq!(placed.header(CONTENT_TYPE), "application/json");
    let order = placed.json();
    assert_eq!(order["status"], "CONFIRMED");
    assert_eq!(order["totalAmount"].to_string(), "1299.99");
    assert_eq!(placed.header(LOCATION), format!("/orders/{}", order["orderId"].as_str().unwrap()));
    assert!(placed.header(ETAG).starts_with('"'), "{placed:?}");
    assert!(!placed.header(IDEMPOTENCY_KEY).is_empty(), "a client that sent no key gets the generated one");

    let read = client.get(placed.header(LOCATION)).await;
    assert_eq!(read.status, StatusCode::OK);
    assert_eq!(read.json(), order);
    assert_eq!(read.header(ETAG), placed.header(ETAG));
    assert_audit(&client, &[("CONFIRMED", 1)]).await;
}

#[tokio::test]
async fn a_key_stands_for_one_order_and_its_content() {
    let (_serve, client) = serve().await;
    let first = client.place("k-1", LAPTOP).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    assert_eq!(first.header(IDEMPOTENCY_KEY), "k-1");

    let again = client.place("k-1", LAPTOP).await;
    assert_eq!((again.status, again.json()), (first.status, first.json()));
    assert!(!first.headers.contains_key(IDEMPOTENT_REPLAYED), "{first:?}");
    assert_eq!(again.header(IDEMPOTENT_REPLAYED), "true", "a repeated request is marked as a replay");
    assert_eq!((again.header(ETAG), again.header(LOCATION)), (first.header(ETAG), first.header(LOCATION)));
    let quoted = client.place("\"k-1\"", LAPTOP).await;
    assert_eq!(quoted.json(), first.json(), "the draft's form of the key is the same key");
    let in_body = LAPTOP.replacen('{', r#"{"clientRequestId":"k-1","#, 1);
    let in_body = client.send(client.placing(), in_body).await.unwrap();
    assert_eq!(in_body.json(), first.json(), "so is the body's form");

    let other = client.place("k-1", order_of("LAPTOP001", 2)).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{other:?}");
    assert_eq!(other.problem()["type"], "urn:order-saga:problem:idempotency-conflict");
    assert!(!other.headers.contains_key(IDEMPOTENT_REPLAYED), "another order is not a replay: {other:?}");
    let other = client.placing().header(IDEMPOTENCY_KEY, "k-1").header("prefer", "respond-async");
    let other = client.send(other, order_of("LAPTOP001", 2).to_string()).await.unwrap();
    assert_eq!(other.problem()["type"], "urn:order-saga:problem:idempotency-conflict");

    assert_eq!(client.get(first.header(LOCATION)).await.json(), first.json());
    assert_audit(&client, &[("CONFIRMED", 1)]).await;
}

/// Reads an order, unless it is the version with these tags.
async fn read_unless(client: &Client, location: &str, tags: &[&str]) -> Response {
    let mut request = client.request(Method::GET, location);
    for tag in tags {
        request = request.header(IF_NONE_MATCH, *tag);
    }
    client.send(request, "").await.unwrap()
}

#[tokio::test]
async fn a_version_that_the_client_already_has_is_not_sent_again() {
    let (_serve, client) = serve().await;
    let placed = client.place("mine", LAPTOP).await;
    let (etag, location) = (placed.header(ETAG).to_owned(), placed.header(LOCATION).to_owned());
    let weak = format!("W/{etag}");
    let listed = format!("\"x,y\", {etag}");
    for tags in [&[etag.as_str()][..], &[&weak], &[&listed], &["\"other\"", &etag], &["*"]] {
        let known = read_unless(&client, &location, tags).await;
        assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0), "{tags:?}: {known:?}");
        assert_eq!((known.header(ETAG), known.headers.get(CONTENT_TYPE)), (&*etag, None), "{tags:?}: {known:?}");
        assert_eq!(known.header(CACHE_CONTROL), "no-store");
    }
    for tags in [&["\"other\""][..], &["W/\"other\", \"x\""], &[etag.trim_matches('"')], &["\"\""], &[]] {
        let read = read_unless(&client, &location, tags).await;
        assert_eq!((read.status, read.json()), (StatusCode::OK, placed.json()), "{tags:?}");
    }
    let absent = read_unless(&client, "/orders/00000000000000000000000000000000", &["*"]).await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND, "what does not exist has no version");

    let cancel = client.send(client.request(Method::POST, &format!("{location}/cancel")), "").await.unwrap();
    assert_eq!(cancel.status, StatusCode::OK, "{cancel:?}");
    let read = read_unless(&client, &location, &[&etag]).await;
    assert_eq!((read.status, read.json()), (StatusCode::OK, cancel.json()), "a change is another version");
    assert_eq!(read.header(ETAG), cancel.header(ETAG));
    let events: Vec<Value> = read.json()["timeline"].as_array().unwrap().iter().map(|at| at["event"].clone()).collect();
    let happened = ["PLACED", "INVENTORY_RESERVED", "ACCOUNTING_POSTED", "CONFIRMED", "CANCELLING"];
    assert_eq!(events[..5], happened, "{read:?}");
    assert_eq!(events[7..], ["CANCELLED"], "{read:?}");
}

#[tokio::test]
async fn fifty_senders_of_one_key_place_one_order() {
    let (_serve, client) = serve_stock(1).await;
    let mut senders = JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        senders.spawn(async move { client.place("once", order_of("SCARCE", 1)).await });
    }
    let answers = senders.join_all().await;
    let orders: BTreeSet<_> = answers.iter().map(|answer| answer.json()["orderId"].to_string()).collect();
    assert_eq!(orders.len(), 1);
    assert!(answers.iter().all(|answer| answer.status == StatusCode::CREATED), "{answers:?}");
    assert_audit(&client, &[("CONFIRMED", 1)]).await;
}

#[tokio::test]
async fn a_rolled_back_order_gives_its_reason_in_every_answer() {
    let (_serve, client) = serve_stock(1).await;
    let placed = client.place("too-many", order_of("SCARCE", 2)).await;
    assert_eq!(placed.status, StatusCode::CONFLICT, "{placed:?}");
    let problem = placed.problem();
    assert_eq!((&problem["status"], &problem["reason"]), (&json!("CANCELLED"), &json!("OUT_OF_STOCK")));
    let read = client.get(placed.header(LOCATION)).await;
    assert_eq!(read.status, StatusCode::OK);
    assert_eq!(read.json(), problem["order"]);
    assert_eq!(read.json()["reason"], "OUT_OF_STOCK");
    let again = client.place("too-many", order_of("SCARCE", 2)).await;
    assert_eq!((again.json(), again.header(IDEMPOTENT_REPLAYED)), (problem, "true"));
    assert_eq!((again.header(ETAG), placed.header(ETAG)), (read.header(ETAG), read.header(ETAG)));

    let unknown = client.place("unknown", order_of("NOWHERE", 1)).await;
    assert_eq!((unknown.status, &unknown.problem()["reason"]), (StatusCode::CONFLICT, &json!("UNKNOWN_SKU")));
    assert_audit(&client, &[("CANCELLED", 2)]).await;
}

#[tokio::test]
async fn an_order_that_nobody_waits_for_is_accepted_and_decided_later() {
    let (_serve, client) = serve_stock(1).await;
    for (key, quantity, status) in [("later", 1, "CONFIRMED"), ("later-too-many", 2, "CANCELLED")] {
        let request = client.placing().header(IDEMPOTENCY_KEY, key).header("prefer", "respond-async, wait=5");
        let accepted = client.send(request, order_of("SCARCE", quantity).to_string()).await.unwrap();
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
        assert_eq!(accepted.json()["status"], "PENDING");
        assert!(accepted.header(ETAG).starts_with('"'), "a polling client compares with this version: {accepted:?}");
        let order = decided(&client, accepted.header(LOCATION)).await;
        assert_eq!((&order["status"], &order["orderId"]), (&json!(status), &accepted.json()["orderId"]));
    }
    assert_audit(&client, &[("CANCELLED", 1), ("CONFIRMED", 1)]).await;
}

#[tokio::test]
async fn an_invalid_order_is_refused_and_leaves_nothing_behind() {
    const MAX_BODY_BYTES: usize = 64 * 1024;
    let padded = |bytes: usize| format!("{LAPTOP}{}", " ".repeat(bytes - LAPTOP.len()));
    let (_serve, client) = serve().await;

    for (name, content_type, body, status, kind) in [
        ("another type", "text/plain", LAPTOP.into(), 415, "unsupported-media-type"),
        ("a form", "application/x-www-form-urlencoded", LAPTOP.into(), 415, "unsupported-media-type"),
        ("a type that only begins like JSON", "application/jsonp", LAPTOP.into(), 415, "unsupported-media-type"),
        ("no body", "application/json", Vec::new(), 400, "malformed-body"),
        ("not JSON", "application/json", b"order, please".to_vec(), 400, "malformed-body"),
        ("half of it", "application/json", LAPTOP[..40].into(), 400, "malformed-body"),
        ("more after it", "application/json", format!("{LAPTOP}{LAPTOP}").into(), 400, "malformed-body"),
        ("not UTF-8", "application/json", b"{\"customerId\":\"\xff\"}".to_vec(), 400, "malformed-body"),
        ("deep nesting", "application/json", "[".repeat(60_000).into(), 400, "malformed-body"),
        ("a byte too many", "application/json", padded(MAX_BODY_BYTES + 1).into(), 413, "body-too-large"),
        ("binary, and too large", "application/json", vec![0xff; MAX_BODY_BYTES + 1], 413, "body-too-large"),
        ("megabytes", "application/json", padded(3_000_000).into(), 413, "body-too-large"),
        ("null", "application/json", b"null".to_vec(), 422, "invalid-order"),
        ("not an object", "application/json", b"[]".to_vec(), 422, "invalid-order"),
        ("no fields", "application/json", b"{}".to_vec(), 422, "invalid-order"),
    ] {
        let request = client.request(Method::POST, "/orders").header(CONTENT_TYPE, content_type);
        let answer = client.send(request, body).await.unwrap();
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        let problem = answer.problem();
        assert_eq!(problem["type"], format!("urn:order-saga:problem:{kind}"), "{name}: {problem}");
        assert_eq!(problem["status"], status, "{name}: {problem}");
    }
    assert_audit(&client, &[]).await;

    let largest = client.place("largest", padded(MAX_BODY_BYTES)).await;
    assert_eq!(largest.status, StatusCode::CREATED, "{largest:?}");
    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        let request = client.request(Method::POST, "/orders").header(CONTENT_TYPE, content_type);
        let answer = client.send(request, LAPTOP).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{content_type}: {answer:?}");
    }
    let undeclared = client.send(client.request(Method::POST, "/orders"), LAPTOP).await.unwrap();
    assert_eq!(undeclared.status, StatusCode::CREATED, "{undeclared:?}");
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let (_serve, client) = serve().await;
    let body = r#"{"customerId":"","storeId":7,"paymentTerms":"LATER","quantity":1,
        "items":[{"productId":"A","quantity":0,"price":1},
                 {"productId":"A","quantity":1.5,"price":"1"},
                 {"quantity":1,"price":0.001,"a/b":1}],
        "totalAmount":-0.5,"totalAmount":2}"#;
    let request = client.placing().header(IDEMPOTENCY_KEY, HeaderValue::from_bytes(b"k\xe9y").unwrap());
    let answer = client.send(request, body).await.unwrap();
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
    insta::assert_json_snapshot!(answer.problem());

    let twice = client.placing().header(IDEMPOTENCY_KEY, "one").header(IDEMPOTENCY_KEY, "two");
    let twice = client.send(twice, LAPTOP).await.unwrap();
    assert_eq!(
        (twice.status, &twice.problem()["errors"][0]["header"]),
        (422.try_into().unwrap(), &json!("Idempotency-Key"))
    );
    let two_keys = LAPTOP.replacen('{', r#"{"clientRequestId":"other","#, 1);
    let two_keys = client.place("one", two_keys).await;
    assert_eq!(two_keys.problem()["errors"][0]["pointer"], "#/clientRequestId");
    assert_audit(&client, &[]).await;
}

#[tokio::test]
async fn an_unknown_path_or_method_is_a_problem_and_never_a_crash() {
    let (_serve, client) = serve().await;
    let absent = "/orders/00000000000000000000000000000000";
    let not_found: &[&str] = &[
        absent,
        "/orders/short",
        "/orders/%20",
        "/orders/%C3%A9",
        "/orders/%FF",
        "/orders/%2e%2e%2forders",
        "/orders/",
        "/order",
        "/orders/1/2",
        "/_local/none",
        "//orders",
        "/customers/demo123",
        "/stores/main/orders/",
    ];
    for path in not_found {
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {answer:?}");
        assert_eq!(answer.problem()["status"], 404, "{path}");
    }
    for path in ["/orders/%FF/cancel", "/_local/recover/%FF", "/_local/recover/short"] {
        let answer = client.send(client.request(Method::POST, path), "").await.unwrap();
        assert_eq!((answer.status, &answer.problem()["status"]), (StatusCode::NOT_FOUND, &json!(404)), "{path}");
    }
    assert_eq!(client.get(absent).await.problem()["type"], "urn:order-saga:problem:order-not-found");
    assert_eq!(client.get("/order").await.problem()["type"], "urn:order-saga:problem:route-not-found");

    for (path, allowed) in [
        ("/orders", "POST,GET,HEAD"),
        (absent, "GET,HEAD"),
        ("/stores/main/orders", "GET,HEAD"),
        ("/_local/audit", "GET,HEAD"),
    ] {
        let allowed: BTreeSet<&str> = allowed.split(',').collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            if allowed.contains(method) {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = client.send(client.request(method.clone(), path), "").await.unwrap();
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}: {answer:?}");
            assert_eq!(answer.problem()["type"], "urn:order-saga:problem:method-not-allowed");
            // https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6: the origin server MUST generate it.
            assert_eq!(answer.header(ALLOW).split(',').collect::<BTreeSet<_>>(), allowed, "{method} {path}");
        }
    }
    let head = client.send(client.request(Method::HEAD, absent), "").await.unwrap();
    assert_eq!((head.status, head.body.len()), (StatusCode::NOT_FOUND, 0));
    let head = client.send(client.request(Method::HEAD, "/orders"), "").await.unwrap();
    assert_eq!((head.status, head.body.len()), (StatusCode::BAD_REQUEST, 0));
    assert_audit(&client, &[]).await;
}

#[tokio::test]
async fn lists_are_read_page_by_page_and_never_crash() {
    let (_serve, client) = serve().await;
    for key in ["one", "two", "three"] {
        assert_eq!(client.place(key, LAPTOP).await.status, StatusCode::CREATED);
    }
    for path in ["/customers/demo123/orders", "/stores/main/orders", "/customers/%64emo123/orders"] {
        let first = client.get(&format!("{path}?limit=2&from=2020-01-01T01:00:00%2B01:00")).await;
        assert_eq!((first.status, first.header(CONTENT_TYPE)), (StatusCode::OK, "application/json"), "{first:?}");
        let first = first.json();
        let cursor = first["nextCursor"].as_str().unwrap();
        let last = client.get(&format!("{path}?limit=2&from=2020-01-01T00:00:00Z&cursor={cursor}")).await.json();
        assert_eq!(last.get("nextCursor"), None);
        let orders = [&first, &last].into_iter().flat_map(|page| page["orders"].as_array().unwrap());
        assert_eq!(orders.map(|order| order["orderId"].as_str().unwrap()).collect::<BTreeSet<_>>().len(), 3);
    }
    assert_eq!(client.get("/orders?status=PENDING").await.json(), json!({ "orders": [] }));
    for (path, name) in [
        ("/customers/%FF/orders", "customerId"),
        ("/stores/a%20b/orders", "storeId"),
        ("/counties/%2F/orders", "countyId"),
        ("/counties/kings/orders?from=2020-01-01T01:00:00+01:00", "from"),
        ("/orders", "status"),
        ("/orders?status=%FF", "status"),
        ("/orders?status=PENDING&&=&limit", ""),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {answer:?}");
        assert_eq!(answer.problem()["type"], "urn:order-saga:problem:invalid-parameters");
        let errors = answer.json()["errors"].as_array().unwrap().clone();
        assert!(errors.iter().any(|error| error["parameter"] == name), "{path}: {errors:?}");
    }
}

#[tokio::test]
async fn the_address_leads_to_the_console_and_is_no_route_of_the_api() {
    let (_serve, client) = serve().await;
    for method in [Method::GET, Method::HEAD] {
        let answer = client.send(client.request(method, "/"), "").await.unwrap();
        assert_eq!((answer.status, answer.header(LOCATION)), (StatusCode::TEMPORARY_REDIRECT, "/console"));
        assert_eq!(client.follow(answer.header(LOCATION)).await.status, StatusCode::OK);
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let answer = client.send(client.request(method.parse().unwrap(), "/"), "").await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method}: {answer:?}");
        assert_eq!(answer.problem()["type"], "urn:order-saga:problem:route-not-found", "{method}");
        assert_eq!(answer.headers.get(ALLOW), None, "{method}");
    }
}

#[tokio::test]
async fn another_sites_page_reaches_neither_the_console_nor_the_stack() {
    let (_serve, client) = serve().await;
    let own = client.get("/console").await;
    assert_eq!((own.status, own.header(CONTENT_TYPE)), (StatusCode::OK, "text/html; charset=utf-8"));
    let fault = json!({ "state": "PostAccounting", "fault": "late" }).to_string();
    let addresses = [
        (Method::GET, "/console"),
        (Method::GET, "/console/main.js"),
        (Method::GET, "/_local/executions"),
        (Method::POST, "/_local/faults"),
        (Method::POST, "/_local/recover"),
    ];
    for (method, path) in addresses {
        // A name that was rebound to this address, another page of this machine, and a sandboxed page.
        for (name, value) in [(HOST, "rebound.example"), (ORIGIN, "http://127.0.0.1:1"), (ORIGIN, "null")] {
            let request = client.request(method.clone(), path).header(&name, value);
            let answer = client.send(request, fault.clone()).await.unwrap();
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path} {name}: {value}");
            assert_eq!(answer.problem()["type"], "urn:order-saga:problem:forbidden");
        }
    }
    assert_eq!(client.get("/_local/faults").await.json()["chosen"], json!([]));

    let other = client.placing().header(ORIGIN, "http://rebound.example");
    assert_eq!(client.send(other, LAPTOP).await.unwrap().status, StatusCode::FORBIDDEN);
    let local = client.placing().header(ORIGIN, "http://localhost:3000");
    assert_eq!(client.send(local, LAPTOP).await.unwrap().status, StatusCode::CREATED);
}

#[tokio::test]
async fn executions_are_listed_newest_first_and_shown_with_their_events() {
    let (_serve, client) = serve().await;
    let fault = json!({ "state": "PostAccounting", "fault": "crashed-twice" }).to_string();
    let request = client.request(Method::POST, "/_local/faults").header(CONTENT_TYPE, "application/json");
    assert_eq!(client.send(request, fault).await.unwrap().status, StatusCode::OK);
    let cancelled = client.place("k-1", LAPTOP).await.json();
    let confirmed = client.place("k-2", LAPTOP).await.json();

    let page = client.get("/_local/executions?limit=1").await.json();
    assert_eq!(page["executions"][0]["orderId"], confirmed["orderId"]);
    let older = client.get(&format!("/_local/executions?before={}", page["nextBefore"])).await.json();
    assert_eq!(older["executions"].as_array().unwrap().len(), 1);
    let row = &older["executions"][0];
    assert_eq!((&row["orderId"], &row["reason"]), (&cancelled["orderId"], &json!("STEP_FAILED")));
    assert_eq!((&row["failedState"], &row["failure"]), (&json!("PostAccounting"), &json!("Lambda.Unknown")));
    for (filter, found) in
        [("reason=STEP_FAILED", 1), ("state=RollBack", 1), ("customerId=demo123", 2), ("customerId=nobody", 0)]
    {
        let page = client.get(&format!("/_local/executions?{filter}")).await.json();
        assert_eq!(page["executions"].as_array().unwrap().len(), found, "{filter}");
    }

    let execution = client.get(&format!("/_local/executions/{}", row["id"].as_str().unwrap())).await.json();
    let events = execution["events"].as_array().unwrap();
    assert!(events.iter().any(|event| event["state"] == "ReleaseInventory" && event["type"] == "TaskSucceeded"));
    let story = client.get(&format!("/_local/orders/{}", cancelled["orderId"].as_str().unwrap())).await.json();
    assert_eq!((&story["findings"], &story["executions"][0]["id"]), (&json!([]), &row["id"]));
    let trace = client.get(&format!("/_local/orders/{}/trace", cancelled["orderId"].as_str().unwrap())).await;
    let trace = str::from_utf8(&trace.body).unwrap();
    for line in ["of demo123: CANCELLED, STEP_FAILED", "the audit finds nothing wrong", "ReleaseInventory"] {
        assert!(trace.contains(line), "{line} is not in {trace}");
    }
    assert_eq!(client.get("/_local/executions/none").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn operations_act_on_another_deployment() {
    let (deployment, there) = serve().await;
    let url = format!("http://{}", deployment.address());
    let serve = Serve::start(["--api", &url]).await;
    let here = serve.client();
    assert_eq!(here.get("/_local/deployment").await.json(), json!({ "url": url }));
    let placing = here.request(Method::POST, "/_api/orders").header(CONTENT_TYPE, "application/json");
    let placed = here.send(placing.header("idempotency-key", "k-1"), LAPTOP).await.unwrap();
    assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
    assert_eq!(there.get(placed.header(LOCATION)).await.json(), placed.json());
    assert_eq!(here.get(placed.header(LOCATION)).await.status, StatusCode::NOT_FOUND);
    let refused = here.request(Method::GET, "/_api/orders?status=PENDING").header("x-api-key", "no-such-key");
    assert_eq!(here.send(refused, "").await.unwrap().status, StatusCode::UNAUTHORIZED);
    // Operations of a deployment need a token, so it has to get there.
    let forged = here.request(Method::GET, "/_api/orders?status=PENDING").header(AUTHORIZATION, "Bearer a.b.c");
    assert_eq!(here.send(forged, "").await.unwrap().status, StatusCode::UNAUTHORIZED);
    let asked = there.request(Method::POST, "/_local/token").header(CONTENT_TYPE, "application/json");
    let token =
        there.send(asked, r#"{"scopes":["operations"]}"#).await.unwrap().json()["token"].as_str().unwrap().to_owned();
    let listed =
        here.request(Method::GET, "/_api/orders?status=PENDING").header(AUTHORIZATION, format!("Bearer {token}"));
    assert_eq!(here.send(listed, "").await.unwrap().status, StatusCode::OK);
    assert_eq!(there.get("/_api/orders").await.status, StatusCode::NOT_FOUND);
}

/// The addresses that a page names in `href` and `src`.
fn references(page: &str) -> Vec<&str> {
    let rests = ["href=\"", "src=\""].into_iter().flat_map(|attribute| page.split(attribute).skip(1));
    rests.filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test]
async fn the_page_and_every_file_that_it_names_are_there() {
    let (_serve, client) = serve().await;
    let page = client.get("/docs").await;
    let page = str::from_utf8(&page.body).unwrap();
    let named = references(page);
    assert!(named.iter().any(|path| path.ends_with("/swagger-ui-bundle.js")), "{named:?}");
    for path in named.into_iter().chain(["/docs"]) {
        let answer = client.get(path).await;
        let content_type = match path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("yaml") => "application/yaml",
            None if path == "/docs" => "text/html; charset=utf-8",
            _ => "text/plain; charset=utf-8",
        };
        assert_eq!((answer.status, answer.header(CONTENT_TYPE)), (StatusCode::OK, content_type), "{path}");
        // Only a path with a version has content that never changes.
        let cache_control =
            if path.contains("/swagger-ui-") { "public, max-age=31536000, immutable" } else { "no-cache" };
        assert_eq!(answer.header(CACHE_CONTROL), cache_control, "{path}");

        let mut head = client.send(client.request(Method::HEAD, path), "").await.unwrap();
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
        head.headers.insert(DATE, answer.headers[DATE].clone());
        assert_eq!(head.headers, answer.headers, "{path}");
    }
    for path in ["/docs/", "/docs/none", "/docs/docs.html", "/docs/swagger-ui-5.35.0/", "/docs/..%2Fopenapi.yaml"] {
        assert_eq!(client.get(path).await.problem()["type"], "urn:order-saga:problem:route-not-found", "{path}");
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_another_origin() {
    let (_serve, client) = serve().await;
    let page = client.get("/docs").await;
    let page = str::from_utf8(&page.body).unwrap();
    let own = references(page).into_iter().filter(|path| !path.contains("/swagger-ui-"));
    for path in own.chain(["/docs"]).filter(|path| *path != "/openapi.yaml") {
        let answer = client.get(path).await;
        let text = str::from_utf8(&answer.body).unwrap().replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for other in ["://", "\"//", "'//", "(//"] {
            assert!(!text.contains(other), "{other} in {path}: {text}");
        }
    }
    for path in references(page) {
        assert!(path.starts_with('/') && !path.starts_with("//"), "{path}");
    }
    // Swagger UI's script names many origins; the browser refuses them all.
    let answer = client.get("/docs").await;
    let policy: BTreeMap<_, _> = answer
        .header(CONTENT_SECURITY_POLICY)
        .split(';')
        .filter_map(|directive| directive.trim().split_once(' '))
        .collect();
    assert_eq!(policy.get("default-src"), Some(&"'self'"), "{policy:?}");
    for (directive, sources) in policy {
        let known = |source| match source {
            "'self'" | "'none'" => true,
            "data:" => directive == "img-src",
            _ => false,
        };
        assert!(sources.split(' ').all(known), "{directive} {sources}");
    }
}

#[tokio::test]
async fn the_description_is_served_with_every_route_and_for_this_address() {
    let (_serve, client) = serve().await;
    let served = client.get("/openapi.yaml").await;
    let mut served: Value = serde_yaml_ng::from_slice(&served.body).unwrap();
    let routes: BTreeSet<String> = declarations::routes().map(|(_, route, _)| route.to_owned()).collect();
    let operations = served["paths"].as_object().unwrap().iter().flat_map(|(path, operations)| {
        operations.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    assert_eq!(operations.collect::<BTreeSet<_>>(), routes);

    // A server that is relative to where the description was read.
    assert_eq!(served["servers"].as_array().unwrap().len(), 1);
    let url = served["servers"][0]["url"].take();
    assert_eq!(url, "/");
    let mut api = description().unwrap();
    api["servers"][0]["url"].take();
    assert_eq!(served, api, "nothing else differs");
}

#[tokio::test]
async fn the_page_is_not_counted_against_the_rate_limit() {
    let serve = Serve::start(["--requests-per-second", "1"]).await;
    let client = serve.client();
    let page = client.get("/docs").await;
    for path in references(str::from_utf8(&page.body).unwrap()).repeat(2) {
        assert_eq!(client.get(path).await.status, StatusCode::OK, "{path}");
    }
    while client.get("/orders/short").await.status != StatusCode::TOO_MANY_REQUESTS {}
    assert_eq!(client.get("/docs").await.status, StatusCode::OK);
}

#[tokio::test]
async fn two_hundred_buyers_of_a_hundred_articles_get_true_answers() {
    let (_serve, client) = serve_stock(100).await;
    let mut buyers = JoinSet::new();
    for buyer in 0..200 {
        let client = client.clone();
        buyers.spawn(async move { client.place(&format!("buyer-{buyer}"), order_of("SCARCE", 1)).await });
    }
    let answers = buyers.join_all().await;
    let (confirmed, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == StatusCode::CREATED);
    assert_eq!((confirmed.len(), refused.len()), (100, 100));
    for answer in confirmed {
        assert_eq!(answer.json()["status"], "CONFIRMED");
    }
    for answer in refused {
        assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
        assert_eq!(answer.problem()["reason"], "OUT_OF_STOCK");
    }
    assert_audit(&client, &[("CANCELLED", 100), ("CONFIRMED", 100)]).await;
}

/// The request is known to be in progress once the server asks for its body
/// (<https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1>).
async fn under_way(serve: &Serve) -> BufReader<TcpStream> {
    let mut connection = BufReader::new(TcpStream::connect(serve.address()).await.unwrap());
    let head = format!(
        "POST /orders HTTP/1.1\r\nhost: local\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\
         content-length: {}\r\n\r\n",
        LAPTOP.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut line = String::new();
    connection.read_line(&mut line).await.unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    connection
}

async fn refuses_connections(serve: &Serve) {
    let started = Instant::now();
    while TcpStream::connect(serve.address()).await.is_ok() {
        assert!(started.elapsed() < PATIENCE, "it still accepts connections");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stop_first_answers_requests_in_progress() {
    for signal in [Signal::INT, Signal::TERM] {
        let (serve, client) = serve().await;
        // A client that keeps its connection open does not keep the server running.
        assert_eq!(client.get("/_local/audit").await.status, StatusCode::OK);
        let mut connection = under_way(&serve).await;
        serve.signal(signal);
        refuses_connections(&serve).await;

        connection.write_all(LAPTOP.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("HTTP/1.1 201 Created\r\n"), "{answer}");
        assert!(answer.contains(r#""status":"CONFIRMED""#), "{answer}");
        let (status, log) = serve.ended().await;
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.ends_with("stopped\n"), "{log}");
    }
}

#[tokio::test]
async fn a_second_stop_waits_for_nobody() {
    let (serve, _client) = serve().await;
    let mut stalled = under_way(&serve).await;
    serve.signal(Signal::INT);
    refuses_connections(&serve).await;
    let (status, log) = serve.ended_by(Signal::INT).await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("stopping without waiting for a client"), "{log}");
    let mut rest = Vec::new();
    // The connection is closed or reset, without an answer.
    assert!(stalled.read_to_end(&mut rest).await.is_err() || rest == b"\r\n", "{rest:?}");
}

#[tokio::test]
async fn a_port_in_use_is_reported() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(["serve", "--listen", &address]).await;
    assert_eq!(output.status.code(), Some(2));
    let error = stderr(&output);
    assert!(
        error.starts_with(&format!("error: cannot listen on {address}; choose another address with --listen")),
        "{error}"
    );
    assert!(error.to_lowercase().contains("address already in use"), "{error}");
}
