//! Sending JSON documents to an SQS queue. Intake sends orders to the overflow queue with it, and recovery
//! messages to the parked queue.

use aws_sdk_sqs::Client;
use serde::Serialize;

/// A document may not have reached the queue.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// It cannot be written as a message.
    #[error("write the message")]
    Message(#[source] serde_json::Error),
    /// The queue did not confirm it.
    #[error("send the message")]
    Send(#[source] Box<aws_sdk_sqs::Error>),
}

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue with this URL.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }

    /// Puts a document into the queue. After success it is stored durably.
    ///
    /// # Idempotency
    /// Sent twice, it is queued twice. Receivers must handle that anyway, because SQS may deliver twice.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn send<T: Serialize + Sync>(&self, document: &T) -> Result<(), QueueError> {
        let body = serde_json::to_string(document).map_err(QueueError::Message)?;
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .send()
            .await
            .map(drop)
            .map_err(|error| QueueError::Send(Box::new(error.into())))
    }
}
