//! An execution: its path through the workflow, as in `order-saga.asl.json`.

use crate::protection::Protection;
use crate::saga::Saga;
use crate::state::{Content, End, Execution, Place, Reason, Slot, Status, Step};
use crate::task::{Invocation, Outcome, Task};

/// How a task without a usable answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A timeout, a crash, out of memory: `States.ALL`.
    Unknown,
    /// A transient error whose retries ran out.
    Unavailable,
}

impl Execution {
    /// An execution at its first state.
    pub fn new(content: Option<Content>) -> Self {
        let mut execution = Self {
            place: Place::Persist,
            slots: [Slot::Empty; 2],
            knows: content,
            over_when_due: false,
            awaited: false,
            failing: None,
        };
        execution.enter(Place::Persist);
        execution
    }

    /// What the task in a slot is asked to do.
    pub fn request(&self, slot: usize) -> Invocation {
        let task = match (self.place, slot) {
            (Place::Persist, _) => Task::Persist(self.knows),
            (Place::Reserve, _) => Task::Act(Step::Inventory),
            (Place::Post, _) => Task::Act(Step::Accounting),
            (Place::Confirm, _) => Task::Confirm,
            (Place::Cancel(reason), _) => Task::Cancel(self.knows, reason),
            (Place::RollBack, 0) => Task::Undo(Step::Accounting),
            (Place::RollBack, _) => Task::Undo(Step::Inventory),
            (Place::Consume, _) => Task::Consume,
            (Place::Complete, _) => Task::Complete,
            (Place::Close | Place::Ended(_), _) => Task::Close,
        };
        Invocation::new(task)
    }

    fn enter(&mut self, place: Place) {
        self.place = place;
        self.slots = [Slot::Empty; 2];
        let by_id = matches!(place, Place::RollBack | Place::Close | Place::Consume | Place::Complete);
        if by_id || matches!(place, Place::Confirm | Place::Ended(_)) {
            // No later state passes the order on.
            self.knows = None;
        }
        match place {
            Place::Ended(_) => {}
            Place::RollBack => {
                self.slots = [0, 1].map(|slot| match self.request(slot) {
                    Invocation { task: Task::Undo(step), .. } if self.failing == Some(step) => Slot::Branch(true),
                    request => Slot::Asked(request),
                });
            }
            _ => self.slots[0] = Slot::Asked(self.request(0)),
        }
    }

    fn end(&mut self, end: End) {
        self.enter(Place::Ended(end));
    }

    fn follow(&mut self, status: Status, content: Content) {
        match status {
            Status::Confirmed | Status::Cancelled | Status::Fulfilled => self.end(End::Decided(status, content)),
            Status::Cancelling => self.enter(Place::RollBack),
            Status::Fulfilling => self.enter(Place::Consume),
            Status::Pending => self.end(End::Unfinished),
        }
    }
}

impl Saga {
    /// An answer arrives.
    pub(crate) fn hear(&self, execution: &mut Execution, slot: usize, outcome: Outcome) {
        if outcome == Outcome::Contended {
            return self.fail(execution, slot, Failure::Unavailable);
        }
        match (execution.place, outcome) {
            // JoinSaga.
            (Place::Persist, Outcome::Record(Status::Pending, content)) => {
                execution.knows = Some(content);
                execution.enter(Place::Reserve);
            }
            (
                Place::Persist | Place::Confirm | Place::Cancel(_) | Place::Close | Place::Complete,
                Outcome::Record(status, content),
            ) => execution.follow(status, content),
            (Place::Persist | Place::Cancel(_), Outcome::Conflict) => execution.end(End::Conflict),
            (Place::Persist | Place::Cancel(_), Outcome::Invalid) => execution.end(End::Invalid),
            (Place::Reserve, Outcome::Receipt) => execution.enter(Place::Post),
            (Place::Post, Outcome::Receipt) => execution.enter(Place::Confirm),
            (Place::Reserve | Place::Post, Outcome::Refused) => self.cancel_after(execution, Reason::Refused),
            (Place::Reserve | Place::Post, _) => self.cancel_after(execution, Reason::Failed),
            (Place::Consume, Outcome::Receipt) => execution.enter(Place::Complete),
            (Place::RollBack, outcome) => self.leave_branch(execution, slot, outcome == Outcome::Receipt),
            (
                Place::Persist
                | Place::Confirm
                | Place::Cancel(_)
                | Place::Close
                | Place::Consume
                | Place::Complete
                | Place::Ended(_),
                _,
            ) => execution.end(End::Unfinished),
        }
    }

    /// No answer arrives.
    pub(crate) fn fail(&self, execution: &mut Execution, slot: usize, failure: Failure) {
        let open = failure == Failure::Unavailable && self.has(Protection::TransientLeavesOpen);
        match execution.place {
            Place::Persist | Place::Reserve | Place::Post if !open => self.cancel_after(execution, Reason::Failed),
            Place::RollBack if self.has(Protection::BranchCatch) => self.leave_branch(execution, slot, false),
            // A branch that has no Catch of its own and fails also stops the other one.
            _ => execution.end(End::Unfinished),
        }
    }

    fn cancel_after(&self, execution: &mut Execution, reason: Reason) {
        if !self.has(Protection::CompensationOfFailingStep) {
            execution.failing = match execution.place {
                Place::Reserve => Some(Step::Inventory),
                Place::Post => Some(Step::Accounting),
                _ => None,
            };
        }
        execution.enter(Place::Cancel(reason));
    }

    fn leave_branch(&self, execution: &mut Execution, slot: usize, undone: bool) {
        execution.slots[slot] = Slot::Branch(undone);
        // CheckRollBack.
        if let [Slot::Branch(reversed), Slot::Branch(released)] = execution.slots {
            if (reversed && released) || !self.has(Protection::CheckRollBack) {
                execution.enter(Place::Close);
            } else {
                execution.end(End::Unfinished);
            }
        }
    }
}
