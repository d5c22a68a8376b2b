//! The state of the world at one moment.

use crate::task::{Invocation, Outcome};

/// The content of a request, as its fingerprint distinguishes it from others under the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// The body that the key is meant for.
    First,
    /// Another body under the same key.
    Second,
}

/// The order's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Its steps are in progress.
    Pending,
    /// The pivot.
    Confirmed,
    /// Decided against; its steps are being undone.
    Cancelling,
    /// Undone everywhere.
    Cancelled,
    /// Handed over; its stock is being consumed.
    Fulfilling,
    /// Handed over, and its stock consumed.
    Fulfilled,
}

impl Status {
    /// Whether recovery looks after it.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Cancelling | Self::Fulfilling)
    }
}

/// Why an order is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A step refused it.
    Refused,
    /// A step ended in a way that says nothing about the order.
    Failed,
    /// Recovery gave up.
    Unavailable,
    /// The customer asked for it.
    Customer,
}

/// The order record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for an attribute of its own, or for none")]
pub struct Record {
    /// Its fingerprint.
    pub content: Content,
    /// Its status.
    pub status: Status,
    /// Why it is cancelled.
    pub reason: Option<Reason>,
    /// Whether it was ever `CONFIRMED`: `confirmed_ms` stays on record.
    pub was_confirmed: bool,
    /// Whether it was ever `FULFILLING`: `fulfilling_ms` stays on record.
    pub handed_over: bool,
    /// Recovery's attempts, as counted.
    pub attempts: u8,
    /// Recovery's attempts since the order entered its status. Nothing in the system knows this; it equals `attempts`
    /// as long as no protection is disabled.
    pub attempts_made: u8,
    /// Whether `due_ms` has passed.
    pub due: bool,
    /// Whether it is in the parked partition.
    pub parked: bool,
    /// Whether an execution of other content cancelled it. Nothing in the system knows this.
    pub cancelled_by_other: bool,
}

impl Record {
    /// A new `PENDING` order.
    pub fn pending(content: Content, due: bool) -> Self {
        Self {
            content,
            status: Status::Pending,
            reason: None,
            was_confirmed: false,
            handed_over: false,
            attempts: 0,
            attempts_made: 0,
            due,
            parked: false,
            cancelled_by_other: false,
        }
    }

    /// A new order that is already being cancelled.
    pub fn cancelling(content: Content, reason: Reason) -> Self {
        Self { status: Status::Cancelling, reason: Some(reason), ..Self::pending(content, false) }
    }

    /// Whether recovery may take it now.
    pub fn can_be_taken(&self) -> bool {
        self.status.is_open() && self.due && !self.parked
    }
}

/// One of the two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Reserving stock.
    Inventory,
    /// Posting to the journal.
    Accounting,
}

/// A step's fence. `CANCELLED` is split by whether there was an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fence {
    /// It is absent.
    Absent,
    /// `APPLIED`.
    Applied,
    /// `CANCELLED`, and its effect was undone.
    Undone,
    /// `CANCELLED` before there was an effect.
    Tombstone,
    /// `CONSUMED`.
    Consumed,
}

/// The content of the three tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tables {
    /// The order record.
    pub record: Option<Record>,
    /// The reservation.
    pub inventory: Fence,
    /// The posting.
    pub accounting: Fence,
    /// Stock of the article that can still be reserved.
    pub available: i8,
    /// Stock of the article that is reserved.
    pub reserved: i8,
    /// Journal entries of the order.
    pub postings: u8,
    /// Reversals of the order.
    pub reversals: u8,
}

/// How much of the article a neighbour's order holds all the time, so that stock that is given back twice is noticed.
pub const NEIGHBOUR: i8 = 1;

impl Tables {
    /// The fence of a step.
    pub fn fence(&self, step: Step) -> Fence {
        match step {
            Step::Inventory => self.inventory,
            Step::Accounting => self.accounting,
        }
    }

    /// Sets the fence of a step.
    pub fn set_fence(&mut self, step: Step, fence: Fence) {
        match step {
            Step::Inventory => self.inventory = fence,
            Step::Accounting => self.accounting = fence,
        }
    }

    /// Whether a step's effect exists: the stock reserved, the posting not reversed.
    pub fn has_effect(&self, step: Step) -> bool {
        match step {
            Step::Inventory => self.reserved != NEIGHBOUR,
            Step::Accounting => self.postings != self.reversals,
        }
    }
}

/// How an execution ended, as its starter reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// `OrderConfirmed`, `OrderCancelled` or `OrderFulfilled`, with the record in its output.
    Decided(Status, Content),
    /// `OrderRefused` for an idempotency conflict.
    Conflict,
    /// `OrderRefused` for anything else.
    Invalid,
    /// `OrderUnfinished`, or dead.
    Unfinished,
}

/// An execution's state in the workflow. Choice states decide at once, so they are part of the transition to the next
/// state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// `PersistOrder`.
    Persist,
    /// `ReserveInventory`.
    Reserve,
    /// `PostAccounting`.
    Post,
    /// `ConfirmOrder`.
    Confirm,
    /// `CancelOrder`, for this reason.
    Cancel(Reason),
    /// `RollBack`; slot 0 reverses accounting, slot 1 releases inventory.
    RollBack,
    /// `CloseOrder`.
    Close,
    /// `ConsumeInventory`.
    Consume,
    /// `CompleteOrder`.
    Complete,
    /// The end; nobody knows of it yet.
    Ended(End),
}

/// A task invocation that an execution waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// None.
    Empty,
    /// The request, or the rest of its work, is on its way.
    Asked(Invocation),
    /// The answer is on its way. It may be out of date by the time it is read.
    Answered(Outcome),
    /// A branch of the roll-back has ended, and reports whether its step is undone.
    Branch(bool),
}

/// An execution of the workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Execution {
    /// Where it is.
    pub place: Place,
    /// What it waits for.
    pub slots: [Slot; 2],
    /// The content in its `order` variable; none for an execution by id that has not read the record yet.
    pub knows: Option<Content>,
    /// Whether it will be over when `due_ms` passes.
    pub over_when_due: bool,
    /// Whether an intake waits for its end.
    pub awaited: bool,
    /// The step that failed; kept only if something depends on it, in a mutant.
    pub failing: Option<Step>,
}

impl Execution {
    /// Whether it is still under way.
    pub fn is_live(&self) -> bool {
        !matches!(self.place, Place::Ended(_))
    }
}

/// What a caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// 201 or 409, with this record.
    Decided(Status, Content),
    /// 202: there is a record.
    Accepted,
    /// 202: there is a message.
    Queued,
    /// 422.
    Conflict,
    /// 503.
    Unknown,
}

/// How a caller wants to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// With the decision, if it comes in time.
    Wait,
    /// At once.
    RespondAsync,
}

/// A call of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Call {
    /// What is ordered.
    pub content: Content,
    /// How to answer.
    pub mode: Mode,
}

/// The progress of a call's intake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Intake {
    /// About to start the saga.
    Starting,
    /// Waiting for an execution's end.
    Waiting(usize),
    /// About to read the record.
    Reading,
    /// About to write the record.
    Putting,
    /// About to put the order into the overflow queue.
    Queueing,
    /// Done.
    Told(Answer),
}

/// A run of recovery, for this order. What it read is stale as soon as status or `due_ms` have changed, and then its
/// compare-and-set fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recovery {
    /// It has not looked.
    Idle,
    /// It has read the order in the work index.
    Took {
        /// The status that it read.
        saw: Status,
        /// Whether its compare-and-set will fail.
        stale: bool,
    },
    /// It is between the two steps of parking.
    Parking {
        /// Whether its compare-and-set will fail.
        stale: bool,
    },
}

/// What may still go wrong, and what people may still do. Nothing of it has to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Requests that are delivered twice.
    pub duplicates: u8,
    /// Tasks that end in a timeout or a crash: the error that says nothing.
    pub timeouts: u8,
    /// Tasks that answer `Unavailable`.
    pub unavailable: u8,
    /// Executions and recoveries that die.
    pub deaths: u8,
    /// Starts of an execution that fail.
    pub starts: u8,
    /// Calls of the orders table or the overflow queue that are not answered, by intake or by the worker of the
    /// queue.
    pub outages: u8,
    /// Cancellations by the customer.
    pub cancellations: u8,
    /// Orders that the store hands over.
    pub fulfilments: u8,
    /// Deliveries of stock.
    pub deliveries: u8,
    /// Parked orders that an operator restarts.
    pub take_ups: u8,
}

impl Budget {
    /// Nothing goes wrong, and nobody does anything.
    pub const NONE: Self = Self {
        duplicates: 0,
        timeouts: 0,
        unavailable: 0,
        deaths: 0,
        starts: 0,
        outages: 0,
        cancellations: 0,
        fulfilments: 0,
        deliveries: 0,
        take_ups: 0,
    };
}

/// The most executions at one time.
pub const EXECUTIONS: usize = 2;

/// The world at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The tables.
    pub tables: Tables,
    /// The executions in progress, and those whose end has not been received.
    pub executions: [Option<Execution>; EXECUTIONS],
    /// Invocations that nobody waits for any longer but that land anyway: zombies and second deliveries. Sorted,
    /// because their order has no meaning.
    pub late: Vec<Invocation>,
    /// The calls.
    pub intakes: Vec<Intake>,
    /// The overflow queue: whether it contains a message with the first content, and with the second.
    pub overflow: [bool; 2],
    /// Runs of recovery.
    pub recoveries: [Recovery; 2],
    /// Whether a message about this order was sent to the parked queue.
    pub parked_message: bool,
    /// What may still happen.
    pub left: Budget,
}

impl State {
    /// A free place for a new execution.
    pub fn free(&self) -> Option<usize> {
        self.executions.iter().position(Option::is_none)
    }

    /// Adds an invocation that nobody waits for.
    pub fn leave(&mut self, invocation: Invocation) {
        self.late.push(invocation);
        self.late.sort_unstable();
    }

    /// The executions in progress.
    pub fn live(&self) -> impl Iterator<Item = &Execution> {
        self.executions.iter().flatten().filter(|execution| execution.is_live())
    }
}
