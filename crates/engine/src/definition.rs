//! A checked definition: anything that these types can express can be executed.

use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;

use crate::expression::Expression;
use crate::template::Template;

/// A whole machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) timeout_s: Option<u32>,
    pub(crate) scope: Scope,
}

/// States that can lead to each other: the machine's own, or a branch's.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) start: usize,
    pub(crate) states: Vec<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Task(Task),
    Parallel(Parallel),
    Map(Map),
    Pass(Exit),
    Choice(Choice),
    Wait(Wait),
    Succeed { output: Option<Template> },
    Fail(Fail),
}

impl Kind {
    /// The scopes inside the state.
    pub(crate) fn branches(&self) -> &[Scope] {
        match self {
            Self::Parallel(parallel) => &parallel.branches,
            Self::Map(map) => std::slice::from_ref(&map.processor),
            _ => &[],
        }
    }

    /// The name of the type, as in the field `Type`.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Task(_) => "Task",
            Self::Parallel(_) => "Parallel",
            Self::Map(_) => "Map",
            Self::Pass(_) => "Pass",
            Self::Choice(_) => "Choice",
            Self::Wait(_) => "Wait",
            Self::Succeed { .. } => "Succeed",
            Self::Fail(_) => "Fail",
        }
    }
}

/// What a state does on its way out, and where it leads.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) assign: Assign,
    pub(crate) output: Option<Template>,
    pub(crate) to: Transition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    /// The index of the next state in its scope.
    Next(usize),
    End,
}

/// The variables that a state sets, in the order written.
pub(crate) type Assign = Vec<(Arc<str>, Template)>;

#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) resource: Arc<str>,
    pub(crate) arguments: Option<Template>,
    pub(crate) timeout: Option<Whole>,
    pub(crate) heartbeat: Option<Whole>,
    pub(crate) credentials: Option<Template>,
    pub(crate) handling: Handling,
    pub(crate) exit: Exit,
}

#[derive(Debug)]
pub(crate) struct Parallel {
    pub(crate) branches: Vec<Scope>,
    pub(crate) arguments: Option<Template>,
    pub(crate) handling: Handling,
    pub(crate) exit: Exit,
}

/// A Map in inline mode: its iterations are part of the execution.
#[derive(Debug)]
pub(crate) struct Map {
    /// An array, or an expression that returns one; the state's input if `None`.
    pub(crate) items: Option<Template>,
    /// An iteration's input; the item if `None`.
    pub(crate) selector: Option<Template>,
    pub(crate) max_concurrency: Option<Whole>,
    pub(crate) processor: Scope,
    pub(crate) handling: Handling,
    pub(crate) exit: Exit,
}

#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) rules: Vec<ChoiceRule>,
    /// If `None` and no rule matches, the Choice fails with `States.NoChoiceMatched`.
    pub(crate) default: Option<Exit>,
}

#[derive(Debug)]
pub(crate) struct ChoiceRule {
    pub(crate) condition: Condition,
    pub(crate) exit: Exit,
}

#[derive(Debug)]
pub(crate) enum Condition {
    Constant(bool),
    Expression(Box<Expression>),
}

#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) until: Until,
    pub(crate) exit: Exit,
}

#[derive(Debug)]
pub(crate) enum Until {
    Seconds(Whole),
    Moment(OffsetDateTime),
    MomentOf(Box<Expression>),
}

/// A whole number: of seconds, or of iterations.
#[derive(Debug)]
pub(crate) enum Whole {
    Constant(u32),
    Expression(Box<Expression>),
}

#[derive(Debug)]
pub(crate) struct Fail {
    pub(crate) error: Option<Text>,
    pub(crate) cause: Option<Text>,
}

#[derive(Debug)]
pub(crate) enum Text {
    Constant(String),
    Expression(Box<Expression>),
}

/// A state's Retry and Catch.
#[derive(Debug, Default)]
pub(crate) struct Handling {
    pub(crate) retriers: Vec<Retrier>,
    pub(crate) catchers: Vec<Catcher>,
}

#[derive(Debug)]
pub(crate) struct Retrier {
    pub(crate) error_equals: Vec<String>,
    pub(crate) interval_s: u32,
    pub(crate) max_attempts: u32,
    pub(crate) backoff_rate: f64,
    pub(crate) max_delay_s: Option<u32>,
    pub(crate) jitter: Jitter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jitter {
    None,
    Full,
}

#[derive(Debug)]
pub(crate) struct Catcher {
    pub(crate) error_equals: Vec<String>,
    pub(crate) exit: Exit,
}

/// Maximum number of concurrent iterations of a Map in inline mode, even if its `MaxConcurrency` is higher.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html>.
pub(crate) const MAX_INLINE_CONCURRENCY: u32 = 40;

/// The largest number of seconds that the language's fields allow.
pub(crate) const MAX_SECONDS: u32 = 99_999_999;

/// Maximum size of an input, an output, arguments, a result or an assignment, in bytes of JSON text in
/// UTF-8: 256 KiB.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>.
pub const MAX_PAYLOAD_BYTES: usize = 256 * 1024;

/// Maximum size of all variables of an execution together, in bytes of JSON text: 10 MiB.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html>.
pub(crate) const MAX_VARIABLES_BYTES: usize = 10 * 1024 * 1024;

/// Whether `value` is longer than [`MAX_PAYLOAD_BYTES`] as JSON text.
pub(crate) fn exceeds_limit(value: &Value) -> bool {
    exceed_limit([value].into_iter())
}

/// Whether `values` together are longer than [`MAX_PAYLOAD_BYTES`] as JSON texts.
pub(crate) fn exceed_limit<'a>(values: impl Iterator<Item = &'a Value> + Clone) -> bool {
    // Nearly every payload is far below the limit, and an upper bound is ten times faster to compute
    // than the text's length.
    values.clone().map(upper_bound_bytes).sum::<usize>() > MAX_PAYLOAD_BYTES
        && values.map(text_bytes).sum::<usize>() > MAX_PAYLOAD_BYTES
}

fn upper_bound_bytes(value: &Value) -> usize {
    // One byte of a string becomes at most six bytes, as in `\u001f`. A number has at most 25 bytes.
    let string = |text: &str| text.len() * 6 + 2;
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 25,
        Value::String(text) => string(text),
        Value::Array(items) => items.iter().map(|item| upper_bound_bytes(item) + 1).sum::<usize>() + 2,
        Value::Object(members) => {
            members.iter().map(|(name, member)| string(name) + upper_bound_bytes(member) + 2).sum::<usize>() + 2
        }
    }
}

/// The length of `value` as compact JSON text.
pub(crate) fn text_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).expect("a JSON value always serialises, and counting does not fail");
    count.0
}
