//! `order-saga lint`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anstream::println;
use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};
use engine::lint::{self, Leg, Policy, Report, Way, Work};
use engine::{LoadError, MissingPlaceholder, StateMachine};
use serde_json::json;

use local_stack::{fill, policy, problems};
use statemachine::DEFINITION;

/// Check the saga's definition, and print its longest path and largest payload.
///
/// Checks retries, catches and timeouts, that every step is compensated, how long an execution can take,
/// and how large its payloads can become. Exits with 0 if the definition passes, with 1 otherwise.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The definition, with its placeholders; if omitted, the shipped one.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The definition could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum LintError {
    /// The file cannot be read.
    #[error("cannot read the definition {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The definition calls functions that the saga does not have.
    #[error("cannot fill in the definition's placeholders")]
    Placeholder(#[from] MissingPlaceholder),
    /// The functions' declarations contradict each other or the handlers.
    #[error("the functions' declarations are wrong:\n  {}", .0.join("\n  "))]
    Declarations(Vec<String>),
    /// The definition is not JSON.
    #[error("cannot read the definition")]
    Json(#[source] LoadError),
}

/// The result of the check.
enum Checked {
    /// The definition could not be loaded because of these faults.
    Refused(Vec<engine::Fault>),
    Report(Box<Report>),
}

/// Checks the definition, prints the findings, and returns whether it passes.
///
/// # Errors
/// [`LintError`].
pub async fn run(args: &Args) -> Result<bool, LintError> {
    let definition = args.file.as_deref().map_or_else(|| Ok(DEFINITION.to_owned()), read)?;
    let problems = problems();
    if !problems.is_empty() {
        return Err(LintError::Declarations(problems));
    }
    let policy = policy();
    let checked = check(&definition, &policy).await?;
    if args.json {
        println!("{}", to_json(&checked));
    } else {
        anstream::print!("{}", to_text(&checked, &policy));
    }
    Ok(matches!(checked, Checked::Report(report) if report.passes()))
}

fn read(path: &Path) -> Result<String, LintError> {
    std::fs::read_to_string(path).map_err(|source| LintError::File { path: path.to_owned(), source })
}

async fn check(definition: &str, policy: &Policy) -> Result<Checked, LintError> {
    match StateMachine::load(&fill(definition)?) {
        Ok(machine) => Ok(Checked::Report(Box::new(lint::check(&machine, policy).await))),
        Err(LoadError::Faults(faults)) => Ok(Checked::Refused(faults)),
        Err(error @ LoadError::Json(_)) => Err(LintError::Json(error)),
    }
}

fn to_json(checked: &Checked) -> serde_json::Value {
    match checked {
        Checked::Refused(faults) => {
            let findings: Vec<_> = faults
                .iter()
                .map(|fault| {
                    let rule = fault.rule.to_string();
                    json!({ "line": fault.line, "state": fault.state, "field": fault.field, "rule": rule })
                })
                .collect();
            json!({ "passes": false, "findings": findings })
        }
        Checked::Report(report) => {
            let mut json = json!(report);
            json["passes"] = report.passes().into();
            json
        }
    }
}

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const STRONG: Style = Style::new().bold();

fn to_text(checked: &Checked, policy: &Policy) -> String {
    let findings: Vec<String> = match checked {
        Checked::Refused(faults) => faults.iter().map(ToString::to_string).collect(),
        Checked::Report(report) => report.findings.iter().map(ToString::to_string).collect(),
    };
    let mut text = String::new();
    if !findings.is_empty() {
        let plural = if findings.len() == 1 { "" } else { "s" };
        line(&mut text, format_args!("{BAD}lint found {} fault{plural}{BAD:#}", findings.len()));
        for finding in &findings {
            line(&mut text, format_args!("  {finding}"));
        }
    }
    if let Checked::Report(report) = checked
        && report.passes()
    {
        let (states, rehearsals) = (report.states, report.rehearsals);
        line(&mut text, format_args!("{GOOD}lint passes{GOOD:#}: {states} states, {rehearsals} executions rehearsed"));
        write_times(&mut text, report, policy);
        write_payload(&mut text, report, policy);
        write_room(&mut text, report);
    }
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("writing to a String cannot fail");
}

fn write_times(text: &mut String, report: &Report, policy: &Policy) {
    let Some((worst, others)) = report.ways.split_first() else { return };
    let limit_s = report.time_limit_s.map_or_else(|| "no limit".to_owned(), |limit_s| format!("{limit_s} s"));
    line(text, format_args!("\n{STRONG}longest path{STRONG:#}, to {}", worst.end));
    line(text, format_args!("{}", table(worst)));
    line(text, format_args!("  {} in total; the execution times out at {limit_s}", seconds(worst.total_s)));
    let others: Vec<String> = others.iter().map(|way| format!("{} {}", way.end, seconds(way.total_s))).collect();
    line(text, format_args!("  to the other end states: {}", others.join(", ")));
    let (after_s, skew_s) = (policy.recovery.after.as_secs(), policy.recovery.clock_skew.as_secs());
    line(text, format_args!("  recovery waits {after_s} s, of which {skew_s} s are for clock skew"));
}

/// The states of a path, and how the time of each adds up.
fn table(way: &Way) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    add_rows(&mut table, &way.legs, 1);
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn add_rows(table: &mut Table, legs: &[Leg], depth: usize) {
    for leg in legs {
        // The table puts one space before each cell.
        let name = format!("{:indent$}{}", "", leg.state, indent = depth * 2 - 1);
        let (work, total) = match &leg.work {
            Work::None => (String::new(), String::new()),
            Work::Wait => ("wait".to_owned(), seconds(leg.total_s)),
            Work::Attempts { attempts, timeout_s, delays_s } => {
                (format!("{attempts} × {timeout_s} s + {}", seconds(*delays_s)), seconds(leg.total_s))
            }
            Work::Branches { attempts: 1, .. } => ("slowest branch".to_owned(), seconds(leg.total_s)),
            Work::Branches { attempts, delays_s, .. } => {
                (format!("{attempts} × slowest branch + {}", seconds(*delays_s)), seconds(leg.total_s))
            }
        };
        table.add_row([name, work, total]);
        if let Work::Branches { slowest, .. } = &leg.work {
            add_rows(table, slowest, depth + 1);
        }
    }
}

/// Whole seconds as whole numbers, others to the millisecond.
fn seconds(seconds: f64) -> String {
    if seconds.fract() == 0.0 { format!("{seconds:.0} s") } else { format!("{seconds:.3} s") }
}

fn write_payload(text: &mut String, report: &Report, policy: &Policy) {
    let Some(largest) = &report.largest_payload else { return };
    let (bytes, limit_bytes) = (largest.bytes, policy.max_payload_bytes);
    line(
        text,
        format_args!(
            "\n{STRONG}largest payload{STRONG:#}, for the largest order and the longest errors\n  \
             {bytes} of {limit_bytes} bytes, the {} of {}\n  on the path {}",
            largest.part.noun(),
            largest.state,
            largest.path.join(" → "),
        ),
    );
}

fn write_room(text: &mut String, report: &Report) {
    let Some(room) = &report.room else { return };
    line(text, format_args!("\n{STRONG}room{STRONG:#} for more steps"));
    line(text, format_args!("  by time: {}, each up to {}", room.steps_in_time, seconds(room.step_s)));
    line(text, format_args!("  by payload: {}, each up to {} bytes", room.steps_in_bytes, room.step_bytes));
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    async fn text(definition: &str) -> String {
        let policy = policy();
        let checked = check(definition, &policy).await.unwrap();
        strip_str(&to_text(&checked, &policy)).to_string()
    }

    #[tokio::test]
    async fn the_shipped_definition_passes() {
        insta::assert_snapshot!(text(DEFINITION).await);
    }

    #[tokio::test]
    async fn a_finding_is_named_with_state_field_and_rule() {
        let definition = DEFINITION.replacen(r#""TimeoutSeconds": 8,"#, r#""TimeoutSeconds": 6,"#, 1);
        insta::assert_snapshot!(text(&definition).await, @r#"
        lint found 1 fault
          state "PersistOrder", TimeoutSeconds: must be more than the 6 s that persist-order may take, but is 6
        "#);
    }

    #[tokio::test]
    async fn what_the_engine_rejects_is_a_finding_too() {
        let definition = DEFINITION.replace(r#""Default": "OrderUnfinished""#, r#""Default": "OrderUnfinish""#);
        insta::assert_snapshot!(text(&definition).await, @r#"
        lint found 4 faults
          line 148: state "JoinSaga", Default: there is no state "OrderUnfinish" in this scope
          line 634: state "FollowDecision", Default: there is no state "OrderUnfinish" in this scope
          line 897: state "CheckRollBack", Default: there is no state "OrderUnfinish" in this scope
          line 1151: state "CheckHandOver", Default: there is no state "OrderUnfinish" in this scope
        "#);
    }

    #[tokio::test]
    async fn findings_are_machine_readable() {
        let definition = DEFINITION.replace(r#""TimeoutSeconds": 270"#, r#""TimeoutSeconds": 271"#);
        let json = to_json(&check(&definition, &policy()).await.unwrap());
        assert_eq!(json["passes"], false);
        assert_eq!(json["findings"][0]["state"], serde_json::Value::Null);
        assert_eq!(json["findings"][0]["field"], "TimeoutSeconds");
        assert_eq!(json["ways"][0]["total_s"], 225.0);
    }

    #[tokio::test]
    async fn a_file_that_is_not_a_definition_is_an_error() {
        let unknown = check("{\"a\": \"${ShipOrderFunctionArn}\"}", &policy()).await;
        assert!(matches!(unknown, Err(LintError::Placeholder(_))));
        assert!(matches!(check("{", &policy()).await, Err(LintError::Json(_))));
    }
}
