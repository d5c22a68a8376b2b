//! `openapi.yaml` against what the handlers do: each answer is described, each description is true.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::{Answer, Client, Handler, problem};
use http::{HeaderMap, Method, header};
use local::aws::{Api, WireError};
use local::docs::{description, resolve};
use local::front::{self, PathParameters};
use order::{Reason, Status};
use persist_order::{Canceller, Closing};
use serde_json::{Value, json};
use strum::VariantArray;
use system_tests::faults::{Calls, Fault, Faults, Mishap, Mishaps};
use system_tests::orders::{OrderBuilder, REQUEST_ID, client, order, order_id, post};
use system_tests::shops::{Shop, shop};
use tokio::time::sleep;

const PREFIX: &str = "urn:order-saga:problem:";

/// Long after every saga has ended.
const LATER: Duration = Duration::from_mins(5);

/// Of the front's, for what is no resource of the API.
const OUTSIDE: [&str; 2] = ["route-not-found", "method-not-allowed"];

/// An operation, a status, and a problem's name or nothing.
type Described = (String, u16, String);

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn texts(value: &Value) -> BTreeSet<String> {
    array(value).map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The response that an operation has for a status.
fn response<'a>(api: &'a Value, operation: &str, status: u16) -> &'a Value {
    let (method, path) = operation.split_once(' ').unwrap();
    resolve(api, &api["paths"][path][method.to_lowercase()]["responses"][status.to_string()])
}

fn described(api: &Value) -> BTreeSet<Described> {
    let mut described = BTreeSet::new();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for (status, _) in operation["responses"].as_object().unwrap() {
                let operation = format!("{} {path}", method.to_uppercase());
                let status = status.parse().unwrap();
                let content = &response(api, &operation, status)["content"];
                match content.get("application/problem+json") {
                    None => _ = described.insert((operation, status, String::new())),
                    Some(content) => {
                        let kinds = texts(&content["x-problem-types"]);
                        described.extend(kinds.into_iter().map(|kind| (operation.clone(), status, kind)));
                    }
                }
            }
        }
    }
    described
}

#[test]
fn api_gateway_has_every_route_of_the_description_and_no_other() {
    let api = description().unwrap();
    let operations: BTreeSet<String> = described(&api).into_iter().map(|(operation, ..)| operation).collect();
    let locals = include_str!("../../terraform/locals.tf");
    let (_, routes) = locals.split_once("\n  routes = {\n").unwrap();
    let (routes, _) = routes.split_once("\n  }\n").unwrap();
    let routes = routes.lines().filter_map(|line| line.strip_prefix("    \"")?.strip_suffix("\" = {"));
    assert_eq!(routes.map(str::to_owned).collect::<BTreeSet<_>>(), operations);
}

#[test]
fn the_description_names_every_problem_and_no_other() {
    let api = description().unwrap();
    let types: BTreeSet<String> = problem::types().into_iter().collect();
    assert_eq!(texts(&api["components"]["schemas"]["ProblemType"]["enum"]), types);
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
    let reasons = Reason::VARIANTS.iter().map(ToString::to_string).collect();
    assert_eq!(texts(&api["components"]["schemas"]["Reason"]["enum"]), reasons);
}

/// What a value breaks of a schema, in the words of JSON Schema that the description uses. Patterns
/// and formats are left to others.
fn breaks(api: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if schema.get("$ref").is_some() {
        broken.extend(breaks(api, resolve(api, schema), value, at));
    }
    if let Some(schemas) = schema["anyOf"].as_array()
        && schemas.iter().all(|schema| !breaks(api, schema, value, at).is_empty())
    {
        broken.push(format!("{at} is none of anyOf"));
    }
    let is_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        Some(other) => panic!("the schema type {other} is not checked here"),
        None => true,
    };
    let constant = schema.get("const").is_none_or(|constant| constant == value);
    let listed = schema.get("enum").is_none_or(|listed| array(listed).any(|listed| listed == value));
    if !is_type || !constant || !listed {
        broken.push(format!("{at} is {value}, and not as {schema} has it"));
    }
    for name in texts(&schema["required"]) {
        if value.get(&name).is_none() {
            broken.push(format!("{at}/{name} is missing"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => broken.extend(breaks(api, schema, member, &format!("{at}/{name}"))),
            None if schema["additionalProperties"] == false => broken.push(format!("{at}/{name} is not described")),
            None => {}
        }
    }
    for (index, item) in array(value).enumerate() {
        broken.extend(breaks(api, &schema["items"], item, &format!("{at}/{index}")));
    }
    broken
}

/// The answers so far, each checked against its description.
struct Answers {
    api: Value,
    produced: BTreeSet<Described>,
    /// Who asks.
    client: Client,
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
            assert_eq!(breaks(&self.api, &content["schema"], &body, ""), Vec::<String>::new(), "{what}");
            if media_type == "application/problem+json" {
                body["type"].as_str().unwrap().strip_prefix(PREFIX).unwrap().clone_into(&mut kind);
            }
        } else {
            assert_eq!(answer.body, "", "{what}");
        }
        self.produced.insert((operation.to_owned(), status, kind));
    }

    async fn place(&mut self, shop: &Shop, order: &OrderBuilder) -> u16 {
        let answer = shop.intake.handle(order.event(), &self.client, REQUEST_ID).await;
        self.check("POST /orders", &answer);
        answer.status.as_u16()
    }

    async fn place_raw(&mut self, shop: &Shop, content_type: &str, body: &[u8]) {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]);
        let answer = shop.intake.handle(post(headers, body), &self.client, REQUEST_ID).await;
        self.check("POST /orders", &answer);
    }

    async fn cancel(&mut self, shop: &Shop, id: &str) {
        let path = PathParameters::from([("orderId".to_owned(), id.to_owned())]);
        let event = front::event(Method::POST, "/orders/{orderId}/cancel", HeaderMap::new(), path, b"");
        let answer = shop.intake.handle(event, &self.client, REQUEST_ID).await;
        self.check("POST /orders/{orderId}/cancel", &answer);
    }

    async fn fulfil(&mut self, shop: &Shop, id: &str) -> u16 {
        let path = PathParameters::from([("orderId".to_owned(), id.to_owned())]);
        let event = front::event(Method::POST, "/orders/{orderId}/fulfil", HeaderMap::new(), path, b"");
        let answer = shop.intake.handle(event, &self.client, REQUEST_ID).await;
        self.check("POST /orders/{orderId}/fulfil", &answer);
        answer.status.as_u16()
    }

    async fn get(&mut self, shop: &Shop, resource: &str, id: &str, query: &str, headers: HeaderMap) -> Answer {
        let names = ["orderId", "customerId", "storeId", "countyId"].into_iter();
        let path = names.filter(|name| resource.contains(name)).map(|name| (name.to_owned(), id.to_owned())).collect();
        let mut event = front::event(Method::GET, resource, headers, path, b"");
        front::set_query(&mut event, query);
        let answer = shop.query_orders.handle(event, &self.client, REQUEST_ID).await;
        self.check(&format!("GET {resource}"), &answer);
        answer
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

fn laptop(key: &str) -> OrderBuilder {
    order(key).of("LAPTOP001", 1)
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_described_and_every_description_comes_true() {
    let (faults, mishaps) = (Faults::none(), Mishaps::none());
    let shop = shop().behind(&faults).invoked_through(&mishaps).open().await;
    let mut answers =
        Answers { api: description().unwrap(), produced: BTreeSet::new(), client: Client::of_an_open_api() };
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
    // No orders.
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
    // Not allowed.
    answers.client = client("shop", &[]);
    answers.place(&shop, &laptop("not-mine")).await;
    answers.cancel(&shop, &id("k1")).await;
    answers.fulfil(&shop, &id("k1")).await;
    answers.get(&shop, "/orders/{orderId}", &id("k1"), "", HeaderMap::new()).await;
    answers.lists(&shop, "").await;
    answers.client = Client::of_an_open_api();
    // Nothing answers.
    faults.strike(Calls::to(Api::DynamoDb), Fault::Refuse(WireError::internal(Api::DynamoDb)));
    answers.get(&shop, "/orders/{orderId}", &id("k1"), "", HeaderMap::new()).await;
    answers.lists(&shop, "").await;
    answers.cancel(&shop, &id("async")).await;
    answers.fulfil(&shop, &id("async")).await;
    assert_eq!(answers.place(&shop, &laptop("queued")).await, 202);
    faults.strike(Calls::to(Api::Sqs), Fault::Refuse(WireError::internal(Api::Sqs)));
    assert_eq!(answers.place(&shop, &laptop("lost")).await, 503);

    assert_eq!(answers.produced, described(&answers.api));
}

#[test]
fn the_check_of_bodies_sees_what_is_wrong() {
    let api = description().unwrap();
    let page = &api["components"]["schemas"]["Page"];
    assert_eq!(breaks(&api, page, &json!({ "orders": [] }), ""), Vec::<String>::new());
    for wrong in
        [json!({}), json!([]), json!({ "orders": {} }), json!({ "orders": [], "next": 1 }), json!({ "orders": [1] })]
    {
        assert_ne!(breaks(&api, page, &wrong, ""), Vec::<String>::new(), "{wrong}");
    }
}
