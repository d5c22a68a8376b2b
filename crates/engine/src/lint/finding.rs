//! What is wrong with a definition, and where.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

/// A rule that a definition breaks: the state, the field in it, and the rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The state's name; none for the machine itself.
    pub state: Option<String>,
    /// The field, as a path from the state: `Retry/0/ErrorEquals/2`. From the machine if there is no
    /// state; empty if it is the state or the machine itself.
    pub field: String,
    /// The rule that is broken.
    #[serde(serialize_with = "as_text")]
    pub rule: Rule,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

fn as_text<S: serde::Serializer>(rule: &Rule, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(rule)
}

/// The rules that a saga's definition is held to.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Rule {
    /// A Task that calls Lambda in another way than the one that hands on error names.
    #[error("must be \"arn:aws:states:::lambda:invoke\"")]
    NotInvoke,
    /// A Task whose function the definition does not show, or is not one of the project's.
    #[error("must name one of the functions {known}")]
    UnknownFunction {
        /// The functions there are.
        known: String,
    },
    /// A Task without a time limit, or with a computed one.
    #[error("is required, and must be a number")]
    NoTimeout,
    /// A Task that gives up before its function does, and so cannot know how it ended.
    #[error("must be more than the {function_s} s that {function} may take, but is {timeout_s}")]
    TimeoutTooShort {
        /// The function.
        function: String,
        /// Its own time limit.
        function_s: u64,
        /// The Task's.
        timeout_s: u32,
    },
    /// Transient errors that are not retried.
    #[error("must retry {}", .errors.join(", "))]
    NotRetried {
        /// The errors' names.
        errors: Vec<String>,
    },
    /// A permanent error is retried.
    #[error("must not retry {error}, which is not transient")]
    RetriesFinal {
        /// The error's name.
        error: String,
    },
    /// A wildcard that retries what the function refused for good.
    #[error("must come after a retrier with MaxAttempts 0 that names {}, or it repeats these refusals", .errors.join(", "))]
    RepeatsRefusals {
        /// The errors' names.
        errors: Vec<String>,
    },
    /// A call that is safe to repeat, but is given up after one unknown failure.
    #[error("must retry {} with States.ALL, because {call} is safe to repeat", .errors.join(", "))]
    UnknownNotRetried {
        /// The call.
        call: String,
        /// The failures that are not retried.
        errors: Vec<String>,
    },
    /// An unknown failure that is retried more than once or not at all.
    #[error("must be 1 but is {found}: an unknown failure is retried exactly once")]
    UnknownAttempts {
        /// The attempts found.
        found: u32,
    },
    /// Retries whose delays do not grow.
    #[error("must be more than 1, so that retries back off")]
    NoBackoff,
    /// Retries whose delay has no bound.
    #[error("is required, so that the delay has a bound")]
    NoMaxDelay,
    /// Retries that come at the same time in many executions.
    #[error("must be \"FULL\", so that executions that failed together do not retry together")]
    NoJitter,
    /// An error that nothing catches.
    #[error("the last catcher must catch States.ALL and nothing else")]
    NoCatchAll,
    /// Errors of the Task's function that would end the execution.
    #[error("must catch {}, which the function can return", .errors.join(", "))]
    Uncaught {
        /// The errors' names.
        errors: Vec<String>,
    },
    /// An error name that never occurs here.
    #[error("{error} is neither an AWS error nor one that {functions} can return")]
    UnknownError {
        /// The name.
        error: String,
        /// The functions that the state invokes.
        functions: String,
    },
    /// The name of an error that is never retried or caught.
    #[error("{error} always ends the execution: it is never retried or caught")]
    NeverCaught {
        /// The name.
        error: String,
    },
    /// A loop.
    #[error("must not form a loop: {}", .path.join(" → "))]
    Cycle {
        /// The states of the loop.
        path: Vec<String>,
    },
    /// A variable that is not assigned on some path.
    #[error("${variable} is not assigned on the path {}", .path.join(" → "))]
    NotAssigned {
        /// The variable.
        variable: String,
        /// From the start of the scope.
        path: Vec<String>,
    },
    /// A step's action or compensation that no state calls.
    #[error("no state calls {call}")]
    NeverCalled {
        /// The call.
        call: String,
    },
    /// A compensation before the decision to cancel is won.
    #[error("must not run before cancelling is decided, as on the path {}", .path.join(" → "))]
    CompensatesUndecided {
        /// From the start.
        path: Vec<String>,
    },
    /// A success that leaves a step uncompensated.
    #[error("must not succeed without {compensation}, as on the path {}", .path.join(" → "))]
    NotCompensated {
        /// The compensation that is left out.
        compensation: String,
        /// From the choice to the end.
        path: Vec<String>,
    },
    /// A success other than a cancellation, after something was undone.
    #[error("must lead to a cancelled end once it ran, but does not on the path {}", .path.join(" → "))]
    OtherOutcome {
        /// From the compensation to the end.
        path: Vec<String>,
    },
    /// A branch of the roll-back that can fail, and so stop the others.
    #[error("can fail its branch, which stops the other compensations: {why}")]
    StopsOthers {
        /// What can fail.
        why: &'static str,
    },
    /// No machine-wide time limit.
    #[error("is required, so that recovery knows when the execution is over")]
    NoTimeLimit,
    /// A machine-wide time limit that Express does not reach.
    #[error("must be less than the {express_s} s limit of Express, but is {found_s}")]
    TimeLimitTooLong {
        /// The limit of Express.
        express_s: u64,
        /// The limit found.
        found_s: u32,
    },
    /// A path that can take longer than the machine's limit, where the execution ends without any Catch.
    #[error("must be more than the {worst_s} s that the path {} can take, but is {limit_s}", .path.join(" → "))]
    PathTooLong {
        /// The time of the path.
        worst_s: f64,
        /// The machine's limit.
        limit_s: u32,
        /// The path.
        path: Vec<String>,
    },
    /// A path that takes longer than the policy allows.
    #[error("the path {} can take {worst_s} s; {max_s} s are allowed", .path.join(" → "))]
    PathOverBudget {
        /// The time of the path.
        worst_s: f64,
        /// The policy's limit.
        max_s: f64,
        /// The path.
        path: Vec<String>,
    },
    /// A wait that the definition does not bound.
    #[error("must be a number, so that the wait has a bound")]
    UnboundedWait,
    /// A Map, whose iterations the definition does not bound.
    #[error("must not be a Map: the definition does not bound its iterations")]
    UnboundedMap,
    /// A Choice without a Default. It fails if none of its rules matches, and nothing catches that.
    #[error("is required, so that the Choice cannot fail without a match")]
    NoDefault,
    /// Recovery that acts while the execution may still run.
    #[error(
        "is {limit_s}; with {skew_s} s for clock differences, it exceeds the {after_s} s after which recovery acts"
    )]
    RecoveredTooEarly {
        /// The machine's limit.
        limit_s: u32,
        /// How far clocks may differ.
        skew_s: u64,
        /// When recovery acts.
        after_s: u64,
    },
    /// A payload beyond the limit.
    #[error("its {part} can be {bytes} bytes, with {limit_bytes} allowed, on the path {}", .path.join(" → "))]
    PayloadTooLarge {
        /// Which of the state's payloads.
        part: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
        /// The path.
        path: Vec<String>,
    },
    /// A function that would reject the payload sent to it.
    #[error("{call} rejects the payload: {reason}")]
    InputRefused {
        /// The call.
        call: String,
        /// What the function says.
        reason: String,
    },
    /// An execution that ends with an error that was not raised on purpose.
    #[error("ends the execution with {error} on the path {}", .path.join(" → "))]
    BreaksDown {
        /// The error's name.
        error: String,
        /// The path.
        path: Vec<String>,
    },
    /// A success despite a failed compensation.
    #[error("{error} must keep the execution from succeeding, but does not on the path {}", .path.join(" → "))]
    FailureIgnored {
        /// The error's name.
        error: String,
        /// The path.
        path: Vec<String>,
    },
    /// A transient error that cancels a healthy order.
    #[error("{error} is transient and must leave the saga open, but cancels it on the path {}", .path.join(" → "))]
    TransientCancels {
        /// The error's name.
        error: String,
        /// The path.
        path: Vec<String>,
    },
    /// A final error that does not lead to a decision.
    #[error("{error} must lead to {decide}, but does not on the path {}", .path.join(" → "))]
    FailureUndecided {
        /// The error's name.
        error: String,
        /// The call that decides.
        decide: String,
        /// The path.
        path: Vec<String>,
    },
    /// The project's own claim.
    #[error("{claim}, but not on the path {}", .path.join(" → "))]
    Contradicts {
        /// The claim.
        claim: String,
        /// The path.
        path: Vec<String>,
    },
    /// More combinations of answers than can be rehearsed.
    #[error("has more than {limit} executions to rehearse")]
    TooManyRehearsals {
        /// The limit.
        limit: usize,
    },
}

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn at_state(&mut self, state: &str, field: impl Into<String>, rule: Rule) {
        self.add(Finding { state: Some(state.to_owned()), field: field.into(), rule });
    }

    pub(super) fn at_machine(&mut self, field: &str, rule: Rule) {
        self.add(Finding { state: None, field: field.to_owned(), rule });
    }

    fn add(&mut self, finding: Finding) {
        // Many paths lead to the same place; reporting one is enough.
        let same = |known: &Finding| {
            known.state == finding.state && known.field == finding.field && known.rule.is_like(&finding.rule)
        };
        if !self.0.iter().any(same) {
            self.0.push(finding);
        }
    }

    pub(super) fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}

impl Rule {
    /// Whether `other` is the same rule with the same cause, perhaps on another path.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::BreaksDown { error, .. }, Self::BreaksDown { error: other, .. }) => error == other,
            (Self::Contradicts { claim, .. }, Self::Contradicts { claim: other, .. }) => claim == other,
            (Self::FailureIgnored { .. }, Self::FailureIgnored { .. })
            | (Self::TransientCancels { .. }, Self::TransientCancels { .. })
            | (Self::FailureUndecided { .. }, Self::FailureUndecided { .. }) => true,
            _ => self == other,
        }
    }
}
