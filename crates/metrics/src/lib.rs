//! Metrics in CloudWatch's embedded metric format: one log line instead of a request.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use order::EpochMs;
use serde_json::{Value, json};

/// The namespace of the metrics.
pub const NAMESPACE: &str = "OrderSaga";

/// The dimension of every metric, which keeps two stacks in one account apart, and the environment
/// variable with its value, which Lambda sets.
const DIMENSION: (&str, &str) = ("FunctionName", "AWS_LAMBDA_FUNCTION_NAME");

/// Writes counts to this function's log, by name. Outside of Lambda, nobody reads them, so nothing is written.
pub fn emit(counts: &[(&'static str, u64)], now_ms: EpochMs) {
    if let Ok(function) = std::env::var(DIMENSION.1) {
        println!("{}", line(counts, &function, None, now_ms));
    }
}

/// Writes counts by one more dimension. Each of its values is a metric of its own, which costs $0.30 a month:
/// it must have few.
pub fn emit_by(by: (&'static str, &str), counts: &[(&'static str, u64)], now_ms: EpochMs) {
    if let Ok(function) = std::env::var(DIMENSION.1) {
        println!("{}", line(counts, &function, Some(by), now_ms));
    }
}

fn line(counts: &[(&'static str, u64)], function: &str, by: Option<(&'static str, &str)>, now_ms: EpochMs) -> Value {
    let names: Vec<_> = counts.iter().map(|(name, _)| json!({ "Name": name, "Unit": "Count" })).collect();
    let dimensions: Vec<_> = std::iter::once(DIMENSION.0).chain(by.map(|(by, _)| by)).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": now_ms,
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": names }],
        }
    });
    line[DIMENSION.0] = function.into();
    if let Some((by, value)) = by {
        line[by] = value.into();
    }
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
        let line = line(&[("OrdersLeft", 3), ("OrdersParked", 0)], "shop-recover-orders", None, 1_700_000_000_000);
        assert_eq!(line["OrdersLeft"], 3);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Metrics"][1]["Name"], "OrdersParked");
        assert_eq!(directive["Dimensions"], json!([["FunctionName"]]));
        assert_eq!(line["FunctionName"], "shop-recover-orders");
    }

    #[test]
    fn a_line_can_have_one_more_dimension() {
        let by = Some(("State", "ReserveInventory"));
        let line = line(&[("OrdersFailed", 1)], "shop-persist-order", by, 1_700_000_000_000);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([["FunctionName", "State"]]));
        assert_eq!(line["State"], "ReserveInventory");
    }
}
