//! Templates, expressions and assignments, and what each may refer to.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::fields::{Fields, Place, whole};
use crate::definition::{Assign, MAX_SECONDS, Text, Whole};
use crate::expression::{Expression, between_delimiters};
use crate::fault::Rule;
use crate::template::Template;

/// The members of `$states` in a field, besides `input` and `context`, which every field has.
///
/// See <https://states-language.net/spec.html#reserved-states-variable-with-jsonata>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Neither `result` nor `errorOutput`.
    Entry,
    /// `result`: the Assign and Output of a Task, Parallel or Map.
    Result,
    /// `errorOutput`: the Assign and Output of a catcher.
    ErrorOutput,
}

/// A field that may hold any JSON value, with expressions in it.
pub(super) fn template(fields: &Fields<'_>, field: &str, sight: Sight) -> Option<Template> {
    read_template(fields.get(field)?, sight, &fields.at(field))
}

/// The variables that an `Assign` sets; none without that field.
pub(super) fn assign(fields: &Fields<'_>, sight: Sight) -> Assign {
    const FIELD: &str = "Assign";
    let members = match fields.get(FIELD) {
        None => return Vec::new(),
        Some(Value::Object(members)) => members,
        Some(_) => {
            fields.at(FIELD).fault(Rule::WrongType { expected: "an object" });
            return Vec::new();
        }
    };
    let mut assign = Vec::with_capacity(members.len());
    for (name, value) in members {
        let place = fields.at(FIELD).at(name);
        check_member_name(name, &place);
        if !name.ends_with(".$") && !is_variable_name(name) {
            place.fault(Rule::VariableName { name: name.clone() });
        }
        if let Some(template) = read_template(value, sight, &place) {
            assign.push((Arc::from(name.as_str()), template));
        }
    }
    assign
}

/// Maximum length of a variable's name, in characters.
const MAX_VARIABLE_CHARS: usize = 80;

/// Whether `name` is an identifier (UAX 31) and not the reserved `states`.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html>.
pub(super) fn is_variable_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(char::is_alphabetic)
        && characters.all(|character| character.is_alphanumeric() || character == '_')
        && name.chars().count() <= MAX_VARIABLE_CHARS
        && name != "states"
}

/// A field that holds a string, or an expression that returns one.
pub(super) fn text(fields: &Fields<'_>, field: &str) -> Option<Text> {
    let value = fields.get(field)?;
    let place = fields.at(field);
    let Value::String(text) = value else {
        place.fault(Rule::WrongType { expected: "a string" });
        return None;
    };
    Some(match expression_in(text, Sight::Entry, &place)? {
        Some(expression) => Text::Expression(Box::new(expression)),
        None => Text::Constant(text.clone()),
    })
}

/// A field that holds a whole number of at least `least`, or an expression that returns one.
pub(super) fn number(fields: &Fields<'_>, field: &str, least: u32, expected: &'static str) -> Option<Whole> {
    let value = fields.get(field)?;
    let place = fields.at(field);
    match value {
        Value::String(text) => expression(text, Sight::Entry, &place).map(|found| Whole::Expression(Box::new(found))),
        _ => whole(value, least, MAX_SECONDS, expected, &place).map(Whole::Constant),
    }
}

/// A string that must be an expression.
pub(super) fn expression(text: &str, sight: Sight, place: &Place<'_>) -> Option<Expression> {
    let found = expression_in(text, sight, place)?;
    if found.is_none() {
        place.fault(Rule::NotAnExpression);
    }
    found
}

/// The expression in `text`. The inner `None` means a plain string, the outer one a fault.
#[allow(clippy::option_option)]
pub(super) fn expression_in(text: &str, sight: Sight, place: &Place<'_>) -> Option<Option<Expression>> {
    let Some(inner) = between_delimiters(text) else {
        // With a blank around it or a delimiter missing, the text would be passed on as a plain string.
        let trimmed = text.trim();
        if trimmed.starts_with("{%") || trimmed.ends_with("%}") {
            place.fault(Rule::HalfExpression);
            return None;
        }
        return Some(None);
    };
    match Expression::parse(inner, place.path()) {
        Ok(expression) => {
            check_references(&expression, sight, place);
            Some(Some(expression))
        }
        Err(reason) => {
            let source_text = inner.trim().chars().take(SHOWN_CHARS).collect();
            place.fault(Rule::Unparsable { source_text, reason });
            None
        }
    }
}

/// How much of an unparsable expression is shown.
const SHOWN_CHARS: usize = 200;

fn check_references(expression: &Expression, sight: Sight, place: &Place<'_>) {
    let references = expression.references();
    if references.states.result && sight != Sight::Result {
        place.fault(Rule::NotAvailable { member: "result" });
    }
    if references.states.error_output && sight != Sight::ErrorOutput {
        place.fault(Rule::NotAvailable { member: "errorOutput" });
    }
    if references.functions.contains("eval") {
        place.fault(Rule::Eval);
    }
    for name in &references.top_level {
        place.fault(Rule::TopLevelReference { name: name.clone() });
    }
}

fn read_template(value: &Value, sight: Sight, place: &Place<'_>) -> Option<Template> {
    match value {
        Value::String(text) => Some(match expression_in(text, sight, place)? {
            Some(expression) => Template::Expression(Box::new(expression)),
            None => constant(value),
        }),
        Value::Array(items) => {
            let items: Vec<Option<Template>> =
                items.iter().enumerate().map(|(index, item)| read_template(item, sight, &place.item(index))).collect();
            let items: Vec<Template> = items.into_iter().collect::<Option<_>>()?;
            let constants = items.iter().all(is_constant);
            Some(if constants { constant(value) } else { Template::Array(items) })
        }
        Value::Object(members) => read_object(value, members, sight, place),
        _ => Some(constant(value)),
    }
}

fn read_object(value: &Value, members: &Map<String, Value>, sight: Sight, place: &Place<'_>) -> Option<Template> {
    let read: Vec<Option<(String, Template)>> = members
        .iter()
        .map(|(name, member)| {
            let place = place.at(name);
            check_member_name(name, &place);
            Some((name.clone(), read_template(member, sight, &place)?))
        })
        .collect();
    let read: Vec<(String, Template)> = read.into_iter().collect::<Option<_>>()?;
    let constants = read.iter().all(|(_, template)| is_constant(template));
    Some(if constants { constant(value) } else { Template::Object(read) })
}

fn check_member_name(name: &str, place: &Place<'_>) {
    if name.ends_with(".$") {
        place.fault(Rule::JsonPathField);
    }
}

fn constant(value: &Value) -> Template {
    Template::Constant(Arc::new(value.clone()))
}

fn is_constant(template: &Template) -> bool {
    matches!(template, Template::Constant(_))
}
