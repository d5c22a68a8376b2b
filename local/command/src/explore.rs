//! `order-saga explore`.

use std::time::Instant;

use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use local_explorer::search::Found;
use local_explorer::{Failure, Fault, Ground, OrderKind, Run, RunError, Search, UnknownKind, Wiring, fault};

/// Inject every fault at every point of an order, and check the invariants afterwards.
///
/// A point is an invocation of a function, or a call of DynamoDB, Step Functions or SQS. A schedule says
/// which faults happen at which points. Exits with 0 if every invariant holds in every schedule, with 1
/// otherwise.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Faults per order. With 1 or 2, every schedule is run; with more, random schedules of up to N faults.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub faults: u8,
    /// The seed of the random schedules; the same seed gives the same ones.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// The number of random schedules for each kind of order.
    #[arg(long, value_name = "COUNT", default_value_t = 500)]
    pub schedules: usize,
    /// Explore only this kind of order, for example `prepaid`; an unknown kind lists them all.
    #[arg(long, value_name = "KIND", value_parser = str::parse::<OrderKind>)]
    pub kind: Option<OrderKind>,
    /// Run one schedule and print what happens in it, for example `prepaid/5:hung@9+12:store-throttled`.
    #[arg(long, value_name = "CODE")]
    pub replay: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The exploration could not run.
#[derive(Debug, thiserror::Error)]
pub enum ExploreError {
    /// A run could not be set up or read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The code names no known kind.
    #[error("a schedule is written KIND/FAULT+FAULT…; {0}")]
    Kind(#[from] UnknownKind),
    /// The code names no known fault.
    #[error(transparent)]
    Fault(#[from] fault::NotAFault),
}

/// Explores, and returns whether every invariant held in every schedule.
///
/// # Errors
/// [`ExploreError`].
pub fn run(args: &Args) -> Result<bool, ExploreError> {
    if let Some(code) = &args.replay {
        return replay(code);
    }
    let kinds = args.kind.map_or_else(|| OrderKind::all().collect(), |kind| vec![kind]);
    let wiring = Wiring::default();
    let begun = Instant::now();
    let mut all = Vec::new();
    for kind in kinds {
        eprintln!("{kind} …");
        let search = Search { kind, wiring: &wiring, stops_at_first: false };
        let found = match args.faults {
            depth @ (1 | 2) => search.exhaustive(depth.into())?,
            depth => search.random(depth.into(), args.schedules, args.seed)?,
        };
        all.push((kind, found));
    }
    let holds = all.iter().all(|(_, found)| found.failures.is_empty());
    if args.json {
        println!("{}", json!({ "holds": holds, "kinds": all.iter().map(as_json).collect::<Vec<_>>() }));
    } else {
        print_counts(&all);
        for failure in all.iter().flat_map(|(_, found)| &found.failures).take(MAX_STORIES) {
            println!("\n{}", story(failure.kind, &failure.faults, &failure.run));
        }
        print_verdict(args, &all, begun);
    }
    Ok(holds)
}

/// The most failures that are printed in full.
const MAX_STORIES: usize = 5;

fn print_counts(all: &[(OrderKind, Found)]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["order", "first fault", "points", "schedules", "run", "broken"]);
    for (kind, found) in all {
        for (fault, counts) in &found.counts {
            let name: &str = fault.into();
            let broken =
                found.failures.iter().filter(|failure| failure.faults.first().is_some_and(|f| f.kind == *fault));
            table.add_row([
                kind.to_string(),
                name.to_owned(),
                counts.points.to_string(),
                counts.possible.to_string(),
                counts.run.to_string(),
                broken.count().to_string(),
            ]);
        }
        let total = found.total();
        table.add_row([
            kind.to_string(),
            "all".to_owned(),
            String::new(),
            total.possible.to_string(),
            total.run.to_string(),
            found.failures.len().to_string(),
        ]);
    }
    println!("{table}");
}

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

fn print_verdict(args: &Args, all: &[(OrderKind, Found)], begun: Instant) {
    let run: usize = all.iter().map(|(_, found)| found.total().run).sum();
    let possible: usize = all.iter().map(|(_, found)| found.total().possible).sum();
    let broken: usize = all.iter().map(|(_, found)| found.failures.len()).sum();
    let seconds = begun.elapsed().as_secs();
    let what = match args.faults {
        1 => "every single fault".to_owned(),
        2 => "every pair of faults".to_owned(),
        faults => format!("random schedules of up to {faults} faults, seed {}", args.seed),
    };
    if broken == 0 {
        println!("\n{GOOD}no invariant was broken{GOOD:#}: {what}, {run} of {possible} schedules in {seconds} s");
    } else {
        println!("\n{BAD}{broken} schedules broke an invariant{BAD:#}: {what}, {run} of {possible} in {seconds} s");
    }
}

fn as_json((kind, found): &(OrderKind, Found)) -> Value {
    let counts: Vec<_> = found
        .counts
        .iter()
        .map(|(fault, counts)| {
            let name: &str = fault.into();
            json!({ "fault": name, "points": counts.points, "possible": counts.possible, "run": counts.run })
        })
        .collect();
    let failures: Vec<_> = found.failures.iter().map(failure_as_json).collect();
    json!({ "kind": kind.to_string(), "faults": counts, "failures": failures })
}

fn failure_as_json(failure: &Failure) -> Value {
    json!({ "code": code(failure.kind, &failure.faults), "violations": failure.run.violations })
}

fn code(kind: OrderKind, faults: &[Fault]) -> String {
    format!("{kind}/{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("+"))
}

fn replay(text: &str) -> Result<bool, ExploreError> {
    let (kind_text, faults_text) = text.split_once('/').unwrap_or((text, ""));
    let faults = faults_text.split('+').filter(|fault| !fault.is_empty());
    let (kind, faults) = (kind_text.parse()?, faults.map(str::parse).collect::<Result<Vec<Fault>, _>>()?);
    let run = Ground::new(kind, &Wiring::default())?.run(&faults)?;
    println!("{}", story(kind, &faults, &run));
    Ok(run.violations.is_empty())
}

/// A run as text for people.
pub fn story(kind: OrderKind, faults: &[Fault], run: &Run) -> String {
    let mut lines = vec![format!("{}", code(kind, faults))];
    for fault in faults {
        let what: &str = fault.kind.into();
        let place = run.points.get(fault.point as usize).map_or("never reached".to_owned(), ToString::to_string);
        let lands = match fault.lands {
            None => String::new(),
            Some(fault::AT_THE_END) => ", lands after everything".to_owned(),
            Some(point) => {
                let place =
                    run.points.get(point as usize).map_or("a point never reached".to_owned(), ToString::to_string);
                format!(", lands before {place} (point {point})")
            }
        };
        lines.push(format!("   at point {}, {place}: {what}{lands}", fault.point));
    }
    for (index, trace) in run.traces.iter().enumerate() {
        lines.push(format!("   execution {}:", index + 1));
        lines.push(trace.to_string().trim_end().to_owned());
    }
    lines.extend(run.answers.iter().map(|answer| format!("   {answer}")));
    if run.violations.is_empty() {
        lines.push(format!("   {GOOD}every invariant holds{GOOD:#}"));
    }
    lines.extend(run.violations.iter().map(|violation| format!("   {BAD}{violation}{BAD:#}")));
    lines.join("\n")
}
