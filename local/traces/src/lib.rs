//! What a stack does, as spans: a tree for each request, with its executions, their states, each attempt, the function
//! that it invoked, and each call that the function made.
//!
//! | module | knows |
//! |---|---|
//! | [`place`] | where in a trace something happens, and the headers that carry it |
//! | [`span`] | one span, and what may be said about it |
//!
//! A [`Tracer`] gives finished spans to its [`Sink`]. A stack without one makes no spans.
//!
//! Spans name what was done, to which order, and how it ended. They hold no body, no key, no token, and nothing about a
//! customer.

pub mod place;
pub mod span;

use std::fmt;
use std::sync::Arc;

pub use place::{Place, current, within};
pub use span::{Finished, Kind, Span, Value};

/// Takes the finished spans.
pub trait Sink: Send + Sync + fmt::Debug {
    /// Takes one. It must not block: an execution waits for it.
    fn take(&self, span: Finished);
}

/// Makes spans.
#[derive(Debug, Clone)]
pub struct Tracer(Arc<dyn Sink>);

impl Tracer {
    /// A tracer for this sink.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        Self(sink)
    }

    /// Begins a span below `parent`, or a trace of its own. Below a place that is not sampled, it is not kept.
    pub fn begin(&self, parent: Option<Place>, kind: Kind, name: impl Into<String>) -> Span {
        Span::begin(Arc::clone(&self.0), parent, kind, name.into())
    }
}
