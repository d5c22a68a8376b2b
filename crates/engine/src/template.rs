//! A JSON value with expressions in it: `Arguments`, `Output`, and the values of `Assign`.

use std::sync::Arc;

use serde_json::Value;

use crate::expression::{EvaluationError, Expression};
use crate::scene::Scene;

#[derive(Debug)]
pub(crate) enum Template {
    /// A value without expressions.
    Constant(Arc<Value>),
    Expression(Box<Expression>),
    Array(Vec<Template>),
    Object(Vec<(String, Template)>),
}

impl Template {
    pub(crate) fn evaluate(&self, scene: &Scene<'_>) -> Result<Arc<Value>, EvaluationError> {
        match self {
            Self::Constant(value) => Ok(Arc::clone(value)),
            Self::Expression(expression) => expression.evaluate(scene),
            Self::Array(items) => items
                .iter()
                .map(|item| item.build(scene))
                .collect::<Result<Vec<_>, _>>()
                .map(|items| Arc::new(Value::Array(items))),
            Self::Object(members) => members
                .iter()
                .map(|(name, member)| Ok((name.clone(), member.build(scene)?)))
                .collect::<Result<serde_json::Map<_, _>, _>>()
                .map(|members| Arc::new(Value::Object(members))),
        }
    }

    fn build(&self, scene: &Scene<'_>) -> Result<Value, EvaluationError> {
        self.evaluate(scene).map(Arc::unwrap_or_clone)
    }
}
