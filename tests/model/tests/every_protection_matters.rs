//! The mutants: the protocol without one of its protections, and the shortest path on which that breaks an invariant.
//! `cargo test -p saga-model -- --nocapture` tells each as a story.

use saga_model::properties::{
    BRANCHES, I1_ALARMED, I1_ENDS, I2_CANCELLED, I2_CONFIRMED, I2_FULFILLED, I3, I5, I5_HANDED_OVER, I6_CANCELS,
    I6_TOLD, I7, PARKED_LAST,
};
use saga_model::{Budget, Content, Kind, Mode, Protection, Saga, Step, explore, shortest_break};

const NONE: Budget = Budget::NONE;
const ONE_TIMEOUT: Budget = Budget { timeouts: 1, ..NONE };
const ONE_DEATH: Budget = Budget { deaths: 1, ..NONE };

fn one_execution(kind: Kind) -> Saga {
    Saga::of(kind).execution(Content::First)
}

fn two_executions(kind: Kind) -> Saga {
    one_execution(kind).execution(Content::First)
}

fn two_bodies() -> Saga {
    Saga::of(Kind::Healthy).call(Content::First, Mode::Wait).call(Content::Second, Mode::Wait)
}

/// The configuration is sound, and without the protection it breaks the property.
fn matters(saga: &Saga, protection: Protection, property: &'static str) {
    assert!(explore(saga).is_ok(), "the configuration breaks something as it is");
    breaks(&saga.clone().without(protection), &format!("{protection:?}"), property);
}

fn breaks(saga: &Saga, without: &str, property: &'static str) {
    let Some(broken) = shortest_break(saga, property) else { panic!("without {without}, {property} still holds") };
    println!("without {without}: {broken}");
}

/// The configuration stays sound without the protection, because another protection covers it.
fn is_backed(saga: &Saga, protection: Protection) {
    if let Err(broken) = explore(&saga.clone().without(protection)) {
        panic!("without {protection:?}: {broken}");
    }
}

#[test]
fn without_the_fences_condition_a_zombie_reserves_for_a_cancelled_order() {
    matters(&one_execution(Kind::Healthy).with(ONE_TIMEOUT), Protection::FenceCondition, I2_CANCELLED);
}

#[test]
fn without_the_tombstone_a_zombie_reserves_for_a_cancelled_order() {
    matters(&one_execution(Kind::Healthy).with(ONE_TIMEOUT), Protection::Tombstone, I2_CANCELLED);
}

#[test]
fn without_its_condition_the_tombstone_buries_a_reservation_alive() {
    matters(&one_execution(Kind::Healthy).with(ONE_TIMEOUT), Protection::TombstoneCondition, I2_CANCELLED);
}

#[test]
fn an_undo_after_its_fence_is_lost_with_the_task_that_set_the_fence() {
    matters(&one_execution(Kind::OverCreditLimit).with(ONE_DEATH), Protection::UndoNotAfterFence, I2_CANCELLED);
}

#[test]
fn an_undo_before_its_fence_gives_the_stock_back_twice() {
    matters(&two_executions(Kind::OverCreditLimit), Protection::UndoNotBeforeFence, I2_CANCELLED);
}

#[test]
fn a_refusal_read_before_the_fence_cancels_an_order_that_holds_its_stock() {
    matters(&two_executions(Kind::Healthy), Protection::FenceBeforeRefusal, I7);
}

#[test]
fn without_the_compare_and_set_an_order_that_is_rolled_back_is_confirmed() {
    let saga = two_executions(Kind::Healthy).with(ONE_TIMEOUT);
    matters(&saga, Protection::DecisionCompareAndSet, I5);
    matters(&saga, Protection::DecisionCompareAndSet, I2_CONFIRMED);
}

#[test]
fn unless_confirmed_is_final_a_failure_rolls_a_confirmed_order_back() {
    let saga = two_executions(Kind::Healthy).with(ONE_TIMEOUT);
    matters(&saga, Protection::FinalityOfConfirmed, I5);
}

#[test]
fn unless_cancelled_is_final_an_order_that_holds_nothing_is_confirmed() {
    let saga = two_executions(Kind::Healthy).with(ONE_TIMEOUT);
    matters(&saga, Protection::FinalityOfCancelled, I2_CONFIRMED);
}

#[test]
fn without_the_fingerprint_in_cancel_a_second_body_cancels_the_firsts_order() {
    let saga = one_execution(Kind::Healthy).execution(Content::Second).with(ONE_TIMEOUT);
    matters(&saga, Protection::FingerprintInCancel, I6_CANCELS);
}

#[test]
fn without_intakes_comparison_a_second_body_is_told_of_the_firsts_order() {
    matters(&two_bodies(), Protection::FingerprintInIntake, I6_TOLD);
}

#[test]
fn the_workflows_comparisons_and_intakes_back_each_other() {
    // Only a failure leads to CancelOrder.
    let saga = one_execution(Kind::Healthy).call(Content::Second, Mode::Wait).with(ONE_TIMEOUT);
    for comparison in [Protection::FingerprintInPersist, Protection::FingerprintBeforeAdoption] {
        is_backed(&saga, comparison);
        let alone = saga.clone().without(Protection::FingerprintInAnswer);
        breaks(&alone.without(comparison), &format!("{comparison:?} and FingerprintInAnswer"), I6_TOLD);
    }
    is_backed(&saga, Protection::FingerprintInAnswer);
}

#[test]
fn the_failing_step_may_still_run_so_it_is_compensated_too() {
    matters(&one_execution(Kind::Healthy).with(ONE_TIMEOUT), Protection::CompensationOfFailingStep, I2_CANCELLED);
}

#[test]
fn without_its_own_catch_a_branch_of_the_roll_back_stops_the_other() {
    let saga = one_execution(Kind::Healthy).unreachable(Step::Accounting).with(ONE_TIMEOUT);
    matters(&saga, Protection::BranchCatch, BRANCHES);
}

#[test]
fn a_roll_back_that_is_not_checked_closes_an_order_that_holds_stock() {
    let saga = one_execution(Kind::OverCreditLimit).with(Budget { unavailable: 1, ..NONE });
    matters(&saga, Protection::CheckRollBack, I2_CANCELLED);
}

const ONE_HAND_OVER: Budget = Budget { fulfilments: 1, ..NONE };

#[test]
fn without_the_finality_of_fulfilling_an_order_is_cancelled_whose_goods_are_gone() {
    let saga = one_execution(Kind::Healthy).with(Budget { cancellations: 1, ..ONE_HAND_OVER });
    matters(&saga, Protection::FinalityOfFulfilling, I5_HANDED_OVER);
}

#[test]
fn a_hand_over_of_what_is_not_confirmed_has_no_stock_to_consume() {
    let saga = one_execution(Kind::Healthy).with(ONE_HAND_OVER);
    matters(&saga, Protection::FulfilmentOfConfirmed, I5_HANDED_OVER);
}

#[test]
fn without_its_condition_a_second_consumption_takes_a_neighbours_stock() {
    let saga = one_execution(Kind::Healthy).with(Budget { duplicates: 1, ..ONE_HAND_OVER });
    matters(&saga, Protection::ConsumptionCondition, I3);
}

#[test]
fn a_consumption_in_two_writes_consumes_twice() {
    let saga = one_execution(Kind::Healthy).with(Budget { deaths: 1, ..ONE_HAND_OVER });
    matters(&saga, Protection::ConsumptionInOneWrite, I3);
}

#[test]
fn a_late_reservation_that_treats_a_consumed_fence_as_absent_holds_stock_forever() {
    let saga = one_execution(Kind::Healthy).with(Budget { duplicates: 1, deliveries: 1, ..ONE_HAND_OVER });
    matters(&saga, Protection::FenceConditionOnceConsumed, I2_FULFILLED);
}

#[test]
fn a_transient_error_that_led_to_a_cancellation_would_cancel_healthy_orders() {
    let saga = one_execution(Kind::Healthy).with(Budget { unavailable: 1, ..NONE });
    matters(&saga, Protection::TransientLeavesOpen, I7);
}

#[test]
fn unless_due_ms_moves_recovery_uses_up_its_attempts_during_a_live_execution() {
    let saga = Saga::of(Kind::Healthy).call(Content::First, Mode::RespondAsync);
    matters(&saga, Protection::DueMove, I7);
}

#[test]
fn a_recovery_that_does_not_compare_cancels_an_order_that_has_been_confirmed() {
    let saga = one_execution(Kind::Healthy).call(Content::First, Mode::Wait).with(Budget { deaths: 2, ..NONE });
    matters(&saga, Protection::RecoveryCompareAndSet, I5);
}

#[test]
fn unless_attempts_are_reset_an_order_is_parked_before_it_was_rolled_back() {
    let saga = one_execution(Kind::Healthy).with(Budget { deaths: 2, ..NONE });
    matters(&saga, Protection::AttemptsReset, PARKED_LAST);
}

#[test]
fn without_recovery_a_death_leaves_an_order_open() {
    matters(&one_execution(Kind::Healthy).with(ONE_DEATH), Protection::Recovery, I1_ENDS);
}

#[test]
fn a_flag_before_its_message_parks_an_order_silently() {
    let saga = one_execution(Kind::OverCreditLimit).unreachable(Step::Inventory).with(ONE_DEATH);
    matters(&saga, Protection::MessageBeforeFlag, I1_ALARMED);
}

#[test]
fn unless_intake_looks_after_its_deadline_an_accepted_order_is_only_in_an_execution() {
    let saga = Saga::of(Kind::Healthy).call(Content::First, Mode::Wait).with(ONE_DEATH);
    matters(&saga, Protection::LookAfterDeadline, I1_ENDS);
}

#[test]
fn the_strong_read_of_intake_is_backed_by_the_condition_of_its_put() {
    is_backed(&two_bodies(), Protection::StrongRead);
}

#[test]
fn without_its_condition_intakes_put_takes_a_decided_orders_place() {
    matters(&two_bodies(), Protection::ConditionOfIntakePut, I6_TOLD);
}

#[test]
fn a_message_reported_done_before_there_is_a_record_loses_the_order() {
    let saga = Saga::of(Kind::Healthy).call(Content::First, Mode::RespondAsync).with(Budget { outages: 2, ..NONE });
    matters(&saga, Protection::RecordBeforeDone, I1_ENDS);
}
