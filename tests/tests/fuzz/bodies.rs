//! `POST /orders` with bodies derived from real ones.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use api::Caller;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use order::request::{OrderRequest, RequestError, parse};
use proptest::prelude::*;
use serde_json::{Value, json};
use system_tests::orders::post;

use crate::mutate::{body, edited, edits};
use crate::world::{World, cases};

/// The bodies in `corpus/orders`, as they are.
fn corpus() -> &'static [Vec<u8>] {
    static CORPUS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/orders");
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    })
}

/// The equivalent body, written anew.
fn print(request: &OrderRequest) -> String {
    let draft = &request.draft;
    let amount = |minor| -> Value { serde_json::from_str(&draft.currency.decimal(minor)).unwrap() };
    let items = draft
        .lines
        .iter()
        .map(|line| json!({ "productId": line.sku, "quantity": line.quantity, "price": amount(line.price_minor) }));
    let mut body = json!({
        "customerId": draft.customer_id,
        "storeId": draft.store_id,
        "paymentTerms": draft.payment_terms,
        "currency": draft.currency,
        "items": items.collect::<Vec<_>>(),
        "totalAmount": amount(draft.total_minor),
    });
    for (name, value) in [
        ("countyId", json!(draft.county_id)),
        ("paymentReference", json!(draft.payment_reference)),
        ("clientRequestId", json!(request.client_request_id)),
    ] {
        if !value.is_null() {
            body[name] = value;
        }
    }
    body.to_string()
}

#[test]
fn the_corpus_has_valid_orders_and_other_bodies() {
    let read = corpus().iter().map(|body| parse(str::from_utf8(body).unwrap()));
    let (orders, others): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
    assert!(orders.len() >= 6 && others.len() >= 4, "{} orders, {} others", orders.len(), others.len());
    let not_json = others.iter().filter(|other| matches!(other, Err(RequestError::NotJson(_)))).count();
    assert!(0 < not_json && not_json < others.len());
}

proptest! {
    #![proptest_config(cases(8_000))]

    #[test]
    fn what_is_read_can_be_written_and_read_again(body in body(corpus())) {
        let Ok(text) = String::from_utf8(body) else { return Ok(()) };
        match parse(&text) {
            Ok(request) => {
                let printed = print(&request);
                let again = parse(&printed).unwrap();
                prop_assert_eq!(&again, &request);
                prop_assert_eq!(print(&again), printed);
            }
            Err(RequestError::Invalid(violations)) => prop_assert!(!violations.is_empty()),
            Err(RequestError::NotJson(_)) => {}
        }
    }
}

fn header_value() -> impl Strategy<Value = HeaderValue> {
    let real = prop_oneof![
        Just("application/json; charset=utf-8"),
        Just("\"a key\""),
        Just("respond-async, wait=5"),
        Just("text/plain"),
        Just("\""),
        Just(""),
    ];
    (real, edits()).prop_filter_map("no header holds it", |(value, edits)| {
        HeaderValue::from_bytes(&edited(value.as_bytes().to_vec(), &edits)).ok()
    })
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let names = [header::CONTENT_TYPE, HeaderName::from_static("idempotency-key"), HeaderName::from_static("prefer")];
    prop::collection::vec((prop::sample::select(names.to_vec()), header_value()), 0..3).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        headers
    })
}

#[test]
fn every_request_is_answered_and_a_refused_one_touches_nothing() {
    const REFUSALS: [u16; 4] = [400, 413, 415, 422];

    let world = World::open();
    let client = Caller::of_an_open_api();
    let number = std::cell::Cell::new(0_u32);
    let no_headers = Just(HeaderMap::new());
    proptest!(cases(1_500), |(body in body(corpus()), headers in prop_oneof![2 => no_headers, 1 => headers()])| {
        number.set(number.get() + 1);
        let request_id = format!("request-{}", number.get());
        let before = world.calls();
        let answer = world.run(world.shop.answer(post(headers, &body), &client, &request_id));
        let status = answer.status.as_u16();
        let answered: Value = serde_json::from_str(&answer.body).unwrap();
        if REFUSALS.contains(&status) && answered["type"] != "urn:order-saga:problem:idempotency-conflict" {
            prop_assert_eq!(world.calls(), before, "a refused request called a service");
        } else {
            prop_assert!([201, 202, 409, 422].contains(&status), "{}: {}", status, answer.body);
            prop_assert!(world.calls() > before);
        }
        prop_assert!(answer.body.len() < 64 * 1024, "{} bytes of answer", answer.body.len());
    });
    world.shop.audit();
}
