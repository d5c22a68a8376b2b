//! One state of each type.

use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::fields::{Fields, Place};
use super::language::{self, Language};
use super::payload::{self, Sight};
use super::{Names, handling, map, read_scope, resolve};
use crate::definition::{
    Choice, ChoiceRule, Condition, Exit, Fail, Kind, Parallel, Scope, State, Task, Transition, Until, Wait, Whole,
};
use crate::fault::Rule;
use crate::template::Template;

/// The fields that every state has.
const COMMON: [&str; 3] = ["Type", "Comment", "QueryLanguage"];

pub(super) fn read(
    name: &str,
    json: &Value,
    names: &Names<'_>,
    language: Language,
    place: &Place<'_>,
) -> Option<State> {
    let owner = match json.get("Type").and_then(Value::as_str) {
        Some(type_name) => format!("a {type_name} state"),
        None => "a state".to_owned(),
    };
    let fields = Fields::of(json, place, &owner)?;
    fields.optional_text("Comment");
    language::check(&fields, language);
    let kind = match fields.text("Type")? {
        "Task" => read_task(&fields, names).map(Kind::Task),
        "Parallel" => read_parallel(&fields, names, language).map(Kind::Parallel),
        "Pass" => read_pass(&fields, names).map(Kind::Pass),
        "Choice" => read_choice(&fields, names).map(Kind::Choice),
        "Wait" => read_wait(&fields, names).map(Kind::Wait),
        "Succeed" => Some(read_succeed(&fields)),
        "Fail" => Some(Kind::Fail(read_fail(&fields))),
        "Map" => map::read(&fields, names, language).map(Kind::Map),
        other => {
            fields.at("Type").fault(Rule::UnknownStateType { found: other.to_owned() });
            None
        }
    };
    Some(State { name: name.into(), kind: kind? })
}

/// Reports the fields that are neither common to all states nor one of `own`.
pub(super) fn only(fields: &Fields<'_>, own: &[&str]) {
    fields.only(&[&COMMON, own].concat());
}

fn read_task(fields: &Fields<'_>, names: &Names<'_>) -> Option<Task> {
    only(
        fields,
        &[
            "Arguments",
            "Assign",
            "Catch",
            "Credentials",
            "End",
            "HeartbeatSeconds",
            "Next",
            "Output",
            "Resource",
            "Retry",
            "TimeoutSeconds",
        ],
    );
    let resource = fields.text("Resource");
    if let Some(resource) = resource {
        check_resource(resource, &fields.at("Resource"));
    }
    let arguments = payload::template(fields, "Arguments", Sight::Entry);
    let timeout = payload::number(fields, "TimeoutSeconds", 1, SECONDS);
    let heartbeat = payload::number(fields, "HeartbeatSeconds", 1, SECONDS);
    if let (Some(Whole::Constant(timeout_s)), Some(Whole::Constant(heartbeat_s))) = (&timeout, &heartbeat)
        && heartbeat_s >= timeout_s
    {
        let expected = "less than TimeoutSeconds";
        fields.at("HeartbeatSeconds").fault(Rule::OutOfRange { expected, found: heartbeat_s.to_string() });
    }
    let credentials = read_credentials(fields);
    let handling = handling::read(fields, names);
    let exit = read_exit(fields, names, Sight::Result);
    let resource = Arc::from(resource?);
    Some(Task { resource, arguments, timeout, heartbeat, credentials, handling: handling?, exit: exit? })
}

/// What `TimeoutSeconds` and `HeartbeatSeconds` may be.
const SECONDS: &str = "a whole number from 1 to 99999999";

/// The role that a Task assumes for its work.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-access-cross-acct-resources.html>.
fn read_credentials(fields: &Fields<'_>) -> Option<Template> {
    const FIELD: &str = "Credentials";
    let members = Fields::of(fields.get(FIELD)?, &fields.at(FIELD), "Credentials")?;
    members.only(&["RoleArn"]);
    members.text("RoleArn")?;
    payload::template(fields, FIELD, Sight::Entry)
}

/// Checks that a resource is an ARN that an Express state machine may call.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html>.
fn check_resource(resource: &str, place: &Place<'_>) {
    if !resource.starts_with("arn:") {
        place.fault(Rule::WrongType { expected: "an ARN" });
    }
    if resource.contains(".waitForTaskToken") {
        place.fault(Rule::NotExpress { reason: "it cannot wait for a task token" });
    }
    if resource.contains(".sync") {
        place.fault(Rule::NotExpress { reason: "it cannot wait for a job to be complete" });
    }
    if resource.split(':').nth(5) == Some("activity") {
        place.fault(Rule::NotExpress { reason: "it has no activities" });
    }
}

fn read_parallel(fields: &Fields<'_>, names: &Names<'_>, language: Language) -> Option<Parallel> {
    only(fields, &["Arguments", "Assign", "Branches", "Catch", "End", "Next", "Output", "Retry"]);
    let branches = read_branches(fields, language);
    let arguments = payload::template(fields, "Arguments", Sight::Entry);
    let handling = handling::read(fields, names);
    let exit = read_exit(fields, names, Sight::Result);
    Some(Parallel { branches: branches?, arguments, handling: handling?, exit: exit? })
}

fn read_branches(fields: &Fields<'_>, language: Language) -> Option<Vec<Scope>> {
    let branches: Vec<Option<Scope>> = fields
        .items("Branches")?
        .iter()
        .enumerate()
        .map(|(index, branch)| {
            let fields = Fields::of(branch, &fields.at("Branches").at(index), "a branch")?;
            fields.only(&["Comment", "StartAt", "States"]);
            fields.optional_text("Comment");
            read_scope(&fields, language)
        })
        .collect();
    branches.into_iter().collect()
}

fn read_pass(fields: &Fields<'_>, names: &Names<'_>) -> Option<Exit> {
    only(fields, &["Assign", "End", "Next", "Output"]);
    read_exit(fields, names, Sight::Entry)
}

fn read_choice(fields: &Fields<'_>, names: &Names<'_>) -> Option<Choice> {
    only(fields, &["Assign", "Choices", "Default", "Output"]);
    let rules = fields.items("Choices").map(|rules| {
        rules
            .iter()
            .enumerate()
            .map(|(index, rule)| read_choice_rule(rule, names, &fields.at("Choices").at(index)))
            .collect::<Vec<_>>()
    });
    // The outer `None` means that there is a Default with a fault.
    let default = if fields.has("Default") {
        read_exit_to(fields, "Default", names, Sight::Entry).map(Some)
    } else {
        // Without a Default nothing evaluates them, but they must still be valid.
        payload::assign(fields, Sight::Entry);
        payload::template(fields, "Output", Sight::Entry);
        Some(None)
    };
    Some(Choice { rules: rules?.into_iter().collect::<Option<_>>()?, default: default? })
}

fn read_choice_rule(rule: &Value, names: &Names<'_>, place: &Place<'_>) -> Option<ChoiceRule> {
    let fields = Fields::of(rule, place, "a choice rule")?;
    fields.only(&["Assign", "Comment", "Condition", "Next", "Output"]);
    fields.optional_text("Comment");
    let condition = fields.required("Condition").and_then(|condition| match condition {
        Value::Bool(constant) => Some(Condition::Constant(*constant)),
        Value::String(text) => payload::expression(text, Sight::Entry, &fields.at("Condition"))
            .map(|expression| Condition::Expression(Box::new(expression))),
        _ => {
            let expected = "a boolean or a JSONata expression";
            fields.at("Condition").fault(Rule::WrongType { expected });
            None
        }
    });
    let exit = read_exit_to(&fields, "Next", names, Sight::Entry);
    Some(ChoiceRule { condition: condition?, exit: exit? })
}

fn read_wait(fields: &Fields<'_>, names: &Names<'_>) -> Option<Wait> {
    only(fields, &["Assign", "End", "Next", "Output", "Seconds", "Timestamp"]);
    let until = match (fields.has("Seconds"), fields.has("Timestamp")) {
        (true, false) => payload::number(fields, "Seconds", 0, "a whole number from 0 to 99999999").map(Until::Seconds),
        (false, true) => read_timestamp(fields),
        _ => {
            fields.place().fault(Rule::ExactlyOneOf { fields: "Seconds and Timestamp" });
            None
        }
    };
    let exit = read_exit(fields, names, Sight::Entry);
    Some(Wait { until: until?, exit: exit? })
}

fn read_timestamp(fields: &Fields<'_>) -> Option<Until> {
    let place = fields.at("Timestamp");
    let text = fields.text("Timestamp")?;
    if let Some(expression) = payload::expression_in(text, Sight::Entry, &place)? {
        return Some(Until::MomentOf(Box::new(expression)));
    }
    let moment = parse_timestamp(text);
    if moment.is_none() {
        place.fault(Rule::Timestamp);
    }
    moment.map(Until::Moment)
}

/// A time in the language's profile of RFC 3339, with capital `T` and `Z`.
///
/// See <https://states-language.net/spec.html#timestamps>.
pub(crate) fn parse_timestamp(text: &str) -> Option<OffsetDateTime> {
    if text.contains(|character: char| character.is_lowercase() || character == ' ') {
        return None;
    }
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

fn read_succeed(fields: &Fields<'_>) -> Kind {
    only(fields, &["Output"]);
    Kind::Succeed { output: payload::template(fields, "Output", Sight::Entry) }
}

fn read_fail(fields: &Fields<'_>) -> Fail {
    only(fields, &["Cause", "Error"]);
    Fail { error: payload::text(fields, "Error"), cause: payload::text(fields, "Cause") }
}

/// The way out of a state that has `Next` or `End`.
pub(super) fn read_exit(fields: &Fields<'_>, names: &Names<'_>, sight: Sight) -> Option<Exit> {
    let assign = payload::assign(fields, sight);
    let output = payload::template(fields, "Output", sight);
    let to = read_transition(fields, names);
    Some(Exit { assign, output, to: to? })
}

fn read_transition(fields: &Fields<'_>, names: &Names<'_>) -> Option<Transition> {
    if fields.get("End").is_some_and(|end| *end != Value::Bool(true)) {
        fields.at("End").fault(Rule::EndNotTrue);
        return None;
    }
    match (fields.has("Next"), fields.has("End")) {
        (true, false) => {
            let target = fields.text("Next")?;
            resolve(target, names, &fields.at("Next")).map(Transition::Next)
        }
        (false, true) => Some(Transition::End),
        _ => {
            fields.at("Next").fault(Rule::NextOrEnd);
            None
        }
    }
}

/// The way out of a catcher, a choice rule or a Choice's default. `field` names the next state.
pub(super) fn read_exit_to(fields: &Fields<'_>, field: &str, names: &Names<'_>, sight: Sight) -> Option<Exit> {
    let assign = payload::assign(fields, sight);
    let output = payload::template(fields, "Output", sight);
    let next = fields.text(field).and_then(|target| resolve(target, names, &fields.at(field)));
    Some(Exit { assign, output, to: Transition::Next(next?) })
}
