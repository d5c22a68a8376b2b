//! The orders that wait in the overflow queue.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use futures_util::{StreamExt, stream};
use order::Order;
use orders::OnRecord;
use saga::{Unavailable, task::chain};
use serde::Serialize;

use crate::RecoverOrders;

/// How many messages are worked off at once: a whole batch.
const CONCURRENCY: usize = 10;

/// The answer to SQS: which messages of the batch are not done. Those come again, and the others are
/// deleted.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// The messages that are not done.
    pub batch_item_failures: Vec<BatchItemFailure>,
    /// How many messages were of an order whose key stands for other content. The stored order is
    /// the key's answer, so they are dropped, and counted.
    #[serde(skip)]
    pub conflicts: u64,
}

/// A message that is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// The message's id.
    pub item_identifier: String,
}

/// Why a message is not done.
#[derive(Debug, thiserror::Error)]
enum NotDone {
    /// It is no order. It comes again until the queue gives it to the dead letters, where a person
    /// looks at it.
    #[error("read the message as an order")]
    Poison(#[source] serde_json::Error),
    /// Whether its order is on record is not known.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl RecoverOrders {
    /// Puts the orders of a batch on record, and starts their sagas. A message is done only once the
    /// record is known to exist.
    ///
    /// # Idempotency
    /// A message may come any number of times.
    pub async fn work_off(&self, event: SqsEvent) -> Batch {
        let done = stream::iter(event.records)
            .map(|message| async move {
                let kept = self.work_off_one(&message).await;
                (message.message_id.unwrap_or_default(), kept)
            })
            .buffered(CONCURRENCY)
            .collect::<Vec<_>>();
        let mut batch = Batch::default();
        for (item_identifier, kept) in done.await {
            match kept {
                Ok(OnRecord::Same(_)) => {}
                Ok(OnRecord::Other) => {
                    tracing::warn!(
                        message_id = item_identifier,
                        "an order was dropped: its key stands for another order"
                    );
                    batch.conflicts += 1;
                }
                Err(error) => {
                    tracing::warn!(
                        message_id = item_identifier,
                        reason = chain(&error),
                        "the message is not done; SQS hands it over again"
                    );
                    batch.batch_item_failures.push(BatchItemFailure { item_identifier });
                }
            }
        }
        batch
    }

    async fn work_off_one(&self, message: &SqsMessage) -> Result<OnRecord, NotDone> {
        let order: Order =
            serde_json::from_str(message.body.as_deref().unwrap_or_default()).map_err(NotDone::Poison)?;
        let kept = self.orders.put_on_record(&order, self.now_ms()).await?;
        if let OnRecord::Same(record) = &kept
            && record.status.is_open()
        {
            // The record is due at once: if the start fails, the schedule's next run starts it.
            if let Err(error) = self.workflow.start(order.order_id()).await {
                tracing::warn!(order_id = %order.order_id(), reason = chain(&error), "could not start the workflow; the next run will");
            }
        }
        Ok(kept)
    }
}
