//! What must hold, and what must be able to happen so that the properties mean something.

use stateright::{Model, Property};

use crate::saga::{Kind, Saga};
use crate::state::{
    Answer, Call, Execution, Fence, Intake, NEIGHBOUR, Place, Reason, Record, Recovery, Slot, State, Status, Step,
};
use crate::task::{Invocation, Outcome, Stage, Task};

/// Accepted orders end decided or parked.
pub const I1_ENDS: &str = "I1: once all is quiet, every accepted order is decided or parked";
/// Parked orders are alarmed.
pub const I1_ALARMED: &str = "I1: what is parked is alarmed";
/// `CONFIRMED` is complete.
pub const I2_CONFIRMED: &str = "I2: a confirmed order is reserved and posted";
/// `FULFILLED` is handed over once.
pub const I2_FULFILLED: &str = "I2: a fulfilled order's stock is consumed, and its posting stands";
/// `CANCELLED` leaves nothing.
pub const I2_CANCELLED: &str = "I2: a cancelled order holds no stock, and its journal nets to zero";
/// Stock adds up.
pub const I3: &str = "I3: on hand is available and what open reservations hold, and nothing is negative";
/// The journal nets.
pub const I4: &str = "I4: an order is posted at most once, and reversed at most as many times";
/// One decision.
pub const I5: &str = "I5: no order is both confirmed and rolled back by a failure";
/// And one after it.
pub const I5_HANDED_OVER: &str = "I5: no order is both handed over and cancelled";
/// Answers are true.
pub const I6_TOLD: &str = "I6: no caller is told what the records contradict, or about content it did not send";
/// Nobody cancels someone else's order.
pub const I6_CANCELS: &str = "I6: no request cancels an order of other content";
/// Healthy orders are confirmed.
pub const I7: &str = "I7: no healthy order is cancelled";
/// Compensations end.
pub const LOOKS: &str = "point 2: a compensation's third look is the last that finds anything new";
/// Compensations are independent.
pub const BRANCHES: &str = "point 3: a compensation that fails does not stop the other";
/// Parking is the last resort.
pub const PARKED_LAST: &str = "point 6: an order is parked only after every attempt to undo it was made";
/// What is accepted is stored.
pub const STORED: &str = "point 7: what was accepted is in the table or in the queue";

/// Something that a configuration must be able to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// An order is confirmed in the end.
    Confirmed,
    /// An order is cancelled in the end.
    Cancelled,
    /// An order is parked.
    Parked,
    /// A parked order that was restarted is cancelled.
    TakenUp,
    /// A late action meets a tombstone.
    ZombieLoses,
    /// A compensation finds twice that its fence has changed since it was read.
    ThirdLook,
    /// A confirmation finds that the order is being cancelled.
    ConfirmAdopts,
    /// A cancellation finds that the order is confirmed.
    CancelAdopts,
    /// A cancellation finds no record, and then finds one.
    CancelMeetsPersist,
    /// A caller is told of a conflict.
    Conflict,
    /// A caller is told that the order is queued.
    Queued,
    /// A caller is told that nothing is known.
    Unknown,
    /// A message of the overflow queue turns out to have other content than the record.
    QueuedConflict,
    /// The parked queue holds a message about an order that is closed and was never parked.
    NeedlessMessage,
    /// A recovery finds that another one was first.
    RecoveryLoses,
    /// A customer has cancelled a confirmed order.
    ConfirmedThenCancelled,
    /// An order is fulfilled in the end.
    Fulfilled,
    /// An order that is handed over is parked.
    FulfillingParked,
    /// A late reservation meets a consumed fence.
    ReservedAfterConsumed,
}

/// The properties of a configuration.
pub(crate) fn all(saga: &Saga) -> Vec<Property<Saga>> {
    let mut all = invariants();
    if let Some(only) = saga.only {
        all.retain(|property| property.name == only);
    }
    all.extend(saga.sights.iter().map(|&sight| see(sight)));
    all
}

// With the types written out here, the closures need not name them.
fn must(name: &'static str, condition: fn(&Saga, &State) -> bool) -> Property<Saga> {
    Property::always(name, condition)
}

fn can(name: &'static str, condition: fn(&Saga, &State) -> bool) -> Property<Saga> {
    Property::sometimes(name, condition)
}

fn invariants() -> Vec<Property<Saga>> {
    vec![
        must(I1_ENDS, ends),
        must(I1_ALARMED, |_, state| {
            let between = state.recoveries.iter().any(|recovery| matches!(recovery, Recovery::Parking { .. }));
            state.parked_message || between || !record_is(state, |record| record.parked)
        }),
        must(I2_CONFIRMED, |_, state| !stands(state, Status::Confirmed) || is_whole(state)),
        must(I2_FULFILLED, |_, state| !stands(state, Status::Fulfilled) || is_handed_over(state)),
        must(I2_CANCELLED, |_, state| !stands(state, Status::Cancelled) || is_nothing(state)),
        must(I3, stock_adds_up),
        must(I4, |_, State { tables, .. }| tables.postings <= 1 && tables.reversals <= tables.postings),
        must(I5, |_, state| {
            !record_is(state, |record| record.was_confirmed && !matches!(record.reason, None | Some(Reason::Customer)))
        }),
        must(I5_HANDED_OVER, |_, state| {
            !record_is(state, |record| {
                record.handed_over
                    && (record.reason.is_some() || !record.was_confirmed || !is_of_hand_over(record.status))
            })
        }),
        must(I6_TOLD, told_the_truth),
        must(I6_CANCELS, |_, state| !record_is(state, |record| record.cancelled_by_other)),
        must(I7, cancelled_for_a_reason),
        must(LOOKS, |saga, state| saga.unreachable.is_some() || !state.live().any(is_contended)),
        must(BRANCHES, |saga, state| {
            let left_out = saga.unreachable == Some(Step::Accounting) && state.tables.has_effect(Step::Inventory);
            !(left_out && record_is(state, |record| record.parked))
        }),
        must(PARKED_LAST, |saga, state| {
            !record_is(state, |record| record.parked && record.attempts_made < saga.attempt_limit)
        }),
        must(STORED, accepted_is_stored),
    ]
}

fn record_is(state: &State, is: impl FnOnce(&Record) -> bool) -> bool {
    state.tables.record.as_ref().is_some_and(is)
}

fn stands(state: &State, status: Status) -> bool {
    record_is(state, |record| record.status == status)
}

/// Nothing moves by itself: no execution, no message, no caller. Recovery may.
fn is_still(state: &State) -> bool {
    state.live().next().is_none()
        && state.late.is_empty()
        && state.overflow == [false; 2]
        && state.intakes.iter().all(|intake| matches!(intake, Intake::Told(_)))
}

/// In a state that nothing leads out of, every order has ended. The tests show that every path leads to such a state:
/// no configuration has cycles.
fn ends(saga: &Saga, state: &State) -> bool {
    let parked_or_decided = record_is(state, |record| !record.status.is_open() || record.parked);
    let accepted = |intake: &Intake| matches!(intake, Intake::Told(Answer::Accepted | Answer::Queued));
    let owed = state.tables.record.is_some() || state.intakes.iter().any(accepted);
    if parked_or_decided || !owed || !is_still(state) {
        return true;
    }
    let mut actions = Vec::new();
    saga.actions(state, &mut actions);
    !actions.is_empty()
}

fn is_whole(state: &State) -> bool {
    let tables = &state.tables;
    tables.inventory == Fence::Applied
        && tables.accounting == Fence::Applied
        && tables.reserved == NEIGHBOUR + 1
        && tables.postings == tables.reversals + 1
}

fn is_of_hand_over(status: Status) -> bool {
    matches!(status, Status::Fulfilling | Status::Fulfilled)
}

fn is_handed_over(state: &State) -> bool {
    let tables = &state.tables;
    tables.inventory == Fence::Consumed
        && tables.accounting == Fence::Applied
        && !tables.has_effect(Step::Inventory)
        && tables.postings == tables.reversals + 1
}

fn is_nothing(state: &State) -> bool {
    let tables = &state.tables;
    !matches!(tables.inventory, Fence::Applied | Fence::Consumed)
        && tables.accounting != Fence::Applied
        && !tables.has_effect(Step::Inventory)
        && !tables.has_effect(Step::Accounting)
}

fn stock_adds_up(saga: &Saga, state: &State) -> bool {
    let tables = &state.tables;
    let held = NEIGHBOUR + i8::from(tables.inventory == Fence::Applied);
    let gone = i8::from(tables.inventory == Fence::Consumed);
    let on_hand = saga.stock(state) + NEIGHBOUR - gone;
    tables.available >= 0 && tables.available + held == on_hand && tables.reserved == held
}

fn told(saga: &Saga, state: &State, mut is_right: impl FnMut(&Call, Answer, Option<&Record>) -> bool) -> bool {
    saga.calls.iter().zip(&state.intakes).all(|(call, intake)| match *intake {
        Intake::Told(answer) => is_right(call, answer, state.tables.record.as_ref()),
        _ => true,
    })
}

fn told_the_truth(saga: &Saga, state: &State) -> bool {
    told(saga, state, |call, answer, record| match answer {
        Answer::Decided(status, content) => {
            let bears_out = match status {
                // It was true when it was said; only its customer can have changed it since.
                Status::Confirmed => record.is_some_and(|record| record.was_confirmed),
                Status::Fulfilling => record.is_some_and(|record| is_of_hand_over(record.status)),
                _ => record.is_some_and(|record| record.status == status),
            };
            content == call.content && bears_out
        }
        Answer::Accepted => record.is_none_or(|record| record.content == call.content),
        Answer::Conflict => record.is_some_and(|record| record.content != call.content),
        Answer::Queued | Answer::Unknown => true,
    })
}

fn accepted_is_stored(saga: &Saga, state: &State) -> bool {
    told(saga, state, |call, answer, record| match answer {
        Answer::Accepted | Answer::Decided(..) => record.is_some(),
        // The record may be another body's: a conflict found in the queue is counted and dropped.
        Answer::Queued => record.is_some() || state.overflow[call.content as usize],
        Answer::Conflict | Answer::Unknown => true,
    })
}

fn cancelled_for_a_reason(saga: &Saga, state: &State) -> bool {
    let Some(reason) = state.tables.record.and_then(|record| record.reason) else { return true };
    match reason {
        Reason::Customer => saga.spent(state, |budget| budget.cancellations) > 0,
        Reason::Refused => saga.kind != Kind::Healthy,
        // An error that says nothing is not a transient one.
        Reason::Failed => saga.spent(state, |budget| budget.timeouts) > 0,
        Reason::Unavailable => {
            let faults = saga.spent(state, |budget| {
                budget.timeouts + budget.unavailable + budget.deaths + budget.starts + budget.outages
            });
            faults >= saga.attempt_limit
        }
    }
}

fn is_contended(execution: &Execution) -> bool {
    execution.slots.contains(&Slot::Answered(Outcome::Contended))
}

fn see(sight: Sight) -> Property<Saga> {
    match sight {
        Sight::Confirmed => {
            can("an order can be confirmed", |_, state| is_still(state) && stands(state, Status::Confirmed))
        }
        Sight::Cancelled => {
            can("an order can be cancelled", |_, state| is_still(state) && stands(state, Status::Cancelled))
        }
        Sight::Parked => {
            can("an order can be parked", |_, state| is_still(state) && record_is(state, |record| record.parked))
        }
        Sight::TakenUp => can("a parked order can be restarted and cancelled", |saga, state| {
            stands(state, Status::Cancelled) && saga.spent(state, |budget| budget.take_ups) > 0
        }),
        Sight::ZombieLoses => can("a zombie can lose to a tombstone", |_, state| {
            state.late.iter().any(|late| match late.task {
                Task::Act(step) => state.tables.fence(step) == Fence::Tombstone,
                _ => false,
            })
        }),
        Sight::ThirdLook => can("a compensation can need a third look", |_, state| {
            invocations(state).any(|invocation| invocation.stage == Stage::Look(3))
        }),
        Sight::ConfirmAdopts => can("a confirmation can adopt a cancellation", |_, state| {
            state.live().any(|execution| {
                matches!(execution.slots[0], Slot::Answered(Outcome::Record(Status::Cancelling | Status::Cancelled, _)))
                    && execution.place == Place::Confirm
            })
        }),
        Sight::CancelAdopts => can("a cancellation can adopt a confirmation", |_, state| {
            state.live().any(|execution| {
                matches!(execution.slots[0], Slot::Answered(Outcome::Record(Status::Confirmed, _)))
                    && matches!(execution.place, Place::Cancel(_))
            })
        }),
        Sight::CancelMeetsPersist => can("a cancellation can meet a late persist", |_, state| {
            invocations(state).any(|invocation| invocation.stage == Stage::Again)
        }),
        Sight::Conflict => can("a caller can be told of a conflict", |_, state| {
            state.intakes.contains(&Intake::Told(Answer::Conflict))
        }),
        Sight::Queued => can("a caller can be told that the order is queued", |_, state| {
            state.intakes.contains(&Intake::Told(Answer::Queued))
        }),
        Sight::Unknown => can("a caller can be told that nothing is known", |_, state| {
            state.intakes.contains(&Intake::Told(Answer::Unknown))
        }),
        Sight::QueuedConflict => can("a queued order can lose its key to another", |_, state| {
            record_is(state, |record| state.overflow[1 - record.content as usize])
        }),
        Sight::NeedlessMessage => can("an order can be closed between its parking message and the flag", |_, state| {
            state.recoveries.contains(&Recovery::Parking { stale: true }) && stands(state, Status::Cancelled)
        }),
        Sight::RecoveryLoses => can("a recovery can lose to another", |_, state| {
            state.recoveries.iter().any(|recovery| matches!(recovery, Recovery::Took { stale: true, .. }))
        }),
        Sight::ConfirmedThenCancelled => can("a confirmed order can be cancelled", |_, state| {
            is_still(state) && record_is(state, |record| record.was_confirmed && record.status == Status::Cancelled)
        }),
        Sight::Fulfilled => {
            can("an order can be fulfilled", |_, state| is_still(state) && stands(state, Status::Fulfilled))
        }
        Sight::FulfillingParked => can("an order that is handed over can be parked", |_, state| {
            is_still(state) && record_is(state, |record| record.parked && record.status == Status::Fulfilling)
        }),
        Sight::ReservedAfterConsumed => can("a late reservation can meet a consumed fence", |_, state| {
            let is_late = state.late.iter().any(|late| late.task == Task::Act(Step::Inventory));
            is_late && state.tables.inventory == Fence::Consumed
        }),
    }
}

fn invocations(state: &State) -> impl Iterator<Item = Invocation> {
    let asked = |slot: &Slot| match slot {
        Slot::Asked(invocation) => Some(*invocation),
        _ => None,
    };
    state
        .live()
        .flat_map(|execution| execution.slots)
        .filter_map(move |slot| asked(&slot))
        .chain(state.late.iter().copied())
}
