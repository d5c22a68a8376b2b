//! The SQS JSON protocol on top of the queues.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html>

use std::time::Duration;

use md5::{Digest, Md5};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{QueueError, Received, Sqs, queue_url};
use crate::service::{Api, BoxFuture, Service, ServiceAnswer};
use crate::wire_error::WireError;

/// The largest message: the limit of a queue for which Terraform's provider 5 sets none.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// The maximum number of messages in one receipt.
const MAX_MESSAGES: usize = 10;
/// The longest wait for a message.
const MAX_WAIT_SECONDS: u64 = 20;
/// The longest delay of a new message.
const MAX_DELAY_SECONDS: u64 = 900;
/// The longest a received message can stay hidden.
const MAX_VISIBILITY_SECONDS: u64 = 43_200;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetQueueUrl {
    queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessage {
    queue_url: String,
    message_body: String,
    #[serde(default)]
    delay_seconds: u64,
    #[serde(default)]
    message_attributes: Map<String, Value>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveMessage {
    queue_url: String,
    max_number_of_messages: Option<usize>,
    visibility_timeout: Option<u64>,
    #[serde(default)]
    wait_time_seconds: u64,
    /// The name before 2023, and the one since.
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteMessage {
    queue_url: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetQueueAttributes {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

impl Service for Sqs {
    fn call<'a>(&'a self, operation: &'a str, body: &'a [u8]) -> BoxFuture<'a, ServiceAnswer> {
        Box::pin(async move {
            match self.answer(operation, body).await {
                Ok(body) => ServiceAnswer::ok(&body),
                Err(error) => error.into(),
            }
        })
    }
}

impl Sqs {
    async fn answer(&self, operation: &str, body: &[u8]) -> Result<Value, WireError> {
        Ok(match operation {
            "GetQueueUrl" => self.get_queue_url(&read(body)?)?,
            "SendMessage" => self.send_message(read(body)?).await?,
            "ReceiveMessage" => self.receive_message(read(body)?).await?,
            "DeleteMessage" => self.delete_message(read(body)?).await?,
            "GetQueueAttributes" => self.get_queue_attributes(read(body)?).await?,
            _ => return Err(WireError::unknown_operation(operation)),
        })
    }

    fn get_queue_url(&self, request: &GetQueueUrl) -> Result<Value, QueueError> {
        let spec = self.spec(&request.queue_name)?;
        Ok(json!({ "QueueUrl": queue_url(&spec.name) }))
    }

    async fn send_message(&self, request: SendMessage) -> Result<Value, QueueError> {
        if !request.message_attributes.is_empty() {
            return Err(invalid("the local queues have no message attributes"));
        }
        if request.message_group_id.is_some() || request.message_deduplication_id.is_some() {
            return Err(invalid("the local queues are not FIFO queues"));
        }
        if request.message_body.is_empty() || request.message_body.len() > MAX_BODY_BYTES {
            return Err(invalid(&format!("MessageBody must have 1 to {MAX_BODY_BYTES} bytes")));
        }
        let delay = seconds("DelaySeconds", request.delay_seconds, MAX_DELAY_SECONDS)?;
        let md5 = md5_hex(&request.message_body);
        let queue = queue_name(&request.queue_url);
        let id = self.send(queue, request.message_body, delay).await?;
        Ok(json!({ "MessageId": id, "MD5OfMessageBody": md5 }))
    }

    async fn receive_message(&self, request: ReceiveMessage) -> Result<Value, QueueError> {
        let queue = queue_name(&request.queue_url);
        let max = request.max_number_of_messages.unwrap_or(1);
        if !(1..=MAX_MESSAGES).contains(&max) {
            return Err(invalid(&format!("MaxNumberOfMessages must be 1 to {MAX_MESSAGES}")));
        }
        let wait = seconds("WaitTimeSeconds", request.wait_time_seconds, MAX_WAIT_SECONDS)?;
        let hidden_for = match request.visibility_timeout {
            Some(given) => seconds("VisibilityTimeout", given, MAX_VISIBILITY_SECONDS)?,
            None => self.spec(queue)?.visibility_timeout,
        };
        let received = self.receive_hiding(queue, max, wait, hidden_for).await?;
        if received.is_empty() {
            return Ok(json!({}));
        }
        let mut wanted = request.message_system_attribute_names;
        wanted.extend(request.attribute_names);
        let messages: Vec<Value> = received.iter().map(|message| to_json(message, &wanted)).collect();
        Ok(json!({ "Messages": messages }))
    }

    async fn delete_message(&self, request: DeleteMessage) -> Result<Value, QueueError> {
        let queue = queue_name(&request.queue_url);
        self.delete(queue, &request.receipt_handle).await?;
        Ok(json!({}))
    }

    async fn get_queue_attributes(&self, request: GetQueueAttributes) -> Result<Value, QueueError> {
        let queue = queue_name(&request.queue_url);
        let counts = self.counts(queue).await?;
        let visibility = self.spec(queue)?.visibility_timeout.as_secs();
        let attributes = json!({
            "ApproximateNumberOfMessages": counts.visible.to_string(),
            "ApproximateNumberOfMessagesNotVisible": counts.in_flight.to_string(),
            "ApproximateNumberOfMessagesDelayed": counts.delayed.to_string(),
            "VisibilityTimeout": visibility.to_string(),
        });
        Ok(json!({ "Attributes": only(attributes, &request.attribute_names) }))
    }
}

impl From<QueueError> for WireError {
    fn from(error: QueueError) -> Self {
        match &error {
            QueueError::NoSuchQueue(_) => Self::queue_does_not_exist(),
            QueueError::InvalidParameter(message) => Self::invalid_parameter(message),
            QueueError::InvalidReceipt(_) => Self::receipt_handle_is_invalid(&error.to_string()),
            QueueError::Store { source, .. } => Self::internal(Api::Sqs).with_message(&format!("{error}: {source}")),
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    serde_json::from_slice(body)
        .map_err(|error| WireError::unreadable_body(Api::Sqs).with_message(&format!("the request: {error}")))
}

fn to_json(message: &Received, wanted: &[String]) -> Value {
    let attributes = json!({
        "ApproximateReceiveCount": message.receive_count.to_string(),
        "ApproximateFirstReceiveTimestamp": message.first_received_ms.to_string(),
        "SentTimestamp": message.sent_ms.to_string(),
        "SenderId": "000000000000",
    });
    json!({
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": md5_hex(&message.body),
        "Body": message.body,
        "Attributes": only(attributes, wanted),
    })
}

/// Those attributes that were asked for by name or by `All`.
fn only(attributes: Value, wanted: &[String]) -> Value {
    match attributes {
        Value::Object(attributes) => attributes
            .into_iter()
            .filter(|(name, _)| wanted.iter().any(|wanted| wanted == "All" || wanted == name))
            .collect(),
        other => other,
    }
}

/// The queue's name is the last part of its URL, whatever host the caller uses.
fn queue_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

fn seconds(name: &str, given: u64, most: u64) -> Result<Duration, QueueError> {
    if given > most {
        return Err(invalid(&format!("{name} must be 0 to {most}, not {given}")));
    }
    Ok(Duration::from_secs(given))
}

fn invalid(message: &str) -> QueueError {
    QueueError::InvalidParameter(message.to_owned())
}

/// SQS returns it so that the client can detect a damaged message; some SDKs check it.
fn md5_hex(body: &str) -> String {
    format!("{:032x}", u128::from_be_bytes(Md5::digest(body).into()))
}
