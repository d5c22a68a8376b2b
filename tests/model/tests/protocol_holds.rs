//! The protocol as it is: every state of each configuration, and every invariant in it. `cargo test -p saga-model --
//! --nocapture` prints how many states there are.

use saga_model::{Budget, Content, Kind, Mode, Saga, Sight, Step, explore, has_cycles};

const NONE: Budget = Budget::NONE;

fn one_execution(kind: Kind) -> Saga {
    Saga::of(kind).execution(Content::First)
}

fn two_executions(kind: Kind) -> Saga {
    one_execution(kind).execution(Content::First)
}

fn calls(first: Mode, second: Mode) -> Saga {
    Saga::of(Kind::Healthy).call(Content::First, first).call(Content::Second, second)
}

fn holds(name: &str, saga: &Saga) {
    match explore(saga) {
        Ok(explored) => println!("{name}: {explored}"),
        Err(broken) => panic!("{name}: {broken}"),
    }
}

#[test]
fn requests_may_be_delivered_twice_and_answers_lost() {
    let faults = Budget { duplicates: 2, unavailable: 2, ..NONE };
    let saga = two_executions(Kind::Healthy).with(faults).shows(&[Sight::Confirmed]);
    holds("two executions, two duplicates, two unavailable", &saga);
}

#[test]
fn zombies_may_land_at_any_time() {
    let sights = [
        Sight::Confirmed,
        Sight::Cancelled,
        Sight::ZombieLoses,
        Sight::ThirdLook,
        Sight::ConfirmAdopts,
        Sight::CancelAdopts,
        Sight::CancelMeetsPersist,
    ];
    let two = two_executions(Kind::Healthy).with(Budget { timeouts: 2, ..NONE }).shows(&sights);
    holds("two executions, two timeouts", &two);
    let one = one_execution(Kind::Healthy).with(Budget { timeouts: 2, duplicates: 1, unavailable: 1, ..NONE });
    holds("one execution, two timeouts, a duplicate, an unavailable", &one);
}

#[test]
fn executions_may_die_and_recoveries_meet() {
    let sights = [Sight::Confirmed, Sight::Cancelled, Sight::Parked, Sight::RecoveryLoses];
    let faults = Budget { deaths: 4, ..NONE };
    let saga = one_execution(Kind::Healthy).with(faults).recoveries(2).shows(&sights);
    holds("one execution, four deaths, two recoveries", &saga);
    let faults = Budget { deaths: 3, starts: 1, ..NONE };
    let saga = one_execution(Kind::Healthy).with(faults).recoveries(2).attempts(2).shows(&sights[..2]);
    holds("one execution, three deaths, a failed start, two recoveries of two attempts", &saga);
    let faults = Budget { deaths: 1, timeouts: 1, unavailable: 1, ..NONE };
    let saga = two_executions(Kind::Healthy).with(faults).recoveries(2);
    holds("two executions, a death, a timeout, an unavailable, two recoveries", &saga);
}

#[test]
fn an_order_that_cannot_be_undone_is_parked_and_can_be_restarted() {
    let faults = Budget { deaths: 4, take_ups: 1, ..NONE };
    let sights = [Sight::Parked, Sight::TakenUp];
    holds(
        "one execution, four deaths, an operator's restart",
        &one_execution(Kind::Healthy).with(faults).shows(&sights),
    );
    // Without an attempt in between, parking meets an execution that is just closing the order.
    let faults = Budget { deaths: 1, ..NONE };
    let saga = one_execution(Kind::OverCreditLimit).call(Content::First, Mode::Wait).attempts(0).with(faults);
    holds("an execution and a call, over the credit limit, no attempts", &saga.shows(&[Sight::NeedlessMessage]));
    let faults = Budget { deaths: 1, timeouts: 1, take_ups: 1, ..NONE };
    let saga = one_execution(Kind::Healthy).unreachable(Step::Accounting).with(faults).shows(&[Sight::Parked]);
    holds("one execution, accounting cannot be reversed", &saga);
}

#[test]
fn a_step_may_refuse_while_stock_arrives() {
    let faults = Budget { timeouts: 1, deliveries: 1, ..NONE };
    let sights = [Sight::Confirmed, Sight::Cancelled, Sight::ConfirmAdopts, Sight::CancelAdopts];
    holds("two executions, out of stock", &two_executions(Kind::OutOfStock).with(faults).shows(&sights));
    let faults = Budget { timeouts: 1, deaths: 1, ..NONE };
    let saga = two_executions(Kind::OverCreditLimit).with(faults).shows(&[Sight::Cancelled, Sight::ZombieLoses]);
    holds("two executions, over the credit limit", &saga);
}

#[test]
fn the_customer_may_cancel_at_any_time() {
    let sights = [Sight::Confirmed, Sight::ConfirmedThenCancelled, Sight::ConfirmAdopts];
    let faults = Budget { cancellations: 1, timeouts: 1, ..NONE };
    holds("two executions, a cancellation, a timeout", &two_executions(Kind::Healthy).with(faults).shows(&sights));
    let faults = Budget { cancellations: 1, deaths: 1, unavailable: 1, ..NONE };
    holds("one execution, a cancellation, a death, an unavailable", &one_execution(Kind::Healthy).with(faults));
}

#[test]
fn the_store_may_hand_over_what_is_confirmed() {
    let faults = Budget { fulfilments: 1, timeouts: 1, deaths: 1, ..NONE };
    let sights = [Sight::Fulfilled, Sight::Cancelled, Sight::ReservedAfterConsumed];
    holds("one execution, a hand-over, a timeout, a death", &one_execution(Kind::Healthy).with(faults).shows(&sights));
    let faults = Budget { fulfilments: 1, duplicates: 1, unavailable: 1, ..NONE };
    holds("two executions, a hand-over, a duplicate, an unavailable", &two_executions(Kind::Healthy).with(faults));
    let faults = Budget { fulfilments: 1, cancellations: 1, timeouts: 1, ..NONE };
    let sights = [Sight::Fulfilled, Sight::ConfirmedThenCancelled];
    let saga = one_execution(Kind::Healthy).with(faults).shows(&sights);
    holds("one execution, a hand-over, a cancellation, a timeout", &saga);
    let faults = Budget { fulfilments: 1, take_ups: 1, ..NONE };
    let saga = one_execution(Kind::Healthy).unreachable(Step::Inventory).with(faults);
    holds("one execution, a hand-over, its stock cannot be consumed", &saga.shows(&[Sight::FulfillingParked]));
    let faults = Budget { fulfilments: 1, deaths: 1, ..NONE };
    let saga = Saga::of(Kind::Healthy).call(Content::First, Mode::Wait).call(Content::First, Mode::Wait).with(faults);
    holds("one body twice, a hand-over, a death", &saga.shows(&[Sight::Fulfilled]));
}

#[test]
fn the_key_may_be_used_for_another_body() {
    let sights = [Sight::Confirmed, Sight::Cancelled, Sight::Conflict];
    let faults = Budget { timeouts: 1, ..NONE };
    holds("two bodies waiting, a timeout", &calls(Mode::Wait, Mode::Wait).with(faults).shows(&sights));
    let faults = Budget { deaths: 1, ..NONE };
    let saga = calls(Mode::Wait, Mode::RespondAsync).with(faults).shows(&[Sight::Confirmed, Sight::Conflict]);
    holds("two bodies, one waiting, a death", &saga);
    let faults = Budget { starts: 1, cancellations: 1, ..NONE };
    let saga = one_execution(Kind::Healthy).call(Content::Second, Mode::Wait).with(faults).shows(&sights);
    holds("an execution and a second body, a failed start, a cancellation", &saga);
}

#[test]
fn the_table_may_not_answer_intake() {
    let sights = [Sight::Confirmed, Sight::Queued, Sight::Unknown, Sight::QueuedConflict, Sight::Conflict];
    let faults = Budget { outages: 2, starts: 1, ..NONE };
    for (first, second) in [(Mode::Wait, Mode::Wait), (Mode::Wait, Mode::RespondAsync)] {
        let name = format!("two bodies, {first:?} and {second:?}, two outages, a failed start");
        holds(&name, &calls(first, second).with(faults).shows(&sights));
    }
    let saga = calls(Mode::RespondAsync, Mode::RespondAsync).with(faults).shows(&sights);
    holds("two bodies, RespondAsync both, two outages, a failed start", &saga);
    let one = Saga::of(Kind::Healthy).call(Content::First, Mode::RespondAsync);
    let faults = Budget { outages: 2, deaths: 1, ..NONE };
    holds("one body, two outages, a death", &one.clone().with(faults).shows(&[Sight::Confirmed, Sight::Queued]));
    let faults = Budget { outages: 2, ..NONE };
    holds("one body twice, two outages", &one.call(Content::First, Mode::Wait).with(faults).shows(&[Sight::Queued]));
}

/// This is why "every state that nothing leads out of" means "in the end".
#[test]
fn the_world_has_no_cycles() {
    let worlds = [
        two_executions(Kind::Healthy).with(Budget { timeouts: 1, ..NONE }),
        one_execution(Kind::Healthy).with(Budget { deaths: 3, take_ups: 1, ..NONE }).recoveries(2),
        one_execution(Kind::Healthy).with(Budget { deaths: 1, cancellations: 1, ..NONE }),
        one_execution(Kind::Healthy).with(Budget { deaths: 1, cancellations: 1, fulfilments: 1, ..NONE }),
        one_execution(Kind::Healthy).unreachable(Step::Accounting).with(Budget { timeouts: 1, take_ups: 1, ..NONE }),
        two_executions(Kind::OutOfStock).with(Budget { deliveries: 1, unavailable: 1, ..NONE }),
        calls(Mode::RespondAsync, Mode::RespondAsync).with(Budget { outages: 1, deaths: 1, starts: 1, ..NONE }),
    ];
    for world in worlds {
        assert!(!has_cycles(&world), "{world:?}");
    }
}
