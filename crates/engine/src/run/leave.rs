//! Leaves a state: what it assigns and outputs.

use std::sync::Arc;

use serde_json::Value;

use super::{Run, Visit};
use crate::clock::Clock;
use crate::definition::{Assign, Exit, Transition, exceed_limit, exceeds_limit};
use crate::expression::EvaluationError;
use crate::failure::{DATA_LIMIT_EXCEEDED, Failure};
use crate::scene::{Assigned, Converted, Scene};
use crate::task::TaskRunner;
use crate::template::Template;

/// What a state has besides its input.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    /// Nothing: `$states` has its input only.
    Entry,
    /// `$states.result`.
    Result(&'a Arc<Value>),
    /// `$states.errorOutput`.
    ErrorOutput(&'a Arc<Value>),
}

/// A state that was left.
pub(super) struct Left {
    pub(super) output: Arc<Value>,
    pub(super) assigned: Assigned,
    pub(super) to: Transition,
}

impl<R: TaskRunner, C: Clock> Run<'_, R, C> {
    /// Leaves a state by `exit`. Assign and Output both see the variables as they were on entry.
    pub(super) fn leave(
        &self,
        visit: &Visit<'_>,
        exit: &Exit,
        subject: Subject<'_>,
        cursor: &mut u64,
    ) -> Result<Left, Failure> {
        let evaluated = self.with_scene(visit, subject, |scene| {
            let assigned = evaluate_assign(&exit.assign, scene)?;
            let output = exit.output.as_ref().map(|output| output.evaluate(scene)).transpose()?;
            Ok((assigned, output))
        });
        let (assigned, output) = evaluated.map_err(|error| self.evaluation_failed(visit, &error, cursor))?;
        if exceed_limit(assigned.iter().map(|(_, value)| &**value)) {
            return Err(too_large(visit, "assigns"));
        }
        Ok(Left { output: checked_output(visit, subject, output)?, assigned, to: exit.to })
    }

    /// Leaves a Succeed state.
    pub(super) fn leave_last(
        &self,
        visit: &Visit<'_>,
        output: Option<&Template>,
        cursor: &mut u64,
    ) -> Result<Left, Failure> {
        let evaluated =
            self.with_scene(visit, Subject::Entry, |scene| output.map(|output| output.evaluate(scene)).transpose());
        let output = evaluated.map_err(|error| self.evaluation_failed(visit, &error, cursor))?;
        Ok(Left { output: checked_output(visit, Subject::Entry, output)?, assigned: Vec::new(), to: Transition::End })
    }

    /// Lets `look` evaluate expressions in what the state sees now.
    pub(super) fn with_scene<T>(
        &self,
        visit: &Visit<'_>,
        subject: Subject<'_>,
        look: impl FnOnce(&Scene<'_>) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError> {
        let (result, error_output) = match subject {
            Subject::Entry => (None, None),
            Subject::Result(result) => (Some(result), None),
            Subject::ErrorOutput(output) => (None, Some(output)),
        };
        look(&Scene {
            input: visit.input,
            result,
            error_output,
            context: &|| self.context(visit),
            variables: visit.variables,
            now_ms: self.clock.now_ms(),
            random: self.random,
            converted: Converted::default(),
        })
    }
}

/// The evaluated output, or else the state's default: its result, its error output, or its input.
fn checked_output(
    visit: &Visit<'_>,
    subject: Subject<'_>,
    evaluated: Option<Arc<Value>>,
) -> Result<Arc<Value>, Failure> {
    let output = match (evaluated, subject) {
        // Inputs and results were checked when they arrived.
        (None, Subject::Entry) => return Ok(Arc::clone(visit.input)),
        (None, Subject::Result(result)) => return Ok(Arc::clone(result)),
        (None, Subject::ErrorOutput(output)) => Arc::clone(output),
        (Some(output), _) => output,
    };
    if exceeds_limit(&output) {
        return Err(too_large(visit, "returned"));
    }
    Ok(output)
}

/// All values or none.
fn evaluate_assign(assign: &Assign, scene: &Scene<'_>) -> Result<Assigned, EvaluationError> {
    assign.iter().map(|(name, value)| Ok((Arc::clone(name), value.evaluate(scene)?))).collect()
}

/// The failure of a state with a value above the service's limit.
pub(super) fn too_large(visit: &Visit<'_>, how: &str) -> Failure {
    let name = &visit.state.name;
    Failure::new(
        DATA_LIMIT_EXCEEDED,
        format!(
            "The state/task '{name}' {how} a result with a size exceeding the maximum number of bytes service limit."
        ),
    )
}
