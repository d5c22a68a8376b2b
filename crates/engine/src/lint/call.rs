//! What a Task asks for: a function, and one of its actions.

use std::fmt;

use serde_json::Value;

use super::policy::Policy;
use crate::definition::{Kind, State, Task};
use crate::template::Template;

/// The optimised integration, which hands errors on by the function's own names.
pub(super) const INVOKE: &str = "arn:aws:states:::lambda:invoke";

/// A call of a function. States are found by what they call, not by their names: a state that is
/// named after a compensation and calls something else compensates nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The function's name.
    pub function: String,
    /// The `action` of its payload.
    pub action: String,
}

impl Call {
    /// The call of an action of a function.
    pub fn new(function: impl Into<String>, action: impl Into<String>) -> Self {
        Self { function: function.into(), action: action.into() }
    }

    /// The call that a Task's evaluated arguments are.
    pub(super) fn of_arguments(arguments: &Value, policy: &Policy) -> Option<Self> {
        let function = policy.function(arguments.get("FunctionName")?.as_str()?)?;
        let action = arguments.pointer("/Payload/action").and_then(Value::as_str).unwrap_or_default();
        Some(Self::new(&function.name, action))
    }

    /// Whether `state` is a Task that makes this call, as far as its arguments are constant.
    pub(super) fn is_made_by(&self, state: &State, policy: &Policy) -> bool {
        let Kind::Task(task) = &state.kind else { return false };
        let function = function_name(task).and_then(|name| policy.function(name));
        function.is_some_and(|function| function.name == self.function)
            && constant(task, &["Payload", "action"]) == Some(&self.action)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.function, self.action)
    }
}

/// The `FunctionName`, if it is constant.
pub(super) fn function_name(task: &Task) -> Option<&str> {
    constant(task, &["FunctionName"])
}

fn constant<'a>(task: &'a Task, path: &[&str]) -> Option<&'a str> {
    follow(task.arguments.as_ref()?, path)
}

fn follow<'a>(template: &'a Template, path: &[&str]) -> Option<&'a str> {
    match (template, path) {
        (Template::Constant(value), _) => path.iter().try_fold(&**value, |value, name| value.get(name))?.as_str(),
        (Template::Object(members), [first, rest @ ..]) => {
            let (_, member) = members.iter().find(|(name, _)| name == first)?;
            follow(member, rest)
        }
        _ => None,
    }
}
