//! Adjusting stock, setting stock, prices and an account's terms, with bodies derived from real ones.

use api::idempotency::IDEMPOTENCY_KEY;
use api::{Answer, Caller};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use local_audit as audit;
use local_stack::gateway::{self, PathParameters};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use system_tests::orders::{REQUEST_ID, order};

use crate::mutate::{body, edited, edits};
use crate::world::{World, cases};

/// An operation that changes something.
struct Operation {
    method: Method,
    resource: &'static str,
    /// Paths of its resource, by their parameters.
    paths: &'static [Path],
    /// Bodies as clients send them, some valid and some not.
    bodies: &'static [&'static str],
    /// The maximum number of calls before a broken rule of the content is found.
    looks: usize,
}

type Path = &'static [(&'static str, &'static str)];

/// An article that orders hold some of, one that none holds, one that the store does not keep, and an invalid one.
const ARTICLES: &[Path] = &[
    &[("storeId", "main"), ("sku", "LAPTOP001")],
    &[("storeId", "main"), ("sku", "MOUSE001")],
    &[("storeId", "west"), ("sku", "CABLE:usb-c@2m")],
    &[("storeId", "main"), ("sku", "a/b \u{e9}")],
];

const ADJUSTMENT: Operation = Operation {
    method: Method::POST,
    resource: "/stores/{storeId}/stock/{sku}/adjustments",
    paths: ARTICLES,
    bodies: &[
        r#"{"difference":20,"reason":"RECEIVED","note":"delivery 4711"}"#,
        r#"{"difference":-1,"reason":"LOST"}"#,
        r#"{ "reason" : "COUNTED", "difference" : -2.0, "note" : "aisle 7, by hand" }"#,
        r#"{"difference":1e3,"reason":"COUNTED"}"#,
        r#"{"difference":1000000000000,"reason":"RECEIVED"}"#,
        r#"{"difference":-1000000000000,"reason":"LOST"}"#,
        r#"{"difference":1,"reason":"LOST"}"#,
        r#"{"difference":0,"difference":0.5,"reason":"STOLEN","note":""}"#,
        r#"{"difference":1,"reason":"RECEIVED""#,
    ],
    // Only the write finds out whether there is too much already.
    looks: 1,
};

const SETTING: Operation = Operation {
    method: Method::PUT,
    resource: "/stores/{storeId}/stock/{sku}",
    paths: ARTICLES,
    bodies: &[
        r#"{"onHand":100}"#,
        r#"{"onHand":0}"#,
        r#"{"onHand":1.0e12}"#,
        r#"{"onHand":-1}"#,
        r#"{"onHand":"7","available":7}"#,
        "[100]",
        "100",
    ],
    looks: 0,
};

const PRICE: Operation = Operation {
    method: Method::PUT,
    resource: "/stores/{storeId}/prices/{sku}",
    paths: ARTICLES,
    bodies: &[
        r#"{"currency":"USD","price":12.99}"#,
        r#"{ "price" : 1.3e1, "currency" : "EUR" }"#,
        r#"{"currency":"JPY","price":0.5}"#,
        r#"{"currency":"USD","price":-1}"#,
        r#"{"price":1}"#,
        r#"{"currency":"USD","price":1,"quantity":1}"#,
        "12.99",
    ],
    looks: 0,
};

const TERMS: Operation = Operation {
    method: Method::PUT,
    resource: "/accounts/{customerId}/terms",
    paths: &[
        &[("customerId", "acme")],
        &[("customerId", "euro")],
        &[("customerId", "new")],
        &[("customerId", "caf\u{e9} #1")],
    ],
    bodies: &[
        r#"{"currency":"USD","creditLimit":5000.00,"onHold":false}"#,
        r#"{"creditLimit":0,"onHold":true}"#,
        r#"{"onHold":false,"creditLimit":1.255E+2}"#,
        r#"{"currency":"EUR","creditLimit":90071992547409.91,"onHold":false}"#,
        r#"{"currency":"JPY","creditLimit":0.5,"onHold":false}"#,
        r#"{"creditLimit":90071992547409.92,"onHold":0}"#,
        r#"{"creditLimit":1,"onHold":true,"receivable":0}"#,
        "null",
    ],
    // A body without a currency is in the account's.
    looks: 1,
};

impl Operation {
    /// One of its bodies, as it is or after some changes.
    fn body(&self) -> impl Strategy<Value = Vec<u8>> + use<> {
        let bodies: Vec<_> = self.bodies.iter().map(|body| body.as_bytes().to_vec()).collect();
        prop_oneof![1 => select(bodies.clone()), 2 => body(bodies)]
    }

    async fn ask(&self, world: &World, path: Path, headers: HeaderMap, body: &[u8]) -> Answer {
        let path: PathParameters = path.iter().map(|(name, id)| ((*name).to_owned(), (*id).to_owned())).collect();
        let event = gateway::event(self.method.clone(), self.resource, headers, path, body);
        let client = Caller::of_an_open_api();
        world.shop.answer(event, &client, REQUEST_ID).await
    }

    /// Sends mutated bodies to the operation's function.
    fn is_answered_and_refused_without_a_trace(&self, number: u32) {
        let world = World::open();
        world.run(order("held").of("LAPTOP001", 3).place_order(&world.shop));
        if self.method == Method::PUT {
            // Something to set.
            let mut headers = usual_headers("created");
            headers.remove(header::IF_MATCH);
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
            world.run(self.ask(&world, self.paths[0], headers, self.bodies[0].as_bytes()));
        }
        let unchanged = self.bodies.iter().enumerate().map(|(at, body)| {
            let headers = usual_headers(&format!("unchanged-{at}"));
            world.run(self.ask(&world, self.paths[0], headers, body.as_bytes())).status.is_success()
        });
        let (taken, refused): (Vec<_>, Vec<_>) = unchanged.partition(|taken| *taken);
        assert!(taken.len() >= 2 && refused.len() >= 2, "{} taken, {} refused", taken.len(), refused.len());

        let items = std::cell::RefCell::new(world.shop.items());
        proptest!(cases(number), |(path in select(self.paths), headers in headers(), body in self.body())| {
            let before = world.calls();
            let answer = world.run(self.ask(&world, path, headers, &body));
            let calls = world.calls() - before;
            prop_assert!(answer.body.len() < 64 * 1024, "{} bytes of answer", answer.body.len());
            let answered: Value = serde_json::from_str(&answer.body).unwrap();
            let is_conflict = answered["type"] == "urn:order-saga:problem:idempotency-conflict";
            match answer.status.as_u16() {
                200 | 201 | 404 | 409 | 412 => {}
                422 if is_conflict => {}
                422 => prop_assert!(calls <= self.looks, "{calls} calls: {answered}"),
                status => {
                    prop_assert!([400, 413, 415, 428].contains(&status), "{status}: {answered}");
                    prop_assert_eq!(calls, 0, "a refused request called a service: {}", answered);
                }
            }
            if calls > 0 {
                let now = world.shop.items();
                let is_untouched = *items.borrow() == now;
                items.replace(now);
                prop_assert!(answer.status.is_success() || is_untouched, "a refused request was written: {answered}");
            }
        });
        let report = audit::check(&world.shop.books());
        assert!(report.holds, "{:#?}", report.findings);
    }
}

/// Headers that make each operation accept valid content.
fn usual_headers(key: &str) -> HeaderMap {
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (IDEMPOTENCY_KEY, HeaderValue::from_str(key).unwrap()),
        (header::IF_MATCH, HeaderValue::from_static("*")),
    ])
}

/// The usual headers, most of them under a new key, with at most one of them changed or removed.
fn headers() -> impl Strategy<Value = HeaderMap> {
    let key = prop_oneof![4 => any::<u64>(), 1 => 0..3_u64];
    let stale = (header::IF_MATCH, Some(HeaderValue::from_static("\"stale\"")));
    let change = prop_oneof![3 => Just(None), 1 => Just(Some(stale)), 2 => change().prop_map(Some)];
    (key, change).prop_map(|(key, change)| {
        let mut headers = usual_headers(&key.to_string());
        match change {
            Some((name, Some(value))) => _ = headers.insert(name, value),
            Some((name, None)) => _ = headers.remove(name),
            None => {}
        }
        headers
    })
}

/// Another value for a header, or none.
fn change() -> impl Strategy<Value = (HeaderName, Option<HeaderValue>)> {
    const VALUES: [&str; 6] =
        ["application/json; charset=utf-8", "\"a key\"", "*", "\"stale\"", "W/\"weak\", \"other\"", ""];
    let value = (select(&VALUES[..]), edits()).prop_filter_map("no header holds it", |(value, edits)| {
        HeaderValue::from_bytes(&edited(value.as_bytes().to_vec(), &edits)).ok()
    });
    let names = [header::CONTENT_TYPE, IDEMPOTENCY_KEY, header::IF_MATCH, header::IF_NONE_MATCH];
    (select(names.to_vec()), proptest::option::weighted(0.8, value))
}

#[test]
fn every_adjustment_is_answered_and_a_refused_one_changes_nothing() {
    ADJUSTMENT.is_answered_and_refused_without_a_trace(1_000);
}

#[test]
fn every_setting_of_stock_is_answered_and_a_refused_one_changes_nothing() {
    SETTING.is_answered_and_refused_without_a_trace(1_000);
}

#[test]
fn every_setting_of_terms_is_answered_and_a_refused_one_changes_nothing() {
    TERMS.is_answered_and_refused_without_a_trace(1_000);
}

#[test]
fn every_setting_of_a_price_is_answered_and_a_refused_one_changes_nothing() {
    PRICE.is_answered_and_refused_without_a_trace(1_000);
}
