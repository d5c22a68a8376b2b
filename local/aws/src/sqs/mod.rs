//! Queues like those of Amazon SQS, kept in a table of the local DynamoDB.

mod messages;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use clock::WallClock;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::dynamodb::{DynamoDb, StoreError};

use self::messages::{Batch, Counts, Messages};
pub use self::messages::{Received, TABLE as MESSAGES_TABLE};

/// A queue's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSpec {
    /// The queue's name.
    pub name: String,
    /// How long a received message stays hidden from other receivers.
    pub visibility_timeout: Duration,
    /// Where messages go that nobody can handle.
    pub redrive: Option<Redrive>,
}

/// A queue's dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue's name.
    pub to: String,
    /// How many times a message is handed out before it goes there.
    pub max_receive_count: u64,
}

/// The declared queues, under their local names.
pub fn declared_queues() -> Vec<QueueSpec> {
    let spec = |queue: &declarations::Queue| QueueSpec {
        name: local_name(&queue.name).to_owned(),
        visibility_timeout: Duration::from_secs(queue.visibility_seconds.into()),
        redrive: queue.redrive.as_ref().map(|redrive| Redrive {
            to: local_name(&redrive.to).to_owned(),
            max_receive_count: redrive.max_receives.into(),
        }),
    };
    declarations::queues().map(spec).collect()
}

/// The local name of a declared queue. Three keep the names of the first release, because data directories
/// hold their messages under these names.
pub fn local_name(queue: &str) -> &str {
    match queue {
        "overflow" => "order-overflow",
        "overflow-dead" => "order-overflow-dead",
        "parked" => "orders-parked",
        other => other,
    }
}

/// The URL of a queue on the local stack.
pub fn queue_url(name: &str) -> String {
    format!("http://localhost/000000000000/{name}")
}

/// Why a queue did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// There is no such queue.
    #[error("there is no queue {0}")]
    NoSuchQueue(String),
    /// A value is outside SQS's limits, or needs a feature that the local queues lack.
    #[error("{0}")]
    InvalidParameter(String),
    /// The receipt handle is not one that these queues issued.
    #[error("the receipt handle {0} is not valid")]
    InvalidReceipt(String),
    /// The store refused.
    #[error("the queue {queue} could not be read or written")]
    Store {
        /// The queue.
        queue: String,
        /// The store's error.
        source: Box<StoreError>,
    },
}

/// The SQS of one local stack. Clones share the queues.
///
/// Delivery is at least once. A message that was received and not deleted returns when its visibility timeout
/// is over, and goes to the dead-letter queue once it has been handed out as many times as its queue allows.
/// Messages are items in the same store as the tables, written before `SendMessage` answers, so they survive
/// whatever the tables survive. They are roughly in the order in which they were sent. There is no retention:
/// a message stays until it is deleted. FIFO queues and message attributes are refused rather than ignored.
#[derive(Debug, Clone)]
pub struct Sqs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: DynamoDb,
    messages: Messages,
    queues: Vec<QueueSpec>,
    /// Wakes receivers that are waiting for a message.
    arrived: Notify,
}

impl Sqs {
    /// Opens these queues in `store`. Blocks. `clock` decides when a hidden message becomes visible again.
    pub fn open(store: DynamoDb, clock: WallClock, queues: Vec<QueueSpec>) -> Result<Self, StoreError> {
        let inner = Inner { messages: Messages::open(store.clone(), clock)?, store, queues, arrived: Notify::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Sends a message that can be received after `delay`, and returns its id.
    pub async fn send(&self, queue: &str, body: String, delay: Duration) -> Result<String, QueueError> {
        self.spec(queue)?;
        let id = self.with_messages(queue, move |messages, queue| messages.add(queue, &body, delay)).await?;
        self.inner.arrived.notify_waiters();
        Ok(id)
    }

    /// Receives up to `max` messages under the queue's own visibility timeout, and waits up to `wait` for the
    /// first one. It stands in for Lambda's poller and passes no [`Layer`](super::Layer), as AWS's own poller
    /// would not.
    pub async fn receive(&self, queue: &str, max: usize, wait: Duration) -> Result<Vec<Received>, QueueError> {
        let hidden_for = self.spec(queue)?.visibility_timeout;
        self.receive_hiding(queue, max, wait, hidden_for).await
    }

    /// Deletes a received message that is done. Deleting it again, or with the handle of an earlier receipt,
    /// succeeds and does nothing.
    pub async fn delete(&self, queue: &str, receipt_handle: &str) -> Result<(), QueueError> {
        self.spec(queue)?;
        let Some((id, receipt)) = receipt_handle.split_once('#') else {
            return Err(QueueError::InvalidReceipt(receipt_handle.to_owned()));
        };
        let (id, receipt) = (id.to_owned(), receipt.to_owned());
        self.with_messages(queue, move |messages, queue| messages.remove(queue, &id, &receipt)).await
    }

    /// Makes messages visible again that a killed process received and did not delete. AWS cannot know that
    /// their receivers are gone, so there the visibility timeout has to pass.
    pub async fn release(&self, queue: &str) -> Result<(), QueueError> {
        self.spec(queue)?;
        self.with_messages(queue, Messages::release).await
    }

    /// How many messages a queue holds, hidden ones included.
    pub async fn len(&self, queue: &str) -> Result<usize, QueueError> {
        let counts = self.counts(queue).await?;
        Ok(counts.visible + counts.in_flight + counts.delayed)
    }

    async fn counts(&self, queue: &str) -> Result<Counts, QueueError> {
        self.spec(queue)?;
        self.with_messages(queue, Messages::count).await
    }

    async fn receive_hiding(
        &self,
        queue: &str,
        max: usize,
        wait: Duration,
        hidden_for: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        let redrive = self.spec(queue)?.redrive.clone();
        let deadline = Instant::now() + wait;
        loop {
            let arrived = self.inner.arrived.notified();
            tokio::pin!(arrived);
            // Registered before the look, so that a message sent just after it is not missed.
            arrived.as_mut().enable();
            let redrive = redrive.clone();
            let taken: Batch = self
                .with_messages(queue, move |messages, queue| messages.take(queue, max, hidden_for, redrive.as_ref()))
                .await?;
            if !taken.messages.is_empty() || Instant::now() >= deadline {
                return Ok(taken.messages);
            }
            let comes_back = taken.next_in.map(|next| Instant::now() + next);
            let look_again = comes_back.map_or(deadline, |comes_back| comes_back.min(deadline));
            tokio::select! {
                () = &mut arrived => {}
                () = tokio::time::sleep_until(look_again) => {}
            }
        }
    }

    fn spec(&self, queue: &str) -> Result<&QueueSpec, QueueError> {
        let spec = self.inner.queues.iter().find(|spec| spec.name == queue);
        spec.ok_or_else(|| QueueError::NoSuchQueue(queue.to_owned()))
    }

    async fn with_messages<T: Send + 'static>(
        &self,
        queue: &str,
        work: impl FnOnce(&Messages, &str) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, QueueError> {
        let (inner, name) = (Arc::clone(&self.inner), queue.to_owned());
        let done = self.inner.store.unblocked(move || work(&inner.messages, &name));
        done.await.map_err(|source| QueueError::Store { queue: queue.to_owned(), source: Box::new(source) })
    }
}
