//! The saga ends in time.

use http::HeaderValue;
use serde_json::json;
use system_tests::faults::{Mishap, Mishaps};
use system_tests::orders::{Reply, order};
use system_tests::shops::shop;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::{LATER, assert_conflict, assert_location, laptop, other};

#[tokio::test(start_paused = true)]
async fn every_article_that_the_store_has_too_little_of_is_reported() {
    let shop = shop().open().await;
    let order = order("k1").of("LAPTOP001", 11).of("MOUSE001", 1).of("NOSUCH", 1).of("MONITOR001", 1_000);
    let reply = order.place_order(&shop).await;
    assert_eq!(reply.outcome(), (409, "CANCELLED", "OUT_OF_STOCK"));
    assert_eq!(reply.body["type"], "urn:order-saga:problem:out-of-stock");
    assert_eq!(reply.body["detail"], "main has 10 of LAPTOP001, and 11 were ordered");
    let shortages = json!([
        {"productId": "LAPTOP001", "available": 10},
        {"productId": "NOSUCH", "available": 0},
        {"productId": "MONITOR001", "available": 0},
    ]);
    assert_eq!(reply.body["order"]["shortages"], shortages);
    // Later it is still the reason of the refusal.
    assert_eq!(order.place_order(&shop).await.body["order"]["shortages"], shortages);
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_order_is_created() {
    let shop = shop().open().await;
    let reply = laptop("k1").place_order(&shop).await;
    assert_eq!(reply.outcome(), (201, "CONFIRMED", ""));
    assert_location(&reply, "k1");
    // It is the hash of the bytes below: it changes with them, and with nothing else.
    assert_eq!(reply.header("etag"), Some("\"962c8df1a1e628daf72bdcee03ba3a37\""));
    assert_eq!(reply.header("idempotent-replayed"), None);
    assert_eq!(reply.header("idempotency-key"), Some("k1"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    insta::assert_json_snapshot!(reply.body, @r##"
    {
      "orderId": "587f08be44561cdfaa04c13e42b3e0c5",
      "status": "CONFIRMED",
      "customerId": "demo123",
      "storeId": "main",
      "paymentTerms": "PREPAID",
      "currency": "USD",
      "items": [
        {
          "productId": "LAPTOP001",
          "quantity": 1,
          "price": 10.0
        }
      ],
      "totalAmount": 10.0,
      "correlationId": "6f1ed002-ab5e-4b8c-a9a7-1d3a2e0c5f77",
      "createdAt": "2027-01-15T08:00:00Z",
      "updatedAt": "2027-01-15T08:00:00Z",
      "timeline": [
        {
          "event": "PLACED",
          "at": "2027-01-15T08:00:00Z"
        },
        {
          "event": "INVENTORY_RESERVED",
          "at": "2027-01-15T08:00:00Z"
        },
        {
          "event": "ACCOUNTING_POSTED",
          "at": "2027-01-15T08:00:00Z"
        },
        {
          "event": "CONFIRMED",
          "at": "2027-01-15T08:00:00Z"
        }
      ]
    }
    "##);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_rolled_back_is_a_conflict_with_its_reason() {
    let shop = shop().open().await;
    let reply = order("k1").of("LAPTOP001", 11).place_order(&shop).await;
    assert_eq!(reply.outcome(), (409, "CANCELLED", "OUT_OF_STOCK"));
    assert_location(&reply, "k1");
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    insta::assert_json_snapshot!(reply.body, @r##"
    {
      "type": "urn:order-saga:problem:out-of-stock",
      "title": "The store has too little of an article",
      "detail": "main has 10 of LAPTOP001, and 11 were ordered",
      "orderId": "587f08be44561cdfaa04c13e42b3e0c5",
      "status": "CANCELLED",
      "reason": "OUT_OF_STOCK",
      "order": {
        "orderId": "587f08be44561cdfaa04c13e42b3e0c5",
        "status": "CANCELLED",
        "reason": "OUT_OF_STOCK",
        "detail": "main has 10 of LAPTOP001, and 11 were ordered",
        "shortages": [
          {
            "productId": "LAPTOP001",
            "available": 10
          }
        ],
        "customerId": "demo123",
        "storeId": "main",
        "paymentTerms": "PREPAID",
        "currency": "USD",
        "items": [
          {
            "productId": "LAPTOP001",
            "quantity": 11,
            "price": 10.0
          }
        ],
        "totalAmount": 110.0,
        "correlationId": "6f1ed002-ab5e-4b8c-a9a7-1d3a2e0c5f77",
        "createdAt": "2027-01-15T08:00:00Z",
        "updatedAt": "2027-01-15T08:00:00Z",
        "timeline": [
          {
            "event": "PLACED",
            "at": "2027-01-15T08:00:00Z"
          },
          {
            "event": "CANCELLING",
            "at": "2027-01-15T08:00:00Z"
          },
          {
            "event": "CANCELLED",
            "at": "2027-01-15T08:00:00Z"
          }
        ]
      }
    }
    "##);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn every_reason_has_its_problem_document() {
    let mishaps = Mishaps::none();
    let shop = shop().invoked_through(&mishaps).open().await;
    let invoice = |key: &str, customer: &str| laptop(key).on_invoice().by(customer);
    let mut problems = Vec::new();
    for order in [
        order("k1").of("LAPTOP001", 11),
        order("k2").of("NOSUCH", 1),
        laptop("k3").at(100_01).on_invoice(),
        invoice("k4", "on-hold"),
        invoice("k5", "stranger"),
        invoice("k6", "euro"),
    ] {
        problems.push(order.place_order(&shop).await);
    }
    // One crash is survived.
    mishaps.strike_times(2, "PostAccounting", Mishap::Crash);
    problems.push(laptop("k7").place_order(&shop).await);
    let told = |reply: &Reply| {
        assert_eq!((reply.http_status, reply.status()), (409, "CANCELLED"));
        ["type", "title", "detail", "reason"].map(|member| reply.body[member].as_str().map(str::to_owned))
    };
    insta::assert_json_snapshot!(problems.iter().map(told).collect::<Vec<_>>(), @r##"
    [
      [
        "urn:order-saga:problem:out-of-stock",
        "The store has too little of an article",
        "main has 10 of LAPTOP001, and 11 were ordered",
        "OUT_OF_STOCK"
      ],
      [
        "urn:order-saga:problem:unknown-sku",
        "The store does not keep an article",
        "main does not keep NOSUCH",
        "UNKNOWN_SKU"
      ],
      [
        "urn:order-saga:problem:credit-limit-exceeded",
        "The customer's credit limit is too low",
        "the order exceeds what is left of the credit limit of acme",
        "CREDIT_LIMIT_EXCEEDED"
      ],
      [
        "urn:order-saga:problem:account-on-hold",
        "The customer's account takes no new invoices",
        "the account of on-hold is on hold",
        "ACCOUNT_ON_HOLD"
      ],
      [
        "urn:order-saga:problem:unknown-account",
        "The customer has no account to invoice",
        "stranger has no account to invoice",
        "UNKNOWN_ACCOUNT"
      ],
      [
        "urn:order-saga:problem:currency-mismatch",
        "The customer's account is in another currency",
        "the account of euro is in EUR, and the order is in USD",
        "CURRENCY_MISMATCH"
      ],
      [
        "urn:order-saga:problem:step-failed",
        "A step of the order failed, and the order was rolled back",
        null,
        "STEP_FAILED"
      ]
    ]
    "##);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_repeated_order_is_answered_with_its_outcome() {
    let shop = shop().open().await;
    for (first, status) in [(laptop("k1"), 201), (order("k2").of("LAPTOP001", 11), 409)] {
        let reply = first.place_order(&shop).await;
        assert_eq!(reply.http_status, status);
        let before = shop.items();
        sleep(LATER).await;
        let mut again = first.place_order(&shop).await;
        assert_eq!(again.headers.remove("idempotent-replayed"), Some(HeaderValue::from_static("true")));
        assert_eq!(again, reply);
        assert_eq!(shop.items(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_content_in_another_spelling_is_the_same_order() {
    let shop = shop().open().await;
    let first = order("k1").of("LAPTOP001", 1).of("MOUSE001", 2).place_order(&shop).await;
    let again = order("k1").of("MOUSE001", 2).of("LAPTOP001", 1).with("currency", "USD").with("storeId", "main");
    assert_eq!(again.with("paymentTerms", "PREPAID").place_order(&shop).await, first);
}

#[tokio::test(start_paused = true)]
async fn other_content_with_the_same_key_is_refused_in_every_status_and_touches_nothing() {
    let mishaps = Mishaps::none();
    let shop = shop().invoked_through(&mishaps).open().await;
    assert_eq!(laptop("confirmed").place_order(&shop).await.http_status, 201);
    assert_eq!(order("cancelled").of("LAPTOP001", 11).place_order(&shop).await.http_status, 409);
    mishaps.strike("PostAccounting", Mishap::Fail("Unavailable"));
    assert_eq!(laptop("pending").place_order(&shop).await.http_status, 202);
    mishaps.heal();
    let before = shop.items();
    for key in ["confirmed", "cancelled", "pending"] {
        let reply = other(key).place_order(&shop).await;
        assert_conflict(&reply, key);
        assert_conflict(&other(key).respond_async().place_order(&shop).await, key);
        if key == "confirmed" {
            insta::assert_json_snapshot!(reply.body, @r##"
            {
              "type": "urn:order-saga:problem:idempotency-conflict",
              "title": "The idempotency key was used for another request before",
              "status": 422,
              "orderId": "55e56a4d5cca0331ef4a3ad51ee29f00"
            }
            "##);
        }
    }
    assert_eq!(shop.items(), before);
}

#[tokio::test(start_paused = true)]
async fn the_same_order_sent_twice_at_once_is_one_order() {
    let shop = shop().open().await;
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let stack = shop.stack.clone();
        clients.spawn(async move { laptop("k1").place_order(&stack).await });
    }
    let replies = clients.join_all().await;
    assert!(replies.iter().all(|reply| reply.outcome() == (201, "CONFIRMED", "") && *reply == replies[0]));
    assert_eq!(shop.available("LAPTOP001"), 9);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn two_orders_sent_with_one_key_at_once_are_one_order_and_one_conflict() {
    let shop = shop().open().await;
    let (one, another) = (laptop("k1"), other("k1"));
    let (one, another) = tokio::join!(one.place_order(&shop), another.place_order(&shop));
    let mut statuses = [one.http_status, another.http_status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422]);
    assert_eq!(shop.books().orders.len(), 1);
    shop.audit();
}
