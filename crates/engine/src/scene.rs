//! What an expression can see: `$states` and the variables.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use jsonata_core::value::JValue;
use serde_json::Value;

use crate::convert::to_jsonata;
use crate::definition::{MAX_PAYLOAD_BYTES, text_bytes};
use crate::random::Random;
use crate::references::StatesUse;

/// Values to be assigned to variables.
pub(crate) type Assigned = Vec<(Arc<str>, Arc<Value>)>;

/// The variables that a scope sees: its own, and those of the scopes around it.
///
/// A branch starts with all that its state sees, and what it assigns stays inside. No inner scope may
/// assign an outer name, so one flat copy-on-write map is enough.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables(Arc<BTreeMap<Arc<str>, Arc<Value>>>);

impl Variables {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Value>> {
        self.0.get(name)
    }

    /// Whether all variables together exceed `limit_bytes` as JSON texts.
    pub(crate) fn exceed(&self, limit_bytes: usize) -> bool {
        // Each variable is at most as long as a payload, so a few cannot reach the limit.
        self.0.len() > limit_bytes / MAX_PAYLOAD_BYTES
            && self.0.values().map(|value| text_bytes(value)).sum::<usize>() > limit_bytes
    }

    /// Sets all of `assigned`.
    pub(crate) fn assign(&mut self, assigned: Assigned) {
        if !assigned.is_empty() {
            Arc::make_mut(&mut self.0).extend(assigned);
        }
    }
}

/// Everything that a state's expressions see at one moment.
pub(crate) struct Scene<'a> {
    pub(crate) input: &'a Arc<Value>,
    pub(crate) result: Option<&'a Arc<Value>>,
    pub(crate) error_output: Option<&'a Arc<Value>>,
    /// Makes `$states.context`, which few expressions read.
    pub(crate) context: &'a dyn Fn() -> Value,
    pub(crate) variables: &'a Variables,
    pub(crate) now_ms: i64,
    pub(crate) random: &'a Random,
    pub(crate) converted: Converted,
}

/// Values already converted for the evaluator, for the next expression of the same scene.
#[derive(Default)]
pub(crate) struct Converted {
    input: OnceCell<JValue>,
    result: OnceCell<JValue>,
    error_output: OnceCell<JValue>,
    context: OnceCell<JValue>,
    variables: RefCell<BTreeMap<String, JValue>>,
}

impl Scene<'_> {
    /// `$states` with the members in use; `None` if there are none.
    pub(crate) fn states(&self, used: StatesUse) -> Option<JValue> {
        let all = used.whole;
        let mut members = Vec::with_capacity(4);
        if used.input || all {
            let input = self.converted.input.get_or_init(|| to_jsonata(self.input));
            members.push(("input", input));
        }
        if let (Some(result), true) = (self.result, used.result || all) {
            members.push(("result", self.converted.result.get_or_init(|| to_jsonata(result))));
        }
        if let (Some(output), true) = (self.error_output, used.error_output || all) {
            let output = self.converted.error_output.get_or_init(|| to_jsonata(output));
            members.push(("errorOutput", output));
        }
        if used.context || all {
            let context = self.converted.context.get_or_init(|| to_jsonata(&(self.context)()));
            members.push(("context", context));
        }
        (!members.is_empty()).then(|| {
            JValue::object(members.into_iter().map(|(name, member)| (name.to_owned(), member.clone())).collect())
        })
    }

    /// The variable of this name, if there is one.
    pub(crate) fn variable(&self, name: &str) -> Option<JValue> {
        let value = self.variables.get(name)?;
        let mut converted = self.converted.variables.borrow_mut();
        if let Some(done) = converted.get(name) {
            return Some(done.clone());
        }
        let fresh = to_jsonata(value);
        converted.insert(name.to_owned(), fresh.clone());
        Some(fresh)
    }
}
