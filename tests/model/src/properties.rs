//! What must hold, and what must be able to happen so that it holds of something.

use stateright::{Model, Property};

use crate::saga::{Kind, Saga};
use crate::state::{
    Answer, Call, Content, End, Fence, Intake, Mode, NEIGHBOUR, Place, Reason, Recovery, Slot, State, Status, Step,
};
use crate::task::{Outcome, Stage, Task};

/// Accepted orders end decided or parked.
pub const I1_ENDS: &str = "I1: once all is quiet, every accepted order is decided or parked";
/// Parked orders are alarmed.
pub const I1_ALARMED: &str = "I1: what is parked is alarmed";
/// `CONFIRMED` is whole.
pub const I2_CONFIRMED: &str = "I2: a confirmed order is reserved and posted";
/// `CANCELLED` is nothing.
pub const I2_CANCELLED: &str = "I2: a cancelled order holds no stock, and its journal nets to zero";
/// Stock adds up.
pub const I3: &str = "I3: on hand is available and reserved, and available is never negative";
/// The journal nets.
pub const I4: &str = "I4: an order is posted at most once, and reversed at most once";
/// One decision.
pub const I5: &str = "I5: no order is confirmed and then rolled back by a failure";
/// True answers.
pub const I6_TOLD: &str = "I6: no caller is told what the records contradict, or about content it did not send";
/// Nobody cancels what is not theirs.
pub const I6_CANCELS: &str = "I6: no request cancels an order of other content";
/// Healthy orders are confirmed.
pub const I7: &str = "I7: nobody's order is cancelled without a reason";
/// Parking is the last resort.
pub const PARKED_LAST: &str = "point 6: an order is parked only after every attempt at it was made";
/// Compensations are independent.
pub const BRANCHES: &str = "point 3: a compensation that fails does not stop the other";
/// Compensations end.
pub const LOOKS: &str = "point 2: a compensation's third look is the last that finds something new";
/// What is accepted is stored.
pub const STORED: &str = "point 7: what was accepted is in the table or in the queue";

/// An order is confirmed in the end.
pub const CONFIRMED: &str = "an order can be confirmed";
/// An order is cancelled in the end.
pub const CANCELLED: &str = "an order can be cancelled";
/// An order is parked.
pub const PARKED: &str = "an order can be parked";
/// A late action meets a tombstone.
pub const ZOMBIE_LOSES: &str = "a zombie can lose to a tombstone";
/// A late action takes effect, and is undone by a second look.
pub const SECOND_LOOK: &str = "a compensation can need a second look";
/// A confirmation loses.
pub const CONFIRM_ADOPTS: &str = "a confirmation can adopt a cancellation";
/// A cancellation loses.
pub const CANCEL_ADOPTS: &str = "a cancellation can adopt a confirmation";
/// An absent order is written as cancelled.
pub const CANCELLED_ABSENT: &str = "an order that was never persisted can be put on record as cancelling";
/// A caller is told of a conflict.
pub const CONFLICT: &str = "a caller can be told of a conflict";
/// A caller waits in vain and is told the decision by the record.
pub const QUEUED: &str = "a caller can be told that the order is queued";
/// A recovery comes too late.
pub const RECOVERY_LOSES: &str = "a recovery can lose to another";

/// The properties of a configuration: everything that must hold.
pub(crate) fn all(_: &Saga) -> Vec<Property<Saga>> {
    vec![
        Property::always(I1_ENDS, ends),
        Property::always(I1_ALARMED, |_, state| {
            state.parked_message || !state.tables.record.is_some_and(|record| record.parked) || parking(state)
        }),
        Property::always(I2_CONFIRMED, |_, state| !is(state, Status::Confirmed) || whole(state)),
        Property::always(I2_CANCELLED, |_, state| !is(state, Status::Cancelled) || nothing_left(state)),
        Property::always(I3, stock_adds_up),
        Property::always(I4, |_, State { tables, .. }| tables.postings <= 1 && tables.reversals <= tables.postings),
        Property::always(I5, |_, state| {
            !state.tables.record.is_some_and(|record| {
                record.was_confirmed && !matches!(record.reason, None | Some(Reason::Customer))
            })
        }),
        Property::always(I6_TOLD, told_the_truth),
        Property::always(I6_CANCELS, |_, state| !state.tables.record.is_some_and(|record| record.cancelled_by_other)),
        Property::always(I7, cancelled_for_a_reason),
        Property::always(PARKED_LAST, |saga, state| {
            !state.tables.record.is_some_and(|record| record.parked && record.attempts_made < saga.attempt_limit)
        }),
        Property::always(BRANCHES, |saga, state| {
            let parked = state.tables.record.is_some_and(|record| record.parked);
            !(parked && saga.unreachable == Some(Step::Accounting) && state.tables.has_effect(Step::Inventory))
        }),
        Property::always(LOOKS, |saga, state| {
            saga.unreachable.is_some()
                || !state.live().any(|execution| execution.slots.contains(&Slot::Answered(Outcome::Contended)))
        }),
        Property::always(STORED, accepted_is_stored),
    ]
}
