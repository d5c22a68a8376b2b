//! The definition of the order saga, and the rules that it must satisfy.
//!
//! `order-saga.asl.json` is deployed, and every test and every local command executes it.
//!
//! | module | knows |
//! |---|---|
//! | [`policy`] | the rules for the definition: `order-saga lint` |

pub mod policy;

use engine::{LoadError, MissingPlaceholder, StateMachine};

/// The deployed definition, with placeholders for the functions' ARNs.
pub const DEFINITION: &str = include_str!("../order-saga.asl.json");

/// A definition that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// It names a function that no folder declares.
    #[error("fill in the definition's placeholders")]
    Placeholder(#[from] MissingPlaceholder),
    /// It is invalid.
    #[error("load the definition of the state machine")]
    Definition(#[from] LoadError),
}

/// Loads a definition, and fills in the functions' ARNs.
///
/// # Errors
/// [`DefinitionError`].
pub fn load(definition: &str, arn: impl Fn(&str) -> String) -> Result<StateMachine, DefinitionError> {
    Ok(StateMachine::load(&fill(definition, arn)?)?)
}

/// The definition with the functions' ARNs; `arn` makes an ARN from a function's name.
///
/// # Errors
/// [`MissingPlaceholder`], if it names a function that no folder declares.
pub fn fill(definition: &str, arn: impl Fn(&str) -> String) -> Result<String, MissingPlaceholder> {
    engine::fill(definition, |placeholder| {
        let tasks = declarations::functions().iter().filter(|function| function.is_task());
        tasks.into_iter().find(|function| function.placeholder() == placeholder).map(|function| arn(&function.name))
    })
}
