//! Metrics in CloudWatch's embedded metric format: one log line instead of a request.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! `metrics.json` says which functions, or which kinds of functions, write a metric, and by which further dimensions. A check
//! compares that with the code, the dashboard and the alarms. An id is never a dimension: each value of a dimension is a
//! metric of its own, which costs $0.30 a month.

use order::EpochMs;
use serde_json::{Value, json};

/// The namespace of the metrics.
pub const NAMESPACE: &str = "OrderSaga";

/// The dimension of every metric, which keeps two stacks in one account apart, and the environment
/// variable with its value, which Lambda sets.
const DIMENSION: (&str, &str) = ("FunctionName", "AWS_LAMBDA_FUNCTION_NAME");

/// What is counted or measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantNames)]
pub enum Metric {
    /// New instances of the function.
    ColdStarts,
    /// Tries of a transaction after it conflicted with another one.
    ConflictsRetried,
    /// New orders that intake has put on record, whatever becomes of them; and orders that it has queued, which count each
    /// time that their client sends them.
    OrdersAccepted,
    /// Orders whose cancellation was decided, by a request, by the workflow or by recovery.
    OrdersCancelled,
    /// Orders that were confirmed.
    OrdersConfirmed,
    /// Orders that are cancelled because a step failed, and not because it refused them.
    OrdersFailed,
    /// Orders that recovery gave up on.
    OrdersGivenUp,
    /// Requests for an order that was on record already: its client has sent it again.
    OrdersJoined,
    /// Due orders that a run of recovery did not get to.
    OrdersLeft,
    /// Orders that are parked.
    OrdersParked,
    /// Orders whose workflow recovery has started.
    OrdersRecovered,
    /// Queued orders that were dropped, because their key is in use for another order.
    OverflowConflicts,
    /// Messages of the overflow queue that could not be processed.
    OverflowFailures,
    /// Payments that lapse within a day.
    PaymentsLapsing,
    /// Payments that were refunded or released.
    PaymentsReturned,
    /// Payments that were refused at the hand-over.
    PaymentRefused,
    /// Refunds and releases that the payment provider refuses.
    PaymentUndoRefused,
    /// Reads and writes of recovery that failed.
    RecoveryFailures,
    /// Starts of the workflow that failed.
    StartsFailed,
    /// Steps whose effect a roll-back has taken back.
    StepsUndone,
    /// The time from an order's record to its decision, in milliseconds.
    TimeToDecision,
}

impl Metric {
    fn unit(self) -> &'static str {
        if self == Self::TimeToDecision { "Milliseconds" } else { "Count" }
    }
}

/// Writes values to this function's log. Outside of Lambda, nobody reads them, so nothing is written.
pub fn emit(values: &[(Metric, u64)], now_ms: EpochMs) {
    Line::new(values, now_ms).emit();
}

/// A log line with metrics, which can have several sets of dimensions.
#[derive(Debug, Clone)]
pub struct Line {
    values: Vec<(Metric, u64)>,
    by: Vec<(&'static str, String, Metric)>,
    now_ms: EpochMs,
}

impl Line {
    /// A line with these values.
    pub fn new(values: &[(Metric, u64)], now_ms: EpochMs) -> Self {
        Self { values: values.to_vec(), by: Vec::new(), now_ms }
    }

    /// Counts one of its metrics also by one more dimension, which must have few values.
    #[must_use]
    pub fn by(mut self, dimension: &'static str, value: &str, metric: Metric) -> Self {
        self.by.push((dimension, value.to_owned(), metric));
        self
    }

    /// Writes it to this function's log. Outside of Lambda, nobody reads it, so nothing is written.
    pub fn emit(&self) {
        if let Ok(function) = std::env::var(DIMENSION.1) {
            println!("{}", self.json(&function));
        }
    }

    fn json(&self, function: &str) -> Value {
        let definition = |metric: Metric| json!({ "Name": <&str>::from(metric), "Unit": metric.unit() });
        let directive = |dimensions: &[&str], metrics: Vec<Value>| json!({ "Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": metrics });
        let all = self.values.iter().map(|(metric, _)| definition(*metric)).collect();
        let mut directives = vec![directive(&[DIMENSION.0], all)];
        for (dimension, _, metric) in &self.by {
            directives.push(directive(&[DIMENSION.0, dimension], vec![definition(*metric)]));
        }
        let mut line = json!({ "_aws": { "Timestamp": self.now_ms, "CloudWatchMetrics": directives } });
        line[DIMENSION.0] = function.into();
        for (dimension, value, _) in &self.by {
            line[*dimension] = value.as_str().into();
        }
        for (metric, value) in &self.values {
            line[<&str>::from(*metric)] = (*value).into();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strum::VariantNames;

    use super::*;

    #[test]
    fn a_line_names_each_metric_and_holds_its_value() {
        let values = [(Metric::OrdersLeft, 3), (Metric::TimeToDecision, 0)];
        let line = Line::new(&values, 1_700_000_000_000).json("shop-recover-orders");
        assert_eq!(line["OrdersLeft"], 3);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Metrics"][0], json!({ "Name": "OrdersLeft", "Unit": "Count" }));
        assert_eq!(directive["Metrics"][1], json!({ "Name": "TimeToDecision", "Unit": "Milliseconds" }));
        assert_eq!(directive["Dimensions"], json!([["FunctionName"]]));
        assert_eq!(line["FunctionName"], "shop-recover-orders");
    }

    #[test]
    fn a_metric_can_be_counted_by_one_more_dimension() {
        let line = Line::new(&[(Metric::OrdersCancelled, 1), (Metric::OrdersFailed, 1)], 1_700_000_000_000);
        let line = line.by("State", "ReserveInventory", Metric::OrdersFailed).json("shop-persist-order");
        let directives = &line["_aws"]["CloudWatchMetrics"];
        assert_eq!(directives[0]["Metrics"].as_array().unwrap().len(), 2);
        assert_eq!(directives[1]["Dimensions"], json!([["FunctionName", "State"]]));
        assert_eq!(directives[1]["Metrics"], json!([{ "Name": "OrdersFailed", "Unit": "Count" }]));
        assert_eq!(line["State"], "ReserveInventory");
    }

    #[test]
    fn every_metric_is_declared_and_no_other() {
        let declared: Value = serde_json::from_str(include_str!("../metrics.json")).unwrap();
        let declared: BTreeSet<&str> = declared.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(declared, Metric::VARIANTS.iter().copied().collect());
    }
}
