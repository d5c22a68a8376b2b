//! Reads a definition's text into a [`Machine`], and collects every fault on the way.

mod fields;
mod graph;
mod handling;
mod language;
mod lines;
mod map;
mod payload;
mod states;

use std::collections::HashMap;

use serde_json::Value;

use self::fields::{Fields, Place, Report};
use self::language::Language;
pub(crate) use self::states::parse_timestamp;
use crate::definition::{MAX_SECONDS, Machine, Scope, State};
use crate::fault::{LoadError, Rule};

/// Maximum length of a state's name, in characters.
///
/// See <https://states-language.net/spec.html#state-names>.
const MAX_NAME_CHARS: usize = 80;

/// Reads and checks a definition.
pub(crate) fn load(definition: &str) -> Result<Machine, LoadError> {
    let json = serde_json::from_str(definition)?;
    let report = Report::on(definition);
    report.repeated_members();
    let machine = read_machine(&json, &report);
    let faults = report.into_faults();
    match machine {
        Some(machine) if faults.is_empty() => Ok(machine),
        _ => Err(LoadError::Faults(faults)),
    }
}

fn read_machine<'a>(json: &'a Value, report: &'a Report<'a>) -> Option<Machine> {
    let place = Place::machine(report);
    let fields = Fields::of(json, &place, "a state machine")?;
    fields.only(&["Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"]);
    fields.optional_text("Comment");
    let language = language::of_machine(&fields);
    if let Some(version) = fields.optional_text("Version")
        && version != "1.0"
    {
        fields.at("Version").fault(Rule::NotOneOf { expected: "\"1.0\"", found: version.to_owned() });
    }
    let timeout_s = fields.optional_whole("TimeoutSeconds", 1, MAX_SECONDS, "a whole number from 1 to 99999999");
    let scope = read_scope(&fields, language);
    graph::check_names(json, &place);
    graph::check_variables(json, &place);
    let scope = scope?;
    Some(Machine { timeout_s, scope })
}

/// The index of each state of a scope, by name.
type Names<'a> = HashMap<&'a str, usize>;

/// Reads the `StartAt` and `States` of a machine, a branch or an item processor. `language` is the
/// machine's.
fn read_scope(fields: &Fields<'_>, language: Language) -> Option<Scope> {
    let start_at = fields.text("StartAt");
    let states = fields.object("States")?;
    if states.is_empty() {
        fields.at("States").fault(Rule::Empty);
        return None;
    }
    let names: Names<'_> = states.keys().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    let start = start_at.and_then(|target| resolve(target, &names, &fields.at("StartAt")));
    // Every state is read, even after one with faults, so that all faults are reported.
    let read: Vec<Option<State>> = states
        .iter()
        .map(|(name, state)| {
            let place = fields.place().state(name);
            check_name_length(name, &place);
            states::read(name, state, &names, language, &place)
        })
        .collect();
    graph::check_reachable(states, start_at, fields.place());
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
