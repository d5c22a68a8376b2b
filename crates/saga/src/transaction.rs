//! Why DynamoDB cancelled a transaction.
//!
//! A cancelled transaction names a reason for each of its writes. They are read in one order: the
//! record that says whether this very request has succeeded before comes first; then everything that
//! decides nothing; what the request itself is refused for, last. In another order a request that
//! succeeded is told that it failed.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;

use crate::unavailable::Unavailable;

/// Why a transaction was cancelled, one reason for each write; any other error is unavailability.
///
/// # Errors
/// [`Unavailable::Call`].
pub fn cancellation_reasons(
    attempted: &'static str,
    error: SdkError<TransactWriteItemsError>,
) -> Result<Vec<CancellationReason>, Unavailable> {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            Ok(cancelled.cancellation_reasons().to_vec())
        }
        _ => Err(Unavailable::call(attempted, error)),
    }
}

/// Whether the write's condition failed.
pub fn is_failed_condition(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// A reason that says nothing about the request: `TransactionConflict`, throttling, and whatever else
/// AWS may come up with. `None` is the code of a write that had nothing against it.
pub fn is_undecided(reason: &CancellationReason) -> bool {
    !is_failed_condition(reason) && reason.code().is_some_and(|code| code != "None")
}

/// The failure of a transaction whose reasons decide nothing.
pub fn undecided(attempted: &'static str, reasons: &[CancellationReason]) -> Unavailable {
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code().unwrap_or("None")).collect();
    Unavailable::Cancelled { attempted, reasons: codes.join(", ") }
}
