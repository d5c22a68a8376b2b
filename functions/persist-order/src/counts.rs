//! What alarms and the dashboard count: decided orders, those that were cancelled although no step refused them, and what
//! was taken back. A decision is one line.

use metrics::{Line, Metric};
use order::{Effect, EpochMs, OrderRecord, Reason, Status};

/// Counts an order that this very call has confirmed. A repetition finds the decision of an earlier moment.
pub(crate) fn confirmed(record: &OrderRecord, now_ms: EpochMs) {
    if record.status == Status::Confirmed && record.confirmed_ms == Some(now_ms) {
        decided(record, [1, 0, 0], now_ms).emit();
    }
}

/// Counts an order that this very call has decided to cancel, by its reason. One that failed for a technical reason is also
/// counted by the state that failed.
pub(crate) fn cancelled(record: &OrderRecord, failed_state: Option<&str>, now_ms: EpochMs) {
    if record.status != Status::Cancelling || record.cancelling_ms != Some(now_ms) {
        return;
    }
    let has_failed = record.reason == Some(Reason::StepFailed);
    let reason = record.reason.as_ref().map_or("unknown", Reason::as_str);
    let line = decided(record, [0, 1, u64::from(has_failed)], now_ms).by("Reason", reason, Metric::OrdersCancelled);
    let line =
        if has_failed { line.by("State", failed_state.unwrap_or("unknown"), Metric::OrdersFailed) } else { line };
    line.emit();
}

/// Counts the steps of an order that this very call has closed as cancelled.
pub(crate) fn closed(record: &OrderRecord, now_ms: EpochMs) {
    let undone = record.receipts.undone.values().filter(|receipt| receipt.effect == Effect::Undone).count();
    // A refusal by the first step leaves nothing to take back, and most refusals are the first step's.
    if record.cancelled_ms == Some(now_ms) && undone > 0 {
        metrics::emit(&[(Metric::StepsUndone, u64::try_from(undone).unwrap_or(u64::MAX))], now_ms);
    }
}

/// Zeros are written as well: an alarm on a share sees nothing while one of its metrics has no data.
fn decided(record: &OrderRecord, [confirmed, cancelled, failed]: [u64; 3], now_ms: EpochMs) -> Line {
    let values = [
        (Metric::OrdersConfirmed, confirmed),
        (Metric::OrdersCancelled, cancelled),
        (Metric::OrdersFailed, failed),
        (Metric::TimeToDecision, u64::try_from(now_ms - record.created_ms).unwrap_or_default()),
    ];
    Line::new(&values, now_ms)
}
