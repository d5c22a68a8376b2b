//! Metrics in CloudWatch's embedded metric format: one log line instead of a request.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use order::EpochMs;
use serde_json::{Value, json};

/// The namespace of the metrics.
pub const NAMESPACE: &str = "OrderSaga";

/// The metrics' only dimension, which keeps two stacks in one account apart, and the environment
/// variable with its value, which Lambda sets.
const DIMENSION: (&str, &str) = ("FunctionName", "AWS_LAMBDA_FUNCTION_NAME");

/// Writes counts to this function's log, by name. Outside of Lambda, nobody reads them, so nothing is written.
pub fn emit(counts: &[(&'static str, u64)], now_ms: EpochMs) {
    let Ok(function) = std::env::var(DIMENSION.1) else { return };
    println!("{}", line(counts, &function, now_ms));
}

fn line(counts: &[(&'static str, u64)], function: &str, now_ms: EpochMs) -> Value {
    let names: Vec<_> = counts.iter().map(|(name, _)| json!({ "Name": name, "Unit": "Count" })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": now_ms,
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION.0]], "Metrics": names }],
        }
    });
    line[DIMENSION.0] = function.into();
    for (name, value) in counts {
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
