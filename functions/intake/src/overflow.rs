//! The overflow queue: where an order waits when DynamoDB does not answer.

use aws_sdk_sqs::Client;
use order::Order;

/// The queue's URL on Lambda comes from this variable.
pub const QUEUE_VARIABLE: &str = "OVERFLOW_QUEUE_URL";

/// An order could not be put into the queue, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum OverflowError {
    /// It cannot be written as a message.
    #[error("write the order as a message")]
    Message(#[source] serde_json::Error),
    /// The queue did not confirm it.
    #[error("send the order to the overflow queue")]
    Send(#[source] Box<aws_sdk_sqs::Error>),
}

/// The overflow queue. A message's body is the order, as the saga's input has it.
#[derive(Debug, Clone)]
pub struct Overflow {
    client: Client,
    queue_url: String,
}

impl Overflow {
    /// The queue with this URL.
    pub fn new(client: Client, queue_url: impl Into<String>) -> Self {
        Self { client, queue_url: queue_url.into() }
    }

    /// Puts an order into the queue. Once this succeeds, the order is not lost.
    ///
    /// # Idempotency
    /// None is needed: whoever works the queue off writes the order with its own conditional put.
    ///
    /// # Errors
    /// [`OverflowError`].
    pub async fn send(&self, order: &Order) -> Result<(), OverflowError> {
        let body = serde_json::to_string(order).map_err(OverflowError::Message)?;
        self.client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(body)
            .send()
            .await
            .map(drop)
            .map_err(|error| OverflowError::Send(Box::new(error.into())))
    }
}
