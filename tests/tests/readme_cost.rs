//! What the README says about costs: every amount follows from its row's arithmetic, every price is in the dated list, and
//! what can be counted here was counted.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::sync::Arc;

use engine::EventKind;
use local_aws::Tally;
use serde_json::Value;
use system_tests::orders::order;
use system_tests::shops::shop;

const README: &str = include_str!("../../README.md");

/// AWS's list prices, with the month in which they were read and the pages that state them.
fn prices() -> Value {
    serde_json::from_str(include_str!("../fixtures/prices.json")).unwrap()
}

/// A row of a table: what costs, the arithmetic, the amount.
struct Row {
    what: &'static str,
    arithmetic: &'static str,
    amount: f64,
}

/// The rows of the table with this head, and the amount of all together.
fn table(head: &str) -> (Vec<Row>, f64) {
    let (_, rest) = README.split_once(head).unwrap_or_else(|| panic!("the README has no table {head}"));
    let mut rows = Vec::new();
    for line in rest.lines().skip(2) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [what, arithmetic, amount] = *cells.as_slice() else { break };
        let amount: f64 = amount.trim_matches('*').parse().unwrap();
        if what == "**together**" {
            return (rows, amount);
        }
        rows.push(Row { what, arithmetic, amount });
    }
    panic!("the table {head} has no sum");
}

/// The value of a row's arithmetic: sums and products of numbers with units. Words say what a number is and are skipped,
/// except for the units that change its size.
struct Arithmetic<'a> {
    rest: &'a str,
}

impl Arithmetic<'_> {
    fn value(text: &str) -> f64 {
        let mut arithmetic = Arithmetic { rest: text };
        let value = arithmetic.sum();
        assert_eq!(arithmetic.rest, "", "{text} is not arithmetic");
        value
    }

    fn sum(&mut self) -> f64 {
        let mut sum = self.product();
        while self.takes('+') {
            sum += self.product();
        }
        sum
    }

    fn product(&mut self) -> f64 {
        let mut product = self.factor();
        while self.takes('×') {
            product *= self.factor();
        }
        product
    }

    fn factor(&mut self) -> f64 {
        if self.takes('(') {
            let sum = self.sum();
            assert!(self.takes(')'), "a bracket is open before {}", self.rest);
            return sum;
        }
        let end = self.rest.find(['+', '×', '(', ')']).unwrap_or(self.rest.len());
        let (words, rest) = self.rest.split_at(end);
        self.rest = rest;
        words
            .split_whitespace()
            .fold(None, |value, word| number(word).or(value.map(|value| value * size(word))))
            .unwrap()
    }

    fn takes(&mut self, sign: char) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

/// A number or a price. `$0.20/M` is a price of a million.
fn number(word: &str) -> Option<f64> {
    if word == "½" {
        return Some(0.5);
    }
    let (amount, per) = word.trim_start_matches('$').split_once('/').unwrap_or((word.trim_start_matches('$'), ""));
    let amount: f64 = amount.replace(',', "").parse().ok()?;
    Some(if per == "M" { amount / 1e6 } else { amount })
}

/// Memory and logs are charged by the gigabyte; memory has binary ones.
fn size(unit: &str) -> f64 {
    match unit {
        "KB" => 1e-6,
        "MB" => 1.0 / 1024.0,
        _ => 1.0,
    }
}

fn check(head: &str, times: f64) {
    let (rows, together) = table(head);
    assert!(rows.len() >= 4, "{head}");
    for Row { what, arithmetic, amount } in &rows {
        let value = Arithmetic::value(arithmetic) * times;
        assert!((value - amount).abs() <= 0.0051, "{what}: {arithmetic} is {value:.3}, and the README says {amount}");
    }
    let sum: f64 = rows.iter().map(|row| row.amount).sum();
    assert!((sum - together).abs() < 0.001, "{head}: together it is {sum:.2}, and the README says {together}");
}

#[test]
fn every_amount_follows_from_its_arithmetic() {
    check("| a month at rest | | US$ |", 1.0);
    check("| a million orders of one line, prepaid | | US$ |", 1e6);
    let (rows, together) = table("| a million orders of one line, prepaid | | US$ |");
    let log = rows.iter().find(|row| row.what.starts_with("workflow's log")).unwrap().amount;
    let without = format!("With `state_machine_log_level = \"ERROR\"` the total is {:.2}", together - log);
    assert!(README.contains(&without), "{without}");
}

#[test]
fn every_price_is_in_the_dated_list() {
    let prices = prices();
    for stated in ["read_on", "region"] {
        let stated = prices[stated].as_str().unwrap();
        assert!(README.contains(stated), "the README must say {stated}");
    }
    let dollars: Vec<&Value> = prices["dollars"].as_object().unwrap().values().collect();
    assert!(dollars.iter().all(|price| price["source"].as_str().unwrap().starts_with("https://aws.amazon.com/")));
    for head in ["| a month at rest | | US$ |", "| a million orders of one line, prepaid | | US$ |"] {
        for Row { what, arithmetic, .. } in table(head).0 {
            for price in arithmetic.split([' ', '(', ')']).filter(|word| word.starts_with('$')) {
                assert!(dollars.iter().any(|known| known["price"] == price), "{what}: {price} is in no price list");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_order_takes_is_counted() {
    let tally = Arc::new(Tally::new());
    let shop = shop().behind(&tally).open().await;
    tally.reset();
    let reply = order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    assert_eq!(reply.outcome(), (201, "CONFIRMED", ""));
    let executions = shop.executions.all();
    let events = executions.iter().flat_map(|execution| execution.history.events()).collect::<Vec<_>>();
    let tasks = events.iter().filter(|event| matches!(event.kind, EventKind::TaskScheduled { .. })).count();

    let (rows, _) = table("| a million orders of one line, prepaid | | US$ |");
    let arithmetic = |what: &str| rows.iter().find(|row| row.what.starts_with(what)).unwrap().arithmetic;
    // The authorizer and intake, besides the tasks.
    let calls = format!("{} × ", tasks + 2);
    assert!(arithmetic("Lambda, calls").starts_with(&calls), "{calls}");
    assert!(arithmetic("Lambda, time").contains(&format!("{tasks} steps × ")), "{tasks} tasks");
    assert!(arithmetic("Express workflow").starts_with(&format!("{} start", executions.len())));
    let units = format!("{} write units × ", tally.total().write_units);
    assert!(arithmetic("DynamoDB").starts_with(&units), "{units}");
    let events = format!("{} events × ", events.len());
    assert!(arithmetic("workflow's log").starts_with(&events), "{events}");
}
