//! The API's description, as data.

use serde_json::Value;

/// The description.
///
/// # Errors
/// If it is not YAML.
pub fn description() -> Result<Value, serde_yaml_ng::Error> {
    serde_yaml_ng::from_str(local_http::docs::OPENAPI)
}

/// The value that a reference stands for, or the value itself.
pub fn resolve<'a>(api: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| api.pointer(pointer)).unwrap_or(value)
}
