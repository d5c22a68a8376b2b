//! Sends spans to an OpenTelemetry collector.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use local_traces::{Finished, Kind, Place, Sink, Value};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, Protocol, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanExporter, SpanLinks, SpanProcessor,
};

/// Where OTLP over HTTP takes spans.
/// <https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>
const PATH: &str = "/v1/traces";

/// The most spans that wait to be sent, some 10 MB. A collector that is away loses what comes beyond.
const MAX_WAITING_SPANS: usize = 16_384;

/// The most spans of one request.
const MAX_SPANS_OF_REQUEST: usize = 2_048;

/// How long a span waits at most until it is sent.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// How long a collector may take for a request, and how long the last spans may take when the server stops.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends spans in the background.
#[derive(Debug)]
pub struct Otlp {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

impl Otlp {
    /// Sends to the collector at this address, such as `http://localhost:4318`. Headers, such as a collector's key, are
    /// taken from `OTEL_EXPORTER_OTLP_HEADERS`.
    ///
    /// # Errors
    /// If the address or the headers are not valid.
    pub fn to(url: &str) -> Result<Arc<Self>, ExporterBuildError> {
        let url = url.trim_end_matches('/');
        let url = if url.ends_with(PATH) { url.to_owned() } else { format!("{url}{PATH}") };
        let exporter = opentelemetry_otlp::SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let exporter = exporter.with_endpoint(&url).with_timeout(PATIENCE).build()?;
        let exporter = Reported { exporter, collector: host(&url), is_failing: AtomicBool::new(false) };
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(MAX_WAITING_SPANS)
            .with_max_export_batch_size(MAX_SPANS_OF_REQUEST)
            .with_scheduled_delay(MAX_WAIT)
            .build();
        let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let resource = Resource::builder_empty().with_service_name("order-saga");
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        processor.set_resource(&resource.with_attribute(version).build());
        Ok(Arc::new(Self { processor, scope: InstrumentationScope::builder("order-saga").build() }))
    }

    /// Sends what still waits.
    pub fn finish(&self) {
        // A failure was reported by the exporter.
        let _ = self.processor.shutdown_with_timeout(PATIENCE);
    }
}

impl Sink for Otlp {
    fn take(&self, span: Finished) {
        self.processor.on_end(to_otel(span, self.scope.clone()));
    }
}

fn to_otel(span: Finished, scope: InstrumentationScope) -> SpanData {
    let attributes = span.attributes.into_iter().map(|(name, value)| match value {
        Value::Text(text) => KeyValue::new(name, text),
        Value::Number(number) => KeyValue::new(name, number),
        Value::Truth(truth) => KeyValue::new(name, truth),
    });
    let mut attributes: Vec<KeyValue> = attributes.collect();
    let status = match span.failure {
        Some(error) => {
            attributes.push(KeyValue::new("error.type", error.clone()));
            Status::error(error)
        }
        None => Status::Unset,
    };
    SpanData {
        span_context: context(span.place),
        parent_span_id: span.parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.to_be_bytes())),
        parent_span_is_remote: false,
        span_kind: match span.kind {
            Kind::Internal => SpanKind::Internal,
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
        },
        name: span.name.into(),
        start_time: span.began,
        end_time: span.ended,
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: scope,
    }
}

fn context(place: Place) -> SpanContext {
    let (trace, span) = (TraceId::from_bytes(place.trace.to_be_bytes()), SpanId::from_bytes(place.span.to_be_bytes()));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}

fn host(url: &str) -> String {
    url.parse::<http::Uri>().ok().and_then(|url| url.host().map(str::to_owned)).unwrap_or_default()
}

fn kind(error: &OTelSdkError) -> &'static str {
    match error {
        OTelSdkError::Timeout(_) => "no answer in time",
        OTelSdkError::AlreadyShutdown => "the exporter has ended",
        OTelSdkError::InternalFailure(_) => "no connection, or the collector refuses",
    }
}

/// An exporter that says so when spans begin to be lost, and when they arrive again.
#[derive(Debug)]
struct Reported<E> {
    exporter: E,
    /// Its host only: an address may have a key.
    collector: String,
    is_failing: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Reported<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exported = self.exporter.export(batch).await;
        let was_failing = self.is_failing.swap(exported.is_err(), Ordering::Relaxed);
        match &exported {
            Err(error) if !was_failing => {
                // The error's text has the whole address.
                tracing::warn!(
                    collector = self.collector,
                    reason = kind(error),
                    "spans could not be sent and are lost; the next ones are tried"
                );
            }
            Ok(()) if was_failing => tracing::warn!(collector = self.collector, "spans are sent again"),
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
