//! Properties of every definition: it ends, it does not panic, and its history is well formed. The
//! loader accepts or refuses any text.
//!
//! A failure prints the smallest definition that shows it; `PROPTEST_CASES` sets how many are tried.

#![allow(clippy::unwrap_used)]

mod definitions;
mod history;
mod mutations;

use engine::mock::{Execution, Mocks};
use engine::{LoadError, StateMachine, Status};
use proptest::prelude::*;
use serde_json::json;

use definitions::Generated;
use mutations::Mutation;

fn run(generated: &Generated) -> Execution {
    let machine = StateMachine::load(&generated.definition.to_string()).unwrap_or_else(|error| panic!("{error}"));
    generated.mocks.execute(&machine, generated.input.clone()).unwrap_or_else(|error| panic!("{error}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(256), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_definition_with_any_mocks_ends(generated in definitions::generated()) {
        let execution = run(&generated);
        let limit_s = generated.definition["TimeoutSeconds"].as_u64().unwrap_or(300).min(300);
        let elapsed_ms = u64::try_from(execution.elapsed().as_millis()).unwrap();
        prop_assert!(elapsed_ms <= limit_s * 1000, "{elapsed_ms} ms");
        match execution.status() {
            Status::Succeeded => prop_assert!(execution.output().is_some() && execution.error().is_none()),
            Status::Failed => prop_assert!(execution.output().is_none()),
            Status::TimedOut => prop_assert_eq!((execution.error(), elapsed_ms), (Some("States.Timeout"), limit_s * 1000)),
        }
        let bytes = execution.output().map_or(0, |output| output.to_string().len());
        prop_assert!(bytes <= 262_144, "{bytes} bytes");
    }

    #[test]
    fn histories_are_well_formed(generated in definitions::generated()) {
        let execution = run(&generated);
        if let Err(broken) = history::check(&execution) {
            return Err(TestCaseError::fail(broken));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_execution(generated in definitions::generated()) {
        let (one, other) = (run(&generated), run(&generated));
        prop_assert_eq!(&one.outcome, &other.outcome);
        prop_assert_eq!(one.history.events(), other.history.events());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(4096), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_loader_accepts_or_refuses_any_text(mutation in mutations::mutated()) {
        let Mutation(text) = mutation;
        match StateMachine::load(&text) {
            // A definition that it accepts runs. Nothing is mocked, so it fails or stops at a call.
            Ok(machine) => {
                let _ = Mocks::new().execute(&machine, json!({"n": 7}));
            }
            Err(LoadError::Json(error)) => prop_assert!(error.line() <= text.lines().count() + 1),
            Err(LoadError::Faults(faults)) => {
                prop_assert!(!faults.is_empty());
                let lines = text.lines().count();
                for fault in &faults {
                    prop_assert!((1..=lines).contains(&fault.line), "line {} of {lines}: {fault}", fault.line);
                }
            }
        }
    }
}

/// How many cases are tried, unless the environment says otherwise.
fn cases(standard: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(standard)
}
