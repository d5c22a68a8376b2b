//! Texts close to definitions: real ones with parts removed, added, exchanged and broken.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// A text that may or may not be a definition.
#[derive(Debug, Clone)]
pub struct Mutation(pub String);

/// The shipped definition, and those of the conformance suite.
static CORPUS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let mut corpus = vec![serde_json::from_str(include_str!("../../../../statemachine/order-saga.asl.json")).unwrap()];
    for area in [
        include_str!("../conformance/choices.json"),
        include_str!("../conformance/data.json"),
        include_str!("../conformance/errors.json"),
        include_str!("../conformance/functions.json"),
        include_str!("../conformance/maps.json"),
        include_str!("../conformance/parallels.json"),
        include_str!("../conformance/refusals.json"),
        include_str!("../conformance/retries.json"),
        include_str!("../conformance/states.json"),
        include_str!("../conformance/variables.json"),
    ] {
        let cases: Vec<Value> = serde_json::from_str(area).unwrap();
        corpus.extend(cases.into_iter().map(|mut case| {
            if let Some(definition) = case.get_mut("definition") {
                return definition.take();
            }
            let start = case["states"].as_object().unwrap().keys().next().unwrap().clone();
            json!({"QueryLanguage": "JSONata", "StartAt": start, "States": case["states"]})
        }));
    }
    corpus
});

/// One change of the value, at the place of the index.
#[derive(Debug, Clone)]
enum Change {
    Remove(Index),
    Replace(Index, Value),
    /// Puts the value of one place into another.
    Copy(Index, Index),
    /// Renames a member.
    Rename(Index, String),
}

/// One change of the text.
#[derive(Debug, Clone)]
enum Break {
    Cut(Index),
    Insert(Index, String),
    Delete(Index),
}

fn fragment() -> impl Strategy<Value = Value> {
    prop_oneof![
        proptest::sample::select(vec![
            json!(null),
            json!(true),
            json!(-1),
            json!(1e308),
            json!(99_999_999_u64),
            json!([]),
            json!({}),
            json!([[]]),
            json!(""),
            json!("{%%}"),
            json!("{% $states.result %}"),
            json!("{% $v[0].{'a': $} ^(a) %}"),
            json!("{% function($x) { $x(1) } %}"),
            json!("{% /(a/ %}"),
            json!("States.ALL"),
            json!("Map"),
            json!("Parallel"),
            json!("Choice"),
            json!({"StartAt": "Q", "States": {"Q": {"Type": "Succeed"}}}),
        ]),
        any::<String>().prop_map(Value::from),
        "\\{% .{0,20} %\\}".prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
    ]
}

fn member() -> impl Strategy<Value = String> {
    let names = [
        "Type",
        "Next",
        "End",
        "Items",
        "ItemProcessor",
        "ItemSelector",
        "Branches",
        "Catch",
        "Retry",
        "Assign",
        "Output",
        "Arguments",
        "Choices",
        "Default",
        "States",
        "StartAt",
        "QueryLanguage",
        "InputPath",
        "a.$",
    ];
    prop_oneof![proptest::sample::select(names.to_vec()).prop_map(str::to_owned), any::<String>()]
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        index().prop_map(Change::Remove),
        (index(), fragment()).prop_map(|(at, value)| Change::Replace(at, value)),
        (index(), index()).prop_map(|(from, to)| Change::Copy(from, to)),
        (index(), member()).prop_map(|(at, name)| Change::Rename(at, name)),
    ]
}

fn break_() -> impl Strategy<Value = Break> {
    let index = any::<Index>;
    prop_oneof![
        index().prop_map(Break::Cut),
        (index(), ".{0,4}").prop_map(|(at, text)| Break::Insert(at, text)),
        index().prop_map(Break::Delete),
    ]
}

fn text() -> impl Strategy<Value = String> {
    (any::<Index>(), vec(change(), 0..4), prop_oneof![3 => Just(Vec::new()), 1 => vec(break_(), 1..4)]).prop_map(
        |(base, changes, breaks)| {
            let mut definition = CORPUS[base.index(CORPUS.len())].clone();
            changes.iter().for_each(|change| apply(&mut definition, change));
            let mut text = serde_json::to_string_pretty(&definition).unwrap();
            breaks.iter().for_each(|broken| break_text(&mut text, broken));
            text
        },
    )
}

pub fn mutated() -> impl Strategy<Value = Mutation> {
    prop_oneof![9 => text(), 1 => any::<String>()].prop_map(Mutation)
}

/// The pointers of everything in the value.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                pointers(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| pointers(item, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

fn apply(definition: &mut Value, change: &Change) {
    let mut places = Vec::new();
    pointers(definition, "", &mut places);
    let place = |index: &Index| places[index.index(places.len())].clone();
    match change {
        Change::Remove(at) => rename(definition, &place(at), None),
        Change::Rename(at, name) => rename(definition, &place(at), Some(name)),
        Change::Replace(at, value) => *definition.pointer_mut(&place(at)).unwrap() = value.clone(),
        Change::Copy(from, to) => {
            let value = definition.pointer(&place(from)).unwrap().clone();
            *definition.pointer_mut(&place(to)).unwrap() = value;
        }
    }
}

fn rename(definition: &mut Value, place: &str, name: Option<&String>) {
    let Some((parent, last)) = place.rsplit_once('/') else { return };
    let last = last.replace("~1", "/").replace("~0", "~");
    match definition.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            if let (Some(value), Some(name)) = (members.remove(&last), name) {
                members.insert(name.clone(), value);
            }
        }
        Value::Array(items) => drop(items.remove(last.parse().unwrap())),
        _ => {}
    }
}

fn break_text(text: &mut String, broken: &Break) {
    let at = |index: &Index| {
        let mut at = index.index(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    match broken {
        Break::Cut(index) => {
            let at = at(index);
            text.truncate(at);
        }
        Break::Insert(index, inserted) => {
            let at = at(index);
            text.insert_str(at, inserted);
        }
        Break::Delete(index) => {
            let at = at(index);
            if at < text.len() {
                text.remove(at);
            }
        }
    }
}
