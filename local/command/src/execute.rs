//! `order-saga execute`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::{eprintln, println};
use engine::mock::{Execution, MockCaseError, MockConfig, MockConfigError, Mocks, NotMocked};
use engine::{LoadError, MissingPlaceholder, StateMachine, Status};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Execute any Express definition with mocked Tasks, on a clock that jumps over every delay.
///
/// The definition must use `JSONata`. Prints one JSON document: status, output, error, cause, and the
/// seconds that passed on the execution's own clock. Exits with 0 if the execution succeeded, with 1 if
/// it did not, and with 2 if it could not run, because the definition is invalid or a Task is not mocked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLE)]
pub struct Args {
    /// The definition. A placeholder such as `${PersistOrderFunctionArn}` becomes the ARN of a function
    /// of that name, unless `--set` gives it a value.
    #[arg(value_name = "DEFINITION")]
    pub definition: PathBuf,
    /// The input: a file, JSON text, or `-` for standard input.
    #[arg(long, value_name = "FILE|JSON", default_value = "{}")]
    pub input: String,
    /// The results of Tasks, in the format of Step Functions Local (`MockConfigFile.json`); needs `--case`.
    #[arg(long, value_name = "FILE", requires = "case")]
    pub mocks: Option<PathBuf>,
    /// The test case in the mock configuration.
    #[arg(long, value_name = "NAME", requires = "mocks")]
    pub case: Option<String>,
    /// The state machine in the mock configuration; required if several have a test case of that name.
    #[arg(long, value_name = "NAME", requires = "mocks")]
    pub state_machine: Option<String>,
    /// Also print the events, named as Step Functions names them, each with its time in seconds.
    #[arg(long)]
    pub history: bool,
    /// The value of one placeholder; can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// When the execution starts, for example `2026-03-14T01:59:00Z`; if omitted, now.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub start_time: Option<OffsetDateTime>,
    /// The seed of jitter, `$random` and `$uuid`; the same seed gives the same execution.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Time the execution out after so many seconds. The definition may set less; Express sets 300 s.
    #[arg(long, value_name = "SECONDS")]
    pub time_limit: Option<u64>,
}

const EXAMPLE: &str = "Example:
  order-saga execute order.asl.json --input '{\"total\": 5}' --mocks MockConfigFile.json --case HappyPath --history";

fn setting(text: &str) -> Result<(String, String), NotASetting> {
    text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or(NotASetting)
}

/// A text that is not `NAME=VALUE`.
#[derive(Debug, thiserror::Error)]
#[error("must be NAME=VALUE")]
pub struct NotASetting;

fn moment(text: &str) -> Result<OffsetDateTime, time::error::Parse> {
    OffsetDateTime::parse(text, &Rfc3339)
}

/// The definition could not be executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A placeholder does not end.
    #[error("cannot fill in the definition's placeholders")]
    Placeholder(#[from] MissingPlaceholder),
    /// The definition is invalid.
    #[error("cannot load the definition")]
    Definition(#[from] LoadError),
    /// The input is neither a file nor JSON.
    #[error("the input {input:?} is neither a file nor JSON")]
    Input {
        /// The input as given.
        input: String,
        /// Why it is not JSON.
        source: serde_json::Error,
    },
    /// The mock configuration is invalid.
    #[error(transparent)]
    Mocks(#[from] MockConfigError),
    /// The test case does not exist.
    #[error(transparent)]
    Case(#[from] MockCaseError),
    /// A state was reached that is not mocked.
    #[error(transparent)]
    NotMocked(#[from] NotMocked),
}

/// Executes the definition, prints how it ended, and returns whether it succeeded.
///
/// # Errors
/// [`ExecuteError`].
pub fn run(args: &Args) -> Result<bool, ExecuteError> {
    let machine = StateMachine::load(&fill(&read(&args.definition)?, &args.set)?)?;
    let input = read_input(&args.input)?;
    let mocks = read_mocks(args)?;
    for state in mocks.states().filter(|state| !machine.state_names().contains(state)) {
        eprintln!("warning: the mock configuration has responses for {state:?}, which the definition does not have");
    }
    let execution = mocks.execute(&machine, input)?;
    println!("{}", to_json(&execution, args.history));
    Ok(execution.status() == Status::Succeeded)
}

fn read(path: &Path) -> Result<String, ExecuteError> {
    std::fs::read_to_string(path).map_err(|source| ExecuteError::File { path: path.to_owned(), source })
}

fn read_input(input: &str) -> Result<Value, ExecuteError> {
    let text = match input {
        "-" => std::io::read_to_string(std::io::stdin())
            .map_err(|source| ExecuteError::File { path: "standard input".into(), source })?,
        path if Path::new(path).is_file() => read(Path::new(path))?,
        json => json.to_owned(),
    };
    serde_json::from_str(&text).map_err(|source| ExecuteError::Input { input: input.to_owned(), source })
}

fn read_mocks(args: &Args) -> Result<Mocks, ExecuteError> {
    let mut mocks = match (&args.mocks, &args.case) {
        (Some(file), Some(case)) => MockConfig::parse(&read(file)?)?.case(case, args.state_machine.as_deref())?,
        _ => Mocks::new(),
    };
    mocks = mocks.seeded(args.seed);
    if let Some(start_time) = args.start_time {
        let epoch_ms = start_time.unix_timestamp_nanos() / 1_000_000;
        mocks = mocks.starting_at(i64::try_from(epoch_ms).unwrap_or(0));
    }
    if let Some(seconds) = args.time_limit {
        mocks = mocks.time_limit(Duration::from_secs(seconds));
    }
    Ok(mocks)
}

/// Fills in every placeholder. Any value will do where the calls are mocked.
fn fill(definition: &str, set: &[(String, String)]) -> Result<String, MissingPlaceholder> {
    let set: BTreeMap<&str, &str> = set.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    engine::fill(definition, |name| {
        let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || "_-.".contains(letter));
        Some(match set.get(name) {
            Some(value) => (*value).to_owned(),
            None if is_name => format!("arn:aws:lambda:us-east-1:000000000000:function:{name}"),
            // Not a placeholder's name: it is left as it is.
            None => format!("${{{name}}}"),
        })
    })
}

/// One document. With the history, each event is on a line of its own, so that people can read it.
fn to_json(execution: &Execution, with_history: bool) -> String {
    let outcome = &execution.outcome;
    let mut json = json!({
        "status": outcome.status.as_str(),
        "output": outcome.output.as_deref(),
        "error": outcome.error,
        "cause": outcome.cause,
        "elapsedSeconds": seconds(outcome.stopped_ms - outcome.started_ms),
    })
    .to_string();
    if with_history {
        let events: Vec<_> =
            execution.history.events().iter().map(|event| to_line(event, outcome.started_ms)).collect();
        json.truncate(json.len() - 1);
        json.push_str(",\"history\":[\n  ");
        json.push_str(&events.join(",\n  "));
        json.push_str("\n]}");
    }
    json
}

/// An event as `GetExecutionHistory` numbers and names it, with the seconds since the start.
fn to_line(event: &engine::Event, started_ms: i64) -> String {
    json!({
        "id": event.id,
        "previousEventId": event.previous_event_id,
        "elapsedSeconds": seconds(event.timestamp_ms - started_ms),
        "type": event.kind.type_name(),
        "state": event.kind.state(),
        "details": event.kind.details(),
    })
    .to_string()
}

/// Whole seconds as a whole number, others as a fraction.
fn seconds(ms: i64) -> Value {
    if ms % 1000 == 0 {
        return json!(ms / 1000);
    }
    #[allow(clippy::cast_precision_loss)]
    let seconds = ms as f64 / 1000.0;
    json!(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_functions_unless_a_value_is_given() {
        let set = [("Timeout".to_owned(), "5".to_owned())];
        let filled = fill(r#"{"a": "${Fn}", "b": ${Timeout}, "c": "$${kept} ${not a name}"}"#, &set).unwrap();
        let json: Value = serde_json::from_str(&filled).unwrap();
        let expected = json!({
            "a": "arn:aws:lambda:us-east-1:000000000000:function:Fn",
            "b": 5,
            "c": "${kept} ${not a name}",
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn the_output_is_one_document_with_or_without_the_history() {
        let definition = json!({"QueryLanguage": "JSONata", "StartAt": "W", "States": {
            "W": {"Type": "Wait", "Seconds": 5, "Next": "F"},
            "F": {"Type": "Fail", "Error": "E", "Cause": "c"},
        }});
        let machine = StateMachine::load(&definition.to_string()).unwrap();
        let execution = Mocks::new().execute(&machine, json!({})).unwrap();
        let text = r#"{"status":"FAILED","output":null,"error":"E","cause":"c","elapsedSeconds":5}"#;
        assert_eq!(to_json(&execution, false), text);
        let json: Value = serde_json::from_str(&to_json(&execution, true)).unwrap();
        assert_eq!(json["status"], "FAILED");
        let events: Vec<_> = json["history"].as_array().unwrap().iter().collect();
        let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        let expected =
            ["ExecutionStarted", "WaitStateEntered", "WaitStateExited", "FailStateEntered", "ExecutionFailed"];
        assert_eq!(types, expected);
        assert_eq!((&events[2]["elapsedSeconds"], &events[2]["state"]), (&json!(5), &json!("W")));
    }

    #[test]
    fn an_input_is_json_or_a_file() {
        assert_eq!(read_input(r#"{"n": 7}"#).unwrap(), json!({"n": 7}));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[1]").unwrap();
        assert_eq!(read_input(file.path().to_str().unwrap()).unwrap(), json!([1]));
        assert!(matches!(read_input("no-such-file.json"), Err(ExecuteError::Input { .. })));
    }

    #[test]
    fn part_of_a_second_is_a_fraction() {
        assert_eq!([seconds(7_000), seconds(7_250)], [json!(7), json!(7.25)]);
    }
}
