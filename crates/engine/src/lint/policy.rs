//! What a project says about its own saga.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::call::Call;
use super::rehearsal::Performance;
use super::verdict::Verdict;

/// What is particular to one saga.
#[derive(Debug)]
pub struct Policy {
    /// The functions that its Tasks invoke.
    pub functions: Vec<Function>,
    /// The project's own transient error names, beside
    /// [`TRANSIENT_LAMBDA_ERRORS`](super::TRANSIENT_LAMBDA_ERRORS).
    pub transient: BTreeSet<String>,
    /// The error names by which a function refuses a request that there is nothing to roll back of.
    pub refused: BTreeSet<String>,
    /// The steps, each with its action and its compensation.
    pub steps: Vec<Step>,
    /// The calls that are safe to repeat, even beside themselves. Each is retried once after a failure
    /// that says nothing about the order; no other call is.
    pub repeatable: BTreeSet<Call>,
    /// The call that decides to cancel.
    pub decide: Call,
    /// The choice that a won decision to cancel is read by.
    pub won: Won,
    /// The states that end an execution as cancelled; after a compensation no other may succeed.
    pub cancelled_ends: BTreeSet<String>,
    /// When recovery takes up what an execution left open.
    pub recovery: Recovery,
    /// The longest that the longest path may take. Below the machine's `TimeoutSeconds` it keeps room
    /// for further steps.
    pub max_path: Duration,
    /// The most bytes of a payload. Below [`MAX_PAYLOAD_BYTES`](crate::MAX_PAYLOAD_BYTES), which holds
    /// in any case, it keeps room for further steps.
    pub max_payload_bytes: usize,
    /// What executions are rehearsed with.
    pub rehearsal: Rehearsal,
}

/// A function that Tasks invoke.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name, the part of its ARN after `:function:`.
    pub name: String,
    /// Its own time limit.
    pub timeout: Duration,
    /// The error names that it can return.
    pub errors: BTreeSet<String>,
}

/// A step: what it does, and what undoes it.
#[derive(Debug, Clone)]
pub struct Step {
    /// Does it.
    pub action: Call,
    /// Undoes it, or sees to it that it can no longer be done.
    pub compensation: Call,
}

/// A choice rule whose condition is that a variable equals a text, `$status = 'CANCELLING'`.
#[derive(Debug, Clone)]
pub struct Won {
    /// The variable, without its `$`.
    pub variable: String,
    /// The text.
    pub value: String,
}

/// When recovery takes up what an execution left open: not before that execution must have ended.
#[derive(Debug, Clone, Copy)]
pub struct Recovery {
    /// How long after the execution's start at the earliest.
    pub after: Duration,
    /// How far clocks may differ.
    pub clock_skew: Duration,
}

/// What executions are rehearsed with.
pub struct Rehearsal {
    /// The inputs to start with, each the largest of its kind.
    pub inputs: Vec<Value>,
    /// What the functions answer.
    pub answers: Answers,
    /// What the project itself has to say about an execution that was rehearsed.
    pub judge: Judge,
}

/// All payloads that a function can answer a payload with, each the largest of its kind; or why it
/// would not take that payload.
pub type Answers = Box<dyn Fn(&Call, &Value) -> Result<Vec<Value>, String> + Send + Sync>;

/// What is wrong with an execution that was rehearsed.
pub type Judge = Box<dyn Fn(&Performance<'_>) -> Vec<Verdict> + Send + Sync>;

impl fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rehearsal").field("inputs", &self.inputs).finish_non_exhaustive()
    }
}

impl Policy {
    /// The function that a `FunctionName` stands for: a name, or an ARN with or without a version.
    pub(super) fn function(&self, function_name: &str) -> Option<&Function> {
        let name = function_name.split_once(":function:").map_or(function_name, |(_, name)| name);
        let name = name.split(':').next().unwrap_or(name);
        self.functions.iter().find(|function| function.name == name)
    }

    /// The compensations of all steps.
    pub(super) fn compensations(&self) -> impl Iterator<Item = &Call> {
        self.steps.iter().map(|step| &step.compensation)
    }

    /// Whether an error of this name may pass by itself.
    pub(super) fn is_transient(&self, error: &str) -> bool {
        self.transient.contains(error) || super::TRANSIENT_LAMBDA_ERRORS.contains(&error)
    }
}
