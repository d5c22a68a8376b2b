//! The shipped system survives every single fault.

use std::collections::BTreeSet;

use local_explorer::{OrderKind, Search, Wiring};
use order_saga::explore::story;

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
fn a_prepaid_order_survives_every_single_fault() {
    every_single_fault_is_borne(OrderKind::Prepaid);
}

#[test]
fn an_order_on_invoice_survives_every_single_fault() {
    every_single_fault_is_borne(OrderKind::Invoice);
}

#[test]
fn an_order_that_a_step_refuses_survives_every_single_fault() {
    OrderKind::all().filter(|kind| kind.is_refused()).for_each(every_single_fault_is_borne);
}

/// A refusal that is never explored is a roll-back that nobody has tested.
#[test]
fn every_step_refuses_some_kind_of_order() {
    let mut by = BTreeSet::new();
    for (kind, refused_by) in OrderKind::all().filter_map(|kind| Some((kind, kind.refused_by()?))) {
        let run = Search { kind, wiring: &Wiring::default(), stops_at_first: false }.baseline().unwrap();
        let step = declarations::function(refused_by).and_then(|function| function.step.as_ref()).unwrap();
        let is_its = step.refusals.values().any(|refusal| run.answers[0].contains(&refusal.reason));
        assert!(is_its, "local/explorer/src/kinds.rs: {kind} is not refused by {refused_by}: {:?}", run.answers);
        by.insert(refused_by);
    }
    for (function, _) in declarations::steps().iter().filter(|(_, step)| !step.refusals.is_empty()) {
        let name = function.name.as_str();
        assert!(by.contains(name), "local/explorer/src/kinds.rs has no kind of order that {name} refuses");
    }
}

#[test]
fn an_order_can_be_cancelled_at_every_point() {
    every_single_fault_is_borne(OrderKind::Cancelled);
}

#[test]
fn an_order_that_is_sent_twice_survives_every_single_fault() {
    every_single_fault_is_borne(OrderKind::Twice);
}

#[test]
fn a_key_can_be_reused_at_every_point() {
    every_single_fault_is_borne(OrderKind::ReusedKey);
}

#[test]
fn an_asynchronous_order_survives_every_single_fault() {
    every_single_fault_is_borne(OrderKind::Async);
}

#[test]
fn an_order_that_is_handed_over_survives_every_single_fault() {
    every_single_fault_is_borne(OrderKind::Fulfilled);
}

#[test]
fn an_order_that_is_handed_over_can_be_cancelled_at_every_point() {
    every_single_fault_is_borne(OrderKind::FulfilledOrCancelled);
}

#[test]
fn an_order_with_a_payment_survives_every_single_fault() {
    let paid = OrderKind::all().filter(|kind| matches!(kind, OrderKind::Paid(_)) && !kind.is_refused());
    paid.for_each(every_single_fault_is_borne);
}

#[test]
fn the_points_of_every_kind_are_pinned() {
    let wiring = Wiring::default();
    let points: Vec<_> = OrderKind::all()
        .map(|kind| {
            let run = Search { kind, wiring: &wiring, stops_at_first: false }.baseline().unwrap();
            let points: Vec<_> = run.points.iter().enumerate().map(|(n, point)| format!("{n:>4}  {point}")).collect();
            format!("{kind}\n{}", points.join("\n"))
        })
        .collect();
    insta::assert_snapshot!(points.join("\n\n"));
}
