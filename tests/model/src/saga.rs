//! The model: a configuration, and how the world moves in it.

use stateright::{Model, Property};

use crate::action::Action;
use crate::execution::Failure;
use crate::properties::Sight;
use crate::protection::Protection;
use crate::state::{
    Budget, Call, Content, EXECUTIONS, End, Execution, Fence, Intake, Mode, NEIGHBOUR, Place, Reason, Record, Recovery,
    Slot, State, Status, Step, Tables,
};
use crate::task::{Invocation, Progress};

/// The steps' view of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The steps accept it.
    Healthy,
    /// The store has no stock until some is delivered.
    OutOfStock,
    /// The customer's credit is not sufficient.
    OverCreditLimit,
}

/// A configuration: the initial state, what may happen, and the protections.
#[derive(Debug, Clone)]
pub struct Saga {
    pub(crate) kind: Kind,
    pub(crate) executions: Vec<Content>,
    pub(crate) calls: Vec<Call>,
    pub(crate) budget: Budget,
    pub(crate) recoveries: usize,
    pub(crate) attempt_limit: u8,
    pub(crate) unreachable: Option<Step>,
    pub(crate) sights: Vec<Sight>,
    pub(crate) only: Option<&'static str>,
    off: Vec<Protection>,
}

impl Saga {
    /// An order of this kind that nobody has sent yet; recovery runs, with one attempt.
    pub fn of(kind: Kind) -> Self {
        Self {
            kind,
            executions: Vec::new(),
            calls: Vec::new(),
            budget: Budget::NONE,
            recoveries: 1,
            attempt_limit: 1,
            unreachable: None,
            sights: Vec::new(),
            only: None,
            off: Vec::new(),
        }
    }

    /// An execution that nobody waits for, with this content.
    #[must_use]
    pub fn execution(mut self, content: Content) -> Self {
        self.executions.push(content);
        self
    }

    /// A call of the API.
    #[must_use]
    pub fn call(mut self, content: Content, mode: Mode) -> Self {
        self.calls.push(Call { content, mode });
        self
    }

    /// What may go wrong, and what people may do.
    #[must_use]
    pub fn with(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// The number of concurrent recoveries.
    #[must_use]
    pub fn recoveries(mut self, recoveries: usize) -> Self {
        self.recoveries = recoveries;
        self
    }

    /// The number of recovery's attempts.
    #[must_use]
    pub fn attempts(mut self, limit: u8) -> Self {
        self.attempt_limit = limit;
        self
    }

    /// The compensation of this step always fails.
    #[must_use]
    pub fn unreachable(mut self, step: Step) -> Self {
        self.unreachable = Some(step);
        self
    }

    /// All this must be able to happen.
    #[must_use]
    pub fn shows(mut self, sights: &[Sight]) -> Self {
        self.sights.extend_from_slice(sights);
        self
    }

    /// Checks only this invariant.
    #[must_use]
    pub fn only(mut self, property: &'static str) -> Self {
        self.only = Some(property);
        self.sights.clear();
        self
    }

    /// The mutant without a protection.
    #[must_use]
    pub fn without(mut self, protection: Protection) -> Self {
        self.off.push(protection);
        self
    }

    pub(crate) fn has(&self, protection: Protection) -> bool {
        !self.off.contains(&protection)
    }

    /// Which of the possible events have happened.
    pub(crate) fn spent(&self, state: &State, of: fn(&Budget) -> u8) -> u8 {
        of(&self.budget) - of(&state.left)
    }

    /// The stock that was there for this order, reserved or not.
    pub(crate) fn stock(&self, state: &State) -> i8 {
        let delivered = self.spent(state, |budget| budget.deliveries).cast_signed();
        let at_first = match self.kind {
            Kind::OutOfStock => 0,
            // Just enough, so that a second reservation finds none left.
            Kind::Healthy | Kind::OverCreditLimit => 1,
        };
        at_first + delivered
    }

    fn step(&self, state: &mut State, action: Action) {
        let left = &mut state.left;
        match action {
            Action::Work { execution, slot } => self.work(state, execution, slot),
            Action::Hear { execution, slot } => self.change(state, execution, |saga, execution| {
                if let Slot::Answered(outcome) = execution.slots[slot] {
                    saga.hear(execution, slot, outcome);
                }
            }),
            Action::Duplicate { .. } | Action::TimeOut { .. } | Action::Refuse { .. } | Action::Die { .. } => {
                self.disturb(state, action);
            }
            Action::Land { late } => self.land(state, late),
            Action::Serve { call } => self.serve(state, call),
            Action::Deadline { call } => {
                if let Intake::Waiting(execution) = state.intakes[call] {
                    if let Some(execution) = &mut state.executions[execution] {
                        execution.awaited = false;
                    }
                    state.intakes[call] = self.without_decision();
                }
            }
            Action::StartUnheard { call, runs } => {
                left.starts -= 1;
                self.start_unheard(state, call, runs);
            }
            Action::Outage { call, applied } => {
                left.outages -= 1;
                self.outage(state, call, applied);
            }
            Action::ReadStale { call, missing } => self.read_stale(state, call, missing),
            Action::WorkOff { content, done } => {
                state.tables.record.get_or_insert(Record::pending(content, true));
                if done {
                    state.overflow[content as usize] = false;
                } else {
                    left.deaths -= 1;
                }
            }
            Action::DropMessage { content } => {
                left.outages -= 1;
                state.overflow[content as usize] = false;
            }
            Action::FallDue => {
                if let Some(record) = &mut state.tables.record {
                    record.due = true;
                }
            }
            Action::Take { recovery } => {
                if let Some(record) = &state.tables.record {
                    state.recoveries[recovery] = Recovery::Took { saw: record.status, stale: false };
                }
            }
            Action::Recover { recovery, started } => self.recover(state, recovery, started),
            Action::RecoveryDies { recovery } => {
                left.deaths -= 1;
                state.recoveries[recovery] = Recovery::Idle;
            }
            Action::CancelByCustomer => {
                left.cancellations -= 1;
                if let Some(record) = &mut state.tables.record {
                    self.enter_cancelling(record, Reason::Customer, false);
                }
                // If it cannot be started, recovery will start it.
                start(state, None);
            }
            Action::Fulfil => {
                left.fulfilments -= 1;
                if let Some(record) = &mut state.tables.record {
                    *record = Record {
                        status: Status::Fulfilling,
                        handed_over: true,
                        attempts: 0,
                        attempts_made: 0,
                        due: true,
                        ..*record
                    };
                }
                // If it cannot be started, recovery will start it.
                start(state, None);
            }
            Action::Deliver => {
                left.deliveries -= 1;
                state.tables.available += 1;
            }
            Action::TakeUp => {
                left.take_ups -= 1;
                if let Some(record) = &mut state.tables.record {
                    *record = Record { parked: false, attempts: 0, attempts_made: 0, due: true, ..*record };
                }
            }
        }
    }

    /// Something happens to an execution or to a task that it waits for.
    fn disturb(&self, state: &mut State, action: Action) {
        let left = &mut state.left;
        match action {
            Action::Duplicate { execution, slot } => {
                left.duplicates -= 1;
                leave(state, execution, slot);
            }
            Action::TimeOut { execution, slot, lands_late } => {
                left.timeouts -= 1;
                if lands_late {
                    leave(state, execution, slot);
                }
                self.change(state, execution, |saga, execution| saga.fail(execution, slot, Failure::Unknown));
            }
            Action::Refuse { execution, slot, exhausted } => {
                left.unavailable -= 1;
                self.change(state, execution, |saga, execution| {
                    if exhausted {
                        saga.fail(execution, slot, Failure::Unavailable);
                    } else {
                        execution.slots[slot] = Slot::Asked(execution.request(slot));
                    }
                });
            }
            Action::Die { execution, tasks_run_on } => {
                left.deaths -= 1;
                if tasks_run_on {
                    leave(state, execution, 0);
                    leave(state, execution, 1);
                }
                self.change(state, execution, |_, execution| {
                    execution.place = Place::Ended(End::Unfinished);
                    execution.slots = [Slot::Empty; 2];
                    execution.knows = None;
                });
            }
            _ => {}
        }
    }

    /// Changes an execution, and forgets it once it has ended unless somebody waits for it.
    fn change(&self, state: &mut State, at: usize, change: impl FnOnce(&Self, &mut Execution)) {
        if let Some(execution) = &mut state.executions[at] {
            change(self, execution);
        }
        forget_unheard(state, at);
    }

    fn work(&self, state: &mut State, at: usize, slot: usize) {
        let State { executions, tables, .. } = state;
        if let Some(execution) = &mut executions[at]
            && let Slot::Asked(invocation) = execution.slots[slot]
        {
            execution.slots[slot] = match self.run(tables, invocation) {
                Progress::Further(next) => Slot::Asked(Invocation { stage: next, ..invocation }),
                Progress::Answered(outcome) => Slot::Answered(outcome),
            };
        }
    }

    fn land(&self, state: &mut State, late: usize) {
        let invocation = state.late.remove(late);
        // Nobody receives its answer.
        if let Progress::Further(stage) = self.run(&mut state.tables, invocation) {
            state.leave(Invocation { stage, ..invocation });
        }
    }
}

/// Starts an execution if there is room.
pub(crate) fn start(state: &mut State, content: Option<Content>) -> Option<usize> {
    let at = state.free()?;
    state.executions[at] = Some(Execution::new(content));
    Some(at)
}

pub(crate) fn forget_unheard(state: &mut State, at: usize) {
    if state.executions[at].is_some_and(|execution| !execution.is_live() && !execution.awaited) {
        state.executions[at] = None;
    }
}

/// Lets an execution's requests continue without it.
fn leave(state: &mut State, at: usize, slot: usize) {
    if let Some(execution) = state.executions[at]
        && let Slot::Asked(invocation) = execution.slots[slot]
    {
        state.leave(invocation);
    }
}

impl Model for Saga {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let tables = Tables {
            record: None,
            inventory: Fence::Absent,
            accounting: Fence::Absent,
            available: 0,
            reserved: NEIGHBOUR,
            postings: 0,
            reversals: 0,
        };
        let intake = |call: &Call| match call.mode {
            Mode::Wait => Intake::Starting,
            Mode::RespondAsync => Intake::Putting,
        };
        let mut state = State {
            tables,
            executions: [None; EXECUTIONS],
            late: Vec::new(),
            intakes: self.calls.iter().map(intake).collect(),
            overflow: [false; 2],
            recoveries: [Recovery::Idle; 2],
            parked_message: false,
            left: self.budget,
        };
        state.tables.available = self.stock(&state);
        for &content in &self.executions {
            start(&mut state, Some(content));
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.possible(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        self.step(&mut state, action);
        self.settle(&mut state, before);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        crate::properties::all(self)
    }
}
