//! What a client of the order API can rely on, wherever it is deployed.
//!
//! The scenarios run against `order-saga serve` or, if `ORDER_API_URL` is set, against the API there, whose stock and
//! accounts must be those of `tests/emulator/stock.json`. Both must give the same answers.
//!
//! | variable | is |
//! |---|---|
//! | `ORDER_API_URL` | scheme, host and port |
//! | `ORDER_API_BASE_PATH` | what stands before `/orders`, such as `/v1` |
//! | `ORDER_API_HOST` | the `Host` header, if it is not that of the URL |
//! | `ORDER_API_KEYS` | the API keys of the clients of `tests/emulator/clients.json`: JSON, by their names; `{}` where there are tokens only |
//! | `ORDER_API_ISSUER` | the file from which the token issuer of `tests/emulator/tokens.json` serves its keys |
//! | `ORDER_API_SIGNING_KEY` | the file with that issuer's private key, which is made if it is missing: an authorizer keeps the keys it has read |

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Once};
use std::time::{Duration, Instant};
use std::{env, fs};

use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HOST, HeaderName, IF_MATCH, IF_NONE_MATCH, LOCATION};
use http::{Method, StatusCode};
use local_issuer::{SigningKey, jwks};
use order_client::{Decimal, Decision, List, NewOrder};
use serde_json::{Value, json};
use system_tests::client::{Client, IDEMPOTENCY_KEY, Response, order_of};
use system_tests::issuer::KeyServer;
use system_tests::process::Serve;
use tempfile::NamedTempFile;
use tokio::task::JoinSet;

/// How long a decision may take if nobody waits for it.
const PATIENCE: Duration = Duration::from_mins(1);

/// The interval for reading an undecided order: as often as a person would, and no load.
const READ_EVERY: Duration = Duration::from_millis(200);

/// The clients. On the local stack their names are their API keys.
const CLIENTS: &str = include_str!("../emulator/clients.json");

/// An API, and its server if this test has started it.
struct Api {
    /// A client that may do everything.
    client: Client,
    keyless: Client,
    keys: Value,
    issuer: Issuer,
    _serve: Option<(Serve, [NamedTempFile; 2])>,
}

/// The issuer of tokens.
enum Issuer {
    Here(KeyServer),
    InFile(PathBuf),
}

impl Issuer {
    /// Publishes these keys; without any, it is down.
    fn publish(&self, keys: &[&SigningKey]) {
        let document = (!keys.is_empty()).then(|| jwks(keys.iter().copied()));
        match (self, document) {
            (Self::Here(server), document) => server.publish(document),
            (Self::InFile(file), Some(document)) => fs::write(file, document.to_string()).unwrap(),
            (Self::InFile(file), None) => fs::remove_file(file).unwrap(),
        }
    }
}

/// Whether the first key is in the file from which a deployed API's issuer serves it.
static PUBLISHED: Once = Once::new();

/// The issuer's key at the start, and the one that follows it.
static SIGNING: LazyLock<[SigningKey; 2]> = LazyLock::new(|| {
    let first = env::var_os("ORDER_API_SIGNING_KEY")
        .map_or_else(|| SigningKey::rs256("first"), |file| SigningKey::rs256_in(Path::new(&file), "first").unwrap());
    [first, SigningKey::rs256("second")]
});

impl Api {
    async fn open() -> Self {
        let Ok(url) = env::var("ORDER_API_URL") else {
            let stock = Path::new(env!("CARGO_MANIFEST_DIR")).join("emulator/stock.json");
            let [clients, tokens] = [(); 2].map(|()| NamedTempFile::new().unwrap());
            fs::write(&clients, CLIENTS).unwrap();
            let server = KeyServer::start(jwks([&SIGNING[0]])).await;
            let mut settings: Value = serde_json::from_str(include_str!("../emulator/tokens.json")).unwrap();
            settings["jwks_url"] = server.url.as_str().into();
            fs::write(&tokens, settings.to_string()).unwrap();
            let files: [&OsStr; 6] = [
                "--stock".as_ref(),
                stock.as_ref(),
                "--clients".as_ref(),
                clients.path().as_ref(),
                "--tokens".as_ref(),
                tokens.path().as_ref(),
            ];
            let serve = Serve::start(files).await;
            let names: Value = serde_json::from_str(CLIENTS).unwrap();
            let keys = names.as_object().unwrap().keys().map(|name| (name.clone(), Value::from(name.as_str())));
            let running = Some((serve, [clients, tokens]));
            let client = running.as_ref().unwrap().0.client();
            return Self::with(client, keys.collect(), Issuer::Here(server), running);
        };
        let mut client = Client::new(url).under(&env::var("ORDER_API_BASE_PATH").unwrap_or_default());
        if let Ok(host) = env::var("ORDER_API_HOST") {
            client = client.with_header(HOST, &host);
        }
        let keys = env::var("ORDER_API_KEYS").expect("an API that is deployed has keys");
        let issuer = PathBuf::from(env::var("ORDER_API_ISSUER").expect("an API that is deployed has an issuer"));
        // All tests share the API, so the first one publishes the key.
        PUBLISHED.call_once(|| fs::write(&issuer, jwks([&SIGNING[0]]).to_string()).unwrap());
        Self::with(client, serde_json::from_str(&keys).unwrap(), Issuer::InFile(issuer), None)
    }

    fn with(keyless: Client, keys: Value, issuer: Issuer, serve: Option<(Serve, [NamedTempFile; 2])>) -> Self {
        // Where the authorizer's answers are cached, there are tokens only.
        let client = keys["everything"].as_str().map_or_else(|| keyless.clone(), |key| with_key(&keyless, key));
        Self { client, keyless, keys, issuer, _serve: serve }
    }

    /// The bearer of a token.
    fn bearer(&self, token: &str) -> Client {
        self.keyless.clone().with_header(AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// The client of this name.
    fn of(&self, name: &str) -> Client {
        with_key(&self.keyless, self.keys[name].as_str().unwrap())
    }

    async fn place(&self, key: &str, body: impl ToString) -> Response {
        self.client.place(key, body).await
    }

    /// Reads an order until it is decided.
    async fn decided(&self, location: &str) -> Value {
        let started = Instant::now();
        loop {
            let order = self.client.follow(location).await.json();
            if ["CONFIRMED", "CANCELLED"].contains(&order["status"].as_str().unwrap()) {
                return order;
            }
            assert!(started.elapsed() < PATIENCE, "{order} is not decided in time");
            tokio::time::sleep(READ_EVERY).await;
        }
    }
}

fn with_key(client: &Client, key: &str) -> Client {
    client.clone().with_header(HeaderName::from_static("x-api-key"), key)
}

/// The main parts of an answer.
fn outcome(answer: &Response) -> (u16, Value, Value) {
    let body = answer.json();
    (answer.status.as_u16(), body["status"].clone(), body["reason"].clone())
}

fn invoice(customer: &str, sku: &str, quantity: u32) -> Value {
    let mut order = order_of(sku, quantity);
    order["customerId"] = customer.into();
    order["paymentTerms"] = "INVOICE".into();
    order
}

#[tokio::test]
async fn an_order_is_confirmed_and_found_where_the_answer_says() {
    let api = Api::open().await;
    let placed = api.place("confirmed", order_of("PLENTY", 3)).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
    assert_eq!(placed.header(CONTENT_TYPE), "application/json");
    assert_eq!(placed.header(IDEMPOTENCY_KEY), "confirmed");
    let order = placed.json();
    assert_eq!(order["status"], "CONFIRMED");
    assert!(str::from_utf8(&placed.body).unwrap().contains(r#""totalAmount":30.00"#), "{placed:?}");
    let events: Vec<_> = order["timeline"].as_array().unwrap().iter().map(|moment| &moment["event"]).collect();
    assert_eq!(events, ["PLACED", "INVENTORY_RESERVED", "ACCOUNTING_POSTED", "CONFIRMED"]);

    let path = format!("/orders/{}", order["orderId"].as_str().unwrap());
    assert!(placed.header(LOCATION).ends_with(&path), "{placed:?}");
    let read = api.client.follow(placed.header(LOCATION)).await;
    assert_eq!((read.status, read.json()), (StatusCode::OK, order));
    assert_eq!(read.header(ETAG), placed.header(ETAG));
    assert_eq!(api.client.get(&path).await.json(), read.json());
}

#[tokio::test]
async fn an_order_without_a_key_is_answered_with_a_generated_one() {
    let api = Api::open().await;
    let body = order_of("PLENTY", 1).to_string();
    let first = api.client.send(api.client.placing(), body.clone()).await.unwrap();
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let key = first.header(IDEMPOTENCY_KEY);
    assert!(!key.is_empty(), "{first:?}");

    let second = api.client.send(api.client.placing(), body.clone()).await.unwrap();
    assert_ne!(second.json()["orderId"], first.json()["orderId"], "without a key it is another order");
    assert_eq!(api.place(key, body).await.json(), first.json(), "with the generated key it is the same order");
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_answer() {
    let api = Api::open().await;
    let first = api.place("again", order_of("PLENTY", 1)).await;
    let again = api.place("again", order_of("PLENTY", 1)).await;
    assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::CREATED), "{first:?} {again:?}");
    assert_eq!(again.json(), first.json());
    assert_eq!((again.header(ETAG), again.header(LOCATION)), (first.header(ETAG), first.header(LOCATION)));
}

#[tokio::test]
async fn ten_senders_of_one_key_place_one_order() {
    let api = Api::open().await;
    let mut senders = JoinSet::new();
    for _ in 0..10 {
        let client = api.client.clone();
        senders.spawn(async move { client.place("raced", order_of("ONE-RACED", 1)).await });
    }
    let answers = senders.join_all().await;
    let location = answers[0].header(LOCATION);
    for answer in &answers {
        assert!([201, 202].contains(&answer.status.as_u16()), "{answer:?}");
        assert_eq!(answer.header(LOCATION), location);
    }
    assert_eq!(api.decided(location).await["status"], "CONFIRMED");
}

#[tokio::test]
async fn a_key_does_not_stand_for_another_body() {
    let api = Api::open().await;
    let first = api.place("reused", order_of("PLENTY", 1)).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let other = api.place("reused", order_of("PLENTY", 2)).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{other:?}");
    assert_eq!(other.problem()["type"], "urn:order-saga:problem:idempotency-conflict");
    assert_eq!(api.client.follow(first.header(LOCATION)).await.json(), first.json(), "it is unchanged");
}

#[tokio::test]
async fn an_order_that_is_out_of_stock_is_rolled_back_and_holds_nothing() {
    let api = Api::open().await;
    let mut both = order_of("PLENTY", 1);
    both["items"] = json!([
        { "productId": "PLENTY", "quantity": 1, "price": 10 },
        { "productId": "TWO-ONLY", "quantity": 3, "price": 10 },
    ]);
    both["totalAmount"] = 40.into();
    let refused = api.place("too-many", &both).await;
    assert_eq!(outcome(&refused), (409, json!("CANCELLED"), json!("OUT_OF_STOCK")), "{refused:?}");
    assert_eq!(refused.problem()["type"], "urn:order-saga:problem:out-of-stock");
    let read = api.client.follow(refused.header(LOCATION)).await;
    assert_eq!(outcome(&read), (200, json!("CANCELLED"), json!("OUT_OF_STOCK")));
    assert_eq!(read.json(), refused.json()["order"]);
    assert_eq!(read.json()["shortages"], json!([{ "productId": "TWO-ONLY", "available": 2 }]));
    assert_eq!(api.place("too-many", &both).await.json(), refused.json(), "a repetition gets the same refusal");

    let all = api.place("all-there-is", order_of("TWO-ONLY", 2)).await;
    assert_eq!(all.status, StatusCode::CREATED, "{all:?}");
}

#[tokio::test]
async fn an_article_that_the_store_does_not_keep_is_refused() {
    let api = Api::open().await;
    let refused = api.place("nowhere", order_of("NOWHERE", 1)).await;
    assert_eq!(outcome(&refused), (409, json!("CANCELLED"), json!("UNKNOWN_SKU")), "{refused:?}");
}

#[tokio::test]
async fn an_invoice_beyond_the_credit_limit_returns_its_stock() {
    let api = Api::open().await;
    let mut dear = invoice("invoiced", "TWO-INVOICED", 2);
    dear["items"][0]["price"] = json!(50.01);
    dear["totalAmount"] = json!(100.02);
    let refused = api.place("too-dear", dear).await;
    assert_eq!(outcome(&refused), (409, json!("CANCELLED"), json!("CREDIT_LIMIT_EXCEEDED")), "{refused:?}");
    let events: Vec<_> = refused.json()["order"]["timeline"].as_array().unwrap().clone();
    assert!(events.iter().any(|moment| moment["event"] == "INVENTORY_RELEASED"), "{events:?}");

    let within = api.place("within", invoice("invoiced", "TWO-INVOICED", 2)).await;
    assert_eq!(within.status, StatusCode::CREATED, "{within:?}");
}

#[tokio::test]
async fn an_account_that_is_on_hold_or_absent_accepts_no_invoice() {
    let api = Api::open().await;
    for (customer, reason) in [("on-hold", "ACCOUNT_ON_HOLD"), ("nobody", "UNKNOWN_ACCOUNT")] {
        let refused = api.place(customer, invoice(customer, "PLENTY", 1)).await;
        assert_eq!(outcome(&refused), (409, json!("CANCELLED"), json!(reason)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_customer_cancels_a_confirmed_order_and_its_stock_returns() {
    let api = Api::open().await;
    let placed = api.place("regretted", order_of("TWO-RETURNED", 2)).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
    let location = placed.header(LOCATION);
    let cancelled = api.client.cancel(location).await;
    assert_eq!(outcome(&cancelled), (200, json!("CANCELLED"), json!("CUSTOMER_REQUEST")), "{cancelled:?}");
    assert_eq!(api.client.cancel(location).await.json(), cancelled.json(), "a repetition gets the same answer");
    assert_eq!(api.client.follow(location).await.json(), cancelled.json());
    let placed_again = api.place("regretted", order_of("TWO-RETURNED", 2)).await;
    assert_eq!(outcome(&placed_again), (409, json!("CANCELLED"), json!("CUSTOMER_REQUEST")));

    let other = api.place("instead", order_of("TWO-RETURNED", 2)).await;
    assert_eq!(other.status, StatusCode::CREATED, "{other:?}");
}

#[tokio::test]
async fn a_store_hands_over_an_order_that_it_has_picked_and_its_stock_is_gone() {
    let api = Api::open().await;
    let picked = |key: &'static str| {
        let mut order = order_of("TWO-PICKED", 1);
        order["storeId"] = "corner".into();
        api.place(key, order)
    };
    let (first, second) = (picked("picked-first").await, picked("picked-second").await);
    assert_eq!([first.status, second.status], [StatusCode::CREATED; 2], "{first:?} {second:?}");
    let list = async || {
        let page = api.of("operations").get("/orders?status=CONFIRMED&storeId=corner").await.json();
        page["orders"].as_array().unwrap().iter().map(|order| order["orderId"].clone()).collect::<Vec<_>>()
    };
    let ids = [&first, &second].map(|placed| placed.json()["orderId"].clone());
    assert_eq!(list().await, ids, "longest confirmed first");

    let location = first.header(LOCATION);
    let fulfilled = api.client.fulfil(location).await;
    assert_eq!(outcome(&fulfilled), (200, json!("FULFILLED"), Value::Null), "{fulfilled:?}");
    assert_eq!(api.client.fulfil(location).await.json(), fulfilled.json(), "a repetition gets the same answer");
    assert_eq!(api.client.follow(location).await.json(), fulfilled.json());
    let events: Vec<_> = fulfilled.json()["timeline"].as_array().unwrap().clone();
    let hand_over: Vec<_> = events.iter().rev().take(3).rev().map(|moment| &moment["event"]).collect();
    assert_eq!(hand_over, ["FULFILLING", "INVENTORY_CONSUMED", "FULFILLED"]);
    assert_eq!(list().await, ids[1..]);

    let refused = api.client.cancel(location).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    assert_eq!(refused.problem()["type"], "urn:order-saga:problem:order-fulfilled");
    assert_eq!(outcome(&picked("picked-first").await), (201, json!("FULFILLED"), Value::Null), "it was confirmed");

    // A cancelled order's stock returns; stock that was handed over does not.
    let cancelled = api.client.cancel(second.header(LOCATION)).await;
    assert_eq!(outcome(&cancelled), (200, json!("CANCELLED"), json!("CUSTOMER_REQUEST")), "{cancelled:?}");
    let refused = api.client.fulfil(second.header(LOCATION)).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    assert_eq!(refused.problem()["type"], "urn:order-saga:problem:order-cancelled");
    assert_eq!(list().await, Vec::<Value>::new());
    let mut both = order_of("TWO-PICKED", 2);
    both["storeId"] = "corner".into();
    assert_eq!(outcome(&api.place("picked-both", both).await), (409, json!("CANCELLED"), json!("OUT_OF_STOCK")));
    assert_eq!(picked("picked-third").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_order_that_nobody_waits_for_is_decided_all_the_same() {
    let api = Api::open().await;
    for (key, quantity, status) in [("later", 1, "CONFIRMED"), ("later-too-many", 2, "CANCELLED")] {
        let request = api.client.placing().header(IDEMPOTENCY_KEY, key).header("prefer", "respond-async");
        let accepted = api.client.send(request, order_of("ONE-ONLY", quantity).to_string()).await.unwrap();
        assert_eq!(outcome(&accepted), (202, json!("PENDING"), Value::Null), "{accepted:?}");
        assert_ne!(accepted.header(ETAG), "", "what is on record has a version, decided or not");
        assert_eq!(api.decided(accepted.header(LOCATION)).await["status"], status);
    }
}

#[tokio::test]
async fn a_customers_orders_are_listed_newest_first_page_by_page() {
    let api = Api::open().await;
    let mut ids = Vec::new();
    for key in ["listed-1", "listed-2", "listed-3"] {
        let mut order = order_of("PLENTY", 1);
        order["customerId"] = "collector".into();
        let placed = api.place(key, order).await;
        assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
        ids.insert(0, placed.json()["orderId"].clone());
    }
    let first = api.client.get("/customers/collector/orders?limit=2").await.json();
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = api.client.get(&format!("/customers/collector/orders?limit=2&cursor={cursor}")).await.json();
    let pages = [first["orders"].as_array().unwrap().as_slice(), second["orders"].as_array().unwrap()].concat();
    assert_eq!(pages.iter().map(|order| order["orderId"].clone()).collect::<Vec<_>>(), ids);
    assert_eq!(second["nextCursor"], Value::Null);

    let refused = api.client.get("/customers/collector/orders?limit=0&sort=price").await;
    assert_eq!((refused.status, refused.problem()["errors"].as_array().unwrap().len()), (StatusCode::BAD_REQUEST, 2));
    let elsewhere = api.client.get(&format!("/stores/main/orders?cursor={cursor}")).await;
    assert_eq!(elsewhere.status, StatusCode::BAD_REQUEST, "{elsewhere:?}");
}

#[tokio::test]
async fn the_client_crate_places_waits_reads_cancels_and_lists() {
    let api = Api::open().await;
    let client = api.client.typed();
    let order = |key: &str, quantity| {
        let order = NewOrder::by("typed").item("ONE-TYPED", quantity, Decimal::new(1_050, 2));
        order.with_key(format!("typed-{key}"))
    };
    // A client that does not wait at first can wait for the same order later.
    let submitted = client.submit(&order("one", 1)).await.unwrap();
    assert_eq!(submitted.decision, Decision::Undecided);
    let placed = client.place(&order("one", 1)).await.unwrap();
    assert_eq!((&placed.order_id, placed.replayed), (&submitted.order_id, true));
    let Decision::Confirmed(confirmed) = placed.decision else { panic!("{placed:?}") };
    assert_eq!(confirmed.total_amount.to_string(), "10.50");
    let read = client.read(&placed.order_id).await.unwrap();
    assert_eq!(read.order, confirmed);
    assert_eq!(client.read_unless(&placed.order_id, &read.etag).await.unwrap(), None);

    let refused = client.place(&order("two", 2)).await.unwrap();
    let Decision::Cancelled { order: refused, .. } = refused.decision else { panic!("{refused:?}") };
    let out_of_stock = order_client::Reason::Refused("OUT_OF_STOCK".to_owned());
    assert_eq!((&refused.reason, refused.shortages[0].available), (&Some(out_of_stock), 0));
    let cancelled = client.cancel(&placed.order_id).await.unwrap();
    assert_eq!(cancelled.reason, Some(order_client::Reason::CustomerRequest));

    let mut walk = client.list(&List::of_customer("typed").page_size(1));
    let mut listed = Vec::new();
    while let Some(order) = walk.next().await.unwrap() {
        listed.push(order);
    }
    assert_eq!(listed, [refused, cancelled]);
}

#[tokio::test]
async fn an_order_that_a_client_already_has_is_not_sent_again() {
    let api = Api::open().await;
    let placed = api.place("known", order_of("PLENTY", 1)).await;
    let path = format!("/orders/{}", placed.json()["orderId"].as_str().unwrap());
    let read = |tag: &str| api.client.request(Method::GET, &path).header(IF_NONE_MATCH, tag);
    let known = api.client.send(read(placed.header(ETAG)), "").await.unwrap();
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0), "{known:?}");
    let unknown = api.client.send(read("\"another\""), "").await.unwrap();
    assert_eq!((unknown.status, unknown.header(ETAG)), (StatusCode::OK, placed.header(ETAG)));
}

/// A request of operations, with a body if there is one.
async fn operate(api: &Api, method: Method, path: &str, header: (HeaderName, &str), body: Value) -> Response {
    let request = api.of("operations").request(method, path).header(CONTENT_TYPE, "application/json");
    api.of("operations").send(request.header(header.0, header.1), body.to_string()).await.unwrap()
}

#[tokio::test]
async fn stock_is_received_ordered_counted_and_listed() {
    let api = Api::open().await;
    let clerk = api.of("operations");
    let (path, receipt) = ("/stores/kept/stock/KEPT", json!({ "difference": 5, "reason": "RECEIVED" }));
    let receive = |key| {
        operate(&api, Method::POST, "/stores/kept/stock/KEPT/adjustments", (IDEMPOTENCY_KEY, key), receipt.clone())
    };
    let received = receive("kept-received").await;
    assert_eq!(
        (received.status, &received.json()["stock"]["onHand"]),
        (StatusCode::CREATED, &json!(5)),
        "{received:?}"
    );
    let again = receive("kept-received").await;
    assert_eq!((again.status, &again.json()["stock"]["onHand"]), (StatusCode::CREATED, &json!(5)), "{again:?}");
    assert_eq!(again.header("idempotent-replayed"), "true");

    let mut order = order_of("KEPT", 3);
    order["storeId"] = "kept".into();
    assert_eq!(api.place("kept-ordered", order).await.status, StatusCode::CREATED);
    let read = clerk.get(path).await;
    let mut stock = read.json();
    assert!(stock["changedBy"]["requestId"].is_string() && stock["changedAt"].is_string(), "{stock}");
    stock.as_object_mut().unwrap().retain(|name, _| !name.starts_with("changed"));
    assert_eq!(stock, json!({ "storeId": "kept", "sku": "KEPT", "available": 2, "reserved": 3, "onHand": 5 }));
    let set = |on_hand: i64, etag| operate(&api, Method::PUT, path, (IF_MATCH, etag), json!({ "onHand": on_hand }));
    let below = set(2, read.header(ETAG)).await;
    assert_eq!((below.status, &below.problem()["stock"]["reserved"]), (StatusCode::CONFLICT, &json!(3)), "{below:?}");
    let counted = set(4, read.header(ETAG)).await;
    assert_eq!((counted.status, &counted.json()["available"]), (StatusCode::OK, &json!(1)), "{counted:?}");
    assert_eq!(set(9, read.header(ETAG)).await.status, StatusCode::PRECONDITION_FAILED);

    let low = clerk.get("/stores/kept/stock?availableBelow=2").await.json();
    assert_eq!(low, json!({ "stock": [counted.json()] }));
    assert_eq!(clerk.get("/stores/kept/stock?availableBelow=1").await.json(), json!({ "stock": [] }));
    assert_eq!(api.of("shop").get(path).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_account_is_opened_invoiced_and_put_on_hold() {
    let api = Api::open().await;
    let clerk = api.of("operations");
    let terms = |header, on_hold: bool| {
        let body = json!({ "currency": "USD", "creditLimit": 25, "onHold": on_hold });
        operate(&api, Method::PUT, "/accounts/opened/terms", header, body)
    };
    assert_eq!(clerk.get("/accounts/opened").await.status, StatusCode::NOT_FOUND);
    let opened = terms((IF_NONE_MATCH, "*"), false).await;
    assert_eq!(opened.status, StatusCode::CREATED, "{opened:?}");
    let invoiced = api.place("opened-invoiced", invoice("opened", "PLENTY", 2)).await;
    assert_eq!(invoiced.status, StatusCode::CREATED, "{invoiced:?}");
    let held = terms((IF_MATCH, opened.header(ETAG)), true).await;
    assert_eq!(held.status, StatusCode::OK, "an invoice does not change the terms: {held:?}");
    let account = clerk.get("/accounts/opened").await;
    assert!(str::from_utf8(&account.body).unwrap().contains(r#""onHold":true,"receivable":20.00"#), "{account:?}");
    let refused = api.place("opened-held", invoice("opened", "PLENTY", 1)).await;
    assert_eq!(refused.json()["reason"], "ACCOUNT_ON_HOLD", "{refused:?}");

    let journal = format!("/orders/{}/journal", invoiced.json()["orderId"].as_str().unwrap());
    assert_eq!(clerk.get(&journal).await.json()["entries"].as_array().unwrap().len(), 1);
    assert_eq!(api.client.cancel(invoiced.header(LOCATION)).await.status, StatusCode::OK);
    let entries = clerk.get(&journal).await.json()["entries"].clone();
    assert_eq!((&entries[1]["kind"], &entries[1]["lines"][0]["credit"]), (&json!("REVERSAL"), &json!(20.0)));
    assert_eq!(api.of("shop").get(&journal).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_order_that_does_not_exist_is_not_found() {
    let api = Api::open().await;
    let absent = "/orders/00000000000000000000000000000000";
    for answer in [
        api.client.get(absent).await,
        api.client.get("/orders/short").await,
        api.client.send(api.client.request(Method::POST, &format!("{absent}/cancel")), "").await.unwrap(),
    ] {
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
        assert_eq!(answer.problem()["type"], "urn:order-saga:problem:order-not-found");
    }
}

#[tokio::test]
async fn an_api_key_is_valid_only_for_its_scopes() {
    let api = Api::open().await;
    let location = "/orders/00000000000000000000000000000000";
    for (name, may) in [("shop", [true, true, false]), ("operations", [false, false, true])] {
        let client = api.of(name);
        let answers = [
            client.place("a key's scopes", "{}").await,
            client.get("/customers/nobody/orders").await,
            client.get("/stores/nowhere/orders").await,
        ];
        let fulfil = client.request(Method::POST, &format!("{location}/fulfil"));
        let fulfilled = client.send(fulfil, "").await.unwrap();
        assert_eq!(fulfilled.status != StatusCode::FORBIDDEN, may[2], "{name}");
        assert_eq!(answers.map(|answer| answer.status != StatusCode::FORBIDDEN), may, "{name}");
        assert_eq!(client.get(location).await.status, StatusCode::NOT_FOUND);
    }
    let nobody = with_key(&api.keyless, "nobody-has-this-key-000000").get(location).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    assert_eq!(nobody.header("www-authenticate"), r#"Bearer realm="orders""#);
    assert_eq!(nobody.problem()["type"], "urn:order-saga:problem:unauthorized");
}

#[tokio::test]
async fn for_another_tenant_an_order_does_not_exist() {
    let api = Api::open().await;
    let (shop, other) = (api.of("shop"), api.of("other"));
    let mut order = order_of("PLENTY", 1);
    order["customerId"] = "two-tenants".into();
    let placed = shop.place("two-tenants", &order).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
    let path = format!("/orders/{}", placed.json()["orderId"].as_str().unwrap());
    let list = "/customers/two-tenants/orders";

    assert_eq!(other.get(&path).await.problem()["type"], "urn:order-saga:problem:order-not-found");
    let cancelled = other.send(other.request(Method::POST, &format!("{path}/cancel")), "").await.unwrap();
    assert_eq!(cancelled.status, StatusCode::NOT_FOUND);
    assert_eq!(other.get(list).await.json()["orders"], json!([]));
    let theirs = other.place("two-tenants", &order).await;
    assert_ne!(theirs.json()["orderId"], placed.json()["orderId"], "the key is another one there");

    assert_eq!(shop.get(&path).await.json()["status"], "CONFIRMED");
    assert_eq!(api.of("operations").get(&path).await.status, StatusCode::OK);
    assert_eq!(api.of("invoiced").get(&path).await.status, StatusCode::NOT_FOUND, "it acts for another customer");
}

#[tokio::test]
async fn a_path_that_does_not_exist_also_gets_a_problem_document() {
    let api = Api::open().await;
    for path in ["/order", "/orders/1/2"] {
        let answer = api.client.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {answer:?}");
        assert_eq!(answer.problem()["type"], "urn:order-saga:problem:route-not-found", "{path}");
    }
}

#[tokio::test]
async fn the_answer_to_an_invalid_body_says_what_is_wrong_with_it() {
    let api = Api::open().await;
    let valid = order_of("PLENTY", 1).to_string();
    let too_large = format!("{valid}{}", " ".repeat(64 * 1024));
    for (content_type, body, status, kind) in [
        ("text/plain", valid.as_str(), 415, "unsupported-media-type"),
        ("application/json", "", 400, "malformed-body"),
        ("application/json", "order, please", 400, "malformed-body"),
        ("application/json", too_large.as_str(), 413, "body-too-large"),
        ("application/json", "[]", 422, "invalid-order"),
    ] {
        let request = api.client.request(Method::POST, "/orders").header(CONTENT_TYPE, content_type);
        let answer = api.client.send(request, body.to_owned()).await.unwrap();
        assert_eq!(answer.status, status, "{kind}: {answer:?}");
        let problem = answer.problem();
        assert_eq!(problem["type"], format!("urn:order-saga:problem:{kind}"));
        assert_eq!(problem["status"], status);
    }
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let api = Api::open().await;
    let body = r#"{"customerId":"","items":[{"productId":"A","quantity":0,"price":0.001}],"totalAmount":"1","x":1}"#;
    let refused = api.place("wrong", body).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
    let problem = refused.problem();
    let mut pointers: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["#/customerId", "#/items/0/price", "#/items/0/quantity", "#/totalAmount", "#/x"]);
    assert!(problem["errors"].as_array().unwrap().iter().all(|error| !error["detail"].as_str().unwrap().is_empty()));
}

/// The claims of a customer's token, with one of them changed.
fn claims(name: &str, value: impl Into<Value>) -> Value {
    let now_s = clock::WallClock::System.now_ms() / 1000;
    let mut claims = json!({
        "iss": "https://issuer.example.com", "client_id": "orders", "sub": "alice", "token_use": "access",
        "iat": now_s - 1, "nbf": now_s - 1, "exp": now_s + 600,
        "cognito:groups": ["tenant:shop", "scope:submit", "scope:read", "customer:tokens"],
    });
    claims[name] = value.into();
    claims
}

#[tokio::test]
async fn a_token_is_as_good_as_it_is_valid() {
    let api = Api::open().await;
    let [first, second] = &*SIGNING;
    let now_s = clock::WallClock::System.now_ms() / 1000;
    let valid = claims("sub", "alice");
    let list = "/customers/tokens/orders";
    let read = async |token: &str| api.bearer(token).get(list).await;

    // The customer and nobody else.
    let alice = api.bearer(&first.sign(&valid));
    let mut order = order_of("PLENTY", 1);
    order["customerId"] = "tokens".into();
    let placed = alice.place("by-token", &order).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
    let path = format!("/orders/{}", placed.json()["orderId"].as_str().unwrap());
    assert_eq!(alice.get(&path).await.status, StatusCode::OK);
    let listed = alice.get(list).await.json();
    assert!(listed["orders"].as_array().unwrap().iter().any(|order| order["orderId"] == placed.json()["orderId"]));
    let groups = json!(["tenant:shop", "scope:submit", "scope:read", "customer:other"]);
    let other = api.bearer(&first.sign(&claims("cognito:groups", groups)));
    assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        other.send(other.request(Method::POST, &format!("{path}/cancel")), "").await.unwrap().status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(other.get(list).await.status, StatusCode::FORBIDDEN);
    assert_eq!(alice.get("/orders?status=PENDING").await.status, StatusCode::FORBIDDEN);
    if api.keys["shop"].is_string() {
        let by_key = api.of("shop").place("by-token", &order).await;
        assert_ne!(by_key.json()["orderId"], placed.json()["orderId"], "a customer's keys are its own");
    }

    for (fault, token) in [
        ("wrong key", SigningKey::rs256("first").sign(&valid)),
        ("alg=none", first.forge_none(&valid)),
        ("HS256 with the public key", first.forge_hs256(&valid)),
        ("expired", first.sign(&claims("exp", now_s - 1))),
        ("not valid yet", first.sign(&claims("nbf", now_s + 300))),
        ("wrong audience", first.sign(&claims("client_id", "elsewhere"))),
        ("wrong use", first.sign(&claims("token_use", "id"))),
        ("wrong issuer", first.sign(&claims("iss", "https://evil.example.com"))),
    ] {
        let refused = read(&token).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{fault}");
        assert_eq!(refused.header("www-authenticate"), r#"Bearer realm="orders""#, "{fault}");
        assert_eq!(refused.problem()["type"], "urn:order-saga:problem:unauthorized", "{fault}");
    }
    for nobody in [json!(["scope:read", "customer:tokens"]), json!(["tenant:shop", "scope:read"])] {
        let refused = read(&first.sign(&claims("cognito:groups", nobody))).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(refused.problem()["type"], "urn:order-saga:problem:forbidden");
    }

    // The issuer rotates its keys, and then it is down.
    api.issuer.publish(&[first, second]);
    assert_eq!(read(&second.sign(&valid)).await.status, StatusCode::OK);
    assert_eq!(read(&SigningKey::rs256("third").sign(&valid)).await.status, StatusCode::UNAUTHORIZED);
    api.issuer.publish(&[]);
    assert_eq!(read(&second.sign(&valid)).await.status, StatusCode::OK);
    api.issuer.publish(&[first, second]);
}

/// `.ci/emulator` counts how many times the authorizer is called for these, with and without a cache.
#[tokio::test]
async fn the_same_token_lets_its_bearer_in_twenty_times() {
    let api = Api::open().await;
    let alice = api.bearer(&SIGNING[0].sign(&claims("sub", "alice")));
    for _ in 0..20 {
        assert_eq!(alice.get("/customers/tokens/orders").await.status, StatusCode::OK);
    }
}
