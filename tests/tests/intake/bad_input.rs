//! Requests that are not valid orders.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue, header};
use serde_json::json;
use system_tests::orders::{Reply, order, post, send};
use system_tests::shops::shop;

use crate::laptop;

fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

/// The answer to a request that writes nothing.
async fn refused(headers: HeaderMap, body: &[u8]) -> Reply {
    let shop = shop().open().await;
    let before = shop.items();
    let reply = send(&shop, post(headers, body)).await;
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!(shop.items(), before);
    assert!(shop.executions.all().is_empty(), "no saga was started");
    reply
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_json() {
    let reply = refused(json_headers(), b"{\"customerId\": \"demo123\",\n  oops}").await;
    assert_eq!(reply.http_status, 400);
    insta::assert_json_snapshot!(reply.body, @r##"
    {
      "type": "urn:order-saga:problem:malformed-body",
      "title": "The request body is not JSON",
      "status": 400,
      "detail": "line 2, column 3"
    }
    "##);
    for body in [&b""[..], b"{", b"\xff\xfe", b"{} {}"] {
        assert_eq!(refused(json_headers(), body).await.http_status, 400, "{body:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_in_base64_is_read_like_any_other() {
    let shop = shop().open().await;
    let mut event = laptop("k1").event();
    event.body = Some(BASE64_STANDARD.encode(laptop("k1").body().to_string()));
    event.is_base64_encoded = true;
    assert_eq!(send(&shop, event.clone()).await.http_status, 201);
    event.body = Some("not base64!".to_owned());
    assert_eq!(send(&shop, event).await.http_status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_body_larger_than_any_order() {
    let body = laptop("k1").with("paymentReference", "R".repeat(70_000)).body().to_string();
    let reply = refused(json_headers(), body.as_bytes()).await;
    assert_eq!(reply.http_status, 413);
    insta::assert_json_snapshot!(reply.body, @r##"
    {
      "type": "urn:order-saga:problem:body-too-large",
      "title": "The request body is larger than any order",
      "status": 413,
      "detail": "at most 65536 bytes"
    }
    "##);
    let mut bytes = vec![0xff; 70_000];
    bytes.extend(body.as_bytes());
    assert_eq!(refused(json_headers(), &bytes).await.http_status, 413);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_declared_as_something_else() {
    let body = laptop("k1").body().to_string();
    let declared = |value| HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]);
    let reply = refused(declared("text/xml"), body.as_bytes()).await;
    assert_eq!(reply.http_status, 415);
    insta::assert_json_snapshot!(reply.body, @r##"
    {
      "type": "urn:order-saga:problem:unsupported-media-type",
      "title": "The request body has to be application/json",
      "status": 415
    }
    "##);
    let shop = shop().open().await;
    for declared in [declared("application/json; charset=utf-8"), declared("Application/JSON"), HeaderMap::new()] {
        assert_eq!(send(&shop, post(declared, body.as_bytes())).await.http_status, 201);
    }
}

#[tokio::test(start_paused = true)]
async fn every_rule_that_an_order_breaks_is_reported_at_once() {
    let mut headers = json_headers();
    headers.insert(api::idempotency::IDEMPOTENCY_KEY, HeaderValue::from_static("\"\""));
    let body = json!({
        "customerId": "", "storeId": 7, "currency": "DOLLARS", "paymentTerms": "LATER", "colour": "red",
        "items": [
            {"productId": "LAPTOP001", "quantity": 0, "price": 1},
            {"productId": "LAPTOP001", "quantity": 1.5, "price": "1"},
            "a mouse",
        ],
    });
    let reply = refused(headers, body.to_string().as_bytes()).await;
    assert_eq!(reply.http_status, 422);
    insta::assert_json_snapshot!(reply.body, @r##"
    {
      "type": "urn:order-saga:problem:invalid-order",
      "title": "The order breaks the rules listed in errors",
      "status": 422,
      "errors": [
        {
          "pointer": "#/customerId",
          "detail": "must be 1 to 64 characters from A-Z, a-z, 0-9 and . _ - : @ +"
        },
        {
          "pointer": "#/storeId",
          "detail": "must be a string"
        },
        {
          "pointer": "#/paymentTerms",
          "detail": "must be PREPAID, INVOICE or AUTHORIZED"
        },
        {
          "pointer": "#/currency",
          "detail": "must be the three-letter ISO 4217 code of a currency with a minor unit"
        },
        {
          "pointer": "#/totalAmount",
          "detail": "is required"
        },
        {
          "pointer": "#/items/0/quantity",
          "detail": "must be a whole number from 1 to 1000000"
        },
        {
          "pointer": "#/items/1/quantity",
          "detail": "must be a whole number from 1 to 1000000"
        },
        {
          "pointer": "#/items/1/productId",
          "detail": "must be unique; combine the quantities into one item"
        },
        {
          "pointer": "#/items/2",
          "detail": "must be a JSON object"
        },
        {
          "pointer": "#/colour",
          "detail": "is not a field of an order"
        },
        {
          "header": "Idempotency-Key",
          "detail": "must be 1 to 255 characters of printable ASCII"
        }
      ]
    }
    "##);
}

#[tokio::test(start_paused = true)]
async fn amounts_that_do_not_add_up() {
    let mut body = order("k1").of("LAPTOP001", 3).at(10).body();
    body["totalAmount"] = json!(0.31);
    let reply = refused(json_headers(), body.to_string().as_bytes()).await;
    assert_eq!(reply.http_status, 422);
    insta::assert_json_snapshot!(reply.body, @r##"
    {
      "type": "urn:order-saga:problem:invalid-order",
      "title": "The order breaks the rules listed in errors",
      "status": 422,
      "errors": [
        {
          "pointer": "#/totalAmount",
          "detail": "must be the sum of quantity × price, which is 0.30"
        }
      ]
    }
    "##);
}

#[tokio::test(start_paused = true)]
async fn of_very_many_broken_rules_the_first_hundred_are_reported() {
    let item = r#"{"a":0,"b":0}"#;
    let body = format!(r#"{{"items":[{}]}}"#, vec![item; 50].join(","));
    let reply = refused(json_headers(), body.as_bytes()).await;
    assert_eq!(reply.http_status, 422);
    assert_eq!(reply.body["errors"].as_array().unwrap().len(), 100);
    assert_eq!(reply.body["errors"][0]["pointer"], "#/customerId");
}
