//! What the description's schemas say of a value.

use order::Currency;
use serde_json::{Value, json};
use system_tests::openapi::description;

/// What a value breaks of a schema of the description.
pub fn breaks(api: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut schema = schema.clone();
    // Its references lead into the components of the whole document.
    schema["components"] = api["components"].clone();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    validator.iter_errors(value).map(|error| format!("{} {error}", error.instance_path())).collect()
}

#[test]
fn the_currencies_are_those_that_an_order_may_have() {
    let api = description().unwrap();
    let described: Vec<&str> = api["components"]["schemas"]["Currency"]["enum"]
        .as_array()
        .map(|codes| codes.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let letters = || ('A'..='Z').map(String::from);
    let codes = letters().flat_map(|a| {
        letters().flat_map(move |b| {
            let start = format!("{a}{b}");
            letters().map(move |c| format!("{start}{c}"))
        })
    });
    let known: Vec<String> = codes.filter(|code| code.parse::<Currency>().is_ok()).collect();
    assert_eq!(described, known);
}

#[test]
fn the_check_of_bodies_sees_what_is_wrong() {
    let api = description().unwrap();
    let page = &api["components"]["schemas"]["Page"];
    assert_eq!(breaks(&api, page, &json!({ "orders": [] })), Vec::<String>::new());
    for wrong in
        [json!({}), json!([]), json!({ "orders": {} }), json!({ "orders": [], "next": 1 }), json!({ "orders": [1] })]
    {
        assert_ne!(breaks(&api, page, &wrong), Vec::<String>::new(), "{wrong}");
    }
    let moment = &api["components"]["schemas"]["Moment"];
    for (at, is_right) in [("2026-01-31T08:00:00Z", true), ("2026-02-31T08:00:00Z", false), ("yesterday", false)] {
        let broken = breaks(&api, moment, &json!({ "event": "PLACED", "at": at }));
        assert_eq!(broken.is_empty(), is_right, "{at}: {broken:?}");
    }
}
