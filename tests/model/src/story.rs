//! A path through the model, in words.

use std::fmt::Write;

use stateright::Model;

use crate::action::Action;
use crate::saga::Saga;
use crate::state::{
    Answer, Content, End, Execution, Fence, Intake, Mode, Place, Reason, Recovery, Slot, State, Status, Step, Tables,
};
use crate::task::{Invocation, Outcome, Stage, Task};

/// Tells a path: one line for each step, with what it changed in the tables.
pub(crate) fn tell(saga: &Saga, way: &[(State, Option<Action>)]) -> String {
    let mut story = String::new();
    let steps = way.iter().filter_map(|(state, action)| action.map(|action| (state, action)));
    for (number, (before, action)) in steps.enumerate() {
        let line = sentence(saga, before, action);
        let changed = saga
            .next_state(before, action)
            .filter(|after| after.tables != before.tables)
            .map(|after| format!("  [{}]", tables(&after.tables)))
            .unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(story, "{:4}. {line}{changed}", number + 1);
    }
    story
}

fn sentence(saga: &Saga, state: &State, action: Action) -> String {
    match action {
        Action::Work { execution, slot } => match state.executions[execution].map(|execution| execution.slots[slot]) {
            Some(Slot::Asked(invocation)) => format!("execution {execution}: {}", works(invocation)),
            _ => String::new(),
        },
        Action::Hear { execution, slot } => match state.executions[execution].map(|execution| execution.slots[slot]) {
            Some(Slot::Answered(outcome)) => {
                format!("execution {execution}: {} receives {}", name(state, execution, slot), heard(outcome))
            }
            _ => String::new(),
        },
        Action::Duplicate { execution, slot } => {
            format!("execution {execution}: the request of {} is delivered twice", name(state, execution, slot))
        }
        Action::TimeOut { execution, slot, lands_late } => {
            let then = if lands_late { ", and runs on as a zombie" } else { "" };
            format!("execution {execution}: {} times out{then}", name(state, execution, slot))
        }
        Action::Refuse { execution, slot, exhausted } => {
            let then = if exhausted { "until its retries run out" } else { "once, and is asked again" };
            format!("execution {execution}: {} answers Unavailable {then}", name(state, execution, slot))
        }
        Action::Die { execution, tasks_run_on } => {
            let then = if tasks_run_on { ", and its tasks run on" } else { "" };
            format!("execution {execution} dies{then}")
        }
        Action::Land { late } => format!("a late request lands: {}", works(state.late[late])),
        Action::Serve { call } => format!("{}: {}", caller(saga, call), serves(state, call)),
        Action::Deadline { call } => format!("{}: intake stops waiting for execution", caller(saga, call)),
        Action::StartUnheard { call, runs } => {
            let then = if runs { "gets no answer, but runs" } else { "fails" };
            format!("{}: the start of the saga {then}", caller(saga, call))
        }
        Action::Outage { call, applied } => {
            let then = if applied { "carried out, but not answered" } else { "not answered" };
            format!("{}: the request of intake ({}) is {then}", caller(saga, call), serves(state, call))
        }
        Action::ReadStale { call, missing } => {
            let what = if missing { "no record" } else { "the record as it was written first" };
            format!("{}: an eventually consistent read shows {what}", caller(saga, call))
        }
        Action::WorkOff { content, done } => {
            let then = if done { "done" } else { "not reported done" };
            format!("the queued order of the {} is worked off, and {then}", body(content))
        }
        Action::DropMessage { content } => {
            format!("the queued order of the {} is reported done, and then the table does not answer", body(content))
        }
        Action::FallDue => "the order's due_ms passes".to_owned(),
        Action::Take { recovery } => format!("recovery {recovery} reads the order in the work index"),
        Action::Recover { recovery, started } => recovers(saga, state, recovery, started),
        Action::RecoveryDies { recovery } => format!("recovery {recovery} dies"),
        Action::CancelByCustomer => "the customer cancels the order".to_owned(),
        Action::Fulfil => "the store hands the order over".to_owned(),
        Action::Deliver => "stock is delivered".to_owned(),
        Action::TakeUp => "an operator restarts the order".to_owned(),
    }
}

fn name(state: &State, execution: usize, slot: usize) -> &'static str {
    state.executions[execution].map_or("nothing", |execution| function(execution.request(slot).task))
}

fn function(task: Task) -> &'static str {
    match task {
        Task::Persist(_) => "PersistOrder",
        Task::Confirm => "ConfirmOrder",
        Task::Cancel(..) => "CancelOrder",
        Task::Close => "CloseOrder",
        Task::Consume => "ConsumeInventory",
        Task::Complete => "CompleteOrder",
        Task::Act(Step::Inventory) => "ReserveInventory",
        Task::Act(Step::Accounting) => "PostAccounting",
        Task::Undo(Step::Inventory) => "ReleaseInventory",
        Task::Undo(Step::Accounting) => "ReverseAccounting",
    }
}

fn works(invocation: Invocation) -> String {
    let function = function(invocation.task);
    match (invocation.stage, invocation.task) {
        (Stage::Fresh, Task::Undo(_) | Task::Consume) => format!("{function} reads its fence"),
        (Stage::Fresh, Task::Persist(Some(content)) | Task::Cancel(Some(content), _)) => {
            format!("{function} runs, with the {}", body(content))
        }
        (Stage::Fresh, Task::Persist(None) | Task::Cancel(None, _)) => format!("{function} runs, by id alone"),
        (Stage::Fresh, _) => format!("{function} runs"),
        (Stage::Put, _) => format!("{function} puts the absent record"),
        (Stage::Again, _) => format!("{function} decides on the record that it found"),
        (Stage::Look(look), _) => format!("{function} reads its fence, look {look}"),
        (Stage::SawNothing(_), _) => format!("{function} has seen no fence, and writes the tombstone"),
        (Stage::SawApplied(_), Task::Consume) => format!("{function} has seen the reservation, and consumes it"),
        (Stage::SawApplied(_), _) => format!("{function} has seen the effect, and takes it back"),
        (Stage::UndoLeft, _) => format!("{function} has set its fence, and takes the effect back"),
        (Stage::ConsumedLeft, _) => format!("{function} has taken the stock, and sets its fence"),
        (Stage::FenceLeft, _) => format!("{function} has taken the effect back, and sets its fence"),
    }
}

fn heard(outcome: Outcome) -> String {
    match outcome {
        Outcome::Record(status, content) => format!("{} of the {}", word(status), body(content)),
        Outcome::Receipt => "a receipt".to_owned(),
        Outcome::Refused => "a refusal".to_owned(),
        Outcome::SagaCancelled => "SagaCancelled".to_owned(),
        Outcome::Conflict => "IdempotencyConflict".to_owned(),
        Outcome::Invalid => "InvalidOrder".to_owned(),
        Outcome::Impossible => "an impossible result".to_owned(),
        Outcome::Contended => "Unavailable".to_owned(),
    }
}

fn caller(saga: &Saga, call: usize) -> String {
    let mode = match saga.calls[call].mode {
        Mode::Wait => "",
        Mode::RespondAsync => ", respond-async",
    };
    format!("call {call} ({}{mode})", body(saga.calls[call].content))
}

fn serves(state: &State, call: usize) -> String {
    let Intake::Waiting(execution) = state.intakes[call] else {
        let doing = match state.intakes[call] {
            Intake::Starting => "start the saga",
            Intake::Reading => "read the record",
            Intake::Putting => "put the record if it is absent",
            Intake::Queueing => "send to the overflow queue",
            Intake::Waiting(_) | Intake::Told(_) => "answer",
        };
        return doing.to_owned();
    };
    let end = match state.executions[execution] {
        Some(Execution { place: Place::Ended(end), .. }) => match end {
            End::Decided(status, content) => format!("{} of the {}", word(status), body(content)),
            End::Conflict => "IdempotencyConflict".to_owned(),
            End::Invalid => "InvalidOrder".to_owned(),
            End::Unfinished => "unfinished".to_owned(),
        },
        _ => "nothing yet".to_owned(),
    };
    format!("receive the end of execution {execution}: {end}")
}

fn recovers(saga: &Saga, state: &State, recovery: usize, started: bool) -> String {
    let doing = match (state.recoveries[recovery], &state.tables.record) {
        (Recovery::Took { stale, .. } | Recovery::Parking { stale }, _) if saga.loses(stale) => {
            "finds that the order has moved on"
        }
        (Recovery::Took { .. }, Some(record)) if record.attempts < saga.attempt_limit && started => {
            "counts an attempt and starts the saga by id"
        }
        (Recovery::Took { .. }, Some(record)) if record.attempts < saga.attempt_limit => {
            "counts an attempt, and the start fails"
        }
        (Recovery::Took { saw: Status::Pending, .. }, _) => "gives up, and decides to cancel",
        (Recovery::Took { .. }, _) => "gives up, and takes the first step of parking",
        _ => "takes the second step of parking",
    };
    format!("recovery {recovery} {doing}")
}

fn tables(tables: &Tables) -> String {
    let mut text = match &tables.record {
        None => "no record".to_owned(),
        Some(record) => {
            let reason = match record.reason {
                None => "",
                Some(Reason::Refused) => " refused",
                Some(Reason::Failed) => " failed",
                Some(Reason::Unavailable) => " unavailable",
                Some(Reason::Customer) => " by its customer",
            };
            let due = if record.due { ", due" } else { "" };
            let parked = if record.parked { ", parked" } else { "" };
            format!(
                "{} {}{reason}, attempts {}{due}{parked}",
                body(record.content),
                word(record.status),
                record.attempts
            )
        }
    };
    for (step, fence) in [("inventory", tables.inventory), ("accounting", tables.accounting)] {
        let fence = match fence {
            Fence::Absent => continue,
            Fence::Applied => "APPLIED",
            Fence::Undone => "CANCELLED",
            Fence::Tombstone => "tombstone",
            Fence::Consumed => "CONSUMED",
        };
        let _ = write!(text, "; {step} {fence}");
    }
    let _ = write!(text, "; stock {} + {}", tables.available, tables.reserved);
    if tables.postings > 0 {
        let _ = write!(text, "; journal {} - {}", tables.postings, tables.reversals);
    }
    text
}

fn body(content: Content) -> &'static str {
    match content {
        Content::First => "first body",
        Content::Second => "second body",
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Pending => "PENDING",
        Status::Confirmed => "CONFIRMED",
        Status::Cancelling => "CANCELLING",
        Status::Cancelled => "CANCELLED",
        Status::Fulfilling => "FULFILLING",
        Status::Fulfilled => "FULFILLED",
    }
}

/// How a call was answered, at the end of a story.
pub(crate) fn answers(saga: &Saga, state: &State) -> String {
    let mut text = String::new();
    for (call, intake) in state.intakes.iter().enumerate() {
        if let Intake::Told(answer) = intake {
            let told = match answer {
                Answer::Decided(status, content) => format!("{} of the {}", word(*status), body(*content)),
                Answer::Accepted => "202, on record".to_owned(),
                Answer::Queued => "202, queued".to_owned(),
                Answer::Conflict => "422, IdempotencyConflict".to_owned(),
                Answer::Unknown => "503, unknown".to_owned(),
            };
            let _ = writeln!(text, "      {} was told: {told}", caller(saga, call));
        }
    }
    text
}
