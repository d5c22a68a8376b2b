//! What an order costs: DynamoDB requests, and write units including those of the indexes.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::sync::Arc;

use local_aws::{Tally, Usage};
use local_payments::Card;
use system_tests::orders::{OrderBuilder, fulfil_order, order, order_id};
use system_tests::shops::{Shop, shop};

/// The budget of the happy path of an order of one line.
const MAX_WRITE_UNITS: f64 = 13.0;
const MAX_REQUESTS: u64 = 6;

async fn counted() -> (Arc<Tally>, Shop) {
    let tally = Arc::new(Tally::new());
    let shop = shop().behind(&tally).open().await;
    tally.reset();
    (tally, shop)
}

async fn place(shop: &Shop, order: &OrderBuilder) {
    let reply = order.place_order(shop).await;
    assert_eq!(reply.outcome(), (201, "CONFIRMED", ""));
}

/// Requests, write units and read units, by operation.
fn bill(tally: &Tally) -> Vec<String> {
    let line = |(operation, usage): (String, Usage)| {
        format!(
            "{operation}: {} requests, {} write units, {} read units",
            usage.requests, usage.write_units, usage.read_units
        )
    };
    tally.by_operation().into_iter().map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn a_prepaid_order_of_one_line_stays_within_its_budget() {
    let (tally, shop) = counted().await;
    place(&shop, &order("k1").of("LAPTOP001", 1)).await;
    insta::assert_json_snapshot!(bill(&tally), @r##"
    [
      "PutItem: 2 requests, 5 write units, 0 read units",
      "TransactWriteItems: 1 requests, 4 write units, 0 read units",
      "UpdateItem: 1 requests, 3 write units, 0 read units"
    ]
    "##);
    assert!(tally.total().write_units <= MAX_WRITE_UNITS, "{:?}", tally.by_operation());
    assert!(tally.total().requests <= MAX_REQUESTS, "{:?}", tally.by_operation());
}

#[tokio::test(start_paused = true)]
async fn a_county_costs_one_more_index_entry() {
    let (tally, shop) = counted().await;
    place(&shop, &order("k1").of("LAPTOP001", 1).with("countyId", "kings")).await;
    insta::assert_json_snapshot!(bill(&tally), @r##"
    [
      "PutItem: 2 requests, 6 write units, 0 read units",
      "TransactWriteItems: 1 requests, 4 write units, 0 read units",
      "UpdateItem: 1 requests, 3 write units, 0 read units"
    ]
    "##);
    assert!(tally.total().write_units <= MAX_WRITE_UNITS, "{:?}", tally.by_operation());
    assert!(tally.total().requests <= MAX_REQUESTS, "{:?}", tally.by_operation());
}

#[tokio::test(start_paused = true)]
async fn the_longest_identifiers_also_stay_within_the_budget() {
    const LONGEST_SKU: &str = "L123456789012345678901234567890123456789012345678901234567890123";
    let tally = Arc::new(Tally::new());
    let shop = shop().with_stock(LONGEST_SKU, 10).behind(&tally).open().await;
    let longest = "x".repeat(64);
    let order = order("k1").of(LONGEST_SKU, 1).by(&longest).with("countyId", longest.as_str());
    place(&shop, &order.with("paymentReference", "x".repeat(140))).await;
    insta::assert_json_snapshot!(bill(&tally), @r##"
    [
      "PutItem: 2 requests, 6 write units, 0 read units",
      "TransactWriteItems: 1 requests, 4 write units, 0 read units",
      "UpdateItem: 1 requests, 3 write units, 0 read units"
    ]
    "##);
    assert!(tally.total().write_units <= MAX_WRITE_UNITS, "{:?}", tally.by_operation());
    assert!(tally.total().requests <= MAX_REQUESTS, "{:?}", tally.by_operation());
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_costs_no_more_than_one_failed_condition() {
    let (tally, shop) = counted().await;
    place(&shop, &order("k1").of("LAPTOP001", 1)).await;
    tally.reset();
    place(&shop, &order("k1").of("LAPTOP001", 1)).await;
    // DynamoDB bills the put that failed its condition; it writes nothing.
    insta::assert_json_snapshot!(bill(&tally), @r##"
    [
      "PutItem: 1 requests, 0 write units, 0 read units"
    ]
    "##);
    assert!(tally.total().write_units.abs() < f64::EPSILON);
    assert_eq!(tally.total().requests, 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_on_invoice_costs_one_more_read_and_one_more_transaction() {
    let (tally, shop) = counted().await;
    place(&shop, &order("k1").of("LAPTOP001", 1).on_invoice()).await;
    insta::assert_json_snapshot!(bill(&tally), @r##"
    [
      "GetItem: 1 requests, 0 write units, 1 read units",
      "PutItem: 1 requests, 4 write units, 0 read units",
      "TransactWriteItems: 2 requests, 8 write units, 0 read units",
      "UpdateItem: 1 requests, 3 write units, 0 read units"
    ]
    "##);
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_costs_one_transaction_and_two_updates() {
    let (tally, shop) = counted().await;
    place(&shop, &order("k1").of("LAPTOP001", 1)).await;
    tally.reset();
    let reply = fulfil_order(&shop, order_id("k1").as_str()).await;
    assert_eq!(reply.outcome(), (200, "FULFILLED", ""));
    insta::assert_json_snapshot!(bill(&tally), @r##"
    [
      "GetItem: 2 requests, 0 write units, 2 read units",
      "TransactWriteItems: 1 requests, 4 write units, 0 read units",
      "UpdateItem: 2 requests, 5 write units, 0 read units"
    ]
    "##);
}

#[tokio::test(start_paused = true)]
async fn an_order_with_an_authorised_payment_costs_one_read_and_two_transactions_more() {
    let (tally, shop) = counted().await;
    let (payment, currency) = ("pi_1".parse().unwrap(), "USD".parse().unwrap());
    shop.payments.authorise_as(payment, 10_00, currency, Card::Good).await.unwrap();
    tally.reset();
    place(&shop, &order("k1").of("LAPTOP001", 1).paid_with("pi_1")).await;
    insta::assert_json_snapshot!(bill(&tally), @r##"
    [
      "GetItem: 1 requests, 0 write units, 1 read units",
      "PutItem: 2 requests, 5 write units, 0 read units",
      "TransactWriteItems: 3 requests, 12 write units, 0 read units",
      "UpdateItem: 1 requests, 3 write units, 0 read units"
    ]
    "##);
}
