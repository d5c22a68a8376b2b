//! What the lint has to know about a project's saga.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::call::Call;
use super::rehearsal::Performance;
use super::verdict::Verdict;

/// Everything that is specific to one saga.
#[derive(Debug)]
pub struct Policy {
    /// The functions that its Tasks invoke.
    pub functions: Vec<Function>,
    /// The project's own transient error names, besides
    /// [`TRANSIENT_LAMBDA_ERRORS`](super::TRANSIENT_LAMBDA_ERRORS).
    pub transient: BTreeSet<String>,
    /// The error names of requests that a function refuses with nothing to roll back.
    pub refused: BTreeSet<String>,
    /// The steps, each with its action and its compensation.
    pub steps: Vec<Step>,
    /// The calls that are safe to repeat, even while the first attempt still runs. Only these are retried,
    /// once, after a failure that says nothing about the order.
    pub repeatable: BTreeSet<Call>,
    /// The call that decides to cancel.
    pub decide: Call,
    /// The choice that recognises a won decision to cancel.
    pub won: Won,
    /// The states that end an execution as cancelled. After a compensation, no other end may succeed.
    pub cancelled_ends: BTreeSet<String>,
    /// When recovery retries an order that an execution left open.
    pub recovery: Recovery,
    /// Maximum duration of the longest path. A value below the machine's `TimeoutSeconds` keeps room for
    /// further steps.
    pub max_path: Duration,
    /// Maximum size of a payload. A value below [`MAX_PAYLOAD_BYTES`](crate::MAX_PAYLOAD_BYTES), which
    /// always applies, keeps room for further steps.
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
    /// Undoes it, or prevents it from being done later.
    pub compensation: Call,
    /// For a step that is only for some sagas: the condition of the choice that leads to it. The choice's default may
    /// pass the step by.
    pub only_if: Option<String>,
}

/// A choice rule whose condition is that a variable equals a text, `$status = 'CANCELLING'`.
#[derive(Debug, Clone)]
pub struct Won {
    /// The variable, without its `$`.
    pub variable: String,
    /// The text.
    pub value: String,
}

/// When recovery retries an order that an execution left open: only after that execution must have ended.
#[derive(Debug, Clone, Copy)]
pub struct Recovery {
    /// The earliest time after the execution's start.
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
    /// The project's own check of a rehearsed execution.
    pub judge: Judge,
}

/// All payloads that a function can return for a payload, each the largest of its kind; or why it would
/// reject that payload.
///
/// They are shared, because they are large, and every rehearsal asks for all of them.
pub type Answers = Box<dyn Fn(&Call, &Value) -> Result<Vec<Arc<Value>>, String> + Send + Sync>;

/// What is wrong with a rehearsed execution.
pub type Judge = Box<dyn Fn(&Performance<'_>) -> Vec<Verdict> + Send + Sync>;

impl fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rehearsal").field("inputs", &self.inputs).finish_non_exhaustive()
    }
}

impl Policy {
    /// The function of a `FunctionName`: a name, or an ARN with or without a version.
    pub(super) fn function(&self, function_name: &str) -> Option<&Function> {
        let name = function_name.split_once(":function:").map_or(function_name, |(_, name)| name);
        let name = name.split(':').next().unwrap_or(name);
        self.functions.iter().find(|function| function.name == name)
    }

    /// The compensations of all steps.
    pub(super) fn compensations(&self) -> impl Iterator<Item = &Call> {
        self.steps.iter().map(|step| &step.compensation)
    }

    /// Whether an error of this name may go away by itself.
    pub(super) fn is_transient(&self, error: &str) -> bool {
        self.transient.contains(error) || super::TRANSIENT_LAMBDA_ERRORS.contains(&error)
    }
}
