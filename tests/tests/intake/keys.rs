//! Idempotency keys.

use api::Scope;
use local_aws::Api;
use serde_json::json;
use system_tests::faults::Faults;
use system_tests::orders::{OrderBuilder, REQUEST_ID, client, order_without_key, send, send_as};
use system_tests::shops::shop;

use crate::{dynamodb, laptop, queue, refuse};

fn keyless() -> OrderBuilder {
    order_without_key().of("LAPTOP001", 1)
}

#[tokio::test(start_paused = true)]
async fn an_order_without_a_key_is_answered_with_a_generated_one() {
    let shop = shop().open().await;
    let reply = keyless().place_order(&shop).await;
    assert_eq!(reply.outcome(), (201, "CONFIRMED", ""));
    let minted = reply.header("idempotency-key").expect("a key is generated");
    assert_eq!(minted, REQUEST_ID);
    // A repetition with that key is the same order.
    let again = laptop(minted).place_order(&shop).await;
    assert_eq!(again, reply);
    assert_eq!(shop.available("LAPTOP001"), 9);
}

#[tokio::test(start_paused = true)]
async fn a_generated_key_is_returned_even_if_the_outcome_is_unknown() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(dynamodb(), refuse(Api::DynamoDb));
    faults.strike(queue(), refuse(Api::Sqs));
    let reply = keyless().place_order(&shop).await;
    assert_eq!(reply.http_status, 503);
    let minted = reply.header("idempotency-key").expect("a key is generated").to_owned();
    faults.heal();
    let again = laptop(&minted).place_order(&shop).await;
    assert_eq!(again.outcome(), (201, "CONFIRMED", ""));
    assert_eq!(reply.body["orderId"], again.body["orderId"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_the_same_bare_quoted_or_in_the_body() {
    let shop = shop().open().await;
    let first = laptop("k 1").place_order(&shop).await;
    for same in [
        keyless().with_header("idempotency-key", "\"k 1\""),
        keyless().with("clientRequestId", "k 1"),
        laptop("k 1").with("clientRequestId", "k 1"),
        keyless().with_header("idempotency-key", "\"k 1\"").with("clientRequestId", "k 1"),
    ] {
        assert_eq!(same.place_order(&shop).await, first);
    }
    assert_eq!(shop.available("LAPTOP001"), 9);
}

#[tokio::test(start_paused = true)]
async fn two_different_keys_in_one_request_are_refused() {
    let shop = shop().open().await;
    let before = shop.items();
    let reply = laptop("k1").with("clientRequestId", "k2").place_order(&shop).await;
    assert_eq!(reply.http_status, 422);
    insta::assert_json_snapshot!(reply.body, @r##"
    {
      "type": "urn:order-saga:problem:invalid-order",
      "title": "The order breaks the rules listed in errors",
      "status": 422,
      "errors": [
        {
          "pointer": "#/clientRequestId",
          "detail": "must be the same as the Idempotency-Key header, if both are sent"
        }
      ]
    }
    "##);
    let reply = laptop("k1").with_header("idempotency-key", "k1").place_order(&shop).await;
    assert_eq!(reply.http_status, 422);
    assert_eq!(reply.body["errors"], json!([{"header": "Idempotency-Key", "detail": "must be sent once"}]));
    assert_eq!(shop.items(), before);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_sent_twice_is_seen_although_one_map_of_the_event_has_only_the_last() {
    let shop = shop().open().await;
    let mut event = laptop("k1").with_header("idempotency-key", "k2").event();
    event.headers.insert("idempotency-key", "k2".parse().unwrap());
    let reply = send(&shop, event).await;
    assert_eq!(reply.http_status, 422);
    assert_eq!(reply.body["errors"], json!([{"header": "Idempotency-Key", "detail": "must be sent once"}]));
}

#[tokio::test(start_paused = true)]
async fn two_tenants_may_use_one_key() {
    let shop = shop().open().await;
    let one = send_as(&client("one", &[Scope::Submit]), &shop, laptop("k1").event()).await;
    let another = send_as(&client("another", &[Scope::Submit]), &shop, laptop("k1").event()).await;
    assert_eq!((one.http_status, another.http_status), (201, 201));
    assert_ne!(one.body["orderId"], another.body["orderId"]);
    assert_eq!(shop.available("LAPTOP001"), 8);
}
