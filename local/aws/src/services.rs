//! Which service answers which call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use local_traces::{Tracer, current, within};

use super::layer::{Call, Layer, Next, Outcome};
use super::service::{Api, Service};
use super::spans;
use super::wire_error::WireError;

/// The services of one local stack, and the layers in front of them.
///
/// Clones share the services, the layers and the numbering of calls. This breaks the cycle between Step
/// Functions, whose task functions call the database, and intake, which calls Step Functions: build the task
/// functions' clients from `services.clone()`, then add to `services` the Step Functions service that runs
/// them.
#[derive(Debug, Clone, Default)]
pub struct Services {
    dynamodb: Option<Arc<dyn Service>>,
    step_functions: Option<Arc<dyn Service>>,
    sqs: Option<Arc<dyn Service>>,
    layers: Vec<Arc<dyn Layer>>,
    tracer: Option<Tracer>,
    calls: Arc<AtomicU64>,
}

impl Services {
    /// No service yet: every call is answered with `UnknownOperationException`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers calls of `api` with `service`.
    #[must_use]
    pub fn with(mut self, api: Api, service: Arc<dyn Service>) -> Self {
        *self.slot(api) = Some(service);
        self
    }

    /// Adds a layer next to the services, inside the layers that were added before.
    #[must_use]
    pub fn with_layer(mut self, layer: Arc<dyn Layer>) -> Self {
        self.layers.push(layer);
        self
    }

    /// Makes a span of each call that belongs to a trace.
    #[must_use]
    pub fn with_tracer(mut self, tracer: Option<Tracer>) -> Self {
        self.tracer = tracer;
        self
    }

    /// How many calls have arrived so far, refused and unanswered ones included.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Answers a call with this `X-Amz-Target` and body.
    pub async fn call(&self, target: &str, body: &[u8]) -> Outcome {
        let Some((service, api, operation)) = self.find(target) else {
            return Ok(WireError::unknown_operation(target).into());
        };
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let (Some(tracer), Some(here)) = (&self.tracer, current()) else {
            return self.pass(number, service, api, operation, body).await;
        };
        let mut span = spans::begin(tracer, here, api, operation, body);
        let outcome = within(Some(span.place()), self.pass(number, service, api, operation, body)).await;
        spans::add_outcome(&mut span, &outcome);
        outcome
    }

    async fn pass(&self, number: u64, service: &dyn Service, api: Api, operation: &str, body: &[u8]) -> Outcome {
        if self.layers.iter().all(|layer| layer.is_idle()) {
            // Nobody reads the body, so it is not parsed.
            return Ok(service.call(operation, body).await);
        }
        let Ok(body) = serde_json::from_slice(body) else {
            return Ok(WireError::unreadable_body(api).into());
        };
        let call = Call { number, api, operation: operation.to_owned(), body };
        Next::new(&self.layers, service).apply(&call).await
    }

    fn find<'a>(&'a self, target: &'a str) -> Option<(&'a dyn Service, Api, &'a str)> {
        let (api, operation) = Api::parse_target(target)?;
        let service = match api {
            Api::DynamoDb => &self.dynamodb,
            Api::StepFunctions => &self.step_functions,
            Api::Sqs => &self.sqs,
        };
        Some((service.as_deref()?, api, operation))
    }

    fn slot(&mut self, api: Api) -> &mut Option<Arc<dyn Service>> {
        match api {
            Api::DynamoDb => &mut self.dynamodb,
            Api::StepFunctions => &mut self.step_functions,
            Api::Sqs => &mut self.sqs,
        }
    }
}
