//! Exploring a configuration to its end.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::action::Action;
use crate::saga::Saga;
use crate::state::State;
use crate::story::{answers, tell};

/// The result of an exploration.
#[derive(Debug)]
pub struct Explored {
    /// How many different states the world can reach.
    pub states: usize,
    /// The length of the longest of the shortest paths to them.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} states, {} steps deep, {:.1} s", self.states, self.depth, self.took.as_secs_f32())
    }
}

/// A path to a state that breaks a property.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The property.
    pub property: &'static str,
    /// The number of steps of the path.
    pub steps: usize,
    /// The path, in words.
    pub story: String,
}

impl Broken {
    fn new(saga: &Saga, property: &'static str, path: Path<State, Action>) -> Self {
        let way = path.into_vec();
        let told = way.last().map(|(state, _)| answers(saga, state)).unwrap_or_default();
        Self { property, steps: way.len() - 1, story: tell(saga, &way) + &told }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: broken in {} steps", self.property, self.steps)?;
        f.write_str(&self.story)
    }
}

/// Explores every state of a configuration.
///
/// # Errors
/// The first property that is broken, or the name of something that must be able to happen but cannot.
pub fn explore(saga: &Saga) -> Result<Explored, Broken> {
    let start = Instant::now();
    let checker = saga.clone().checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let mut seen = checker.discoveries();
    for property in saga.properties() {
        let found = seen.remove(property.name);
        if let (true, Some(path)) = (property.expectation.discovery_is_failure(), found.clone()) {
            return Err(Broken::new(saga, property.name, path));
        }
        assert!(
            found.is_some() || property.expectation.discovery_is_failure(),
            "it was not seen that {}",
            property.name
        );
    }
    // No limit on depth or number was set, there was nothing to stop at, and no work is left.
    assert!(checker.is_done(), "the exploration is not complete");
    Ok(Explored { states: checker.unique_state_count(), depth: checker.max_depth() - 1, took: start.elapsed() })
}

/// Looks for a shortest path that breaks a property.
pub fn shortest_break(saga: &Saga, property: &'static str) -> Option<Broken> {
    let saga = saga.clone().only(property);
    let mut shortest: Option<Broken> = None;
    loop {
        let mut checker = saga.clone().checker().finish_when(HasDiscoveries::AllOf(BTreeSet::from([property])));
        if let Some(found) = &shortest {
            // The checker looks at states in blocks and keeps the last match of a block. Searching one step shorter
            // shows whether there was a shorter one.
            checker = checker.target_max_depth(found.steps + 1);
        }
        match checker.spawn_bfs().join().discovery(property) {
            Some(path) => shortest = Some(Broken::new(&saga, property, path)),
            None => return shortest,
        }
    }
}

/// Whether the world can return to a state that it has left. If it cannot, every path leads to a state that nothing
/// leads out of, and what holds in those states holds in the end.
pub fn has_cycles(saga: &Saga) -> bool {
    enum Visit {
        Enter(State),
        Leave(u64),
    }

    let mut is_left = HashMap::new();
    let mut visits: Vec<_> = saga.init_states().into_iter().map(Visit::Enter).collect();
    while let Some(visit) = visits.pop() {
        match visit {
            Visit::Leave(key) => {
                is_left.insert(key, true);
            }
            Visit::Enter(state) => {
                let key = BuildHasherDefault::<DefaultHasher>::default().hash_one(&state);
                match is_left.get(&key) {
                    Some(true) => {}
                    // It is on the path to itself.
                    Some(false) => return true,
                    None => {
                        is_left.insert(key, false);
                        visits.push(Visit::Leave(key));
                        visits.extend(saga.next_states(&state).into_iter().map(Visit::Enter));
                    }
                }
            }
        }
    }
    false
}
