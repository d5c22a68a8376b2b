//! A project's objections to a rehearsed execution.

/// A claim about a saga that an execution contradicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The state where it went wrong.
    pub state: String,
    /// What should have been true: "only a confirmed order is reported as confirmed".
    pub claim: String,
}
