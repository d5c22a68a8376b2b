//! What can be wrong with a definition, and where.

use std::fmt;

use thiserror::Error;

/// Why a definition was not loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The text is not JSON. The error's display says at which line and column.
    #[error("the definition is not JSON")]
    Json(#[from] serde_json::Error),
    /// The text is JSON, but not a state machine that this engine may run. Holds every fault found.
    #[error("the definition has {}", Listed(.0))]
    Faults(Vec<Fault>),
}

impl LoadError {
    /// The faults; none if the text is not JSON.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Json(_) => &[],
            Self::Faults(faults) => faults,
        }
    }
}

/// One fault of a definition: the state, the field in it, and the rule that it breaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The field's line in the definition, counted from 1. For a missing field, the line of the part
    /// that lacks it.
    pub line: usize,
    /// The state's name; none for a field of the machine itself.
    pub state: Option<String>,
    /// The field, as a path from the state: `Retry/0/ErrorEquals`. Without a state, a path from the
    /// machine. Empty if the state or the machine itself is at fault.
    pub field: String,
    /// The rule that the field breaks.
    pub rule: Rule,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.state {
            Some(state) => write!(f, "state {state:?}")?,
            None => f.write_str("state machine")?,
        }
        if !self.field.is_empty() {
            write!(f, ", {}", self.field)?;
        }
        write!(f, ": {}", self.rule)
    }
}

/// The rules that a definition must follow to be loaded: those of the Amazon States Language, of Express
/// and of the `JSONata` dialect.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Rule {
    /// A required field is missing.
    #[error("is required")]
    Missing,
    /// A member that the same object already has.
    #[error("appears twice in the same object")]
    RepeatedMember,
    /// A field holds the wrong kind of JSON value.
    #[error("must be {expected}")]
    WrongType {
        /// What the field may hold.
        expected: &'static str,
    },
    /// A field that this kind of state does not have.
    #[error("is not a field of {owner}")]
    UnknownField {
        /// What the field was found in.
        owner: String,
    },
    /// A field, or a member name ending in `.$`, of the `JSONPath` dialect.
    #[error("belongs to the JSONPath dialect; this machine is written in JSONata")]
    JsonPathField,
    /// The query language is not stated, or is not `JSONata`.
    #[error("must be \"JSONata\"")]
    NotJsonata,
    /// A state type that the language does not have.
    #[error("{found:?} is not a state type")]
    UnknownStateType {
        /// The type as written.
        found: String,
    },
    /// A part of the language that an Express state machine may not use.
    #[error("is not allowed in an Express state machine: {reason}")]
    NotExpress {
        /// What Express lacks.
        reason: &'static str,
    },
    /// `Next`, `Default` or `StartAt` names a state that is not in the same scope.
    #[error("there is no state {target:?} in this scope")]
    DanglingTransition {
        /// The name as written.
        target: String,
    },
    /// Both `Next` and `End`, or neither.
    #[error("exactly one of Next and End is required")]
    NextOrEnd,
    /// `End` is not `true`.
    #[error("must be true if it is present")]
    EndNotTrue,
    /// No path from the scope's start leads here.
    #[error("no state leads here")]
    Unreachable,
    /// A scope without any end: no `End`, no Succeed, no Fail.
    #[error("the states from here on have no end: no End, Succeed or Fail")]
    Endless,
    /// A state name that another state, in any scope, has too.
    #[error("another state of this machine has the same name")]
    DuplicateState,
    /// A name that is too long or empty.
    #[error("must have 1 to {max} characters, but has {found}")]
    NameLength {
        /// The most characters allowed.
        max: usize,
        /// The characters found.
        found: usize,
    },
    /// A list that may not be empty.
    #[error("must not be empty")]
    Empty,
    /// A number out of its range.
    #[error("must be {expected}, but is {found}")]
    OutOfRange {
        /// The range.
        expected: &'static str,
        /// The number as written.
        found: String,
    },
    /// A word that is not one of those allowed.
    #[error("must be {expected}, but is {found:?}")]
    NotOneOf {
        /// The words allowed.
        expected: &'static str,
        /// The word found.
        found: String,
    },
    /// `States.ALL` together with other names.
    #[error("States.ALL must stand alone in its ErrorEquals")]
    StatesAllNotAlone,
    /// `States.ALL` before the last retrier or catcher.
    #[error("States.ALL must be in the last entry")]
    StatesAllNotLast,
    /// An error name that begins with `States.` but is not one that the language reserves.
    #[error("{name:?} is not one of the reserved names that begin with States.")]
    UnknownErrorName {
        /// The name as written.
        name: String,
    },
    /// A string that begins with `{%` and does not end with `%}`, or the other way round.
    #[error("an expression begins with {{% and ends with %}}, with nothing before or after")]
    HalfExpression,
    /// A text that `JSONata` cannot parse.
    #[error("cannot parse the expression {source_text:?}: {reason}")]
    Unparsable {
        /// The expression, its beginning if it is long.
        source_text: String,
        /// What the parser says.
        reason: String,
    },
    /// A plain string where an expression is required.
    #[error("must be a JSONata expression, {{% … %}}")]
    NotAnExpression,
    /// `$states.result` or `$states.errorOutput` in a field that does not have it.
    #[error("$states.{member} is not available here")]
    NotAvailable {
        /// The member of `$states`.
        member: &'static str,
    },
    /// A reference to the context item, which an expression here does not have.
    #[error("a reference to {name:?} at the top level is not supported; the input is $states.input")]
    TopLevelReference {
        /// `$`, `$$`, or the name.
        name: String,
    },
    /// `$eval`, which Step Functions does not offer.
    #[error("$eval is not supported; $parse reads JSON")]
    Eval,
    /// A variable name that is not an identifier, or is the reserved `states`.
    #[error("{name:?} cannot be the name of a variable")]
    VariableName {
        /// The name as written.
        name: String,
    },
    /// A variable that an outer scope assigns too.
    #[error("the variable {name:?} is assigned in an outer scope")]
    OuterVariable {
        /// The variable.
        name: String,
    },
    /// Fields of which exactly one is required.
    #[error("exactly one of {fields} is required")]
    ExactlyOneOf {
        /// The fields.
        fields: &'static str,
    },
    /// A point in time that is not in the language's profile of RFC 3339.
    #[error("must be a timestamp such as 2026-03-14T01:59:00Z")]
    Timestamp,
}

/// Lists faults, one per line, below their count.
struct Listed<'a>(&'a [Fault]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "{} fault{plural}", self.0.len())?;
        for fault in self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}
