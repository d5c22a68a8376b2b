//! What is shipped comes through every single fault.

use local::command::explore::story;
use local_explorer::{OrderKind, Search, Wiring};
use strum::VariantArray;

fn every_single_fault_is_borne(kind: OrderKind) {
    let wiring = Wiring::default();
    let found = Search { kind, wiring: &wiring, stops_at_first: false }.exhaustive(1).unwrap();
    let stories: Vec<_> =
        found.failures.iter().map(|failure| story(failure.kind, &failure.faults, &failure.run)).collect();
    assert!(stories.is_empty(), "{}", stories.join("\n\n"));
    let total = found.total();
    assert!(total.possible > 0);
    assert_eq!(total.run, total.possible);
}

#[test]
fn a_prepaid_order_bears_every_single_fault() {
    every_single_fault_is_borne(OrderKind::Prepaid);
}

#[test]
fn an_order_on_invoice_bears_every_single_fault() {
    every_single_fault_is_borne(OrderKind::Invoice);
}

#[test]
fn an_order_that_is_out_of_stock_bears_every_single_fault() {
    every_single_fault_is_borne(OrderKind::OutOfStock);
}

#[test]
fn an_order_over_the_credit_limit_bears_every_single_fault() {
    every_single_fault_is_borne(OrderKind::OverLimit);
}

#[test]
fn an_order_can_be_cancelled_at_every_point() {
    every_single_fault_is_borne(OrderKind::Cancelled);
}

#[test]
fn an_order_that_is_sent_twice_bears_every_single_fault() {
    every_single_fault_is_borne(OrderKind::Twice);
}

#[test]
fn a_key_can_be_used_again_at_every_point() {
    every_single_fault_is_borne(OrderKind::ReusedKey);
}

#[test]
fn an_asynchronous_order_bears_every_single_fault() {
    every_single_fault_is_borne(OrderKind::Async);
}

#[test]
fn an_order_that_is_handed_over_bears_every_single_fault() {
    every_single_fault_is_borne(OrderKind::Fulfilled);
}

#[test]
fn an_order_that_is_handed_over_can_be_cancelled_at_every_point() {
    every_single_fault_is_borne(OrderKind::FulfilledOrCancelled);
}

#[test]
fn the_points_are_these() {
    let wiring = Wiring::default();
    let points: Vec<_> = OrderKind::VARIANTS
        .iter()
        .map(|kind| {
            let run = Search { kind: *kind, wiring: &wiring, stops_at_first: false }.baseline().unwrap();
            let points: Vec<_> = run.points.iter().enumerate().map(|(n, point)| format!("{n:>4}  {point}")).collect();
            format!("{kind}\n{}", points.join("\n"))
        })
        .collect();
    insta::assert_snapshot!(points.join("\n\n"));
}
