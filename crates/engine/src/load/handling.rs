//! Retry and Catch.

use serde_json::Value;

use super::fields::Fields;
use super::payload::Sight;
use super::{Names, Place, states};
use crate::definition::{Catcher, Handling, Jitter, MAX_SECONDS, Retrier};
use crate::failure::{ALL, is_reserved};
use crate::fault::Rule;

/// A `MaxDelaySeconds` is below this, 366 days.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>.
const MAX_DELAY_BOUND_S: u32 = 31_622_400;

/// The defaults of a retrier, see <https://states-language.net/spec.html#errors>.
const DEFAULT_INTERVAL_S: u32 = 1;
const DEFAULT_MAX_ATTEMPTS: u32 = 3;
const DEFAULT_BACKOFF_RATE: f64 = 2.0;

/// The `Retry` and `Catch` of a Task, Parallel or Map.
pub(super) fn read(fields: &Fields<'_>, names: &Names<'_>) -> Option<Handling> {
    let retriers = read_entries(fields, "Retry", read_retrier);
    let catchers = read_entries(fields, "Catch", |entry, place| read_catcher(entry, names, place));
    Some(Handling { retriers: retriers?, catchers: catchers? })
}

fn read_entries<T>(fields: &Fields<'_>, field: &str, read: impl Fn(&Value, &Place<'_>) -> Option<T>) -> Option<Vec<T>> {
    if !fields.has(field) {
        return Some(Vec::new());
    }
    let entries = fields.list(field)?;
    let last = entries.len().saturating_sub(1);
    let read: Vec<Option<T>> = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            let place = fields.at(field).at(index);
            check_states_all(entry, index == last, &place.at("ErrorEquals"));
            read(entry, &place)
        })
        .collect();
    read.into_iter().collect()
}

/// `States.ALL` stands alone, and in the last entry.
fn check_states_all(entry: &Value, is_last: bool, place: &Place<'_>) {
    let Some(error_equals) = entry.get("ErrorEquals").and_then(Value::as_array) else {
        return;
    };
    if !error_equals.iter().any(|name| name == ALL) {
        return;
    }
    if error_equals.len() > 1 {
        place.fault(Rule::StatesAllNotAlone);
    }
    if !is_last {
        place.fault(Rule::StatesAllNotLast);
    }
}

fn read_retrier(entry: &Value, place: &Place<'_>) -> Option<Retrier> {
    let fields = Fields::of(entry, place, "a retrier")?;
    fields.only(&[
        "BackoffRate",
        "Comment",
        "ErrorEquals",
        "IntervalSeconds",
        "JitterStrategy",
        "MaxAttempts",
        "MaxDelaySeconds",
    ]);
    fields.optional_text("Comment");
    let error_equals = read_error_equals(&fields);
    let interval_s = fields
        .optional_whole("IntervalSeconds", 1, MAX_SECONDS, "a whole number from 1 to 99999999")
        .unwrap_or(DEFAULT_INTERVAL_S);
    let max_attempts = fields
        .optional_whole("MaxAttempts", 0, MAX_SECONDS, "a whole number from 0 to 99999999")
        .unwrap_or(DEFAULT_MAX_ATTEMPTS);
    let max_delay_s =
        fields.optional_whole("MaxDelaySeconds", 1, MAX_DELAY_BOUND_S - 1, "a whole number from 1 to 31622399");
    Some(Retrier {
        error_equals: error_equals?,
        interval_s,
        max_attempts,
        backoff_rate: read_backoff_rate(&fields),
        max_delay_s,
        jitter: read_jitter(&fields),
    })
}

fn read_backoff_rate(fields: &Fields<'_>) -> f64 {
    const EXPECTED: &str = "a number of at least 1";
    let Some(value) = fields.get("BackoffRate") else {
        return DEFAULT_BACKOFF_RATE;
    };
    let place = fields.at("BackoffRate");
    match value.as_f64() {
        Some(rate) if rate >= 1.0 => return rate,
        Some(_) => place.fault(Rule::OutOfRange { expected: EXPECTED, found: value.to_string() }),
        None => place.fault(Rule::WrongType { expected: EXPECTED }),
    }
    DEFAULT_BACKOFF_RATE
}

fn read_jitter(fields: &Fields<'_>) -> Jitter {
    match fields.optional_text("JitterStrategy") {
        None | Some("NONE") => Jitter::None,
        Some("FULL") => Jitter::Full,
        Some(other) => {
            fields.at("JitterStrategy").fault(Rule::NotOneOf { expected: "FULL or NONE", found: other.to_owned() });
            Jitter::None
        }
    }
}

fn read_catcher(entry: &Value, names: &Names<'_>, place: &Place<'_>) -> Option<Catcher> {
    let fields = Fields::of(entry, place, "a catcher")?;
    fields.only(&["Assign", "Comment", "ErrorEquals", "Next", "Output"]);
    fields.optional_text("Comment");
    let error_equals = read_error_equals(&fields);
    let exit = states::read_exit_to(&fields, "Next", names, Sight::ErrorOutput);
    Some(Catcher { error_equals: error_equals?, exit: exit? })
}

fn read_error_equals(fields: &Fields<'_>) -> Option<Vec<String>> {
    let items = fields.items("ErrorEquals")?;
    let names: Vec<Option<String>> = items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let place = fields.at("ErrorEquals").at(index);
            let Some(name) = item.as_str() else {
                place.fault(Rule::WrongType { expected: "a string" });
                return None;
            };
            if name.starts_with("States.") && !is_reserved(name) {
                place.fault(Rule::UnknownErrorName { name: name.to_owned() });
            }
            Some(name.to_owned())
        })
        .collect();
    names.into_iter().collect()
}
