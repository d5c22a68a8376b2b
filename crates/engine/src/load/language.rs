//! The query language of each state. Only `JSONata` is executed.

use serde_json::Value;

use super::fields::Fields;
use crate::fault::Rule;

const FIELD: &str = "QueryLanguage";

/// The query language of states that do not name one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Jsonata,
    /// A machine without a `QueryLanguage` is `JSONPath`; each of its states may be `JSONata`.
    JsonPath,
}

/// The machine's query language.
///
/// If it is not `JSONata`, and no state says that it is, one fault at the machine is enough.
pub(super) fn of_machine(fields: &Fields<'_>) -> Language {
    match fields.get(FIELD).map(Value::as_str) {
        Some(Some("JSONata")) => return Language::Jsonata,
        None | Some(Some("JSONPath")) if fields.get("States").is_some_and(names_jsonata) => return Language::JsonPath,
        _ => {}
    }
    fields.at(FIELD).fault(Rule::NotJsonata);
    Language::Jsonata
}

/// Whether any state, at any depth, has `"QueryLanguage": "JSONata"`.
fn names_jsonata(json: &Value) -> bool {
    match json {
        Value::Object(members) => {
            members.get(FIELD).is_some_and(|language| language == "JSONata") || members.values().any(names_jsonata)
        }
        Value::Array(items) => items.iter().any(names_jsonata),
        _ => false,
    }
}

/// Reports a state that is not `JSONata`. A state without a language of its own has the machine's, not
/// that of the Map or Parallel around it, as floci's issue 2968 measured in AWS.
pub(super) fn check(fields: &Fields<'_>, machine: Language) {
    let is_jsonata = match fields.get(FIELD) {
        None => machine == Language::Jsonata,
        Some(language) => language == "JSONata",
    };
    if !is_jsonata {
        fields.at(FIELD).fault(Rule::NotJsonata);
    }
}
