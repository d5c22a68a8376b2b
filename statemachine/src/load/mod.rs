//! From a definition's text to a [`Machine`]: reads it, and collects every fault on the way.

mod fields;
mod graph;
mod handling;
mod json;
mod payload;
mod states;

use std::collections::HashMap;

use serde_json::Value;

use self::fields::{Fields, Place, Report};
pub(crate) use self::states::parse_timestamp;
use crate::definition::{MAX_SECONDS, Machine, Scope, State};
use crate::fault::{Fault, LoadError, Rule};

/// The longest name that a state may have, in characters.
///
/// See <https://states-language.net/spec.html#state-names>.
const MAX_NAME_CHARS: usize = 80;

/// Reads and checks a definition.
pub(crate) fn load(definition: &str) -> Result<Machine, LoadError> {
    let json = json::parse(definition)?;
    let report = Report::default();
    let machine = read_machine(&json, &report);
    let faults = report.into_faults();
    match machine {
        Some(machine) if faults.is_empty() => Ok(machine),
        _ => Err(LoadError::Faults(faults)),
    }
}

fn read_machine(json: &Value, report: &Report) -> Option<Machine> {
    let place = Place::machine(report);
    let fields = Fields::of(json, &place, "a state machine")?;
    fields.only(&["Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"]);
    fields.optional_text("Comment");
    if fields.get("QueryLanguage") != Some(&Value::from("JSONata")) {
        fields.at("QueryLanguage").fault(Rule::NotJsonata);
    }
    if let Some(version) = fields.optional_text("Version")
        && version != "1.0"
    {
        fields.at("Version").fault(Rule::NotOneOf { expected: "\"1.0\"", found: version.to_owned() });
    }
    let timeout_s = fields.optional_whole("TimeoutSeconds", 1, MAX_SECONDS, "a whole number from 1 to 99999999");
    let scope = read_scope(&fields)?;
    graph::check_names(json, report);
    graph::check_variables(json, report);
    Some(Machine { timeout_s, scope })
}

/// The indices that the names of a scope's states stand for.
type Names<'a> = HashMap<&'a str, usize>;

/// Reads the `StartAt` and `States` of a machine or a branch.
fn read_scope(fields: &Fields<'_>) -> Option<Scope> {
    let start_at = fields.text("StartAt");
    let states = fields.object("States")?;
    if states.is_empty() {
        fields.at("States").fault(Rule::Empty);
        return None;
    }
    let names: Names<'_> = states.keys().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    let start = start_at.and_then(|target| resolve(target, &names, &fields.at("StartAt")));
    // Every state is read even if one before it is at fault, so that no fault is left out.
    let read: Vec<Option<State>> = states
        .iter()
        .map(|(name, state)| {
            let place = fields.report().state(name);
            check_name_length(name, &place);
            states::read(name, state, &names, &place)
        })
        .collect();
    graph::check_reachable(states, start_at, fields.report());
    Some(Scope { start: start?, states: read.into_iter().collect::<Option<_>>()? })
}

fn check_name_length(name: &str, place: &Place<'_>) {
    let found = name.chars().count();
    if found == 0 || found > MAX_NAME_CHARS {
        place.fault(Rule::NameLength { max: MAX_NAME_CHARS, found });
    }
}

/// The index of the state that `target` names.
fn resolve(target: &str, names: &Names<'_>, place: &Place<'_>) -> Option<usize> {
    let index = names.get(target).copied();
    if index.is_none() {
        place.fault(Rule::DanglingTransition { target: target.to_owned() });
    }
    index
}

/// A fault of a state or of the machine.
fn fault(state: Option<&str>, field: &str, rule: Rule) -> Fault {
    Fault { state: state.map(str::to_owned), field: field.to_owned(), rule }
}
