//! Log lines: one JSON object each, with the field names of
//! [Powertools](https://docs.aws.amazon.com/powertools/python/latest/core/logger/), so that one query finds an order in
//! the logs of all functions:
//!
//! | field | says |
//! |---|---|
//! | `timestamp`, `level`, `message` | when, how bad, what happened and what happens next |
//! | `service` | the function |
//! | `function_request_id`, `xray_trace_id` | the invocation |
//! | `correlation_id` | the request that placed the order, as its client calls it |
//! | `order_id` | the order |
//! | `execution`, `state`, `attempt` | where in the workflow, for a task |
//!
//! `name` is that of the innermost span. Further fields belong to the message. No line has an order's content, a key or a body.

use lambda_runtime::Context;
use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Lambda's setting of the level.
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>
const LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// The libraries, by the beginnings of their names. Below a warning their lines are of no use to an operator, and may
/// contain requests.
const LIBRARIES: [&str; 9] =
    ["aws_", "h2", "hyper", "lambda_runtime", "reqwest", "rustls", "tokio", "tower", "tracing"];

/// Starts writing the log lines of this function to standard output, from the level that Lambda sets.
pub fn init(service: &str) {
    let level = std::env::var(LEVEL).ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    tracing_subscriber::registry().with(json(Some(service), std::io::stdout).with_filter(levels(level))).init();
}

/// Which lines are written at this level.
pub fn levels(level: LevelFilter) -> Targets {
    let libraries = LIBRARIES.map(|library| (library, level.min(LevelFilter::WARN)));
    Targets::new().with_default(level).with_targets(libraries)
}

/// Writes the lines to `writer`, with this `service` unless a span names it.
pub fn json<S, W>(service: Option<&str>, writer: W) -> impl Layer<S> + use<S, W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let mut layer = json_subscriber::layer()
        .with_target(false)
        .flatten_event(true)
        .with_current_span(false)
        .flatten_span_list_on_top_level(true)
        .with_writer(writer);
    if let Some(service) = service {
        layer.inner_layer_mut().add_static_field("service", service.into());
    }
    layer
}

/// What every line of an invocation has.
pub fn invocation(context: &Context) -> Span {
    tracing::info_span!(
        "invocation",
        function_request_id = context.request_id,
        xray_trace_id = context.xray_trace_id.as_deref(),
    )
}

/// What every line about an order has.
pub fn order(order_id: &str, correlation_id: Option<&str>) -> Span {
    tracing::info_span!("order", order_id, correlation_id)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no writer panics").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `log` writes at this level.
    fn lines(level: LevelFilter, log: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let layer = json(Some("intake"), move || writer.clone()).with_filter(levels(level));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = written.0.lock().expect("no writer panics").clone();
        String::from_utf8(bytes)
            .expect("lines are text")
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect()
    }

    #[test]
    fn a_line_has_its_fields_and_those_of_its_spans_at_the_top() {
        let mut lines = lines(LevelFilter::INFO, || {
            let mut context = Context::default();
            context.request_id = "request-1".to_owned();
            invocation(&context).in_scope(|| {
                tracing::info_span!("task", order_id = "o-1", attempt = 2_u64).in_scope(|| {
                    tracing::warn!(reason = "throttled", "could not write the order; the workflow will retry");
                });
            });
        });
        let mut line = lines.remove(0);
        let timestamp = line.as_object_mut().and_then(|line| line.remove("timestamp"));
        assert!(timestamp.is_some_and(|timestamp| timestamp.as_str().is_some_and(|text| text.ends_with('Z'))));
        let expected = json!({
            "level": "WARN",
            "message": "could not write the order; the workflow will retry",
            "reason": "throttled",
            "service": "intake",
            "name": "task",
            "function_request_id": "request-1",
            "order_id": "o-1",
            "attempt": 2,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn libraries_are_heard_only_when_they_warn() {
        let log = || {
            tracing::debug!(target: "aws_smithy_runtime::client", "the whole request");
            tracing::info!(target: "hyper::proto", "connected");
            tracing::warn!(target: "aws_config", "no region");
            tracing::debug!("a line of ours");
        };
        assert_eq!(lines(LevelFilter::DEBUG, log).len(), 2);
        assert_eq!(lines(LevelFilter::INFO, log).len(), 1);
    }
}
