//! The orders that wait in the overflow queue.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use futures_util::{StreamExt, stream};
use order::Order;
use orders::OnRecord;
use saga::{Unavailable, task::chain};
use serde::Serialize;
use tracing::Instrument;

use crate::RecoverOrders;
use crate::due::span;

/// Maximum number of messages processed at once: a whole batch.
const CONCURRENCY: usize = 10;

/// The answer to SQS: which messages of the batch are not done. SQS delivers those again, and deletes
/// the others.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// The messages that are not done.
    pub batch_item_failures: Vec<BatchItemFailure>,
    /// How many messages were dropped because their key is in use for another order: the stored order is
    /// the key's.
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

impl RecoverOrders {
    /// Puts the orders of a batch on record, and starts their sagas. A message is done only once the
    /// record is known to exist.
    ///
    /// # Idempotency
    /// A message may be delivered any number of times.
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
                Some(OnRecord::Same(_)) => {}
                Some(OnRecord::Other) => batch.conflicts += 1,
                None => batch.batch_item_failures.push(BatchItemFailure { item_identifier }),
            }
        }
        batch
    }

    /// `None` if SQS has to deliver the message again.
    async fn work_off_one(&self, message: &SqsMessage) -> Option<OnRecord> {
        let message_id = message.message_id.as_deref().unwrap_or_default();
        let order: Order = match serde_json::from_str(message.body.as_deref().unwrap_or_default()) {
            Ok(order) => order,
            Err(error) => {
                tracing::warn!(message_id, reason = %error, "the message is not an order; SQS will deliver it again");
                return None;
            }
        };
        async {
            match self.keep(&order).await {
                Ok(kept) => {
                    if let OnRecord::Other = kept {
                        tracing::warn!(message_id, "dropped an order: its key is in use for another order");
                    }
                    Some(kept)
                }
                Err(error) => {
                    tracing::warn!(
                        message_id,
                        reason = chain(&error),
                        "could not put the order on record; SQS will deliver its message again"
                    );
                    None
                }
            }
        }
        .instrument(span(&order))
        .await
    }

    async fn keep(&self, order: &Order) -> Result<OnRecord, Unavailable> {
        let kept = self.orders.put_on_record(order, self.now_ms()).await?;
        if let OnRecord::Same(record) = &kept
            && record.status.is_open()
        {
            // The record is due at once: if the start fails, the schedule's next run starts the saga.
            if let Err(error) = self.workflow.start(order).await {
                tracing::warn!(reason = chain(&error), "could not start the workflow; the next run will retry");
            }
        }
        Ok(kept)
    }
}
