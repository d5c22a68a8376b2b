//! An execution's history as the console would draw it: the path through the states.

use std::fmt;
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use engine::{Event, EventKind};
use serde::Serialize;

/// One visit to a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Visit {
    /// The state.
    pub state: Arc<str>,
    /// Its type.
    #[serde(rename = "type")]
    pub state_type: &'static str,
    /// How deep it is nested: 1 in a branch of a Parallel.
    pub depth: usize,
    /// How long it took, in milliseconds; `None` if the execution ended in it.
    pub duration_ms: Option<i64>,
    /// How its attempts ended, in order: an error's name, or `None` for success. Empty for a state
    /// that attempts nothing.
    pub attempts: Vec<Option<String>>,
    /// What a compensation did: the effect named in its receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    #[serde(skip)]
    entered_ms: i64,
}

/// The path of an execution through its states, in the order in which they were entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Trace(pub Vec<Visit>);

impl Trace {
    /// Reads a history.
    pub fn of(events: &[Event]) -> Self {
        let mut visits: Vec<Visit> = Vec::new();
        let mut parallel: Vec<Arc<str>> = Vec::new();
        for event in events {
            match &event.kind {
                EventKind::StateEntered { state_type, state, .. } => {
                    visits.push(Visit {
                        state: Arc::clone(state),
                        state_type,
                        depth: parallel.len(),
                        duration_ms: None,
                        attempts: Vec::new(),
                        effect: None,
                        entered_ms: event.timestamp_ms,
                    });
                    if *state_type == "Parallel" {
                        parallel.push(Arc::clone(state));
                    }
                }
                EventKind::StateExited { state, .. } => {
                    parallel.retain(|open| open != state);
                    if let Some(visit) = last(&mut visits, state) {
                        visit.duration_ms = Some(event.timestamp_ms - visit.entered_ms);
                    }
                }
                EventKind::TaskSucceeded { state, output, .. } => {
                    if let Some(visit) = last(&mut visits, state) {
                        visit.attempts.push(None);
                        visit.effect = output["Payload"]["effect"].as_str().map(str::to_owned);
                    }
                }
                EventKind::TaskFailed { state, error, .. } | EventKind::TaskTimedOut { state, error, .. } => {
                    if let Some(visit) = last(&mut visits, state) {
                        visit.attempts.push(Some(error.clone().unwrap_or_default()));
                    }
                }
                _ => {}
            }
        }
        Self(visits)
    }
}

fn last<'a>(visits: &'a mut [Visit], state: &str) -> Option<&'a mut Visit> {
    visits.iter_mut().rev().find(|visit| &*visit.state == state)
}

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const QUIET: Style = Style::new().dimmed();

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|visit| writeln!(f, "{visit}"))
    }
}

impl fmt::Display for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = 24_usize.saturating_sub(2 * self.depth);
        write!(f, "   {:indent$}{:width$}", "", self.state, indent = 2 * self.depth)?;
        let duration = self.duration_ms.map_or_else(String::new, |ms| match ms {
            // A clock that jumps shows no time except for delays.
            0 => String::new(),
            1..1000 => format!("{ms} ms"),
            _ => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        });
        write!(f, "{QUIET}{duration:>8}{QUIET:#}  ")?;
        match (self.state_type, self.attempts.as_slice()) {
            ("Fail", _) => write!(f, "{BAD}✗ failed{BAD:#}"),
            ("Succeed", _) => write!(f, "{GOOD}■ end{GOOD:#}"),
            ("Task", attempts) => {
                for (index, attempt) in attempts.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "  retry: " };
                    match attempt {
                        None => write!(f, "{separator}{GOOD}✓{GOOD:#}{}", self.undone())?,
                        Some(error) => write!(f, "{separator}{BAD}✗ {error}{BAD:#}")?,
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Visit {
    fn undone(&self) -> &'static str {
        match self.effect.as_deref() {
            Some("UNDONE") => " undone",
            Some("NOTHING") => " nothing to undo, tombstone left",
            _ => "",
        }
    }
}
