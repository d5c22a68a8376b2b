//! The task functions: what one invocation reads and writes.
//!
//! A write that the real function makes in one conditional request is one step here. A function that makes several
//! requests takes several steps, and anything may happen in between.

use crate::protection::Protection;
use crate::saga::{Kind, Saga};
use crate::state::{Content, Fence, Reason, Record, Status, Step, Tables};

/// What a function is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// `persist`; by id alone if there is no content.
    Persist(Option<Content>),
    /// `confirm`.
    Confirm,
    /// `cancel`; by id alone if there is no content.
    Cancel(Option<Content>, Reason),
    /// `close`.
    Close,
    /// `reserve` or `post`.
    Act(Step),
    /// `release` or `reverse`.
    Undo(Step),
    /// `consume`.
    Consume,
    /// `complete`.
    Complete,
}

/// The progress of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// About to make its first request.
    Fresh,
    /// `cancel` found no record, and is about to put one.
    Put,
    /// `cancel` lost that put to another, and is about to decide on the other's record.
    Again,
    /// A compensation or a consumption is about to read its fence for the nth time.
    Look(u8),
    /// Its nth read saw no fence.
    SawNothing(u8),
    /// Its nth read saw `APPLIED`.
    SawApplied(u8),
    /// A mutant's second write: the undo.
    UndoLeft,
    /// A mutant's second write: the fence.
    FenceLeft,
    /// A mutant's second write: the fence of a consumption.
    ConsumedLeft,
}

/// A request to a function, with its progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Invocation {
    /// What is asked.
    pub task: Task,
    /// How far it is.
    pub stage: Stage,
}

impl Invocation {
    /// A new request.
    pub fn new(task: Task) -> Self {
        Self { task, stage: Stage::Fresh }
    }
}

/// What a function answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The record, as it was when the answer was written.
    Record(Status, Content),
    /// A receipt.
    Receipt,
    /// The step refuses the order.
    Refused,
    /// A compensation was here first.
    SagaCancelled,
    /// `IdempotencyConflict`.
    Conflict,
    /// `InvalidOrder`.
    Invalid,
    /// `NotApplied` or `AlreadyConsumed`: impossible results.
    Impossible,
    /// `Unavailable`, because of what the function found.
    Contended,
}

/// The result of one step of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It continues.
    Further(Stage),
    /// It has ended.
    Answered(Outcome),
}

/// How many times a compensation or a consumption reads a fence that keeps changing, as in `fence.rs`.
const MAX_LOOKS: u8 = 3;

impl Saga {
    /// Lets an invocation make its next request.
    pub fn run(&self, tables: &mut Tables, invocation: Invocation) -> Progress {
        match invocation.task {
            Task::Persist(content) => Progress::Answered(self.persist(&mut tables.record, content)),
            Task::Confirm => Progress::Answered(self.confirm(&mut tables.record)),
            Task::Cancel(content, reason) => self.cancel(&mut tables.record, content, reason, invocation.stage),
            Task::Close => Progress::Answered(close(&mut tables.record)),
            Task::Act(step) => Progress::Answered(self.act(tables, step)),
            Task::Undo(step) => self.undo(tables, step, invocation.stage),
            Task::Consume => self.consume(tables, invocation.stage),
            Task::Complete => Progress::Answered(complete(&mut tables.record)),
        }
    }

    fn persist(&self, stored: &mut Option<Record>, content: Option<Content>) -> Outcome {
        match (stored.as_ref(), content) {
            (None, None) => Outcome::Invalid,
            (None, Some(content)) => answer(stored.insert(Record::pending(content, false))),
            (Some(record), Some(content))
                if record.content != content && self.has(Protection::FingerprintInPersist) =>
            {
                Outcome::Conflict
            }
            (Some(record), _) => answer(record),
        }
    }

    fn confirm(&self, stored: &mut Option<Record>) -> Outcome {
        let Some(record) = stored else { return Outcome::Invalid };
        let wins = match record.status {
            Status::Pending => true,
            Status::Confirmed | Status::Fulfilling | Status::Fulfilled => false,
            Status::Cancelling => !self.has(Protection::DecisionCompareAndSet),
            Status::Cancelled => !self.has(Protection::FinalityOfCancelled),
        };
        if wins {
            *record = Record { status: Status::Confirmed, was_confirmed: true, due: false, parked: false, ..*record };
        }
        answer(record)
    }

    fn cancel(&self, stored: &mut Option<Record>, content: Option<Content>, reason: Reason, stage: Stage) -> Progress {
        let Some(record) = stored else {
            return match (content, stage) {
                (None, _) => Progress::Answered(Outcome::Invalid),
                (Some(_), Stage::Fresh) => Progress::Further(Stage::Put),
                (Some(content), _) => Progress::Answered(answer(stored.insert(Record::cancelling(content, reason)))),
            };
        };
        let other = content.is_some_and(|content| content != record.content);
        if stage == Stage::Put {
            // The put failed, and returned the record that stood in its way.
            let conflict = other && self.has(Protection::FingerprintInCancel);
            return if conflict { Progress::Answered(Outcome::Conflict) } else { Progress::Further(Stage::Again) };
        }
        let may_change = match record.status {
            Status::Pending => true,
            Status::Confirmed => !self.has(Protection::FinalityOfConfirmed),
            Status::Cancelling | Status::Cancelled | Status::Fulfilling | Status::Fulfilled => false,
        };
        if may_change && !(other && self.has(Protection::FingerprintInCancel)) {
            self.enter_cancelling(record, reason, false);
            record.cancelled_by_other = other;
        }
        let compared = self.has(Protection::FingerprintInCancel) && self.has(Protection::FingerprintBeforeAdoption);
        Progress::Answered(if other && compared { Outcome::Conflict } else { answer(record) })
    }

    /// Moves a record to `CANCELLING`, no matter who decided it.
    pub(crate) fn enter_cancelling(&self, record: &mut Record, reason: Reason, due: bool) {
        let attempts = if self.has(Protection::AttemptsReset) { 0 } else { record.attempts };
        *record =
            Record { status: Status::Cancelling, reason: Some(reason), attempts, attempts_made: 0, due, ..*record };
    }

    fn act(&self, tables: &mut Tables, step: Step) -> Outcome {
        let refuses = match step {
            Step::Inventory => tables.available < 1,
            Step::Accounting => self.kind == Kind::OverCreditLimit,
        };
        if refuses && !self.has(Protection::FenceBeforeRefusal) {
            return Outcome::Refused;
        }
        match tables.fence(step) {
            Fence::Applied if self.has(Protection::FenceCondition) => Outcome::Receipt,
            Fence::Consumed if self.has(Protection::FenceConditionOnceConsumed) => Outcome::Receipt,
            Fence::Undone | Fence::Tombstone if self.has(Protection::FenceCondition) => Outcome::SagaCancelled,
            _ if refuses => Outcome::Refused,
            _ => {
                match step {
                    Step::Inventory => hold(tables, 1),
                    Step::Accounting => tables.postings += 1,
                }
                tables.set_fence(step, Fence::Applied);
                Outcome::Receipt
            }
        }
    }

    fn undo(&self, tables: &mut Tables, step: Step, stage: Stage) -> Progress {
        if self.unreachable == Some(step) {
            return Progress::Answered(Outcome::Contended);
        }
        match stage {
            Stage::SawNothing(look) => self.bury(tables, step, look),
            Stage::SawApplied(look) => self.take_back(tables, step, look),
            Stage::UndoLeft => {
                take_effect_back(tables, step);
                Progress::Answered(Outcome::Receipt)
            }
            Stage::FenceLeft => {
                tables.set_fence(step, Fence::Undone);
                Progress::Answered(Outcome::Receipt)
            }
            Stage::Look(look) => look_at(tables.fence(step), look),
            Stage::Fresh | Stage::Put | Stage::Again | Stage::ConsumedLeft => look_at(tables.fence(step), 1),
        }
    }

    fn consume(&self, tables: &mut Tables, stage: Stage) -> Progress {
        if self.unreachable == Some(Step::Inventory) {
            return Progress::Answered(Outcome::Contended);
        }
        let look = match stage {
            Stage::SawApplied(look) => return self.hand_over(tables, look),
            Stage::ConsumedLeft => {
                tables.inventory = Fence::Consumed;
                return Progress::Answered(Outcome::Receipt);
            }
            Stage::Look(look) => look,
            _ => 1,
        };
        match tables.inventory {
            Fence::Applied => Progress::Further(Stage::SawApplied(look)),
            Fence::Consumed => Progress::Answered(Outcome::Receipt),
            Fence::Absent | Fence::Undone | Fence::Tombstone => Progress::Answered(Outcome::Impossible),
        }
    }

    /// Takes the stock off the books and sets the fence, if the reservation still stands.
    fn hand_over(&self, tables: &mut Tables, look: u8) -> Progress {
        if tables.inventory != Fence::Applied && self.has(Protection::ConsumptionCondition) {
            return look_again(look);
        }
        tables.reserved -= 1;
        if !self.has(Protection::ConsumptionInOneWrite) {
            return Progress::Further(Stage::ConsumedLeft);
        }
        tables.inventory = Fence::Consumed;
        Progress::Answered(Outcome::Receipt)
    }

    /// Writes the tombstone if there still is no fence.
    fn bury(&self, tables: &mut Tables, step: Step, look: u8) -> Progress {
        if !self.has(Protection::Tombstone) {
            return Progress::Answered(Outcome::Receipt);
        }
        if tables.fence(step) != Fence::Absent && self.has(Protection::TombstoneCondition) {
            return look_again(look);
        }
        tables.set_fence(step, Fence::Tombstone);
        Progress::Answered(Outcome::Receipt)
    }

    /// Undoes the effect and sets the fence, if the effect still stands.
    fn take_back(&self, tables: &mut Tables, step: Step, look: u8) -> Progress {
        if !self.has(Protection::UndoNotBeforeFence) {
            take_effect_back(tables, step);
            return Progress::Further(Stage::FenceLeft);
        }
        if tables.fence(step) != Fence::Applied {
            return look_again(look);
        }
        tables.set_fence(step, Fence::Undone);
        if !self.has(Protection::UndoNotAfterFence) {
            return Progress::Further(Stage::UndoLeft);
        }
        take_effect_back(tables, step);
        Progress::Answered(Outcome::Receipt)
    }
}

fn answer(record: &Record) -> Outcome {
    Outcome::Record(record.status, record.content)
}

fn close(stored: &mut Option<Record>) -> Outcome {
    let Some(record) = stored else { return Outcome::Invalid };
    if record.status == Status::Cancelling {
        *record = Record { status: Status::Cancelled, due: false, parked: false, ..*record };
    }
    if record.status == Status::Cancelled { answer(record) } else { Outcome::Invalid }
}

fn complete(stored: &mut Option<Record>) -> Outcome {
    let Some(record) = stored else { return Outcome::Invalid };
    if record.status == Status::Fulfilling {
        *record = Record { status: Status::Fulfilled, due: false, parked: false, ..*record };
    }
    if record.status == Status::Fulfilled { answer(record) } else { Outcome::Invalid }
}

fn look_at(fence: Fence, look: u8) -> Progress {
    match fence {
        Fence::Absent => Progress::Further(Stage::SawNothing(look)),
        Fence::Applied => Progress::Further(Stage::SawApplied(look)),
        Fence::Undone | Fence::Tombstone => Progress::Answered(Outcome::Receipt),
        Fence::Consumed => Progress::Answered(Outcome::Impossible),
    }
}

fn look_again(look: u8) -> Progress {
    if look < MAX_LOOKS { Progress::Further(Stage::Look(look + 1)) } else { Progress::Answered(Outcome::Contended) }
}

fn hold(tables: &mut Tables, quantity: i8) {
    tables.available -= quantity;
    tables.reserved += quantity;
}

fn take_effect_back(tables: &mut Tables, step: Step) {
    match step {
        Step::Inventory => hold(tables, -1),
        Step::Accounting => tables.reversals += 1,
    }
}
