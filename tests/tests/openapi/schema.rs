//! What the description's schemas say of a value.

use local_http::docs::{description, resolve};
use serde_json::{Value, json};

use crate::{array, texts};

/// The words of JSON Schema that the description uses. Patterns and formats are left to others.
const WORDS: [&str; 24] = [
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "description",
    "enum",
    "examples",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "not",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
];

/// What a value breaks of a schema.
pub fn breaks(api: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for (word, _) in schema.as_object().into_iter().flatten() {
        assert!(WORDS.contains(&word.as_str()), "the word {word} is not checked here");
    }
    if schema.get("$ref").is_some() {
        broken.extend(breaks(api, resolve(api, schema), value, at));
    }
    if let Some(schemas) = schema["anyOf"].as_array()
        && schemas.iter().all(|schema| !breaks(api, schema, value, at).is_empty())
    {
        broken.push(format!("{at} is none of anyOf"));
    }
    if let Some(schema) = schema.get("not")
        && breaks(api, schema, value, at).is_empty()
    {
        broken.push(format!("{at} is {schema}, and must not be"));
    }
    let is_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("number") => value.is_number(),
        Some(other) => panic!("the schema type {other} is not checked here"),
        None => true,
    };
    let constant = schema.get("const").is_none_or(|constant| constant == value);
    let listed = schema.get("enum").is_none_or(|listed| array(listed).any(|listed| listed == value));
    if !is_type || !constant || !listed || !is_within_bounds(schema, value) {
        broken.push(format!("{at} is {value}, and not as {schema} has it"));
    }
    for name in texts(&schema["required"]) {
        if value.get(&name).is_none() {
            broken.push(format!("{at}/{name} is missing"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => broken.extend(breaks(api, schema, member, &format!("{at}/{name}"))),
            None if schema["additionalProperties"] == false => broken.push(format!("{at}/{name} is not described")),
            None => {}
        }
    }
    for (index, item) in array(value).enumerate() {
        broken.extend(breaks(api, &schema["items"], item, &format!("{at}/{index}")));
    }
    broken
}

/// Whether a number is neither too small nor too large, and anything else neither too short nor too long.
fn is_within_bounds(schema: &Value, value: &Value) -> bool {
    let (least, most, size) = match value {
        Value::Number(number) => {
            let bound = |name: &str| schema[name].as_f64();
            let number = number.as_f64().unwrap();
            return bound("minimum").is_none_or(|least| least <= number)
                && bound("maximum").is_none_or(|most| number <= most);
        }
        Value::String(text) => ("minLength", "maxLength", text.chars().count()),
        Value::Array(items) => ("minItems", "maxItems", items.len()),
        Value::Object(members) => ("minProperties", "maxProperties", members.len()),
        Value::Bool(_) | Value::Null => return true,
    };
    let bound = |name: &str| schema[name].as_u64().map(|bound| usize::try_from(bound).unwrap());
    bound(least).is_none_or(|least| least <= size) && bound(most).is_none_or(|most| size <= most)
}

#[test]
fn the_check_of_bodies_sees_what_is_wrong() {
    let api = description().unwrap();
    let page = &api["components"]["schemas"]["Page"];
    assert_eq!(breaks(&api, page, &json!({ "orders": [] }), ""), Vec::<String>::new());
    for wrong in
        [json!({}), json!([]), json!({ "orders": {} }), json!({ "orders": [], "next": 1 }), json!({ "orders": [1] })]
    {
        assert_ne!(breaks(&api, page, &wrong, ""), Vec::<String>::new(), "{wrong}");
    }
    for (schema, right, wrong) in [
        (json!({ "minimum": 1 }), json!(1), json!(0.99)),
        (json!({ "maximum": 1 }), json!(1), json!(2)),
        (json!({ "minLength": 2 }), json!("\u{e9}\u{e9}"), json!("\u{e9}")),
        (json!({ "maxLength": 1 }), json!("\u{e9}"), json!("ab")),
        (json!({ "minItems": 1 }), json!([0]), json!([])),
        (json!({ "maxItems": 1 }), json!([0]), json!([0, 0])),
        (json!({ "minProperties": 1 }), json!({ "a": 0 }), json!({})),
        (json!({ "maxProperties": 1 }), json!({ "a": 0 }), json!({ "a": 0, "b": 0 })),
        (json!({ "not": { "const": 0 } }), json!(1), json!(0)),
        (json!({ "anyOf": [{ "const": 0 }, { "minimum": 2 }] }), json!(2), json!(1)),
    ] {
        assert_eq!(breaks(&api, &schema, &right, ""), Vec::<String>::new(), "{schema}");
        assert_ne!(breaks(&api, &schema, &wrong, ""), Vec::<String>::new(), "{schema}");
    }
}
