//! What a Task calls: a function, and one of its actions.

use std::fmt;

use jsonata_core::ast::AstNode;
use serde_json::Value;

use super::policy::Policy;
use crate::definition::{Kind, State, Task};
use crate::template::Template;

/// The optimised integration, which passes on the function's own error names.
pub(super) const INVOKE: &str = "arn:aws:states:::lambda:invoke";

/// A call of a function. States are found by their calls, not by their names: a state that is named
/// after a compensation but calls something else compensates nothing.
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

    /// The call in a Task's evaluated arguments.
    pub(super) fn of_arguments(arguments: &Value, policy: &Policy) -> Option<Self> {
        let function = policy.function(arguments.get("FunctionName")?.as_str()?)?;
        let action = arguments.pointer("/Payload/action").and_then(Value::as_str).unwrap_or_default();
        Some(Self::new(&function.name, action))
    }

    /// Whether `state` is a Task that makes this call, judged by its constant arguments.
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
        (Template::Expression(expression), _) => follow_in(expression.syntax(), path),
        _ => None,
    }
}

/// The text at a path, if the syntax shows it: in an object, or in the last object of a `$merge`, as in
/// `$merge([$states.input, {'action': 'persist'}])`.
fn follow_in<'a>(syntax: &'a AstNode, path: &[&str]) -> Option<&'a str> {
    match (syntax, path) {
        (AstNode::String(text), []) => Some(text),
        (AstNode::Object(members), [first, rest @ ..]) => {
            let is_first = |name: &AstNode| matches!(name, AstNode::String(name) if name == first);
            let (_, member) = members.iter().find(|(name, _)| is_first(name))?;
            follow_in(member, rest)
        }
        (AstNode::Function { name, args, is_builtin: true }, _) if name == "merge" => match &**args {
            [AstNode::Array(items)] => follow_in(items.last()?, path),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(source: &str) -> Option<String> {
        let syntax = jsonata_core::parser::parse(source).expect("the test parses");
        follow_in(&syntax, &["action"]).map(str::to_owned)
    }

    #[test]
    fn an_action_is_constant_if_the_expression_shows_it() {
        for shown in ["{'action': 'persist', 'n': $n}", "$merge([$states.input, {'n': 1, 'action': 'persist'}])"] {
            assert_eq!(action(shown).as_deref(), Some("persist"), "{shown}");
        }
        for hidden in [
            "$states.input",
            "{'action': $action}",
            "{$name: 'persist'}",
            "$merge([{'action': 'persist'}, $states.input])",
            "$merge([$states.input, {'n': 1}])",
            "$merge($states.input)",
        ] {
            assert_eq!(action(hidden), None, "{hidden}");
        }
    }
}
