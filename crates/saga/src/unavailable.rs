//! Which AWS errors are worth a retry.
//!
//! A failed condition is an answer, and is read where the call is made. Every other error of DynamoDB
//! (throttling, `TransactionConflictException`, `TransactionInProgressException`, an internal error, a
//! missing table, no answer at all) decides nothing about the order, so it becomes [`Unavailable`]: the
//! workflow retries it, and later recovery does. A mistake in the deployment, such as a missing
//! permission, then delays orders until it is fixed instead of cancelling them.

use aws_sdk_dynamodb::error::SdkError;

/// A call to DynamoDB gave no answer that decides anything; its effect may or may not have happened.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The call failed.
    #[error("{attempted}")]
    Call {
        /// What was attempted.
        attempted: &'static str,
        /// The SDK's error.
        source: Box<aws_sdk_dynamodb::Error>,
    },
    /// A transaction was cancelled for reasons that say nothing about the order.
    #[error("{attempted}: the transaction was cancelled with {reasons}")]
    Cancelled {
        /// What was attempted.
        attempted: &'static str,
        /// The reasons' codes, one for each write.
        reasons: String,
    },
    /// The record kept changing while it was read.
    #[error("{attempted}: the record kept changing")]
    Contended {
        /// What was attempted.
        attempted: &'static str,
    },
    /// DynamoDB kept returning only a part of what was requested.
    #[error("{attempted}: DynamoDB kept returning only a part")]
    Incomplete {
        /// What was attempted.
        attempted: &'static str,
    },
    /// This release cannot read a stored item, or write a new one.
    #[error("{attempted}: read the stored item")]
    Unreadable {
        /// What was attempted.
        attempted: &'static str,
        /// What is wrong with the item.
        source: serde_dynamo::Error,
    },
    /// A remote service gave no answer that decides anything.
    #[error("{attempted}: {reason}")]
    Remote {
        /// What was attempted.
        attempted: &'static str,
        /// What the service said, or that it said nothing.
        reason: String,
    },
    /// The function could not finish within its own time limit.
    #[error("no answer within {limit_ms} ms")]
    TooSlow {
        /// The limit.
        limit_ms: u128,
    },
}

impl Unavailable {
    /// The failure of a call to DynamoDB.
    pub fn call<E>(attempted: &'static str, error: SdkError<E>) -> Self
    where
        aws_sdk_dynamodb::Error: From<SdkError<E>>,
    {
        Self::Call { attempted, source: Box::new(error.into()) }
    }
}
