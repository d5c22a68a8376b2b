//! Compares `openapi.yaml` with what the handlers do: each answer is described, and each description is true.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

mod gateway;
mod readme;
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::future::IntoFuture;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use api::{Answer, Caller, Callers, problem};
use authorize::Authorizer;
use http::{HeaderMap, Method, StatusCode, header};
use local_aws::{Api, WireError};
use local_http::front::{self, Front};
use local_http::rate;
use local_payments::Card;
use local_stack::gateway::{PathParameters, event, set_query};
use order::{Reason, Status};
use orders::{Canceller, Closing};
use payments::{Capture, Gateway};
use serde_json::{Value, json};
use strum::VariantArray;
use system_tests::client;
use system_tests::faults::{Calls, Fault, Faults, Mishap, Mishaps};
use system_tests::openapi::{description, resolve};
use system_tests::operations::{self, Ask};
use system_tests::orders::{OrderBuilder, REQUEST_ID, client, order, order_id, post};
use system_tests::shops::{OPENED_MS, Shop, shop};
use tokio::net::TcpListener;
use tokio::time::sleep;

use gateway::gateway_problems;
use schema::breaks;

const PREFIX: &str = "urn:order-saga:problem:";

/// Long after every saga has ended.
const LATER: Duration = Duration::from_mins(5);

/// Answered by the front, for paths that are not resources of the API.
const OUTSIDE: [&str; 2] = ["route-not-found", "method-not-allowed"];

/// An operation, a status, and a problem's name or nothing.
type Described = (String, u16, String);

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn texts(value: &Value) -> BTreeSet<String> {
    array(value).map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Every operation, by its method and its path.
fn operations(api: &Value) -> impl Iterator<Item = String> {
    let paths = api["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    })
}

/// The description of an operation.
fn operation<'a>(api: &'a Value, operation: &str) -> &'a Value {
    let (method, path) = operation.split_once(' ').unwrap();
    &api["paths"][path][method.to_lowercase()]
}

/// The statuses that an operation answers with.
fn statuses(api: &Value, of: &str) -> BTreeSet<u16> {
    operation(api, of)["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap()).collect()
}

/// The response of an operation for a status.
fn response<'a>(api: &'a Value, of: &str, status: u16) -> &'a Value {
    resolve(api, &operation(api, of)["responses"][status.to_string()])
}

/// The answers of the functions and the local stack, by the description.
fn described(api: &Value) -> BTreeSet<Described> {
    described_by(api, "x-problem-types")
}

fn described_by(api: &Value, types: &str) -> BTreeSet<Described> {
    let mut described = BTreeSet::new();
    for operation in operations(api) {
        for status in statuses(api, &operation) {
            let content = &response(api, &operation, status)["content"];
            match content.get("application/problem+json") {
                None => _ = described.insert((operation.clone(), status, String::new())),
                Some(content) => {
                    let kinds = texts(&content[types]);
                    described.extend(kinds.into_iter().map(|kind| (operation.clone(), status, kind)));
                }
            }
        }
    }
    described
}

#[test]
fn the_description_names_every_problem_and_no_other() {
    let api = description().unwrap();
    let types: BTreeSet<String> = problem::types().into_iter().collect();
    let of_gateway = gateway_problems().into_values().map(|(_, kind)| format!("{PREFIX}{kind}"));
    let all: BTreeSet<String> = of_gateway.chain(types.clone()).collect();
    assert_eq!(texts(&api["components"]["schemas"]["ProblemType"]["enum"]), all);
    let of_operations = described(&api).into_iter().map(|(_, _, kind)| kind).filter(|kind| !kind.is_empty());
    let named: BTreeSet<String> =
        of_operations.chain(OUTSIDE.map(str::to_owned)).map(|kind| format!("{PREFIX}{kind}")).collect();
    assert_eq!(named, types);
}

#[test]
fn the_description_names_every_status_and_reason_and_no_other() {
    let api = description().unwrap();
    let statuses = Status::VARIANTS.iter().map(ToString::to_string).collect();
    assert_eq!(texts(&api["components"]["schemas"]["Status"]["enum"]), statuses);
    let of_steps = declarations::refusals().map(|(_, refusal)| refusal.reason.clone());
    let reasons = Reason::OWN.iter().map(ToString::to_string).chain(of_steps).collect();
    assert_eq!(texts(&api["components"]["schemas"]["Reason"]["enum"]), reasons);
}

#[test]
fn the_description_names_every_event_of_a_timeline_and_no_other() {
    let api = description().unwrap();
    let of_steps = declarations::steps().iter().flat_map(|(_, step)| step.actions()).map(|action| &action.timeline);
    // A pending order is placed; every other status is an event with its own name.
    let of_orders = Status::VARIANTS.iter().filter(|status| **status != Status::Pending).map(ToString::to_string);
    let events: BTreeSet<String> = of_orders.chain(["PLACED".to_owned()]).chain(of_steps.cloned()).collect();
    assert_eq!(texts(&api["components"]["schemas"]["Moment"]["properties"]["event"]["enum"]), events);
}

/// The answers so far, each checked against its description.
struct Answers {
    api: Value,
    produced: BTreeSet<Described>,
    /// The caller.
    client: Caller,
}

impl Answers {
    fn check(&mut self, operation: &str, answer: &Answer) {
        let status = answer.status.as_u16();
        let what = format!("{operation} {answer:?}");
        let response = response(&self.api, operation, status);
        assert!(response.is_object(), "the status is not described: {what}");
        let empty = serde_json::Map::new();
        let headers: BTreeMap<String, &Value> = response["headers"]
            .as_object()
            .unwrap_or(&empty)
            .iter()
            .map(|(name, header)| (name.to_lowercase(), resolve(&self.api, header)))
            .collect();
        for (name, header) in &headers {
            let value = answer.headers.get(name).map(|value| value.to_str().unwrap());
            assert!(value.is_some() || header["required"] != true, "{name} is missing: {what}");
            let constant = header["schema"]["const"].as_str();
            assert!(value.is_none() || constant.is_none() || value == constant, "{name} is another: {what}");
        }
        for name in answer.headers.keys().filter(|name| **name != header::CONTENT_TYPE) {
            assert!(headers.contains_key(name.as_str()), "{name} is not described: {what}");
        }
        let media_type = answer.headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap());
        let described = response["content"].as_object().into_iter().flatten().next();
        assert_eq!(media_type, described.map(|(media_type, _)| media_type.as_str()), "{what}");
        let mut kind = String::new();
        if let Some((media_type, content)) = described {
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(breaks(&self.api, &content["schema"], &body), Vec::<String>::new(), "{what}");
            if media_type == "application/problem+json" {
                body["type"].as_str().unwrap().strip_prefix(PREFIX).unwrap().clone_into(&mut kind);
            }
        } else {
            assert_eq!(answer.body, "", "{what}");
        }
        self.produced.insert((operation.to_owned(), status, kind));
    }

    async fn place(&mut self, shop: &Shop, order: &OrderBuilder) -> u16 {
        let answer = shop.answer(order.event(), &self.client, REQUEST_ID).await;
        self.check("POST /orders", &answer);
        answer.status.as_u16()
    }

    async fn place_raw(&mut self, shop: &Shop, content_type: &str, body: &[u8]) {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]);
        let answer = shop.answer(post(headers, body), &self.client, REQUEST_ID).await;
        self.check("POST /orders", &answer);
    }

    async fn cancel(&mut self, shop: &Shop, id: &str) {
        let path = PathParameters::from([("orderId".to_owned(), id.to_owned())]);
        let event = event(Method::POST, "/orders/{orderId}/cancel", HeaderMap::new(), path, b"");
        let answer = shop.answer(event, &self.client, REQUEST_ID).await;
        self.check("POST /orders/{orderId}/cancel", &answer);
    }

    async fn fulfil(&mut self, shop: &Shop, id: &str) -> u16 {
        let path = PathParameters::from([("orderId".to_owned(), id.to_owned())]);
        let event = event(Method::POST, "/orders/{orderId}/fulfil", HeaderMap::new(), path, b"");
        let answer = shop.answer(event, &self.client, REQUEST_ID).await;
        self.check("POST /orders/{orderId}/fulfil", &answer);
        answer.status.as_u16()
    }

    async fn get(&mut self, shop: &Shop, resource: &str, id: &str, query: &str, headers: HeaderMap) -> Answer {
        let names = ["orderId", "customerId", "storeId", "countyId"].into_iter();
        let path = names.filter(|name| resource.contains(name)).map(|name| (name.to_owned(), id.to_owned())).collect();
        let mut event = event(Method::GET, resource, headers, path, b"");
        set_query(&mut event, query);
        let answer = shop.answer(event, &self.client, REQUEST_ID).await;
        self.check(&format!("GET {resource}"), &answer);
        answer
    }

    async fn ask(&mut self, shop: &Shop, ask: Ask) -> Answer {
        let operation = ask.operation();
        // On the heap, like the longer parts of the test, because a test's stack is small.
        let answer = Box::pin(ask.by(&self.client).answer(shop)).await;
        self.check(&operation, &answer);
        answer
    }

    /// A request for each operation on stock, accounts and the journal.
    async fn ask_everything(&mut self, shop: &Shop, order_id: &str) {
        let journal = format!("/orders/{order_id}/journal");
        for path in [LAPTOP, "/stores/main/stock", PRICE, ACCOUNT, TERMS, HISTORY, &journal] {
            self.ask(shop, operations::get(path)).await;
        }
        self.ask(shop, set_stock(5).if_match("*")).await;
        self.ask(shop, set_price(2).if_match("*")).await;
        self.ask(shop, set_terms(false).if_match("*")).await;
        self.ask(shop, adjust(1, "everything")).await;
        self.ask(shop, spread(1)).await;
        self.ask(shop, replace(order_id, "pi_1")).await;
    }

    /// The answers about stock, except those to unauthorised and failing requests.
    async fn stock(&mut self, shop: &Shop) {
        let read = self.ask(shop, operations::get(LAPTOP)).await;
        let etag = read.headers[header::ETAG].to_str().unwrap().to_owned();
        self.ask(shop, operations::get(LAPTOP).with(header::IF_NONE_MATCH, &etag)).await;
        self.ask(shop, operations::get("/stores/main/stock?availableBelow=100&limit=1")).await;
        for path in ["/stores/main/stock?limit=0", "/stores/main/stock/ü"] {
            self.ask(shop, operations::get(path)).await;
        }
        self.ask(shop, operations::get(NOTHING)).await;
        // Set.
        self.ask(shop, set_stock(2).if_match("\"stale\"")).await;
        self.ask(shop, set_stock(2)).await;
        self.ask(shop, set_stock(0).if_match("*")).await;
        self.ask(shop, operations::put(NOTHING, &json!({ "onHand": 1 })).if_match("*")).await;
        self.ask(shop, operations::put(NOTHING, &json!({ "onHand": 1 })).if_absent()).await;
        self.bodies(shop, || set_stock(1).if_match("*")).await;
        self.ask(shop, operations::put("/stores/main/stock/ü", &json!({ "onHand": 1 })).if_match("*")).await;
        // Adjusted.
        self.ask(shop, adjust(1, "a1")).await;
        sleep(LATER).await;
        let replayed = self.ask(shop, adjust(1, "a1")).await;
        assert!(replayed.headers.contains_key("idempotent-replayed"));
        self.ask(shop, adjust(2, "a1")).await;
        self.ask(shop, adjust(-1_000, "a2")).await;
        self.ask(shop, operations::post(&format!("{LAPTOP}/adjustments"), &json!({}))).await;
        let elsewhere = "/stores/nowhere/stock/LAPTOP001/adjustments";
        self.ask(shop, operations::post(elsewhere, &json!({ "difference": 1, "reason": "COUNTED" })).under("a3")).await;
        self.bodies(shop, || adjust(1, "a4")).await;
        let keyless = json!({ "difference": 1, "reason": "COUNTED" });
        self.ask(shop, operations::post(&format!("{LAPTOP}/adjustments"), &keyless)).await;
        // Spread.
        self.ask(shop, spread(4)).await;
        self.ask(shop, spread(1)).await;
        self.ask(shop, spread(0)).await;
        self.ask(shop, operations::put("/stores/main/stock/ü/spread", &json!({ "shards": 4 }))).await;
        self.ask(shop, operations::put("/stores/nowhere/stock/LAPTOP001/spread", &json!({ "shards": 4 }))).await;
        self.bodies(shop, || spread(4)).await;
    }

    /// The answers about prices, except those to unauthorised and failing requests.
    async fn prices(&mut self, shop: &Shop) {
        self.ask(shop, operations::get(PRICE)).await;
        self.ask(shop, set_price(1).if_match("*")).await;
        self.ask(shop, set_price(1).if_absent()).await;
        let read = self.ask(shop, operations::get(PRICE)).await;
        let etag = read.headers[header::ETAG].to_str().unwrap().to_owned();
        self.ask(shop, operations::get(PRICE).with(header::IF_NONE_MATCH, &etag)).await;
        self.ask(shop, set_price(2).if_match("\"stale\"")).await;
        self.ask(shop, set_price(2)).await;
        self.ask(shop, set_price(2).if_match(&etag)).await;
        let nowhere = "/stores/main/prices/ü";
        self.ask(shop, operations::get(nowhere)).await;
        self.ask(shop, operations::put(nowhere, &json!({ "currency": "USD", "price": 1 })).if_absent()).await;
        self.bodies(shop, || set_price(2).if_match("*")).await;
    }

    /// The answers about accounts and the journal, except those to unauthorised and failing requests.
    async fn accounts(&mut self, shop: &Shop) {
        for path in [ACCOUNT, TERMS] {
            let read = self.ask(shop, operations::get(path)).await;
            let etag = read.headers[header::ETAG].to_str().unwrap().to_owned();
            self.ask(shop, operations::get(path).with(header::IF_NONE_MATCH, &etag)).await;
            self.ask(shop, operations::get(&path.replace("acme", "nobody"))).await;
            self.ask(shop, operations::get(&path.replace("acme", "ü"))).await;
        }
        self.ask(shop, set_terms(true).if_match("\"stale\"")).await;
        self.ask(shop, set_terms(true)).await;
        let nobody = json!({ "currency": "USD", "creditLimit": 1, "onHold": false });
        self.ask(shop, operations::put("/accounts/new/terms", &nobody).if_match("*")).await;
        self.ask(shop, operations::put("/accounts/new/terms", &nobody).if_absent()).await;
        self.ask(shop, operations::put("/accounts/ü/terms", &nobody).if_absent()).await;
        self.bodies(shop, || set_terms(true).if_match("*")).await;
        for on_hold in [true, false] {
            self.ask(shop, set_terms(on_hold).if_match("*")).await;
        }
        for path in [HISTORY, &format!("{HISTORY}?limit=1"), "/accounts/new/terms/history"] {
            self.ask(shop, operations::get(path)).await;
        }
        for path in ["/accounts/nobody/terms/history", &format!("{HISTORY}?limit=0")] {
            self.ask(shop, operations::get(path)).await;
        }
        self.ask(shop, operations::get("/orders/short/journal")).await;
    }

    /// The answers about payments, except those to unauthorised and failing requests.
    async fn payments(&mut self) {
        let shop = shop().capturing(Some(Capture::Fulfilment)).open().await;
        let id = |key: &str| order_id(key).to_string();
        let paid = |key: &str, payment: &str| order(key).of("LAPTOP001", 1).paid_with(payment);
        for (payment, amount_minor) in [("pi_1", 10_00), ("pi_2", 10_00), ("pi_small", 1)] {
            let currency = "USD".parse().unwrap();
            shop.payments.authorise_as(payment.parse().unwrap(), amount_minor, currency, Card::Good).await.unwrap();
        }
        self.place(&shop, &paid("k1", "pi_1")).await;
        self.place(&shop, &paid("k2", "pi_small")).await;
        self.place(&shop, &paid("k3", "pi_nobodys")).await;
        shop.orders.put_pending(&paid("waiting", "pi_2").placed(), OPENED_MS, OPENED_MS).await.unwrap();
        self.ask(&shop, replace(&id("waiting"), "pi_2")).await;
        self.ask(&shop, replace(&id("k2"), "pi_2")).await;
        self.ask(&shop, replace(&id("k1"), "pi_2")).await;
        shop.payments.cancel(&"pi_1".parse().unwrap(), "lapsed").await.unwrap();
        self.fulfil(&shop, &id("k1")).await;
        self.ask(&shop, replace(&id("k1"), "pi_small")).await;
        self.bodies(&shop, || replace(&id("k1"), "pi_2")).await;
        self.ask(&shop, replace("short", "pi_2")).await;
        self.ask(&shop, replace(&id("k1"), "pi_2")).await;
        let declines = shop_with_a_declined_card().await;
        self.place(&declines, &paid("k1", "pi_1")).await;
    }

    /// Bodies that are not valid for the operation.
    async fn bodies(&mut self, shop: &Shop, ask: impl Fn() -> Ask) {
        self.ask(shop, ask().saying("{")).await;
        self.ask(shop, ask().saying("{}")).await;
        self.ask(shop, ask().saying(&" ".repeat(70_000))).await;
        self.ask(shop, ask().of_type("text/plain")).await;
    }

    async fn lists(&mut self, shop: &Shop, query: &str) {
        for resource in ["/customers/{customerId}/orders", "/stores/{storeId}/orders", "/counties/{countyId}/orders"] {
            let id = if resource.contains("store") { "main" } else { "demo123" };
            self.get(shop, resource, id, query, HeaderMap::new()).await;
        }
        self.get(shop, "/orders", "", &format!("status=PENDING&{query}"), HeaderMap::new()).await;
        self.get(shop, "/orders", "", &format!("status=CONFIRMED&storeId=main&{query}"), HeaderMap::new()).await;
    }
}

const LAPTOP: &str = "/stores/main/stock/LAPTOP001";
/// Spreads the laptops.
fn spread(shards: u16) -> Ask {
    operations::put(&format!("{LAPTOP}/spread"), &json!({ "shards": shards }))
}

const NOTHING: &str = "/stores/main/stock/NOTHING";
const PRICE: &str = "/stores/main/prices/LAPTOP001";
const ACCOUNT: &str = "/accounts/acme";
const TERMS: &str = "/accounts/acme/terms";
const HISTORY: &str = "/accounts/acme/terms/history";

fn set_stock(on_hand: i64) -> Ask {
    operations::put(LAPTOP, &json!({ "onHand": on_hand }))
}

fn set_price(price: i64) -> Ask {
    operations::put(PRICE, &json!({ "currency": "USD", "price": price }))
}

fn adjust(difference: i64, key: &str) -> Ask {
    let body = json!({ "difference": difference, "reason": "COUNTED", "note": "by hand" });
    operations::post(&format!("{LAPTOP}/adjustments"), &body).under(key)
}

fn replace(order_id: &str, payment: &str) -> Ask {
    let path =
        if order_id.contains('/') { format!("/orders/{order_id}") } else { format!("/orders/{order_id}/payment") };
    operations::put(&path, &json!({ "paymentReference": payment }))
}

async fn shop_with_a_declined_card() -> Shop {
    let shop = shop().open().await;
    let currency = "USD".parse().unwrap();
    shop.payments.authorise_as("pi_1".parse().unwrap(), 10_00, currency, Card::Declined).await.unwrap();
    shop
}

fn set_terms(on_hold: bool) -> Ask {
    operations::put(TERMS, &json!({ "creditLimit": 100, "onHold": on_hold }))
}

fn laptop(key: &str) -> OrderBuilder {
    order(key).of("LAPTOP001", 1)
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_described_and_every_description_comes_true() {
    let (faults, mishaps) = (Faults::none(), Mishaps::none());
    let shop = shop().behind(&faults).invoked_through(&mishaps).open().await;
    let mut answers =
        Answers { api: description().unwrap(), produced: BTreeSet::new(), client: Caller::of_an_open_api() };
    let id = |key: &str| order_id(key).to_string();

    // Decided, replayed, accepted.
    assert_eq!(
        answers.place(&shop, &laptop("k1").with("countyId", "kings").with("paymentReference", "p 1")).await,
        201
    );
    sleep(LATER).await;
    answers.place(&shop, &laptop("k1").with("countyId", "kings").with("paymentReference", "p 1")).await;
    answers.place(&shop, &laptop("async").respond_async()).await;
    answers.place(&shop, &laptop("k1").of("MOUSE001", 1)).await;
    // Refused by a step.
    answers.place(&shop, &order("much").of("LAPTOP001", 11)).await;
    answers.place(&shop, &order("unknown").of("NOWHERE", 1)).await;
    answers.place(&shop, &laptop("limit").of("MOUSE001", 10).on_invoice()).await;
    answers.place(&shop, &laptop("hold").on_invoice().by("on-hold")).await;
    answers.place(&shop, &laptop("nobody").on_invoice().by("nobody")).await;
    answers.place(&shop, &laptop("euro").on_invoice().by("euro")).await;
    mishaps.strike("PostAccounting", Mishap::Fail("Boom"));
    answers.place(&shop, &laptop("failed")).await;
    mishaps.heal();
    // Given up on.
    mishaps.strike("ReserveInventory", Mishap::Fail("Unavailable"));
    assert_eq!(answers.place(&shop, &laptop("given-up")).await, 202);
    mishaps.heal();
    let due_ms = shop.due_ms(&order_id("given-up")).unwrap();
    let closing = Closing { reason: Reason::Unavailable, detail: None, shortages: Vec::new(), now_ms: shop.now_ms() };
    shop.orders.cancel(&order_id("given-up"), Canceller::Recovery(due_ms), &closing).await.unwrap();
    assert_eq!(answers.place(&shop, &laptop("given-up")).await, 409);
    // Cancelled by its customer.
    mishaps.strike("ReleaseInventory", Mishap::Fail("Unavailable"));
    answers.cancel(&shop, &id("k1")).await;
    mishaps.heal();
    answers.cancel(&shop, &id("k1")).await;
    answers.place(&shop, &laptop("k1").with("countyId", "kings").with("paymentReference", "p 1")).await;
    answers.cancel(&shop, &id("absent")).await;
    answers.cancel(&shop, "short").await;
    // Handed over.
    assert_eq!(answers.place(&shop, &laptop("picked")).await, 201);
    mishaps.strike("ConsumeInventory", Mishap::Fail("Unavailable"));
    assert_eq!(answers.fulfil(&shop, &id("picked")).await, 202);
    assert_eq!(answers.place(&shop, &laptop("picked")).await, 201);
    mishaps.heal();
    assert_eq!(answers.fulfil(&shop, &id("picked")).await, 200);
    answers.cancel(&shop, &id("picked")).await;
    answers.fulfil(&shop, &id("k1")).await;
    answers.fulfil(&shop, &id("absent")).await;
    mishaps.strike("ReserveInventory", Mishap::Fail("Unavailable"));
    assert_eq!(answers.place(&shop, &laptop("waiting")).await, 202);
    mishaps.heal();
    assert_eq!(answers.fulfil(&shop, &id("waiting")).await, 409);
    // Not valid orders.
    answers.place_raw(&shop, "application/json", b"{").await;
    answers.place_raw(&shop, "application/json", b"{}").await;
    answers.place_raw(&shop, "text/plain", b"{}").await;
    answers.place_raw(&shop, "application/json", &vec![b' '; 70_000]).await;
    answers.place(&shop, &laptop("two").with_header("idempotency-key", "three")).await;
    // Read.
    let read = answers.get(&shop, "/orders/{orderId}", &id("k1"), "", HeaderMap::new()).await;
    let known = HeaderMap::from_iter([(header::IF_NONE_MATCH, read.headers[header::ETAG].clone())]);
    answers.get(&shop, "/orders/{orderId}", &id("k1"), "", known).await;
    answers.get(&shop, "/orders/{orderId}", &id("absent"), "", HeaderMap::new()).await;
    answers.get(&shop, "/orders/{orderId}", "short", "", HeaderMap::new()).await;
    answers.lists(&shop, "").await;
    answers.lists(&shop, "limit=1").await;
    answers.lists(&shop, "limit=0&x").await;
    // Stock, accounts and the journal.
    Box::pin(answers.ask_everything(&shop, &id("k1"))).await;
    Box::pin(answers.stock(&shop)).await;
    Box::pin(answers.prices(&shop)).await;
    Box::pin(answers.accounts(&shop)).await;
    Box::pin(answers.payments()).await;
    // Unauthorised.
    answers.client = client("shop", &[]);
    answers.place(&shop, &laptop("not-mine")).await;
    answers.cancel(&shop, &id("k1")).await;
    answers.fulfil(&shop, &id("k1")).await;
    answers.get(&shop, "/orders/{orderId}", &id("k1"), "", HeaderMap::new()).await;
    answers.lists(&shop, "").await;
    Box::pin(answers.ask_everything(&shop, &id("k1"))).await;
    answers.client = Caller::of_an_open_api();
    // Services down.
    faults.strike(Calls::to(Api::DynamoDb), Fault::Refuse(WireError::internal(Api::DynamoDb)));
    answers.get(&shop, "/orders/{orderId}", &id("k1"), "", HeaderMap::new()).await;
    answers.lists(&shop, "").await;
    Box::pin(answers.ask_everything(&shop, &id("k1"))).await;
    answers.cancel(&shop, &id("async")).await;
    answers.fulfil(&shop, &id("async")).await;
    assert_eq!(answers.place(&shop, &laptop("queued")).await, 202);
    faults.strike(Calls::to(Api::Sqs), Fault::Refuse(WireError::internal(Api::Sqs)));
    assert_eq!(answers.place(&shop, &laptop("lost")).await, 503);

    // The others come from what stands in front of the handlers.
    let of_handlers = described(&answers.api).into_iter().filter(|(_, status, _)| ![401, 429].contains(status));
    assert_eq!(answers.produced, of_handlers.collect());
}

/// The shop behind HTTP, as `serve` has it.
async fn served(shop: &Shop, limit: Option<NonZeroU32>) -> client::Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client::Client::new(format!("http://{}", listener.local_addr().unwrap()));
    let authorizer = Arc::new(Authorizer::new(Callers::default(), true));
    let router = front::router(Front {
        stack: shop.stack.clone(),
        authorizer,
        issuer: None,
        faults: Arc::default(),
        deployment: None,
    });
    let router = match limit {
        Some(limit) => rate::limited(router, limit),
        None => router,
    };
    tokio::spawn(axum::serve(listener, router).into_future());
    client
}

/// The answer as it was sent, without the server's own headers.
fn as_sent(answer: &client::Response) -> Answer {
    let mut headers = answer.headers.clone();
    for name in [header::CONTENT_LENGTH, header::DATE] {
        headers.remove(name);
    }
    Answer { status: answer.status, headers, body: String::from_utf8(answer.body.to_vec()).unwrap() }
}

#[tokio::test]
async fn every_operation_is_refused_as_it_is_described_without_a_valid_credential() {
    let shop = shop().open().await;
    let client = served(&shop, None).await;
    let mut answers =
        Answers { api: description().unwrap(), produced: BTreeSet::new(), client: Caller::of_an_open_api() };
    let all: BTreeSet<Described> =
        described(&answers.api).into_iter().filter(|(_, status, _)| *status == 401).collect();
    assert_eq!(all.len(), operations(&answers.api).count());
    for (operation, ..) in &all {
        let (method, path) = operation.split_once(' ').unwrap();
        for (name, value) in [("authorization", "Bearer e30.e30."), ("x-api-key", "nobody's")] {
            let request = client.request(method.parse().unwrap(), &path.replace(['{', '}'], "")).header(name, value);
            answers.check(operation, &as_sent(&client.send(request, "").await.unwrap()));
        }
    }
    assert_eq!(answers.produced, all);
}

#[tokio::test]
async fn every_operation_is_refused_as_it_is_described_when_there_are_too_many_requests() {
    let shop = shop().open().await;
    let client = served(&shop, Some(NonZeroU32::MIN)).await;
    let mut answers =
        Answers { api: description().unwrap(), produced: BTreeSet::new(), client: Caller::of_an_open_api() };
    let all = described(&answers.api).into_iter().filter(|(_, status, _)| *status == 429);
    let all: BTreeSet<Described> = all.collect();
    for (operation, ..) in &all {
        let (method, path) = operation.split_once(' ').unwrap();
        let request = || client.request(method.parse().unwrap(), &path.replace(['{', '}'], ""));
        // One request per second is answered, so one of several in a row is rejected.
        let refused = loop {
            let answer = client.send(request(), "").await.unwrap();
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                break answer;
            }
        };
        answers.check(operation, &as_sent(&refused));
    }
    assert_eq!(answers.produced, all);
    assert_eq!(client.get("/_local/audit").await.status, StatusCode::OK, "the operator of the stack is not limited");
}
