//! The size of what an execution passes on.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::definition::text_bytes;
use crate::{EventKind, History};

/// A payload, and where it came up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payload {
    /// Its length as JSON text in UTF-8.
    pub bytes: usize,
    /// What it is: "the output of `RollBack`".
    pub what: String,
    /// The states entered until then.
    pub path: Vec<String>,
}

/// The largest payload in an execution's history: of inputs, outputs, task arguments, task results,
/// and of the variables that one state assigns.
pub fn largest_payload(history: &History) -> Option<Payload> {
    let events = history.events();
    let mut sizes = Sizes::default();
    let mut largest: Option<(usize, String, usize)> = None;
    for (index, event) in events.iter().enumerate() {
        for (what, bytes) in payloads(&event.kind, &mut sizes) {
            if largest.as_ref().is_none_or(|(known, ..)| *known < bytes) {
                largest = Some((bytes, what, index));
            }
        }
    }
    largest.map(|(bytes, what, index)| {
        let entered = events[..=index].iter().filter_map(|event| match &event.kind {
            EventKind::StateEntered { state, .. } => Some(state.to_string()),
            _ => None,
        });
        Payload { bytes, what, path: entered.collect() }
    })
}

/// The sizes measured before: one value is the output of a state and the input of the next.
#[derive(Default)]
struct Sizes(HashMap<*const Value, usize>);

impl Sizes {
    /// The values live as long as the events that are looked at, so no address is used again.
    fn of(&mut self, value: &Arc<Value>) -> usize {
        *self.0.entry(Arc::as_ptr(value)).or_insert_with(|| text_bytes(value))
    }
}

fn payloads(kind: &EventKind, sizes: &mut Sizes) -> Vec<(String, usize)> {
    match kind {
        EventKind::ExecutionStarted { input } => vec![("the input".to_owned(), sizes.of(input))],
        EventKind::StateEntered { state, input, .. } => vec![(format!("the input of {state}"), sizes.of(input))],
        EventKind::StateExited { state, output, assigned, .. } => {
            let variables = assigned.iter().map(|(_, value)| sizes.of(value)).sum();
            vec![
                (format!("the output of {state}"), sizes.of(output)),
                (format!("what {state} assigns"), variables),
            ]
        }
        EventKind::TaskScheduled { state, parameters, .. } => {
            vec![(format!("the arguments of {state}"), sizes.of(parameters))]
        }
        EventKind::TaskSucceeded { state, output, .. } => vec![(format!("the result of {state}"), sizes.of(output))],
        EventKind::ExecutionSucceeded { output } => vec![("the output".to_owned(), sizes.of(output))],
        _ => Vec::new(),
    }
}
