//! What alarms watch.

use ::metrics::{Line, Metric};
use order::{EpochMs, Reason};

use crate::{Output, RecoveryOutcome};

/// Counts an order that recovery has decided to cancel. The workflow and intake count those that they decide.
pub(crate) fn given_up(reason: &Reason, now_ms: EpochMs) {
    Line::new(&[(Metric::OrdersCancelled, 1)], now_ms).by("Reason", reason.as_str(), Metric::OrdersCancelled).emit();
}

/// Writes the metrics of an output to the log.
pub fn emit(output: &Output, now_ms: EpochMs) {
    let counts = match output {
        Output::Recover(report) => [
            (Metric::OrdersRecovered, report.count_of(RecoveryOutcome::Started)),
            (Metric::OrdersGivenUp, report.count_of(RecoveryOutcome::GivenUp)),
            (Metric::OrdersLeft, report.left),
            (Metric::RecoveryFailures, report.failed_looks + report.count_of(RecoveryOutcome::Unavailable)),
        ]
        .into_iter()
        // An alarm must not end because its orders could not be counted.
        .chain(report.parked.map(|parked| (Metric::OrdersParked, parked)))
        // Each metric costs something, so a shop without a payment provider has none for it.
        .chain(report.lapsing.map(|lapsing| (Metric::PaymentsLapsing, lapsing)))
        .collect::<Vec<_>>(),
        Output::Overflow(batch) => vec![
            (Metric::OverflowConflicts, batch.conflicts),
            (Metric::OverflowFailures, u64::try_from(batch.batch_item_failures.len()).unwrap_or(u64::MAX)),
        ],
        Output::TakeUp(_) => return,
    };
    ::metrics::emit(&counts, now_ms);
}
