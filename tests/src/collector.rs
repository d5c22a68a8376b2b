//! An OpenTelemetry collector on loopback, which keeps what it gets.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use prost::Message;
use tokio::net::TcpListener;

/// How long spans may take: they are sent every second.
const PATIENCE: Duration = Duration::from_secs(30);

/// A collector.
#[derive(Debug, Clone)]
pub struct Collector {
    /// Its address, for `--otlp`.
    pub url: String,
    bodies: Arc<Mutex<Vec<Bytes>>>,
}

/// A span, as it was sent.
#[derive(Debug, Clone)]
pub struct Span {
    /// The trace's id.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// The id of the span above; empty for a trace's first.
    pub parent: String,
    /// Its name.
    pub name: String,
    /// What is said about it, as text.
    pub attributes: BTreeMap<String, String>,
    /// When it began and ended, in nanoseconds since the Unix epoch.
    pub time: (u64, u64),
    /// Whether it failed.
    pub is_failed: bool,
}

impl Collector {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let url = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let collector = Self { url, bodies: Arc::default() };
        let bodies = Arc::clone(&collector.bodies);
        let take = post(async move |body: Bytes| {
            bodies.lock().unwrap_or_else(PoisonError::into_inner).push(body);
            StatusCode::OK
        });
        let router = Router::new().route("/v1/traces", take).layer(DefaultBodyLimit::disable());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("a listener on loopback does not fail") });
        collector
    }

    /// Everything that was sent, as it was sent.
    pub fn bodies(&self) -> Vec<Bytes> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All spans, the first begun first.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for body in self.bodies() {
            let request = ExportTraceServiceRequest::decode(body).expect("the body is as OTLP says");
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            spans.extend(scopes.flat_map(|scope| scope.spans).map(Span::from));
        }
        spans.sort_by_key(|span| (span.time.0, u64::MAX - span.time.1));
        spans
    }

    /// The spans of a trace, once it has one for which `is_last` holds and all that it belongs to.
    ///
    /// # Panics
    /// If it has none in time.
    pub async fn trace(&self, trace: &str, is_last: impl Fn(&Span) -> bool) -> Vec<Span> {
        let started = Instant::now();
        loop {
            let spans: Vec<Span> = self.spans().into_iter().filter(|span| span.trace == trace).collect();
            if spans.iter().any(&is_last) {
                return spans;
            }
            assert!(started.elapsed() < PATIENCE, "the trace {trace} is not complete: {}", tree(&spans));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl From<Sent> for Span {
    fn from(sent: Sent) -> Self {
        let attributes = sent.attributes.into_iter().map(|attribute| {
            let value = attribute.value.and_then(|value| value.value).map(|value| match value {
                Value::StringValue(text) => text,
                Value::IntValue(number) => number.to_string(),
                Value::BoolValue(truth) => truth.to_string(),
                other => format!("{other:?}"),
            });
            (attribute.key, value.unwrap_or_default())
        });
        Self {
            trace: hex(&sent.trace_id),
            id: hex(&sent.span_id),
            parent: hex(&sent.parent_span_id),
            name: sent.name,
            attributes: attributes.collect(),
            time: (sent.start_time_unix_nano, sent.end_time_unix_nano),
            is_failed: sent.status.is_some_and(|status| status.code == 2),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The spans as an indented list: each with what its attributes say about the saga. What is below a span stands in the
/// order in which it began.
pub fn tree(spans: &[Span]) -> String {
    let mut text = String::new();
    for root in spans.iter().filter(|span| !spans.iter().any(|other| other.id == span.parent)) {
        add(&mut text, spans, root, 0);
    }
    text
}

fn add(text: &mut String, spans: &[Span], span: &Span, depth: usize) {
    let _ = write!(text, "{:indent$}{}", "", span.name, indent = 2 * depth);
    for (name, value) in &span.attributes {
        let is_of_saga = name.starts_with("saga.") || name.starts_with("order.status") || name == "error.type";
        if is_of_saga || name == "http.response.status_code" && depth == 0 {
            let _ = write!(text, " {}={value}", name.trim_start_matches("saga."));
        }
    }
    text.push('\n');
    for child in spans.iter().filter(|other| other.parent == span.id) {
        add(text, spans, child, depth + 1);
    }
}
