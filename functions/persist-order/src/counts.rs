//! What alarms and the dashboard count: decided orders, and those that were cancelled although no step refused them.

use order::{EpochMs, OrderRecord, Reason, Status};

/// Counts an order that this very call has confirmed. A repetition finds the decision of an earlier moment.
pub(crate) fn confirmed(record: &OrderRecord, now_ms: EpochMs) {
    if record.status == Status::Confirmed && record.confirmed_ms == Some(now_ms) {
        decided([1, 0, 0], now_ms);
    }
}

/// Counts an order that this very call has decided to cancel. One that failed for a technical reason is also counted by the
/// state that failed.
pub(crate) fn cancelled(record: &OrderRecord, failed_state: Option<&str>, now_ms: EpochMs) {
    if record.status != Status::Cancelling || record.cancelling_ms != Some(now_ms) {
        return;
    }
    let has_failed = record.reason == Some(Reason::StepFailed);
    decided([0, 1, u64::from(has_failed)], now_ms);
    if has_failed {
        metrics::emit_by(("State", failed_state.unwrap_or("unknown")), &[("OrdersFailed", 1)], now_ms);
    }
}

/// Zeros are written as well: an alarm on a share sees nothing while one of its metrics has no data.
fn decided([confirmed, cancelled, failed]: [u64; 3], now_ms: EpochMs) {
    let counts = [("OrdersConfirmed", confirmed), ("OrdersCancelled", cancelled), ("OrdersFailed", failed)];
    metrics::emit(&counts, now_ms);
}
