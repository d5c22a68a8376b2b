//! The size of the payloads that an execution passes on.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::{EventKind, History};

/// Maximum length of an error's cause, in UTF-16 code units.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/apireference/API_TaskFailedEventDetails.html>.
const MAX_CAUSE_UNITS: usize = 32_768;

/// Stands for the cause of an error and counts as the longest cause, so that a rehearsal need not carry
/// one around. It is a private-use character, which no order contains.
pub(super) const CAUSE_MARK: char = '\u{e000}';

/// The bytes that a [`CAUSE_MARK`] stands for, besides its own. One code unit takes at most three bytes
/// of UTF-8. A control character would take six in JSON, but a function's error arrives as JSON text,
/// which contains none.
const MORE_CAUSE_BYTES: usize = (MAX_CAUSE_UNITS - 1) * CAUSE_MARK.len_utf8();

/// A payload, and where it occurred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payload {
    /// Its length as JSON text in UTF-8.
    pub bytes: usize,
    /// The state that it belongs to.
    pub state: String,
    /// Which of the state's payloads it is.
    pub part: Part,
    /// The states entered until then.
    pub path: Vec<String>,
}

/// The payloads of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What the state is entered with.
    Input,
    /// What a Task sends.
    Arguments,
    /// What a Task's call returns.
    Result,
    /// The variables that it assigns, together.
    Assign,
    /// What it passes on.
    Output,
}

impl Part {
    /// The field that makes it; empty for an input or a result.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Input | Self::Result => "",
            Self::Arguments => "Arguments",
            Self::Assign => "Assign",
            Self::Output => "Output",
        }
    }

    /// A word for it.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Arguments => "arguments",
            Self::Result => "result",
            Self::Assign => "variables",
            Self::Output => "output",
        }
    }
}

/// The largest payload that a state made in an execution.
pub fn largest_payload(history: &History) -> Option<Payload> {
    let mut largest = Largest::default();
    largest.look_at(history);
    largest.overall().cloned()
}

/// The largest payload of each kind of each state.
#[derive(Debug, Default)]
pub(super) struct Largest(BTreeMap<(String, Part), Payload>);

impl Largest {
    pub(super) fn look_at(&mut self, history: &History) {
        let events = history.events();
        let mut sizes = Sizes::default();
        let mut path = Vec::new();
        for event in &events {
            if let EventKind::StateEntered { state, .. } = &event.kind {
                path.push(state.to_string());
            }
            let Some(state) = event.kind.state() else { continue };
            for (part, bytes) in payloads(&event.kind, &mut sizes) {
                let known = self.0.get(&(state.to_owned(), part)).map(|payload| payload.bytes);
                if known.is_none_or(|known| known < bytes) {
                    let payload = Payload { bytes, state: state.to_owned(), part, path: path.clone() };
                    self.0.insert((state.to_owned(), part), payload);
                }
            }
        }
    }

    /// The payloads that their state made itself and did not just pass on.
    pub(super) fn made(&self) -> impl Iterator<Item = &Payload> {
        self.0.values().filter(|payload| match payload.part {
            Part::Input => false,
            Part::Output => self.bytes(&payload.state, Part::Input) != Some(payload.bytes),
            Part::Arguments | Part::Result | Part::Assign => true,
        })
    }

    pub(super) fn overall(&self) -> Option<&Payload> {
        // The first of several equally large ones, so that the same definition gives the same report.
        self.made().reduce(|largest, payload| if payload.bytes > largest.bytes { payload } else { largest })
    }

    /// The bytes of the largest such payload of a state, if it has any.
    pub(super) fn bytes(&self, state: &str, part: Part) -> Option<usize> {
        self.0.get(&(state.to_owned(), part)).map(|payload| payload.bytes)
    }
}

/// The sizes measured before: one value is the output of a state and the input of the next.
#[derive(Default)]
struct Sizes(HashMap<*const Value, usize>);

impl Sizes {
    /// The values live as long as the events, so no address is reused.
    fn of(&mut self, value: &Arc<Value>) -> usize {
        *self.0.entry(Arc::as_ptr(value)).or_insert_with(|| {
            let text = value.to_string();
            text.len() + text.matches(CAUSE_MARK).count() * MORE_CAUSE_BYTES
        })
    }
}

fn payloads(kind: &EventKind, sizes: &mut Sizes) -> Vec<(Part, usize)> {
    match kind {
        EventKind::StateEntered { input, .. } => vec![(Part::Input, sizes.of(input))],
        EventKind::StateExited { output, assigned, .. } => {
            let variables = assigned.iter().map(|(_, value)| sizes.of(value)).sum();
            vec![(Part::Output, sizes.of(output)), (Part::Assign, variables)]
        }
        EventKind::TaskScheduled { parameters, .. } => vec![(Part::Arguments, sizes.of(parameters))],
        EventKind::TaskSucceeded { output, .. } => vec![(Part::Result, sizes.of(output))],
        // The first state's input is the execution's, and so is the last state's output.
        _ => Vec::new(),
    }
}
