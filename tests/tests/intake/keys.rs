//! Idempotency keys.

use std::collections::BTreeSet;

use api::{Caller, Scope};
use local_aws::Api;
use serde_json::json;
use system_tests::faults::Faults;
use system_tests::orders::{OrderBuilder, REQUEST_ID, Reply, client, order_without_key, send, send_as};
use system_tests::shops::{Shop, shop};

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

/// A caller of the tenant `shop` who is bound to this customer.
fn customer(id: &str) -> Caller {
    Caller { customer_id: Some(id.parse().unwrap()), ..client("shop", &[Scope::Submit, Scope::Read]) }
}

async fn place_as(client: &Caller, shop: &Shop, order: &OrderBuilder) -> Reply {
    send_as(client, shop, order.event()).await
}

#[tokio::test(start_paused = true)]
async fn no_customer_can_take_anothers_key() {
    let shop = shop().open().await;
    let whole_tenant = client("shop", &[Scope::Submit]);
    let mut ids = BTreeSet::new();
    for (caller, of) in [(&customer("acme"), "acme"), (&customer("bcme"), "bcme"), (&whole_tenant, "acme")] {
        let reply = place_as(caller, &shop, &laptop("k1").by(of)).await;
        assert_eq!(reply.outcome(), (201, "CONFIRMED", ""), "{of}");
        assert_eq!(reply.header("idempotent-replayed"), None);
        ids.insert(reply.body["orderId"].to_string());
    }
    assert_eq!(ids.len(), 3, "one key, three orders");
    // The same customer with another credential, or after its key was replaced, has the same order.
    let by_token = Caller { subject: "alice".to_owned(), ..customer("acme") };
    assert!(ids.contains(&place_as(&by_token, &shop, &laptop("k1").by("acme")).await.body["orderId"].to_string()));
    let conflict = place_as(&customer("acme"), &shop, &laptop("k1").by("acme").of("MOUSE001", 1)).await;
    assert_eq!(conflict.http_status, 422);
    assert_eq!(shop.available("LAPTOP001"), 7);
}

/// An order of a bound caller that was placed before customers had ids of their own has the id that its tenant derives.
#[tokio::test(start_paused = true)]
async fn an_order_from_before_is_joined_by_its_customer_and_nobody_else() {
    let shop = shop().open().await;
    let before = client("shop", &[Scope::Submit]);
    let former = place_as(&before, &shop, &laptop("k1").by("acme")).await;
    for order in [laptop("k1").by("acme"), laptop("k1").by("acme").respond_async()] {
        let joined = place_as(&customer("acme"), &shop, &order).await;
        assert_eq!(joined.body["orderId"], former.body["orderId"]);
    }
    assert_eq!(shop.available("LAPTOP001"), 9, "it is not placed again");
    let other = place_as(&customer("acme"), &shop, &laptop("k1").by("acme").of("MOUSE001", 1)).await;
    assert_eq!(other.http_status, 201, "other content was never placed under this customer's key");
    let bcme = place_as(&customer("bcme"), &shop, &laptop("k1").by("bcme")).await;
    assert_eq!(bcme.http_status, 201);
    assert_ne!(bcme.body["orderId"], former.body["orderId"]);
}

#[tokio::test(start_paused = true)]
async fn if_nobody_can_say_whether_there_is_an_order_from_before_the_outcome_is_unknown() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(dynamodb(), refuse(Api::DynamoDb));
    let reply = place_as(&customer("acme"), &shop, &laptop("k1").by("acme")).await;
    assert_eq!((reply.http_status, reply.header("retry-after")), (503, Some("5")));
    assert_eq!(shop.queued().await, []);
    // A key that is generated now was never sent before, so there is nothing to look for.
    let generated = place_as(&customer("acme"), &shop, &keyless().by("acme")).await;
    assert_eq!(generated.outcome(), (202, "PENDING", ""));
}
