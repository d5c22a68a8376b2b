//! One `JSONata` expression: parsed once, checked at load, evaluated against a scene.

use std::sync::Arc;

use jsonata_core::ast::{AstNode, PathStep};
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorOptions};
use jsonata_core::value::JValue;
use serde_json::Value;
use thiserror::Error;

use crate::convert;
use crate::functions;
use crate::references::References;
use crate::scene::Scene;

/// Time limit of one evaluation, so that an endless expression cannot hold a thread.
const EVALUATION_LIMIT_MS: u64 = 10_000;

/// A parsed expression, and the field that it is in.
#[derive(Debug)]
pub(crate) struct Expression {
    /// Without its delimiters.
    source: Box<str>,
    /// The field, as a path from its state: `Arguments/Payload/order`.
    field: Box<str>,
    syntax: AstNode,
    references: References,
    /// Set if the expression is only a path of names, as most expressions of a workflow are. Unless it
    /// meets an array, such a path needs no evaluator.
    path: Option<PlainPath>,
}

/// A variable, and the names that lead from it.
#[derive(Debug)]
struct PlainPath {
    root: Root,
    names: Vec<Box<str>>,
}

#[derive(Debug)]
enum Root {
    Input,
    Result,
    ErrorOutput,
    Variable(Box<str>),
}

/// Why an expression returned no value that its field accepts. Each is a `States.QueryEvaluationError`,
/// in the words of Step Functions.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{what} {reason}")]
pub(crate) struct EvaluationError {
    /// The field, as a path from its state.
    pub(crate) field: Box<str>,
    /// What returned the value, and its field.
    what: Box<str>,
    reason: Box<Reason>,
}

#[derive(Debug, Clone, PartialEq, Error)]
enum Reason {
    #[error("returned nothing (undefined).")]
    Undefined,
    #[error("threw an error during evaluation. {0}")]
    Threw(String),
    #[error("returned a value that JSON does not have: {0}.")]
    NotJson(&'static str),
    #[error("returned an unexpected result type. Expected '{expected}', but was '{found}' for value: {value}")]
    WrongType { expected: &'static str, found: &'static str, value: String },
    #[error("returned an unexpected value. Expected {expected}, but was: {value}")]
    OutOfRange { expected: &'static str, value: String },
    #[error("must be an array but was: {0}")]
    NotAnArray(String),
}

impl EvaluationError {
    /// For a Map without an expression to name.
    pub(crate) fn not_an_array(field: &str, value: &Value) -> Self {
        let reason = Box::new(Reason::NotAnArray(value.to_string()));
        Self { field: field.into(), what: "Map state input".into(), reason }
    }
}

/// The text between `{%` and `%}`, if `text` is an expression.
///
/// Only a string that starts with exactly `{%` and ends with `%}` is one, see
/// <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>.
pub(crate) fn between_delimiters(text: &str) -> Option<&str> {
    // `{%}` begins and ends correctly, but with one `%` for both.
    text.strip_prefix("{%")?.strip_suffix("%}")
}

/// A field as AWS names it in causes and events: `Choices[1]/Condition` for `Choices/1/Condition`, as
/// floci's pull request 2689 measured it.
pub(crate) fn as_aws_writes(field: &str) -> String {
    for list in ["Catch", "Choices"] {
        let within = field.strip_prefix(list).and_then(|rest| rest.strip_prefix('/'));
        if let Some((index, rest)) = within.and_then(|within| within.split_once('/')) {
            return format!("{list}[{index}]/{rest}");
        }
    }
    field.to_owned()
}

impl Expression {
    /// Parses the text between the delimiters.
    pub(crate) fn parse(inner: &str, field: &str) -> Result<Self, String> {
        let source = inner.trim();
        let syntax = jsonata_core::parser::parse(source).map_err(|error| error.to_string())?;
        let references = References::of(&syntax);
        let path = PlainPath::of(&syntax);
        Ok(Self { source: source.into(), field: field.into(), syntax, references, path })
    }

    pub(crate) fn references(&self) -> &References {
        &self.references
    }

    /// Its text, without the delimiters.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The field that it is in, as a path from its state.
    pub(crate) fn field(&self) -> &str {
        &self.field
    }

    pub(crate) fn syntax(&self) -> &AstNode {
        &self.syntax
    }

    /// The expression's value.
    pub(crate) fn evaluate(&self, scene: &Scene<'_>) -> Result<Arc<Value>, EvaluationError> {
        if let Some(path) = &self.path
            && let Some(found) = path.follow(scene)
        {
            return found.ok_or_else(|| self.error(Reason::Undefined));
        }
        self.interpret(scene).map(Arc::new)
    }

    /// The expression's value, which must be a boolean.
    pub(crate) fn evaluate_bool(&self, scene: &Scene<'_>) -> Result<bool, EvaluationError> {
        let value = self.evaluate(scene)?;
        value.as_bool().ok_or_else(|| self.wrong_type("boolean", &value))
    }

    /// The expression's value, which must be a string.
    pub(crate) fn evaluate_string(&self, scene: &Scene<'_>) -> Result<String, EvaluationError> {
        let value = self.evaluate(scene)?;
        match &*value {
            Value::String(text) => Ok(text.clone()),
            _ => Err(self.wrong_type("string", &value)),
        }
    }

    /// The expression's value, which must be a whole number from `least` to `most`; `expected` is the
    /// range in words.
    pub(crate) fn evaluate_integer(
        &self,
        scene: &Scene<'_>,
        least: u32,
        most: u32,
        expected: &'static str,
    ) -> Result<u32, EvaluationError> {
        let value = self.evaluate(scene)?;
        if !value.is_number() {
            return Err(self.wrong_type("number", &value));
        }
        // A whole number may be written with a fraction of zero.
        let number = convert::canonical(&value).as_u64().and_then(|whole| u32::try_from(whole).ok());
        number.filter(|number| (least..=most).contains(number)).ok_or_else(|| self.out_of_range(expected, &value))
    }

    /// The error for a value of the wrong type.
    pub(crate) fn wrong_type(&self, expected: &'static str, value: &Value) -> EvaluationError {
        self.error(Reason::WrongType { expected, found: convert::type_name(value), value: value.to_string() })
    }

    /// The error for a value of the right type that the field does not accept.
    pub(crate) fn out_of_range(&self, expected: &'static str, value: &Value) -> EvaluationError {
        self.error(Reason::OutOfRange { expected, value: value.to_string() })
    }

    fn interpret(&self, scene: &Scene<'_>) -> Result<Value, EvaluationError> {
        let mut context = Context::new();
        if let Some(states) = scene.states(self.references.states) {
            context.bind("states".to_owned(), states);
        }
        for name in &self.references.variables {
            if let Some(value) = scene.variable(name) {
                context.bind(name.clone(), value);
            }
        }
        let options = EvaluatorOptions { timeout_ms: Some(EVALUATION_LIMIT_MS), ..EvaluatorOptions::default() };
        let mut evaluator = Evaluator::with_options(context, options);
        functions::register(&mut evaluator, &self.references.functions, scene);
        let value = evaluator
            .evaluate(&self.syntax, &JValue::Undefined)
            .map_err(|error| self.error(Reason::Threw(error.message().to_owned())))?;
        if value.is_undefined() {
            return Err(self.error(Reason::Undefined));
        }
        convert::to_json(&value).map_err(|what| self.error(Reason::NotJson(what)))
    }

    fn error(&self, reason: Reason) -> EvaluationError {
        let field = as_aws_writes(&self.field);
        let what = format!("The JSONata expression '{}' specified for the field '{field}'", self.source);
        EvaluationError { field: self.field.clone(), what: what.into(), reason: Box::new(reason) }
    }
}

impl PlainPath {
    fn of(syntax: &AstNode) -> Option<Self> {
        let steps = match syntax {
            AstNode::Variable(name) if !name.is_empty() && name != "$" && name != "states" => {
                return Some(Self { root: Root::Variable(name.as_str().into()), names: Vec::new() });
            }
            AstNode::Path { steps } => steps,
            _ => return None,
        };
        let (first, rest) = steps.split_first()?;
        let AstNode::Variable(variable) = plain(first)? else {
            return None;
        };
        let mut names = rest
            .iter()
            .map(|step| match plain(step)? {
                AstNode::Name(name) => Some(name.as_str().into()),
                _ => None,
            })
            .collect::<Option<Vec<Box<str>>>>()?;
        let root = match variable.as_str() {
            "" | "$" => return None,
            "states" if names.is_empty() => return None,
            "states" => match &*names.remove(0) {
                "input" => Root::Input,
                "result" => Root::Result,
                "errorOutput" => Root::ErrorOutput,
                _ => return None,
            },
            variable => Root::Variable(variable.into()),
        };
        Some(Self { root, names })
    }

    /// Follows the names. The outer `None` means that the evaluator is needed, the inner one that the
    /// value is undefined.
    #[allow(clippy::option_option)]
    fn follow(&self, scene: &Scene<'_>) -> Option<Option<Arc<Value>>> {
        let root = match &self.root {
            Root::Input => Some(scene.input),
            Root::Result => scene.result,
            Root::ErrorOutput => scene.error_output,
            Root::Variable(name) => scene.variables.get(name),
        };
        let Some(root) = root else {
            // A name that is not a variable may be a function, which only the evaluator knows.
            return match self.root {
                Root::Variable(_) => None,
                _ => Some(None),
            };
        };
        let mut at: &Value = root;
        for name in &self.names {
            match at {
                Value::Object(members) => match members.get(&**name) {
                    Some(member) => at = member,
                    None => return Some(None),
                },
                Value::Array(_) => return None,
                _ => return Some(None),
            }
        }
        Some(Some(if self.names.is_empty() { Arc::clone(root) } else { Arc::new(convert::canonical(at)) }))
    }
}

/// The step's node, if the step has no predicate and binds nothing.
fn plain(step: &PathStep) -> Option<&AstNode> {
    let bare = step.stages.is_empty()
        && step.focus.is_none()
        && step.index_var.is_none()
        && step.ancestor_label.is_none()
        && !step.is_tuple;
    bare.then_some(&step.node)
}
