//! The fields of one JSON object, read by name. Every fault in them goes into the report.

use std::cell::RefCell;

use serde_json::{Map, Value};

use super::lines::Lines;
use crate::fault::{Fault, Rule};

/// Every fault found so far.
pub(super) struct Report<'t> {
    lines: Lines<'t>,
    faults: RefCell<Vec<Fault>>,
}

impl<'t> Report<'t> {
    pub(super) fn on(text: &'t str) -> Self {
        Self { lines: Lines::of(text), faults: RefCell::default() }
    }

    /// The faults in the order of their lines.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| fault.line);
        faults
    }

    /// Reports every member that its object has twice: if two states have the same name, neither may be
    /// dropped silently.
    pub(super) fn repeated_members(&self) {
        for repeated in self.lines.repeated() {
            let steps = &repeated.path;
            // The innermost state around it: its name follows a `States`, two steps or more from the end.
            let state = (1..steps.len()).rev().find(|at| steps[at - 1] == "States");
            let (state, field) = match state {
                Some(at) => (Some(steps[at].clone()), &steps[at + 1..]),
                None => (None, &steps[..]),
            };
            self.push(Fault { line: repeated.line, state, field: field.join("/"), rule: Rule::RepeatedMember });
        }
    }

    fn push(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }
}

/// A place in the definition.
#[derive(Clone)]
pub(super) struct Place<'a> {
    report: &'a Report<'a>,
    state: Option<&'a str>,
    /// From the state, or from the machine if `state` is `None`.
    path: String,
    /// From the machine.
    steps: Vec<String>,
}

impl<'a> Place<'a> {
    pub(super) fn machine(report: &'a Report<'a>) -> Self {
        Self { report, state: None, path: String::new(), steps: Vec::new() }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// A field of the object at this place, or an item of the array.
    pub(super) fn at(&self, step: impl std::fmt::Display) -> Self {
        let step = step.to_string();
        let path = if self.path.is_empty() { step.clone() } else { format!("{}/{step}", self.path) };
        let mut steps = self.steps.clone();
        steps.push(step);
        Self { path, steps, ..self.clone() }
    }

    /// An item of an array in a field that may contain expressions: AWS writes `Output/values[0]`.
    pub(super) fn item(&self, index: usize) -> Self {
        let mut steps = self.steps.clone();
        steps.push(index.to_string());
        Self { path: format!("{}[{index}]", self.path), steps, ..self.clone() }
    }

    /// A state of the scope at this place.
    pub(super) fn state(&self, name: &'a str) -> Self {
        let mut steps = self.steps.clone();
        steps.extend(["States".to_owned(), name.to_owned()]);
        Self { report: self.report, state: Some(name), path: String::new(), steps }
    }

    pub(super) fn fault(&self, rule: Rule) {
        self.report.push(Fault {
            line: self.report.lines.line(&self.steps),
            state: self.state.map(str::to_owned),
            field: self.path.clone(),
            rule,
        });
    }
}

/// The fields of the `JSONPath` dialect, in all places that it has them.
const JSONPATH_FIELDS: [&str; 17] = [
    "CausePath",
    "ErrorPath",
    "HeartbeatSecondsPath",
    "InputPath",
    "ItemsPath",
    "MaxConcurrencyPath",
    "OutputPath",
    "Parameters",
    "Result",
    "ResultPath",
    "ResultSelector",
    "SecondsPath",
    "TimeoutSecondsPath",
    "TimestampPath",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
    "Variable",
];

/// One JSON object of the definition.
pub(super) struct Fields<'a> {
    members: &'a Map<String, Value>,
    place: Place<'a>,
    /// What the object is, for messages: `a Task state`.
    owner: &'a str,
}

impl<'a> Fields<'a> {
    /// The fields of `json`, if it is an object.
    pub(super) fn of(json: &'a Value, place: &Place<'a>, owner: &'a str) -> Option<Self> {
        let Some(members) = json.as_object() else {
            place.fault(Rule::WrongType { expected: "an object" });
            return None;
        };
        Some(Self { members, place: place.clone(), owner })
    }

    pub(super) fn place(&self) -> &Place<'a> {
        &self.place
    }

    pub(super) fn at(&self, field: &str) -> Place<'a> {
        self.place.at(field)
    }

    pub(super) fn get(&self, field: &str) -> Option<&'a Value> {
        self.members.get(field)
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.members.contains_key(field)
    }

    /// Reports every field that is not one of `allowed`.
    pub(super) fn only(&self, allowed: &[&str]) {
        for field in self.members.keys() {
            if allowed.contains(&field.as_str()) {
                continue;
            }
            let jsonpath = JSONPATH_FIELDS.contains(&field.as_str());
            self.at(field).fault(if jsonpath {
                Rule::JsonPathField
            } else {
                Rule::UnknownField { owner: self.owner.to_owned() }
            });
        }
    }

    /// A required field.
    pub(super) fn required(&self, field: &str) -> Option<&'a Value> {
        let value = self.get(field);
        if value.is_none() {
            self.at(field).fault(Rule::Missing);
        }
        value
    }

    pub(super) fn text(&self, field: &str) -> Option<&'a str> {
        self.required(field)?;
        self.optional_text(field)
    }

    pub(super) fn optional_text(&self, field: &str) -> Option<&'a str> {
        self.typed(field, "a string", Value::as_str)
    }

    pub(super) fn object(&self, field: &str) -> Option<&'a Map<String, Value>> {
        self.required(field)?;
        self.typed(field, "an object", Value::as_object)
    }

    /// The items of a required array that must not be empty.
    pub(super) fn items(&self, field: &str) -> Option<&'a Vec<Value>> {
        self.required(field)?;
        self.optional_items(field)
    }

    /// The items of an array, which may be empty.
    pub(super) fn list(&self, field: &str) -> Option<&'a Vec<Value>> {
        self.typed(field, "an array", Value::as_array)
    }

    /// The items of an optional array that must not be empty.
    pub(super) fn optional_items(&self, field: &str) -> Option<&'a Vec<Value>> {
        let items = self.list(field)?;
        if items.is_empty() {
            self.at(field).fault(Rule::Empty);
        }
        Some(items)
    }

    /// A whole number in a range; `expected` is the range in words.
    pub(super) fn optional_whole(&self, field: &str, least: u32, most: u32, expected: &'static str) -> Option<u32> {
        let value = self.get(field)?;
        whole(value, least, most, expected, &self.at(field))
    }

    fn typed<T>(&self, field: &str, expected: &'static str, as_type: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.get(field)?;
        let typed = as_type(value);
        if typed.is_none() {
            self.at(field).fault(Rule::WrongType { expected });
        }
        typed
    }
}

/// The whole number that `value` is, if it is in range.
pub(super) fn whole(value: &Value, least: u32, most: u32, expected: &'static str, place: &Place<'_>) -> Option<u32> {
    let Value::Number(number) = value else {
        place.fault(Rule::WrongType { expected });
        return None;
    };
    let found = number.as_u64().and_then(|whole| u32::try_from(whole).ok());
    let in_range = found.filter(|whole| (least..=most).contains(whole));
    if in_range.is_none() {
        place.fault(Rule::OutOfRange { expected, found: number.to_string() });
    }
    in_range
}
