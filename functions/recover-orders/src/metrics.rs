//! The metrics of a run, in CloudWatch's embedded metric format: one log line instead of a request.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use order::EpochMs;
use serde_json::{Value, json};

use crate::{Output, RecoveryOutcome};

/// The namespace of the metrics.
pub const NAMESPACE: &str = "OrderSaga";

/// The metrics' only dimension, which keeps two stacks in one account apart, and the environment
/// variable with its value, which Lambda sets.
const DIMENSION: (&str, &str) = ("FunctionName", "AWS_LAMBDA_FUNCTION_NAME");

/// Writes the metrics of an output to the log.
pub fn emit(output: &Output, now_ms: EpochMs) {
    let metrics = match output {
        Output::Recover(report) => vec![
            ("OrdersRecovered", report.count_of(RecoveryOutcome::Started)),
            ("OrdersGivenUp", report.count_of(RecoveryOutcome::GivenUp)),
            ("OrdersLeft", report.left),
            ("OrdersParked", report.parked),
            ("RecoveryFailures", report.failed_looks + report.count_of(RecoveryOutcome::Unavailable)),
        ],
        Output::Overflow(batch) => vec![
            ("OverflowConflicts", batch.conflicts),
            ("OverflowFailures", u64::try_from(batch.batch_item_failures.len()).unwrap_or(u64::MAX)),
        ],
        Output::TakeUp(_) => return,
    };
    let function = std::env::var(DIMENSION.1).unwrap_or_default();
    println!("{}", line(&metrics, &function, now_ms));
}

fn line(metrics: &[(&'static str, u64)], function: &str, now_ms: EpochMs) -> Value {
    let names: Vec<_> = metrics.iter().map(|(name, _)| json!({ "Name": name, "Unit": "Count" })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": now_ms,
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION.0]], "Metrics": names }],
        }
    });
    line[DIMENSION.0] = function.into();
    for (name, value) in metrics {
        line[*name] = (*value).into();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_each_metric_and_holds_its_value() {
        let line = line(&[("OrdersLeft", 3), ("OrdersParked", 0)], "shop-recover-orders", 1_700_000_000_000);
        assert_eq!(line["OrdersLeft"], 3);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Metrics"][1]["Name"], "OrdersParked");
        assert_eq!(directive["Dimensions"], json!([["FunctionName"]]));
        assert_eq!(line["FunctionName"], "shop-recover-orders");
    }
}
