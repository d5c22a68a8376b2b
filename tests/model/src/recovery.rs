//! Recovery: the work index, the attempts, and parking.

use crate::protection::Protection;
use crate::saga::{Saga, start};
use crate::state::{Reason, Record, Recovery, State, Status};

impl Saga {
    /// Whether a compare-and-set on what was read fails.
    pub(crate) fn loses(&self, stale: bool) -> bool {
        stale && self.has(Protection::RecoveryCompareAndSet)
    }

    /// A recovery takes its next step with the order that it took.
    pub(crate) fn recover(&self, state: &mut State, recovery: usize, started: bool) {
        let at = std::mem::replace(&mut state.recoveries[recovery], Recovery::Idle);
        let Some(record) = &mut state.tables.record else { return };
        match at {
            Recovery::Idle => {}
            Recovery::Took { stale, .. } | Recovery::Parking { stale } if self.loses(stale) => {
                // A message that has been sent is not taken back.
            }
            Recovery::Took { .. } if record.attempts < self.attempt_limit => {
                record.attempts += 1;
                record.attempts_made += 1;
                record.due = !self.has(Protection::DueMove);
                if started {
                    start(state, None);
                } else {
                    state.left.starts -= 1;
                }
            }
            Recovery::Took { saw: Status::Pending, .. } => {
                self.enter_cancelling(record, Reason::Unavailable, true);
            }
            Recovery::Took { .. } => {
                if self.has(Protection::MessageBeforeFlag) {
                    state.parked_message = true;
                } else {
                    park(record);
                }
                state.recoveries[recovery] = Recovery::Parking { stale: false };
            }
            Recovery::Parking { .. } if self.has(Protection::MessageBeforeFlag) => park(record),
            Recovery::Parking { .. } => state.parked_message = true,
        }
    }

    /// The effects of a change of the record on those who have read it or depend on its times.
    pub(crate) fn settle(&self, state: &mut State, before: &State) {
        let now = state.tables.record;
        let written = match (&before.tables.record, &now) {
            (Some(before), Some(now)) => {
                before.status != now.status || (before.due && !now.due) || before.parked != now.parked
            }
            (before, now) => before.is_some() != now.is_some(),
        };
        if written {
            for recovery in &mut state.recoveries {
                match recovery {
                    Recovery::Idle => {}
                    // Its own write, in a mutant that flags first.
                    Recovery::Parking { .. } if !self.has(Protection::MessageBeforeFlag) => {}
                    Recovery::Took { stale, .. } | Recovery::Parking { stale } => *stale = true,
                }
            }
        }
        let waits = now.is_some_and(|record| record.status.is_open() && !record.due && !record.parked);
        for execution in state.executions.iter_mut().flatten() {
            // `due_ms` was set beyond the life of everything that runs now. Where nothing waits for `due_ms`, nothing
            // depends on it.
            execution.over_when_due = execution.is_live() && waits && (written || execution.over_when_due);
        }
    }
}

fn park(record: &mut Record) {
    record.parked = true;
    record.due = false;
}
