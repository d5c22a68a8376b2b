//! One span.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Place, Sink};

/// On which side of a call a span is.
/// <https://opentelemetry.io/docs/specs/otel/trace/api/#spankind>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Work of this process.
    Internal,
    /// Answers a request.
    Server,
    /// Calls somebody else, and waits for the answer.
    Client,
}

/// What is said about a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
    /// A truth.
    Truth(bool),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Its place.
    pub place: Place,
    /// The span above; `None` for a trace's first.
    pub parent: Option<u64>,
    /// On which side it is.
    pub kind: Kind,
    /// What was done.
    pub name: String,
    /// When it began.
    pub began: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// What else is said about it.
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it failed, if it did: an error's name.
    pub failure: Option<String>,
}

/// A span that has begun. It ends when it is dropped, if it has not ended before.
#[derive(Debug)]
pub struct Span {
    sink: Arc<dyn Sink>,
    /// Taken when it ends.
    open: Option<Finished>,
    place: Place,
}

impl Span {
    pub(crate) fn begin(sink: Arc<dyn Sink>, parent: Option<Place>, kind: Kind, name: String) -> Self {
        let began = SystemTime::now();
        let place = match parent {
            Some(parent) => Place { span: fastrand::u64(1..), ..parent },
            None => Place { trace: new_trace(began), span: fastrand::u64(1..), is_sampled: true },
        };
        let open = place.is_sampled.then(|| Finished {
            place,
            parent: parent.map(|parent| parent.span),
            kind,
            name,
            began,
            ended: began,
            attributes: Vec::new(),
            failure: None,
        });
        Self { sink, open, place }
    }

    /// Where its children are.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Says something about it.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(open) = &mut self.open {
            open.attributes.push((name, value.into()));
        }
    }

    /// Says that it failed, with this error's name.
    pub fn fail(&mut self, error: impl Into<String>) {
        if let Some(open) = &mut self.open {
            open.failure = Some(error.into());
        }
    }

    /// Ends it now; nothing more can be said about it.
    pub fn end(&mut self) {
        if let Some(open) = self.open.take() {
            self.sink.take(Finished { ended: SystemTime::now(), ..open });
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.end();
    }
}

/// A trace's id begins with the second in which it began, as X-Ray wants it.
fn new_trace(began: SystemTime) -> u128 {
    let second = began.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u128::from(second & 0xffff_ffff) << 96 | u128::from(fastrand::u32(..)) << 64 | u128::from(fastrand::u64(1..))
}
