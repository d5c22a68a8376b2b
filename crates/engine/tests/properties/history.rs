//! Checks that a history is well formed.

use std::collections::BTreeMap;

use engine::mock::Execution;
use engine::{Event, EventKind, Status};

/// Returns what is wrong with the history, if anything is.
pub fn check(execution: &Execution) -> Result<(), String> {
    let events = execution.history.events();
    check_order(&events)?;
    check_ends(execution, &events)?;
    check_states(execution, &events)?;
    check_attempts(&events)?;
    check_iterations(execution, &events)
}

/// Ids count up, every event follows an earlier one, and times never go back.
fn check_order(events: &[Event]) -> Result<(), String> {
    for (index, event) in events.iter().enumerate() {
        if event.id != index as u64 + 1 || event.previous_event_id >= event.id {
            return Err(format!("event {event:?} is the number {}", index + 1));
        }
    }
    match events.windows(2).find(|pair| pair[0].timestamp_ms > pair[1].timestamp_ms) {
        Some(pair) => Err(format!("time goes back: {pair:?}")),
        None => Ok(()),
    }
}

/// The start comes first and the end last, and neither comes in between.
fn check_ends(execution: &Execution, events: &[Event]) -> Result<(), String> {
    let ends = match execution.status() {
        Status::Succeeded => "ExecutionSucceeded",
        Status::Failed => "ExecutionFailed",
        Status::TimedOut => "ExecutionTimedOut",
    };
    let of_execution: Vec<String> =
        events.iter().map(|event| event.kind.type_name()).filter(|name| name.starts_with("Execution")).collect();
    let (first, last) = (events[0].kind.type_name(), events[events.len() - 1].kind.type_name());
    if of_execution != ["ExecutionStarted", ends] || first != "ExecutionStarted" || last != ends {
        return Err(format!("{of_execution:?} of an execution that is {:?}", execution.status()));
    }
    Ok(())
}

/// Each state that was entered was left, was stopped, or failed; none was left more times than it was
/// entered. A state that failed for good without its own event is one that nothing can stop.
fn check_states(execution: &Execution, events: &[Event]) -> Result<(), String> {
    let mut open: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for event in events {
        match &event.kind {
            EventKind::StateEntered { state_type, state, .. } => *open.entry((*state_type, &**state)).or_default() += 1,
            EventKind::StateExited { state_type, state, .. } | EventKind::StateAborted { state_type, state } => {
                let count = open.entry((*state_type, &**state)).or_default();
                *count -= 1;
                if *count < 0 {
                    return Err(format!("{state} ends more often than it begins: {event:?}"));
                }
            }
            _ => {}
        }
    }
    // An execution that succeeded left every state that can wait. One that did not ended in at most one
    // state, because everything that ran in parallel was stopped.
    let waiting: Vec<_> = open
        .iter()
        .filter(|((state_type, _), count)| **count > 0 && matches!(*state_type, "Task" | "Wait" | "Parallel" | "Map"))
        .collect();
    let most = match execution.status() {
        Status::Succeeded => 0,
        Status::Failed => 1,
        Status::TimedOut => usize::MAX,
    };
    let count: i64 = waiting.iter().map(|(_, count)| **count).sum();
    if usize::try_from(count).unwrap_or(usize::MAX) > most {
        return Err(format!("{waiting:?} are open"));
    }
    Ok(())
}

/// Every scheduled attempt began, and ended once. Mocks answer at once.
fn check_attempts(events: &[Event]) -> Result<(), String> {
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for event in events {
        match &event.kind {
            EventKind::TaskScheduled { state, .. } => counts.entry(state).or_default()[0] += 1,
            EventKind::TaskStarted { state, .. } => counts.entry(state).or_default()[1] += 1,
            EventKind::TaskSucceeded { state, .. }
            | EventKind::TaskFailed { state, .. }
            | EventKind::TaskTimedOut { state, .. } => counts.entry(state).or_default()[2] += 1,
            _ => {}
        }
    }
    match counts.iter().find(|(_, count)| count[0] != count[1] || count[1] != count[2]) {
        Some((state, count)) => Err(format!("attempts of {state}: {count:?} scheduled, started, ended")),
        None => Ok(()),
    }
}

/// Every iteration that began ended once, unless the execution, or a Parallel or Map around it, was
/// stopped.
fn check_iterations(execution: &Execution, events: &[Event]) -> Result<(), String> {
    let (mut begun, mut ended) = (0_usize, 0_usize);
    let mut stopped_around = false;
    for event in events {
        match &event.kind {
            EventKind::MapIterationStarted { .. } => begun += 1,
            EventKind::MapIterationSucceeded { .. }
            | EventKind::MapIterationFailed { .. }
            | EventKind::MapIterationAborted { .. } => ended += 1,
            EventKind::StateAborted { state_type: "Map", .. } => stopped_around = true,
            _ => {}
        }
    }
    let is_whole = begun == ended || (begun > ended && (stopped_around || execution.status() == Status::TimedOut));
    if is_whole { Ok(()) } else { Err(format!("{begun} iterations began and {ended} ended")) }
}
