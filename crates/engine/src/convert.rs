//! Converts between the engine's JSON and the values of `jsonata-core`.
//!
//! The evaluator's values hold `Rc`, so they live within one evaluation and never in a future.

use jsonata_core::value::{JArray, JValue};
use serde_json::{Number, Value};

/// The evaluator's form of `value`. Every number becomes a double.
pub(crate) fn to_jsonata(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(flag) => JValue::Bool(*flag),
        Value::Number(number) => JValue::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => JValue::string(text.as_str()),
        Value::Array(items) => {
            let flat = !items.iter().any(Value::is_array);
            let items = items.iter().map(to_jsonata).collect();
            JValue::Array(JArray::new_flat(items, flat))
        }
        Value::Object(members) => {
            JValue::object(members.iter().map(|(name, member)| (name.clone(), to_jsonata(member))).collect())
        }
    }
}

/// The JSON form of `value`, or what kind of value JSON does not have.
pub(crate) fn to_json(value: &JValue) -> Result<Value, &'static str> {
    Ok(match value {
        JValue::Null => Value::Null,
        JValue::Bool(flag) => Value::Bool(*flag),
        JValue::Number(number) => Value::Number(number_to_json(*number).ok_or("a number without end")?),
        JValue::String(text) => Value::String(text.to_string()),
        JValue::Array(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        JValue::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(_, member)| !member.is_undefined())
                .map(|(name, member)| Ok((name.clone(), to_json(member)?)))
                .collect::<Result<_, &'static str>>()?,
        ),
        JValue::Undefined => return Err("undefined"),
        JValue::Regex { .. } => return Err("a regular expression"),
        JValue::Lambda(_) | JValue::Builtin { .. } => return Err("a function"),
    })
}

/// `value` as the evaluator would return it: whole numbers without a fraction.
pub(crate) fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            number.as_f64().and_then(number_to_json).map_or_else(|| value.clone(), Value::Number)
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, member)| (name.clone(), canonical(member))).collect())
        }
        _ => value.clone(),
    }
}

/// 2^53: up to it, every whole number is exactly one double.
const EXACT_DOUBLES: f64 = 9_007_199_254_740_992.0;

#[allow(clippy::cast_possible_truncation)]
fn number_to_json(number: f64) -> Option<Number> {
    if number.fract() == 0.0 && number.abs() <= EXACT_DOUBLES {
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

/// The name of a value's type in error messages.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
