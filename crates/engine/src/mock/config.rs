//! AWS's mock configuration, `MockConfigFile.json`.
//!
//! See <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-mock-cfg-file.html>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::{Answer, Mocks, Responses};

/// A mock configuration: the test cases of state machines, and the responses that they name.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MockConfig {
    #[serde(default)]
    state_machines: BTreeMap<String, Machine>,
    #[serde(default)]
    mocked_responses: BTreeMap<String, BTreeMap<String, RawResponse>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Machine {
    #[serde(default)]
    test_cases: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
enum RawResponse {
    Return(Value),
    #[serde(rename_all = "PascalCase")]
    Throw {
        error: String,
        #[serde(default)]
        cause: String,
    },
}

/// Why a text is not a mock configuration.
#[derive(Debug, Error)]
pub enum MockConfigError {
    /// It is not JSON, or not in the format. The source names the line.
    #[error("read the mock configuration")]
    Json(#[from] serde_json::Error),
    /// A response has a key that does not name invocations.
    #[error("the mocked response {name:?} has the key {key:?}, which is neither a number nor a range such as \"1-2\"")]
    Key {
        /// The response.
        name: String,
        /// The key as written.
        key: String,
    },
    /// Two entries of a response are for the same invocation.
    #[error("the mocked response {name:?} has more than one entry for the invocation {invocation}")]
    Overlap {
        /// The response.
        name: String,
        /// The first invocation that both are for.
        invocation: usize,
    },
}

/// Why the mock configuration has no such test case.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MockCaseError {
    /// No state machine has this name.
    #[error("there is no state machine {name:?}; the mock configuration has {known}")]
    Machine {
        /// The requested name.
        name: String,
        /// The known names.
        known: String,
    },
    /// No state machine has a test case of this name.
    #[error("there is no test case {name:?}; the mock configuration has {known}")]
    Case {
        /// The requested name.
        name: String,
        /// The known names.
        known: String,
    },
    /// Several state machines have a test case of this name.
    #[error("several state machines have a test case {name:?}: {machines}")]
    Ambiguous {
        /// The requested name.
        name: String,
        /// The state machines that have it.
        machines: String,
    },
    /// The test case names a response that does not exist.
    #[error(
        "the state {state:?} of the test case {case:?} names the mocked response {response:?}, which does not exist"
    )]
    Response {
        /// The state.
        state: String,
        /// The test case.
        case: String,
        /// The response.
        response: String,
    },
}

impl MockConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`MockConfigError`], even for responses that no test case uses.
    pub fn parse(text: &str) -> Result<Self, MockConfigError> {
        let config: Self = serde_json::from_str(text)?;
        for (name, response) in &config.mocked_responses {
            responses(name, response)?;
        }
        Ok(config)
    }

    /// The responses of a test case. If several state machines have a test case of this name, `machine`
    /// says which one is meant.
    ///
    /// # Errors
    /// [`MockCaseError`].
    pub fn case(&self, case: &str, machine: Option<&str>) -> Result<Mocks, MockCaseError> {
        if let Some(name) = machine.filter(|name| !self.state_machines.contains_key(*name)) {
            return Err(MockCaseError::Machine { name: name.to_owned(), known: listed(self.state_machines.keys()) });
        }
        let asked = || self.state_machines.iter().filter(|(name, _)| machine.is_none_or(|asked| asked == *name));
        let having: Vec<_> =
            asked().filter_map(|(name, machine)| Some((name, machine.test_cases.get(case)?))).collect();
        let states = match &*having {
            [] => {
                let known = listed(asked().flat_map(|(_, machine)| machine.test_cases.keys()));
                return Err(MockCaseError::Case { name: case.to_owned(), known });
            }
            [(_, states)] => *states,
            several => {
                let machines = listed(several.iter().map(|(name, _)| *name));
                return Err(MockCaseError::Ambiguous { name: case.to_owned(), machines });
            }
        };
        let mut mocks = Mocks::new();
        for (state, name) in states {
            let Some(Ok(found)) = self.mocked_responses.get(name).map(|response| responses(name, response)) else {
                let (state, case, response) = (state.clone(), case.to_owned(), name.clone());
                return Err(MockCaseError::Response { state, case, response });
            };
            mocks.states.insert(state.clone(), found);
        }
        Ok(mocks)
    }
}

/// The entries of one response: `"0"` is for the first invocation, `"1-2"` for the next two.
fn responses(name: &str, entries: &BTreeMap<String, RawResponse>) -> Result<Responses, MockConfigError> {
    let mut ranges = Vec::with_capacity(entries.len());
    for (key, response) in entries {
        let (first, last) =
            range(key).ok_or_else(|| MockConfigError::Key { name: name.to_owned(), key: key.clone() })?;
        let answer = match response {
            RawResponse::Return(result) => Answer::Return(result.clone()),
            RawResponse::Throw { error, cause } => Answer::Throw { error: error.clone(), cause: cause.clone() },
        };
        ranges.push((first, last, answer));
    }
    ranges.sort_by_key(|(first, ..)| *first);
    for pair in ranges.windows(2) {
        let ((_, before, _), (invocation, ..)) = (&pair[0], &pair[1]);
        if before >= invocation {
            return Err(MockConfigError::Overlap { name: name.to_owned(), invocation: *invocation });
        }
    }
    Ok(Responses { ranges })
}

fn range(key: &str) -> Option<(usize, usize)> {
    let (first, last) = key.split_once('-').unwrap_or((key, key));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some((first, last))
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<_> = names.map(|name| format!("{name:?}")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
