//! The span of a call: which operation, on which tables, and how it ended.

use local_traces::{Kind, Place, Span, Tracer};
use serde_json::Value;

use super::layer::{Outcome, Unanswered};
use super::service::Api;

/// The call's span, with the names that OpenTelemetry gives to an AWS call.
/// <https://opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk/>
pub fn begin(tracer: &Tracer, here: Place, api: Api, operation: &str, body: &[u8]) -> Span {
    let mut span = tracer.begin(Some(here), Kind::Client, format!("{api}.{operation}"));
    span.set("rpc.system.name", "aws-api");
    span.set("rpc.method", format!("{api}/{operation}"));
    let tables = tables(body);
    if !tables.is_empty() {
        span.set("aws.dynamodb.table_names", tables.join(","));
    }
    span
}

/// How the call ended. Of an answer only the error's name and a cancelled transaction's reasons are read: the reasons say
/// which of its conditions failed, and the first one is the fence's.
pub fn add_outcome(span: &mut Span, outcome: &Outcome) {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(Unanswered::ConnectionLost) => return span.fail("ConnectionLost"),
        Err(Unanswered::TimedOut) => return span.fail("TimedOut"),
    };
    span.set("http.response.status_code", answer.status.as_u16());
    if answer.is_success() {
        return;
    }
    let error = answer.json();
    let name = error["__type"].as_str().unwrap_or_default();
    span.fail(name.rsplit('#').next().unwrap_or_default());
    let reasons = error["CancellationReasons"].as_array();
    let reasons: Option<Vec<&str>> = reasons.map(|reasons| reasons.iter().filter_map(code).collect());
    if let Some(reasons) = reasons {
        span.set("aws.dynamodb.cancellation_reasons", reasons.join(","));
    }
}

fn code(reason: &Value) -> Option<&str> {
    reason["Code"].as_str()
}

/// The tables that a request names, each once. The body is not parsed for this, because that takes longer than the rest of
/// the span. A value cannot look like the member: its quotation marks are escaped.
fn tables(body: &[u8]) -> Vec<&str> {
    const MEMBER: &str = r#""TableName":""#;
    let Ok(mut rest) = std::str::from_utf8(body) else { return Vec::new() };
    let mut tables = Vec::new();
    while let Some((_, found)) = rest.split_once(MEMBER) {
        let Some((table, after)) = found.split_once('"') else { break };
        if !tables.contains(&table) {
            tables.push(table);
        }
        rest = after;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_s_tables_are_found_each_once() {
        let body = br#"{"TransactItems":[{"Put":{"TableName":"inventory","Item":{}}},{"Update":{"TableName":"inventory"}},{"Put":{"TableName":"journal"}}]}"#;
        assert_eq!(tables(body), ["inventory", "journal"]);
        assert!(tables(b"{}").is_empty());
    }
}
