//! The price list: as operations keep it, and as intake compares orders with it.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::sync::Arc;

use http::header::IF_NONE_MATCH;
use local_aws::{Api, Tally, WireError};
use local_stack::Stack;
use serde_json::{Number, json};
use system_tests::faults::{Calls, Fault, Faults};
use system_tests::operations::{Ask, get, put};
use system_tests::orders::{Reply, order, order_id};
use system_tests::shops::{Shop, shop};

const LAPTOP: &str = "/stores/main/prices/LAPTOP001";

fn kind(reply: &Reply) -> &str {
    reply.body["type"].as_str().unwrap_or_default().trim_start_matches("urn:order-saga:problem:")
}

/// `price` as a client writes it.
fn price(path: &str, currency: &str, price: &str) -> Ask {
    put(path, &json!({ "currency": currency, "price": price.parse::<Number>().unwrap() }))
}

/// Adds the price of 10 dollars, which the orders of tests have.
async fn add(stack: &Stack, sku: &str) {
    let added = price(&format!("/stores/main/prices/{sku}"), "USD", "10.0").if_absent().send(stack).await;
    assert_eq!(added.http_status, 201, "{added:?}");
}

/// A shop that compares prices, with a price for each article.
async fn priced() -> Shop {
    let shop = shop().with_price_list().open().await;
    add(&shop, "LAPTOP001").await;
    add(&shop, "MOUSE001").await;
    shop
}

#[tokio::test(start_paused = true)]
async fn a_price_is_set_by_its_last_reader() {
    let shop = shop().open().await;
    assert_eq!(kind(&get(LAPTOP).send(&shop).await), "price-not-found");
    assert_eq!(kind(&price(LAPTOP, "USD", "1.0").if_match("*").send(&shop).await), "price-not-found");
    assert_eq!(kind(&price(LAPTOP, "USD", "1.0").send(&shop).await), "precondition-required");
    let added = price(LAPTOP, "USD", "1299.99").if_absent().send(&shop).await;
    assert_eq!(
        (added.http_status, &added.body["price"], &added.body["currency"]),
        (201, &json!(1299.99), &json!("USD"))
    );
    assert_eq!(kind(&price(LAPTOP, "USD", "1.0").if_absent().send(&shop).await), "precondition-failed");
    let read = get(LAPTOP).send(&shop).await;
    assert_eq!((read.http_status, &read.body), (200, &added.body));
    let etag = read.header("etag").unwrap();
    assert_eq!(get(LAPTOP).with(IF_NONE_MATCH, etag).send(&shop).await.http_status, 304);

    let set = price(LAPTOP, "EUR", "1199.0").if_match(etag).send(&shop).await;
    assert_eq!((set.http_status, &set.body["currency"]), (200, &json!("EUR")), "{set:?}");
    assert_eq!(price(LAPTOP, "EUR", "1199.0").if_match(etag).send(&shop).await.body, set.body, "it is so already");
    assert_eq!(kind(&price(LAPTOP, "EUR", "1.0").if_match(etag).send(&shop).await), "precondition-failed");
    for (body, pointer) in [
        (json!({ "price": 1 }), "#/currency"),
        (json!({ "currency": "USD" }), "#/price"),
        (json!({ "currency": "USD", "price": 0.001 }), "#/price"),
        (json!({ "currency": "USD", "price": -1 }), "#/price"),
        (json!({ "currency": "dollars", "price": 1 }), "#/currency"),
        (json!({ "currency": "USD", "price": 1, "sku": "A" }), "#/sku"),
    ] {
        let refused = put(LAPTOP, &body).if_match("*").send(&shop).await;
        assert_eq!((kind(&refused), &refused.body["errors"][0]["pointer"]), ("invalid-content", &json!(pointer)));
    }
}

/// Every answer may be lost, and the request is then sent again.
#[tokio::test(start_paused = true)]
async fn a_price_whose_answer_was_lost_is_set_once() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    add(&shop, "LAPTOP001").await;
    let etag = get(LAPTOP).send(&shop).await.header("etag").unwrap().to_owned();
    faults.strike(Calls::to(Api::DynamoDb).operation("PutItem"), Fault::LoseAnswer);
    let lost = price(LAPTOP, "USD", "11.0").if_match(&etag).send(&shop).await;
    faults.heal();
    assert!([200, 503].contains(&lost.http_status), "{lost:?}");
    let again = price(LAPTOP, "USD", "11.0").if_match(&etag).send(&shop).await;
    assert_eq!((again.http_status, &again.body["price"]), (200, &json!(11.0)), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn an_order_has_the_list_s_prices_or_is_refused_and_leaves_nothing() {
    let shop = priced().await;
    let good = order("good").of("LAPTOP001", 2).of("MOUSE001", 1);
    assert_eq!(good.place_order(&shop).await.outcome(), (201, "CONFIRMED", ""));

    let wrong = order("k1").of("LAPTOP001", 1).of("MOUSE001", 1).at(9_99).of("KEYBOARD", 1).place_order(&shop).await;
    assert_eq!((wrong.http_status, kind(&wrong)), (422, "invalid-order"), "{wrong:?}");
    assert_eq!(
        wrong.body["errors"],
        json!([
            { "pointer": "#/items/1/price", "detail": "must be 10.00, which is the price in the store main" },
            { "pointer": "#/items/2/productId", "detail": "has no price in the store main" },
        ])
    );
    let currency = order("k2").of("LAPTOP001", 1).in_currency("EUR").place_order(&shop).await;
    assert_eq!(currency.body["errors"][0]["detail"], "must be in USD: the store has no price in EUR");
    let store = order("k3").of("LAPTOP001", 1).with("storeId", "west").place_order(&shop).await;
    assert_eq!(store.body["errors"][0]["pointer"], "#/items/0/productId");
    let early = order("k4").of("LAPTOP001", 1).at(1).respond_async().place_order(&shop).await;
    assert_eq!(early.http_status, 422, "nor does a client get around it that does not wait");
    assert_eq!(shop.audit().orders.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_on_record_is_answered_after_its_prices_have_changed() {
    let shop = priced().await;
    let placed = order("k1").of("LAPTOP001", 1);
    assert_eq!(placed.place_order(&shop).await.outcome(), (201, "CONFIRMED", ""));
    assert_eq!(price(LAPTOP, "USD", "11.0").if_match("*").send(&shop).await.http_status, 200);
    assert_eq!(placed.place_order(&shop).await.outcome(), (201, "CONFIRMED", ""));
    assert_eq!(order("k2").of("LAPTOP001", 1).place_order(&shop).await.http_status, 422);
    let other = order("k1").of("LAPTOP001", 2).place_order(&shop).await;
    assert_eq!(kind(&other), "invalid-order", "another body under the same key is another order");
}

#[tokio::test(start_paused = true)]
async fn an_order_is_not_taken_while_its_prices_cannot_be_read() {
    let faults = Faults::none();
    let shop = shop().with_price_list().behind(&faults).open().await;
    add(&shop, "LAPTOP001").await;
    let refusal = || Fault::Refuse(WireError::internal(Api::DynamoDb));
    faults.strike(Calls::to(Api::DynamoDb).table("prices"), refusal());
    let refused = order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    assert_eq!((refused.http_status, kind(&refused)), (503, "unavailable"), "{refused:?}");
    assert!(shop.find(&order_id("k1")).is_none());
    faults.heal();
    assert_eq!(order("k1").of("LAPTOP001", 1).place_order(&shop).await.outcome(), (201, "CONFIRMED", ""));
}

#[tokio::test(start_paused = true)]
async fn without_the_list_nobody_reads_it() {
    let tally = Arc::new(Tally::new());
    let shop = shop().behind(&tally).open().await;
    tally.reset();
    order("k1").of("LAPTOP001", 1).at(7).place_order(&shop).await;
    assert!(!tally.by_operation().contains_key("BatchGetItem"));
}
