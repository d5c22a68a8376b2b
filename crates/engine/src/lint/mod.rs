//! Checks a saga's definition before it runs: whether it follows the rules of a saga, how long it can
//! take, how large its payloads become, and how many more steps it has room for.
//!
//! [`check`] looks at the definition in two ways. First it analyses the graph of the states, where every
//! path counts, even those that no execution takes: times, retries, catches, variables, and whether every
//! compensation lies on the path from a decision to cancel. Then it rehearses the definition with the
//! engine, once for every combination of its tasks' answers, with the largest payloads. That shows what a
//! graph cannot: for example, what an expression makes of a failed compensation.
//!
//! Everything specific to a saga (its functions, their errors, its steps) comes in as a [`Policy`].

mod call;
mod choices;
mod cycles;
mod errors;
mod finding;
mod free;
mod graph;
mod handling;
mod payload;
mod policy;
mod rehearsal;
mod rollback;
mod room;
mod tasks;
mod time;
mod total;
mod variables;
mod verdict;

use serde::Serialize;

use crate::StateMachine;

pub use call::Call;
pub use errors::TRANSIENT_LAMBDA_ERRORS;
pub use finding::{Finding, Rule};
pub use payload::{Part, Payload, largest_payload};
pub use policy::{Answers, Function, Judge, Policy, Recovery, Rehearsal, Step, Won};
pub use rehearsal::{Answered, Performance};
pub use room::Room;
pub use time::{Leg, Way, Work};
pub use verdict::Verdict;

use finding::Findings;

/// What [`check`] found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Every rule that the definition breaks, and where. Empty if it passes.
    pub findings: Vec<Finding>,
    /// How many states there are, including those of branches.
    pub states: usize,
    /// The longest path to each end, the longest first. Empty if the definition does not bound its time.
    pub ways: Vec<Way>,
    /// The machine's `TimeoutSeconds`.
    pub time_limit_s: Option<u32>,
    /// How many executions were rehearsed. 0 if the definition does not bound its time.
    pub rehearsals: usize,
    /// The largest payload of all rehearsals.
    pub largest_payload: Option<Payload>,
    /// How many more steps there is room for. `None` if the definition does not bound its time or has no
    /// steps.
    pub room: Option<Room>,
}

impl Report {
    /// Whether the definition breaks no rule.
    pub fn passes(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Checks a definition, and reports everything that is wrong with it at once.
///
/// Its placeholders must be filled, because functions are found by their names.
pub async fn check(machine: &StateMachine, policy: &Policy) -> Report {
    let definition = machine.definition();
    let mut findings = Findings::default();
    tasks::check(definition, policy, &mut findings);
    handling::check(definition, policy, &mut findings);
    choices::check(definition, &mut findings);
    cycles::check(definition, &mut findings);
    variables::check(definition, &mut findings);
    rollback::check(definition, policy, &mut findings);
    let ways = time::check(definition, policy, &mut findings);
    // Without a bound, a rehearsal would never end either.
    let rehearsed = match &ways {
        Some(_) => rehearsal::run(machine, policy, &mut findings).await,
        None => rehearsal::Rehearsed::default(),
    };
    let room = ways.as_ref().and_then(|ways| room::check(definition, policy, ways, &rehearsed));
    Report {
        findings: findings.into_vec(),
        states: graph::states(definition).len(),
        ways: ways.unwrap_or_default(),
        time_limit_s: definition.timeout_s,
        rehearsals: rehearsed.count,
        largest_payload: rehearsed.largest.overall().cloned(),
        room,
    }
}
