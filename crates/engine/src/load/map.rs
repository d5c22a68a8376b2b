//! Map states, in inline mode, the only mode of Express.

use serde_json::Value;

use super::fields::Fields;
use super::language::Language;
use super::payload::{self, Sight};
use super::{Names, handling, read_scope, states};
use crate::definition::{Map, Scope};
use crate::fault::Rule;
use crate::template::Template;

/// The fields of the distributed mode only, each with the reason.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html>.
const DISTRIBUTED_FIELDS: [(&str, &str); 6] = [
    ("ItemBatcher", "only a distributed Map has batches"),
    ("ItemReader", "only a distributed Map reads its items from elsewhere"),
    ("Label", "only a distributed Map has a label"),
    ("ResultWriter", "only a distributed Map writes its results elsewhere"),
    ("ToleratedFailureCount", "only a distributed Map tolerates failures"),
    ("ToleratedFailurePercentage", "only a distributed Map tolerates failures"),
];

/// The fields of an inline Map, besides those that every state has.
const FIELDS: [&str; 10] =
    ["Assign", "Catch", "End", "ItemProcessor", "ItemSelector", "Items", "MaxConcurrency", "Next", "Output", "Retry"];

pub(super) fn read(fields: &Fields<'_>, names: &Names<'_>, language: Language) -> Option<Map> {
    let distributed = DISTRIBUTED_FIELDS.map(|(field, _)| field);
    states::only(fields, &[&FIELDS[..], &distributed[..]].concat());
    for (field, reason) in DISTRIBUTED_FIELDS {
        if fields.has(field) {
            fields.at(field).fault(Rule::NotExpress { reason });
        }
    }
    let items = read_items(fields);
    let selector = payload::template(fields, "ItemSelector", Sight::Entry);
    let max_concurrency = payload::number(fields, "MaxConcurrency", 0, "a whole number from 0 to 99999999");
    let processor = read_processor(fields, language);
    let handling = handling::read(fields, names);
    let exit = states::read_exit(fields, names, Sight::Result);
    Some(Map { items, selector, max_concurrency, processor: processor?, handling: handling?, exit: exit? })
}

/// An array as written, or an expression.
fn read_items(fields: &Fields<'_>) -> Option<Template> {
    const FIELD: &str = "Items";
    match fields.get(FIELD)? {
        Value::String(text) => payload::expression(text, Sight::Entry, &fields.at(FIELD))
            .map(|expression| Template::Expression(Box::new(expression))),
        Value::Array(_) => payload::template(fields, FIELD, Sight::Entry),
        _ => {
            fields.at(FIELD).fault(Rule::WrongType { expected: "an array or a JSONata expression" });
            None
        }
    }
}

fn read_processor(fields: &Fields<'_>, language: Language) -> Option<Scope> {
    const FIELD: &str = "ItemProcessor";
    let processor = Fields::of(fields.required(FIELD)?, &fields.at(FIELD), "an item processor")?;
    processor.only(&["Comment", "ProcessorConfig", "StartAt", "States"]);
    processor.optional_text("Comment");
    if let Some(config) = processor.get("ProcessorConfig")
        && let Some(config) = Fields::of(config, &processor.at("ProcessorConfig"), "a processor's configuration")
    {
        config.only(&["ExecutionType", "Mode"]);
        match config.optional_text("Mode") {
            None | Some("INLINE") => {
                if config.has("ExecutionType") {
                    let reason = "only a distributed Map has executions of its own";
                    config.at("ExecutionType").fault(Rule::NotExpress { reason });
                }
            }
            Some("DISTRIBUTED") => {
                config.at("Mode").fault(Rule::NotExpress { reason: "it has no distributed Map" });
            }
            Some(other) => {
                config.at("Mode").fault(Rule::NotOneOf { expected: "INLINE", found: other.to_owned() });
            }
        }
    }
    read_scope(&processor, language)
}
