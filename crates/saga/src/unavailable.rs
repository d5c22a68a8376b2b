//! Which AWS errors are worth another try.
//!
//! A condition that failed is an answer, and is read where the call is made. Everything else that
//! DynamoDB says (throttling, `TransactionConflictException`, `TransactionInProgressException`, an
//! internal error, a missing table, no answer at all) decides nothing about the order, so it all
//! becomes [`Unavailable`]: the workflow retries it, and after that recovery does. A mistake in the
//! deployment, such as a missing permission, then delays orders until it is mended instead of
//! cancelling them.

use aws_sdk_dynamodb::error::SdkError;

/// A call to DynamoDB gave no answer that decides anything; the effect may or may not be there.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The call failed.
    #[error("{attempted}")]
    Call {
        /// What was attempted.
        attempted: &'static str,
        /// What the SDK says of it.
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
    /// The record kept changing while it was looked at.
    #[error("{attempted}: others kept changing the record")]
    Contended {
        /// What was attempted.
        attempted: &'static str,
    },
    /// DynamoDB answered, and kept leaving out a part of what was asked for.
    #[error("{attempted}: a part was left out again and again")]
    Incomplete {
        /// What was attempted.
        attempted: &'static str,
    },
    /// A stored item is not one that this release can read.
    #[error("{attempted}: read the stored item")]
    Unreadable {
        /// What was attempted.
        attempted: &'static str,
        /// What is wrong with the item.
        source: serde_dynamo::Error,
    },
    /// The function would not have been done within its own time limit.
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
