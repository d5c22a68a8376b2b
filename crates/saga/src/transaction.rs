//! Why DynamoDB cancelled a transaction.
//!
//! A cancelled transaction has a reason for each of its writes. They must be read in this order: first
//! the record that shows whether this very request succeeded before, then everything that decides
//! nothing, and last a refusal of the request. In another order, a request that succeeded would be
//! reported as failed.

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

/// Whether a reason says nothing about the request: `TransactionConflict`, throttling, or any other code
/// of AWS. `None` is the code of a write that was not a reason.
pub fn is_undecided(reason: &CancellationReason) -> bool {
    !is_failed_condition(reason) && reason.code().is_some_and(|code| code != "None")
}

/// The failure of a transaction whose reasons decide nothing.
pub fn undecided(attempted: &'static str, reasons: &[CancellationReason]) -> Unavailable {
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code().unwrap_or("None")).collect();
    Unavailable::Cancelled { attempted, reasons: codes.join(", ") }
}
