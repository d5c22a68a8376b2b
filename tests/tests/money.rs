//! Money on its way through the system: what a client writes is what is recorded and what it reads.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::BTreeMap;

use api::Caller;
use http::{HeaderMap, Method};
use local_stack::gateway::{self, PathParameters};
use local_stack::seed::Seed;
use local_stack::{Options, Stack, config};
use order::{Currency, MAX_AMOUNT_MINOR, OrderId};
use order_client::{Decimal, NewOrder, Order};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use system_tests::orders::{REQUEST_ID, Reply, post};

/// The total number of prices.
const PRICES: usize = 10_000;

/// The number of prices in one order.
const LINES: usize = 50;

/// Every currency of ISO 4217 that has a minor unit.
fn currencies() -> Vec<Currency> {
    let letters = || 'A'..='Z';
    let codes = letters().flat_map(move |a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))));
    codes.filter_map(|code| code.parse().ok()).collect()
}

/// An amount of any size, small ones as often as large ones, so that the sum of fifty is still a valid amount.
fn amount_minor() -> impl Strategy<Value = i64> {
    let digits = 0_u32..=13;
    let largest = MAX_AMOUNT_MINOR / i64::try_from(LINES).unwrap();
    prop_oneof![8 => digits.prop_flat_map(|digits| 0..10_i64.pow(digits)), 1 => largest - 1_000..=largest]
}

/// The same amount in another of JSON's spellings.
fn spelt(currency: Currency, amount_minor: i64, spelling: usize) -> String {
    let plain = currency.decimal(amount_minor);
    match spelling % 4 {
        1 if plain.contains('.') => plain.trim_end_matches('0').trim_end_matches('.').to_owned(),
        2 => format!("{amount_minor}e-{}", currency.exponent()),
        3 if plain.contains('.') => format!("{plain}00"),
        _ => plain,
    }
}

/// The amounts in an order's JSON, with their own digits: one for each article, and the total.
fn digits(order: &str) -> (Vec<String>, String) {
    type Fields<'a> = BTreeMap<String, &'a RawValue>;

    let fields: Fields = serde_json::from_str(order).unwrap();
    let items: Vec<Fields> = serde_json::from_str(fields["items"].get()).unwrap();
    (items.iter().map(|item| item["price"].get().to_owned()).collect(), fields["totalAmount"].get().to_owned())
}

async fn read(stack: &Stack, order_id: &str) -> String {
    let path = PathParameters::from([("orderId".to_owned(), order_id.to_owned())]);
    let event = gateway::event(Method::GET, "/orders/{orderId}", HeaderMap::new(), path, b"");
    stack.answer(event, &Caller::of_an_open_api(), REQUEST_ID).await.body
}

/// Places an order with these prices, and compares it at each place where it appears.
async fn survives(stack: &Stack, number: usize, currency: Currency, prices_minor: &[i64]) {
    let total_minor: i64 = prices_minor.iter().sum();
    let items = prices_minor.iter().enumerate().map(|(line, price_minor)| {
        let price = spelt(currency, *price_minor, number + line);
        format!(r#"{{"productId":"SKU{line}","quantity":1,"price":{price}}}"#)
    });
    let items: Vec<String> = items.collect();
    let total = spelt(currency, total_minor, number);
    let body =
        format!(r#"{{"customerId":"c","currency":"{currency}","items":[{}],"totalAmount":{total}}}"#, items.join(","));

    let request_id = format!("order-{number}");
    let placed = stack.answer(post(HeaderMap::new(), body.as_bytes()), &Caller::of_an_open_api(), &request_id).await;
    assert_eq!(placed.status.as_u16(), 201, "{body}: {placed:?}");

    let written: Vec<String> = prices_minor.iter().map(|minor| currency.decimal(*minor)).collect();
    let written = (written, currency.decimal(total_minor));
    assert_eq!(digits(&placed.body), written, "in the answer to {body}");
    let order: Order = serde_json::from_str(&placed.body).unwrap();
    assert_eq!(digits(&read(stack, &order.order_id).await), written, "read after {body}");

    let order_id: OrderId = order.order_id.parse().unwrap();
    let record = stack.orders.read(&order_id).await.unwrap().unwrap();
    let recorded: Vec<i64> = record.order.lines.iter().map(|line| line.price_minor).collect();
    assert_eq!((recorded.as_slice(), record.order.total_minor), (prices_minor, total_minor), "on record after {body}");

    // Also through the client: it could place again what it reads.
    let decimal = |minor| Decimal::new(minor, currency.exponent());
    assert_eq!(order.total_amount, decimal(total_minor));
    let mut again = NewOrder::by("c").in_currency(currency.code());
    for (item, price_minor) in order.items.iter().zip(prices_minor) {
        assert_eq!(item.price, decimal(*price_minor));
        again = again.item(&item.product_id, item.quantity, item.price);
    }
    assert_eq!(again.total().unwrap(), order.total_amount);
    assert_eq!(
        serde_json::from_str::<Value>(&serde_json::to_string(&order).unwrap()).unwrap(),
        Reply::from(placed).body
    );
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_amounts_in_every_currency_survive_request_record_and_response() {
    let currencies = currencies();
    let exponents: BTreeMap<u32, usize> = currencies.iter().fold(BTreeMap::new(), |mut counts, currency| {
        *counts.entry(currency.exponent()).or_default() += 1;
        counts
    });
    assert!([0, 2, 3].iter().all(|exponent| exponents[exponent] >= 5), "{exponents:?}");

    let stack = Stack::open(Options::in_memory().unwrap()).unwrap();
    let articles = (0..LINES).map(|line| json!({ "storeId": "main", "sku": format!("SKU{line}"), "onHand": PRICES }));
    let seed = json!({ "stock": articles.collect::<Vec<_>>() });
    let store = aws_sdk_dynamodb::Client::new(&config(&stack.services));
    Seed::parse(&seed.to_string()).unwrap().store(&store).await.unwrap();
    // Every run uses the same amounts.
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let prices = prop::collection::vec(amount_minor(), LINES);
    for number in 0..PRICES / LINES {
        let prices_minor = prices.new_tree(&mut runner).unwrap().current();
        survives(&stack, number, currencies[number % currencies.len()], &prices_minor).await;
    }
}
