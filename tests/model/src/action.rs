//! What can happen next.

use crate::protection::Protection;
use crate::saga::Saga;
use crate::state::{Content, Intake, Mode, Place, Record, Recovery, Slot, State, Status};
use crate::task::Stage;

/// One step of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The task that an execution waits for makes its next request.
    Work {
        /// Whose.
        execution: usize,
        /// Which of its tasks.
        slot: usize,
    },
    /// An answer reaches its execution.
    Hear {
        /// Whose.
        execution: usize,
        /// Which of its tasks.
        slot: usize,
    },
    /// A request is delivered a second time, sooner or later.
    Duplicate {
        /// Whose.
        execution: usize,
        /// Which of its tasks.
        slot: usize,
    },
    /// A task ends in an error that says nothing about the order.
    TimeOut {
        /// Whose.
        execution: usize,
        /// Which of its tasks.
        slot: usize,
        /// Whether the rest of it runs all the same, later.
        lands_late: bool,
    },
    /// A task answers `Unavailable`.
    Refuse {
        /// Whose.
        execution: usize,
        /// Which of its tasks.
        slot: usize,
        /// Whether the retries run out because of it.
        exhausted: bool,
    },
    /// An execution dies.
    Die {
        /// Which.
        execution: usize,
        /// Whether its tasks in progress continue.
        tasks_run_on: bool,
    },
    /// An invocation that nobody waits for makes its next request.
    Land {
        /// Its place among those.
        late: usize,
    },
    /// A call's intake takes its next step.
    Serve {
        /// Which call.
        call: usize,
    },
    /// A wait for the saga reaches its deadline.
    Deadline {
        /// Which call.
        call: usize,
    },
    /// Starting the saga fails, as far as intake can tell.
    StartUnheard {
        /// Which call.
        call: usize,
        /// Whether the execution runs anyway.
        runs: bool,
    },
    /// The table or the queue does not answer a call's intake.
    Outage {
        /// Which call.
        call: usize,
        /// Whether the request was carried out anyway.
        applied: bool,
    },
    /// An intake's read shows an earlier state; only in a mutant.
    ReadStale {
        /// Which call.
        call: usize,
        /// Whether it shows nothing; otherwise it shows the record as first written.
        missing: bool,
    },
    /// A message of the overflow queue is worked off.
    WorkOff {
        /// Whose order.
        content: Content,
        /// Whether it is reported done; otherwise it returns.
        done: bool,
    },
    /// A message is reported done, and then the table does not answer; only in a mutant.
    DropMessage {
        /// Whose order.
        content: Content,
    },
    /// `due_ms` passes.
    FallDue,
    /// A recovery finds the order in the work index.
    Take {
        /// Which recovery.
        recovery: usize,
    },
    /// A recovery takes its next step with the order.
    Recover {
        /// Which recovery.
        recovery: usize,
        /// Whether the start of an execution that belongs to it is heard.
        started: bool,
    },
    /// A recovery dies between the two steps of parking.
    RecoveryDies {
        /// Which recovery.
        recovery: usize,
    },
    /// The customer cancels the order.
    CancelByCustomer,
    /// The store hands the order over.
    Fulfil,
    /// Stock is delivered to a store that had none.
    Deliver,
    /// An operator restarts a parked order.
    TakeUp,
}

impl Saga {
    /// What can happen next, without actions that are equivalent to another.
    pub(crate) fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        for execution in 0..state.executions.len() {
            tasks(state, execution, actions);
        }
        let late = &state.late;
        actions.extend(
            (0..late.len()).filter(|&at| at == 0 || late[at] != late[at - 1]).map(|late| Action::Land { late }),
        );
        for call in 0..state.intakes.len() {
            self.intake(state, call, actions);
        }
        for content in [Content::First, Content::Second] {
            if state.overflow[content as usize] {
                actions.push(Action::WorkOff { content, done: true });
                if state.left.deaths > 0 {
                    actions.push(Action::WorkOff { content, done: false });
                }
                if state.left.outages > 0 && !self.has(Protection::RecordBeforeDone) {
                    actions.push(Action::DropMessage { content });
                }
            }
        }
        self.recovery(state, actions);
        self.people(state, actions);
    }

    fn intake(&self, state: &State, call: usize, actions: &mut Vec<Action>) {
        let outage = |actions: &mut Vec<Action>, can_apply: bool| {
            if state.left.outages > 0 {
                actions.push(Action::Outage { call, applied: false });
                if can_apply {
                    actions.push(Action::Outage { call, applied: true });
                }
            }
        };
        match state.intakes[call] {
            Intake::Starting => {
                if state.free().is_some() {
                    actions.push(Action::Serve { call });
                }
                if state.left.starts > 0 {
                    actions.push(Action::StartUnheard { call, runs: false });
                    // For a caller who does not wait, a start without an answer that runs is simply a start.
                    if state.free().is_some() && self.calls[call].mode == Mode::Wait {
                        actions.push(Action::StartUnheard { call, runs: true });
                    }
                }
            }
            Intake::Waiting(execution) => {
                if state.executions[execution].is_some_and(|execution| !execution.is_live()) {
                    actions.push(Action::Serve { call });
                } else {
                    actions.push(Action::Deadline { call });
                }
            }
            Intake::Reading => {
                actions.push(Action::Serve { call });
                outage(actions, false);
                if !self.has(Protection::StrongRead) {
                    actions.push(Action::ReadStale { call, missing: true });
                    actions.push(Action::ReadStale { call, missing: false });
                }
            }
            Intake::Putting | Intake::Queueing => {
                actions.push(Action::Serve { call });
                outage(actions, true);
            }
            Intake::Told(_) => {}
        }
    }

    fn recovery(&self, state: &State, actions: &mut Vec<Action>) {
        if !self.has(Protection::Recovery) {
            return;
        }
        let record = state.tables.record.as_ref();
        let waits = record.is_some_and(|record| record.status.is_open() && !record.due && !record.parked);
        if waits && !state.live().any(|execution| execution.over_when_due) {
            actions.push(Action::FallDue);
        }
        let recoveries = &state.recoveries[..self.recoveries];
        if record.is_some_and(Record::can_be_taken)
            // They are all alike, so it is always the first idle one.
            && let Some(recovery) = recoveries.iter().position(|&recovery| recovery == Recovery::Idle)
        {
            actions.push(Action::Take { recovery });
        }
        for (recovery, at) in recoveries.iter().enumerate() {
            let lost = match *at {
                Recovery::Idle => continue,
                Recovery::Took { stale, .. } | Recovery::Parking { stale } => stale,
            };
            let starts = matches!(at, Recovery::Took { .. })
                && !self.loses(lost)
                && record.is_some_and(|record| record.attempts < self.attempt_limit);
            if !starts || state.free().is_some() {
                actions.push(Action::Recover { recovery, started: true });
            }
            if starts && state.left.starts > 0 {
                actions.push(Action::Recover { recovery, started: false });
            }
            // Anywhere else, dying is the same as having done nothing.
            if state.left.deaths > 0 && matches!(at, Recovery::Parking { .. }) {
                actions.push(Action::RecoveryDies { recovery });
            }
        }
    }
}

impl Saga {
    fn people(&self, state: &State, actions: &mut Vec<Action>) {
        let left = &state.left;
        if let Some(record) = &state.tables.record {
            if left.cancellations > 0 && self.customer_may_cancel(record.status) {
                actions.push(Action::CancelByCustomer);
            }
            if left.fulfilments > 0 && self.store_may_hand_over(record.status) {
                actions.push(Action::Fulfil);
            }
            if left.take_ups > 0 && record.parked {
                actions.push(Action::TakeUp);
            }
        }
        if left.deliveries > 0 {
            actions.push(Action::Deliver);
        }
    }

    fn customer_may_cancel(&self, status: Status) -> bool {
        match status {
            Status::Pending | Status::Confirmed => true,
            Status::Fulfilling | Status::Fulfilled => !self.has(Protection::FinalityOfFulfilling),
            Status::Cancelling | Status::Cancelled => false,
        }
    }

    fn store_may_hand_over(&self, status: Status) -> bool {
        match status {
            Status::Confirmed => true,
            Status::Pending | Status::Cancelling | Status::Cancelled => !self.has(Protection::FulfilmentOfConfirmed),
            Status::Fulfilling | Status::Fulfilled => false,
        }
    }
}

fn tasks(state: &State, at: usize, actions: &mut Vec<Action>) {
    let Some(execution) = state.executions[at].filter(|execution| !matches!(execution.place, Place::Ended(_))) else {
        return;
    };
    let left = &state.left;
    let mut asked = false;
    for (slot, waits) in execution.slots.iter().enumerate() {
        match waits {
            Slot::Empty | Slot::Branch(_) => {}
            Slot::Asked(invocation) => {
                asked = true;
                let fresh = invocation.stage == Stage::Fresh;
                actions.push(Action::Work { execution: at, slot });
                if left.duplicates > 0 && fresh {
                    actions.push(Action::Duplicate { execution: at, slot });
                }
                if left.timeouts > 0 {
                    actions.push(Action::TimeOut { execution: at, slot, lands_late: false });
                    actions.push(Action::TimeOut { execution: at, slot, lands_late: true });
                }
                if left.unavailable > 0 {
                    // Retrying a request that has not begun changes nothing.
                    if !fresh {
                        actions.push(Action::Refuse { execution: at, slot, exhausted: false });
                    }
                    actions.push(Action::Refuse { execution: at, slot, exhausted: true });
                }
            }
            Slot::Answered(_) => {
                actions.push(Action::Hear { execution: at, slot });
                if left.timeouts > 0 {
                    actions.push(Action::TimeOut { execution: at, slot, lands_late: false });
                }
                if left.unavailable > 0 {
                    actions.push(Action::Refuse { execution: at, slot, exhausted: false });
                    actions.push(Action::Refuse { execution: at, slot, exhausted: true });
                }
            }
        }
    }
    if left.deaths > 0 {
        actions.push(Action::Die { execution: at, tasks_run_on: false });
        if asked {
            actions.push(Action::Die { execution: at, tasks_run_on: true });
        }
    }
}
