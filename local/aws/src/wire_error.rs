//! AWS's errors in wire format.
//!
//! Texts and types are those of AWS, so that an SDK finds its modelled error and logs read as in production.

use std::borrow::Cow;

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::service::{Api, ServiceAnswer};

/// The header in which SQS repeats its error under the name from its old query protocol. The SDK prefers it
/// to the type in the body.
/// <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#awsquerycompatible-trait>
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// An error answer being built; `ServiceAnswer::from` completes it.
#[derive(Debug, Clone, PartialEq)]
pub struct WireError {
    status: StatusCode,
    body: Map<String, Value>,
    query_error: Option<&'static str>,
}

/// Why one action of a cancelled transaction was a reason for it, or was not.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CancellationReason.html>
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CancellationReason {
    code: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Value>,
}

impl CancellationReason {
    /// This action would have succeeded.
    pub const fn none() -> Self {
        Self { code: Cow::Borrowed("None"), message: None, item: None }
    }

    /// This action's condition failed. `item` is the item as it was, in DynamoDB's JSON, if the action
    /// requested it with `ReturnValuesOnConditionCheckFailure`.
    pub fn conditional_check_failed(item: Option<Value>) -> Self {
        Self { item, ..Self::new("ConditionalCheckFailed", "The conditional request failed") }
    }

    /// Another transaction was using this action's item.
    pub const fn transaction_conflict() -> Self {
        Self::new("TransactionConflict", CONFLICT)
    }

    /// This action exceeded the throughput of the table or index; the on-demand form.
    pub const fn throttling_error() -> Self {
        Self::new("ThrottlingError", THROTTLED)
    }

    /// This action exceeded the throughput of the table or index; the provisioned form.
    pub const fn provisioned_throughput_exceeded() -> Self {
        Self::new("ProvisionedThroughputExceeded", THROUGHPUT_EXCEEDED)
    }

    const fn new(code: &'static str, message: &'static str) -> Self {
        Self { code: Cow::Borrowed(code), message: Some(Cow::Borrowed(message)), item: None }
    }
}

const CONFLICT: &str = "Transaction is ongoing for the item";

const THROTTLED: &str = "Throughput exceeds the current capacity of your table or index. DynamoDB \
     is automatically scaling your table or index so please try again shortly. If exceptions \
     persist, check if you have a hot key: \
     https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html";

const THROUGHPUT_EXCEEDED: &str = "The level of configured provisioned throughput for the table \
     was exceeded. Consider increasing your provisioning level with the UpdateTable API.";

impl WireError {
    /// An error of any kind: its status, its full `__type` and its message.
    pub fn new(status: StatusCode, error_type: &str, message: &str) -> Self {
        let mut body = Map::new();
        body.insert("__type".to_owned(), error_type.into());
        body.insert("message".to_owned(), message.into());
        Self { status, body, query_error: None }
    }

    /// `ProvisionedThroughputExceededException`: the limit of a partition or a table; the SDK retries.
    pub fn provisioned_throughput_exceeded() -> Self {
        Self::dynamodb("ProvisionedThroughputExceededException", THROUGHPUT_EXCEEDED)
    }

    /// `ThrottlingException`, as each of the three services words it; the SDK retries.
    pub fn throttling(api: Api) -> Self {
        match api {
            Api::DynamoDb => Self::dynamodb("ThrottlingException", THROTTLED),
            Api::StepFunctions => Self::bad_request("ThrottlingException", "Rate exceeded"),
            Api::Sqs => Self::bad_request("com.amazonaws.sqs#RequestThrottled", "Rate exceeded")
                .with_query_error("RequestThrottled;Sender"),
        }
    }

    /// `TransactionConflictException`: a single write met an item that a transaction is using.
    pub fn transaction_conflict() -> Self {
        Self::dynamodb("TransactionConflictException", CONFLICT)
    }

    /// `TransactionInProgressException`: the same transaction, recognised by its client request token, is
    /// already being applied.
    pub fn transaction_in_progress() -> Self {
        Self::dynamodb(
            "TransactionInProgressException",
            "The transaction with the given request token is already in progress.",
        )
    }

    /// `TransactionCanceledException` with one reason for each action, in the order of the actions.
    pub fn transaction_canceled(reasons: &[CancellationReason]) -> Self {
        let codes: Vec<&str> = reasons.iter().map(|reason| reason.code.as_ref()).collect();
        let message = format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        );
        let mut error =
            Self::dynamodb("TransactionCanceledException", &message).with_member("CancellationReasons", json!(reasons));
        // This is the one error that spells `Message` with a capital.
        if let Some(message) = error.body.remove("message") {
            error.body.insert("Message".to_owned(), message);
        }
        error
    }

    /// `ConditionalCheckFailedException`; `item` is the item as it was, in DynamoDB's JSON, if the request
    /// asked for it.
    pub fn conditional_check_failed(item: Option<Value>) -> Self {
        let error = Self::dynamodb("ConditionalCheckFailedException", "The conditional request failed");
        match item {
            Some(item) => error.with_member("Item", item),
            None => error,
        }
    }

    /// A fault of the service itself, 500. It says nothing about whether the call was applied.
    pub fn internal(api: Api) -> Self {
        let error_type = match api {
            Api::DynamoDb => "com.amazonaws.dynamodb.v20120810#InternalServerError",
            Api::StepFunctions => "InternalServerException",
            Api::Sqs => "com.amazonaws.sqs#InternalFailure",
        };
        let error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, error_type, "Internal server error");
        match api {
            Api::Sqs => error.with_query_error("InternalFailure;Receiver"),
            Api::DynamoDb | Api::StepFunctions => error,
        }
    }

    /// The queue does not exist.
    pub(super) fn queue_does_not_exist() -> Self {
        Self::bad_request("com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
            .with_query_error("AWS.SimpleQueueService.NonExistentQueue;Sender")
    }

    /// A parameter has a value that SQS does not accept.
    pub(super) fn invalid_parameter(message: &str) -> Self {
        Self::bad_request("com.amazonaws.sqs#InvalidParameterValue", message)
            .with_query_error("InvalidParameterValue;Sender")
    }

    /// SQS never issued this receipt handle.
    pub(super) fn receipt_handle_is_invalid(message: &str) -> Self {
        Self::bad_request("com.amazonaws.sqs#ReceiptHandleIsInvalid", message)
            .with_query_error("ReceiptHandleIsInvalid;Sender")
    }

    /// No service of the stack answers this target.
    pub fn unknown_operation(target: &str) -> Self {
        Self::bad_request(
            "com.amazon.coral.service#UnknownOperationException",
            &format!("the local stack has no service for {target}"),
        )
    }

    /// The body is not JSON, or not the operation's JSON.
    pub(super) fn unreadable_body(api: Api) -> Self {
        Self::bad_request(
            "com.amazon.coral.service#SerializationException",
            &format!("the body is not a JSON request of {api}"),
        )
    }

    /// The same error with another message.
    #[must_use]
    pub fn with_message(mut self, message: &str) -> Self {
        // A cancelled transaction has a capital M here.
        let member = if self.body.contains_key("Message") { "Message" } else { "message" };
        self.body.insert(member.to_owned(), message.into());
        self
    }

    /// The same error with one more member in its body.
    #[must_use]
    pub fn with_member(mut self, name: &str, value: Value) -> Self {
        self.body.insert(name.to_owned(), value);
        self
    }

    const fn with_query_error(mut self, query_error: &'static str) -> Self {
        self.query_error = Some(query_error);
        self
    }

    fn dynamodb(name: &str, message: &str) -> Self {
        Self::bad_request(&format!("com.amazonaws.dynamodb.v20120810#{name}"), message)
    }

    fn bad_request(error_type: &str, message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error_type, message)
    }
}

impl From<WireError> for ServiceAnswer {
    fn from(error: WireError) -> Self {
        let body = json!(error.body).to_string().into_bytes();
        let answer = Self::new(error.status, body);
        match error.query_error {
            Some(query_error) => answer.with_header(QUERY_ERROR, HeaderValue::from_static(query_error)),
            None => answer,
        }
    }
}
