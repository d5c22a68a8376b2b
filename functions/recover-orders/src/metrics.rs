//! What alarms watch.

use order::EpochMs;

use crate::{Output, RecoveryOutcome};

/// Writes the metrics of an output to the log.
pub fn emit(output: &Output, now_ms: EpochMs) {
    let counts = match output {
        Output::Recover(report) => vec![
            ("OrdersRecovered", report.count_of(RecoveryOutcome::Started)),
            ("OrdersGivenUp", report.count_of(RecoveryOutcome::GivenUp)),
            ("OrdersLeft", report.left),
            ("OrdersParked", report.parked),
            ("PaymentsLapsing", report.lapsing),
            ("RecoveryFailures", report.failed_looks + report.count_of(RecoveryOutcome::Unavailable)),
        ],
        Output::Overflow(batch) => vec![
            ("OverflowConflicts", batch.conflicts),
            ("OverflowFailures", u64::try_from(batch.batch_item_failures.len()).unwrap_or(u64::MAX)),
        ],
        Output::TakeUp(_) => return,
    };
    ::metrics::emit(&counts, now_ms);
}
