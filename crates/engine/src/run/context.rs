//! The context object, `$states.context`.
//!
//! See <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html>.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Run, Visit};

/// The item of a Map's iteration.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) index: usize,
    pub(super) value: Arc<Value>,
}

impl Item {
    /// `$states.context.Map.Item`.
    fn to_json(&self) -> Value {
        json!({"Index": self.index, "Value": &*self.value})
    }
}

impl<R, C> Run<'_, R, C> {
    pub(super) fn context(&self, visit: &Visit<'_>) -> Value {
        let mut context = json!({
            "Execution": {
                "Id": &*self.start.execution_id,
                "Input": &*self.start.input,
                "Name": &*self.start.name,
                "RoleArn": &*self.start.role_arn,
                "StartTime": timestamp(self.started_ms),
            },
            "State": {
                "EnteredTime": timestamp(visit.entered_ms),
                "Name": &*visit.state.name,
                "RetryCount": visit.retry_count,
            },
            "StateMachine": {
                "Id": &*self.start.machine_id,
                "Name": &*self.start.machine_name,
            },
        });
        if let Some(item) = visit.item {
            context["Map"] = json!({"Item": item.to_json()});
        }
        context
    }
}

/// A time as in the context object: `2026-03-14T01:59:00.000Z`.
fn timestamp(epoch_ms: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(epoch_ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, time) = (moment.date(), moment.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond(),
    )
}

#[cfg(test)]
mod tests {
    use super::timestamp;

    #[test]
    fn a_timestamp_has_milliseconds_and_a_z() {
        assert_eq!(timestamp(1_773_453_540_007), "2026-03-14T01:59:00.007Z");
    }
}
