//! What the dashboard counts: new orders, those that their clients have sent again, and cancellations.

use api::Answer;
use api::idempotency::IDEMPOTENT_REPLAYED;
use http::StatusCode;
use metrics::{Line, Metric};
use order::{EpochMs, OrderRecord, Reason, Status};

/// Counts an order by the answer to its request. An order that was rejected, or of which it is unknown whether it was
/// taken, is not counted.
pub(crate) fn submitted(answer: &Answer, now_ms: EpochMs) {
    if let Some(metric) = metric(answer) {
        metrics::emit(&[(metric, 1)], now_ms);
    }
}

/// Counts an order that this very request has decided to cancel. The workflow counts those that it decides itself.
pub(crate) fn cancelled(record: &OrderRecord, now_ms: EpochMs) {
    if record.status == Status::Cancelling && record.cancelling_ms == Some(now_ms) {
        let reason = record.reason.as_ref().map_or("unknown", Reason::as_str);
        Line::new(&[(Metric::OrdersCancelled, 1)], now_ms).by("Reason", reason, Metric::OrdersCancelled).emit();
    }
}

fn metric(answer: &Answer) -> Option<Metric> {
    let is_taken = matches!(answer.status, StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::CONFLICT);
    let is_replayed = answer.headers.contains_key(IDEMPOTENT_REPLAYED);
    is_taken.then_some(if is_replayed { Metric::OrdersJoined } else { Metric::OrdersAccepted })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn an_order_is_new_unless_the_answer_says_that_it_is_a_replay() {
        let answer = |status| Answer::json(status, &());
        let replayed = |status| answer(status).with(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        for status in [StatusCode::CREATED, StatusCode::ACCEPTED, StatusCode::CONFLICT] {
            assert_eq!(metric(&answer(status)), Some(Metric::OrdersAccepted));
            assert_eq!(metric(&replayed(status)), Some(Metric::OrdersJoined));
        }
        for status in [StatusCode::UNPROCESSABLE_ENTITY, StatusCode::SERVICE_UNAVAILABLE] {
            assert_eq!(metric(&answer(status)), None);
        }
    }
}
