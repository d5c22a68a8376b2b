//! The rules of the language, with a small case for each.
//!
//! The cases are data: a definition, an input, the answers to its Tasks, and the expected result.
//! Each names the section that says so in `source`: `spec` is the Amazon States Language,
//! <https://states-language.net/spec.html>; `dg` the Step Functions developer guide,
//! <https://docs.aws.amazon.com/step-functions/latest/dg/>. Where the documents are silent, `chosen` says
//! on whose evidence it was decided: `LocalStack` means its tests' recordings of what AWS did
//! (<https://github.com/localstack/localstack>, `tests/aws/services/stepfunctions`).

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use engine::StateMachine;
use engine::mock::{Execution, MockConfig, Mocks};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// 2026-03-14T01:59:00Z, when every execution begins.
const EPOCH_MS: i64 = 1_773_453_540_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The rule, as a claim.
    rule: String,
    source: String,
    #[serde(default)]
    chosen: Option<String>,
    /// A whole definition, or the states of one that begins with the first.
    #[serde(default)]
    definition: Option<Value>,
    #[serde(default)]
    states: Option<Map<String, Value>>,
    #[serde(default)]
    input: Option<Value>,
    /// For each state its mocked responses, in AWS's format.
    #[serde(default)]
    mocks: BTreeMap<String, Value>,
    expect: Expected,
}

/// Fields that are not named are not checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Expected {
    status: Option<String>,
    #[serde(default, deserialize_with = "present")]
    output: Option<Value>,
    error: Option<String>,
    cause: Option<String>,
    cause_contains: Option<String>,
    path: Option<Vec<String>>,
    attempts: Option<BTreeMap<String, usize>>,
    /// The arguments of a state's last attempt.
    arguments: Option<BTreeMap<String, Value>>,
    elapsed_seconds: Option<f64>,
    /// The bounds of a random time.
    elapsed_between: Option<(f64, f64)>,
    events: Option<Vec<String>>,
    /// The definition is refused: for each fault `line state field`, as far as given, and words of its
    /// rule.
    refused: Option<Vec<Refused>>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Refused {
    state: Option<String>,
    field: String,
    rule: String,
    line: Option<usize>,
}

/// Distinguishes `"output": null` from no `output`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Case {
    fn text(&self) -> String {
        let definition = match (&self.definition, &self.states) {
            (Some(definition), None) => definition.clone(),
            (None, Some(states)) => {
                let start = states.keys().next().unwrap();
                json!({"QueryLanguage": "JSONata", "StartAt": start, "States": states})
            }
            _ => panic!("{}: has either a definition or states", self.rule),
        };
        serde_json::to_string_pretty(&definition).unwrap()
    }

    fn mocks(&self) -> Mocks {
        let names: BTreeMap<_, _> = self.mocks.keys().map(|state| (state, state)).collect();
        let config = json!({
            "StateMachines": {"M": {"TestCases": {"Case": names}}},
            "MockedResponses": self.mocks,
        });
        MockConfig::parse(&config.to_string()).unwrap().case("Case", None).unwrap().starting_at(EPOCH_MS)
    }

    /// The differences from the expected result.
    fn differences(&self) -> Vec<String> {
        assert!(self.source.starts_with("spec ") || self.source.starts_with("dg/"), "{}: {}", self.rule, self.source);
        assert_ne!(self.chosen.as_deref(), Some(""), "{}", self.rule);
        let loaded = StateMachine::load(&self.text());
        if let Some(expected) = &self.expect.refused {
            return match loaded {
                Ok(_) => vec!["was not refused".to_owned()],
                Err(error) => compare_faults(expected, error.faults()),
            };
        }
        let machine = match loaded {
            Ok(machine) => machine,
            Err(error) => return vec![error.to_string()],
        };
        match self.mocks().execute(&machine, self.input.clone().unwrap_or_else(|| json!({}))) {
            Ok(execution) => compare(&self.expect, &execution),
            Err(not_mocked) => vec![not_mocked.to_string()],
        }
    }
}

fn compare_faults(expected: &[Refused], found: &[engine::Fault]) -> Vec<String> {
    let matches = |fault: &engine::Fault, refused: &Refused| {
        fault.state == refused.state
            && fault.field == refused.field
            && fault.rule.to_string().contains(&refused.rule)
            && refused.line.is_none_or(|line| line == fault.line)
    };
    let same =
        expected.len() == found.len() && expected.iter().zip(found).all(|(refused, fault)| matches(fault, refused));
    if same { Vec::new() } else { vec![format!("faults: expected {expected:#?}, found {found:#?}")] }
}

fn compare(expected: &Expected, execution: &Execution) -> Vec<String> {
    let mut differences = Vec::new();
    let mut check = |what: &str, expected: Option<Value>, found: Value| {
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            differences.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    let (outcome, elapsed) = (&execution.outcome, execution.elapsed().as_secs_f64());
    let types = || execution.history.events().iter().map(|event| event.kind.type_name()).collect::<Vec<_>>();
    check("status", expected.status.clone().map(Value::from), outcome.status.as_str().into());
    check("output", expected.output.clone(), json!(outcome.output.as_deref()));
    check("error", expected.error.clone().map(Value::from), json!(outcome.error));
    check("cause", expected.cause.clone().map(Value::from), json!(outcome.cause));
    check("path", expected.path.as_ref().map(|path| json!(path)), json!(execution.path()));
    check("elapsed", expected.elapsed_seconds.map(Value::from), elapsed.into());
    check("events", expected.events.as_ref().map(|events| json!(events)), json!(types()));
    for (state, count) in expected.attempts.iter().flatten() {
        check(&format!("attempts of {state}"), Some(json!(count)), json!(execution.attempts(state)));
    }
    for (state, arguments) in expected.arguments.iter().flatten() {
        check(&format!("arguments of {state}"), Some(arguments.clone()), json!(execution.arguments(state).last()));
    }
    if let Some(words) = &expected.cause_contains
        && !outcome.cause.as_ref().is_some_and(|cause| cause.contains(words))
    {
        differences.push(format!("cause: expected {words:?} in {:?}", outcome.cause));
    }
    if let Some((least, most)) = expected.elapsed_between
        && !(least..=most).contains(&elapsed)
    {
        differences.push(format!("elapsed: expected {least} to {most}, found {elapsed}"));
    }
    differences
}

/// Runs every case of a file, and reports all failures at once.
fn hold(cases: &str) {
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    let failed: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let differences = case.differences();
            (!differences.is_empty())
                .then(|| format!("{} ({})\n    {}", case.rule, case.source, differences.join("\n    ")))
        })
        .collect();
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

macro_rules! areas {
    ($($area:ident),* $(,)?) => {
        $(#[test] fn $area() { hold(include_str!(concat!(stringify!($area), ".json"))); })*
    };
}

areas!(
    choices, context, data, errors, functions, histories, limits, maps, mocks, parallels, refusals, retries, states,
    variables
);
