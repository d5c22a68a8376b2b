//! DynamoDB's errors.

use http::StatusCode;
use local_aws::{Api, CancellationReason, WireError};

/// Every way in which DynamoDB reports an error that decides nothing.
pub fn errors_that_decide_nothing() -> Vec<WireError> {
    let named = |name: &str| {
        let error_type = format!("com.amazonaws.dynamodb.v20120810#{name}");
        WireError::new(StatusCode::BAD_REQUEST, &error_type, "injected by the test")
    };
    let conflict = CancellationReason::transaction_conflict;
    vec![
        WireError::throttling(Api::DynamoDb),
        WireError::provisioned_throughput_exceeded(),
        WireError::transaction_conflict(),
        WireError::transaction_in_progress(),
        WireError::internal(Api::DynamoDb),
        WireError::transaction_canceled(&[conflict(), CancellationReason::none()]),
        WireError::transaction_canceled(&[CancellationReason::none(), conflict()]),
        WireError::transaction_canceled(&[CancellationReason::none(), CancellationReason::throttling_error()]),
        WireError::transaction_canceled(&[
            CancellationReason::none(),
            CancellationReason::provisioned_throughput_exceeded(),
        ]),
        // Cancelled without any reason.
        WireError::transaction_canceled(&[CancellationReason::none(), CancellationReason::none()]),
        WireError::transaction_canceled(&[]),
        named("RequestLimitExceeded"),
        named("ResourceNotFoundException"),
        named("AccessDeniedException"),
        named("ItemCollectionSizeLimitExceededException"),
        named("ReplicatedWriteConflictException"),
        named("ValidationException"),
        named("SomethingThatIsInventedTomorrow"),
        WireError::new(StatusCode::SERVICE_UNAVAILABLE, "", ""),
    ]
}
