//! Layers between callers and services: fault injection, conflicts, counting.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::service::{Api, BoxFuture, Service, ServiceAnswer};

/// One call of a service, as a [`Layer`] sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Numbers the calls of one [`Services`](super::Services) and its clones from 0, in order of arrival.
    /// Each attempt of an SDK's retries is a separate call.
    pub number: u64,
    /// The service that is called.
    pub api: Api,
    /// The operation, for example `TransactWriteItems`.
    pub operation: String,
    /// The request's JSON. A layer that changes it passes the changed call to [`Next::apply`].
    pub body: Value,
}

/// Why a caller gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The connection broke before the answer arrived; the caller cannot know whether the call was applied.
    #[error("the connection was closed before the answer arrived")]
    ConnectionLost,
    /// The connection timed out; the caller cannot know whether the call was applied.
    #[error("the connection timed out before the answer arrived")]
    TimedOut,
}

/// What a caller receives.
pub type Outcome = Result<ServiceAnswer, Unanswered>;

/// A layer between callers and services.
///
/// `around` decides what happens to one call. It can
/// - let it through: `next.apply(&call).await`;
/// - refuse it unapplied: `Ok(WireError::transaction_conflict().into())`;
/// - apply it and lose the answer: `next.apply(&call).await.ok(); Err(ConnectionLost)`;
/// - never answer, applied or not: `std::future::pending().await` (the SDK's own timeout ends it);
/// - deliver it twice: two `next.apply(&call)`;
/// - rewrite it: change `call.body` first;
/// - hold it back: `tokio::time::sleep` first.
///
/// It runs in the caller's own task, so it can read the caller's task-locals, for example which invocation of
/// which function is at work.
pub trait Layer: Send + Sync + fmt::Debug {
    /// Whether it lets every call through at the moment. While all layers do, calls are not even parsed for them.
    fn is_idle(&self) -> bool {
        false
    }

    /// Decides what happens to `call`; `next` applies it as many times as it is called.
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome>;
}

/// The rest of the way to the service: the inner layers, then the service itself.
#[derive(Debug, Clone, Copy)]
pub struct Next<'a> {
    layers: &'a [Arc<dyn Layer>],
    service: &'a dyn Service,
}

impl<'a> Next<'a> {
    pub(super) fn new(layers: &'a [Arc<dyn Layer>], service: &'a dyn Service) -> Self {
        Self { layers, service }
    }

    /// Applies the call and returns the answer.
    ///
    /// The service is the one that the call was addressed to, even if a layer has changed `call.api`.
    pub fn apply(self, call: &Call) -> BoxFuture<'a, Outcome> {
        let Some((layer, inner)) = self.layers.split_first() else {
            let operation = call.operation.clone();
            let body = call.body.to_string();
            let service = self.service;
            return Box::pin(async move { Ok(service.call(&operation, body.as_bytes()).await) });
        };
        layer.around(call.clone(), Self { layers: inner, service: self.service })
    }
}
