//! `order-saga audit`.

use std::path::PathBuf;

use anstream::println;
use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};

use local_audit::Report;
use local_aws::{DynamoDb, SnapshotError, StoreError};

/// Check the invariants on the tables of a data directory, and report what is broken where.
///
/// Exits with 0 if every invariant holds, with 1 otherwise.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The data directory to check. While `serve` runs on it, use `GET /_local/audit` instead.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The tables could not be audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The data cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A table cannot be read.
    #[error(transparent)]
    Read(#[from] SnapshotError),
}

/// Audits, prints the report, and returns whether every invariant holds.
///
/// # Errors
/// [`AuditError`].
pub fn run(args: &Args) -> Result<bool, AuditError> {
    let report = local_audit::run(&DynamoDb::open_existing(&args.data)?)?;
    if args.json {
        println!("{}", serde_json::json!(report));
    } else {
        print(&report);
    }
    Ok(report.holds)
}

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Prints a report for people.
pub fn print(report: &Report) {
    let mut counts = Table::new();
    counts.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    counts.set_header(report.orders.keys().map(ToString::to_string).chain([
        "parked".into(),
        "waiting".into(),
        "dead letters".into(),
        "articles".into(),
        "journal entries".into(),
    ]));
    let others = [&report.parked, &report.waiting, &report.dead_letters, &report.stock_items, &report.journal_entries];
    let numbers = report.orders.values().chain(others);
    counts.add_row(numbers.map(ToString::to_string));
    println!("{counts}");
    for (currency, sum) in &report.trial_balance {
        println!("trial balance {currency}: {sum}");
    }
    if report.holds {
        println!(
            "{GOOD}audit holds{GOOD:#}: no half order, no lost stock, books in balance, payments as the orders say (I1 to I5, I8)"
        );
        return;
    }
    println!("{BAD}audit found {} violations{BAD:#}", report.findings.len());
    for finding in &report.findings {
        println!("  {:?}  {} {}", finding.invariant, finding.at, finding.what);
    }
}
