//! Messages as items: how they are stored, and the conditional writes that give each to a single receiver.

use std::time::Duration;

use dynoxide::DynoxideError;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Redrive;
use crate::dynamodb::{DynamoDb, StoreError};
use clock::WallClock;

/// The table of all messages: partition key `queue`, sort key `id`, which starts with the time sent.
pub const TABLE: &str = "local_queues";

/// All queues' messages.
#[derive(Debug)]
pub(super) struct Messages {
    store: DynamoDb,
    clock: WallClock,
}

/// A message as a receiver gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The same at every receipt.
    pub message_id: String,
    /// Deletes the message; a new one at every receipt.
    pub receipt_handle: String,
    /// What was sent.
    pub body: String,
    /// When it was sent, in epoch milliseconds.
    pub sent_ms: u64,
    /// When it was first received, in epoch milliseconds.
    pub first_received_ms: u64,
    /// How many times it has been received, this time included.
    pub receive_count: u64,
}

/// The result of looking for messages.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) messages: Vec<Received>,
    /// When the first of the hidden messages becomes visible again.
    pub(super) next_in: Option<Duration>,
}

/// How many messages a queue holds, counted as SQS counts them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) visible: usize,
    pub(super) in_flight: usize,
    pub(super) delayed: usize,
}

/// One stored message.
struct Stored {
    id: String,
    body: String,
    sent_ms: u64,
    visible_at_ms: u64,
    receive_count: u64,
    first_received_ms: Option<u64>,
}

impl Messages {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms().unsigned_abs()
    }

    /// Creates the table if it is missing.
    pub(super) fn open(store: DynamoDb, clock: WallClock) -> Result<Self, StoreError> {
        let table = json!({
            "TableName": TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                { "AttributeName": "queue", "AttributeType": "S" },
                { "AttributeName": "id", "AttributeType": "S" },
            ],
            "KeySchema": [
                { "AttributeName": "queue", "KeyType": "HASH" },
                { "AttributeName": "id", "KeyType": "RANGE" },
            ],
        });
        match store.apply("CreateTable", &table) {
            Ok(_) | Err(StoreError::Refused { source: DynoxideError::ResourceInUseException(_), .. }) => {
                Ok(Self { store, clock })
            }
            Err(error) => Err(error),
        }
    }

    /// Stores a message and returns its id.
    pub(super) fn add(&self, queue: &str, body: &str, delay: Duration) -> Result<String, StoreError> {
        let message_id = Uuid::new_v4().to_string();
        let sent_ms = self.now_ms();
        let message = Stored {
            id: format!("{sent_ms:013}-{message_id}"),
            body: body.to_owned(),
            sent_ms,
            visible_at_ms: later(sent_ms, delay),
            receive_count: 0,
            first_received_ms: None,
        };
        let put = json!({ "TableName": TABLE, "Item": message.item(queue) });
        self.store.apply("PutItem", &put)?;
        Ok(message_id)
    }

    /// Hands out up to `max` messages that nobody holds, oldest first, and hides them. A message that has
    /// been handed out as many times as `redrive` allows moves to the dead-letter queue instead.
    pub(super) fn take(
        &self,
        queue: &str,
        max: usize,
        hidden_for: Duration,
        redrive: Option<&Redrive>,
    ) -> Result<Batch, StoreError> {
        let now_ms = self.now_ms();
        let mut taken = Batch::default();
        let mut next_visible_ms = None;
        self.each(queue, |message| {
            if message.visible_at_ms > now_ms {
                let earliest = next_visible_ms.unwrap_or(u64::MAX);
                next_visible_ms = Some(message.visible_at_ms.min(earliest));
                return Ok(true);
            }
            match redrive {
                Some(redrive) if message.receive_count >= redrive.max_receive_count => {
                    self.dead_letter(queue, &redrive.to, &message)?;
                }
                _ => taken.messages.extend(self.hide(queue, message, now_ms, hidden_for)?),
            }
            Ok(taken.messages.len() < max)
        })?;
        taken.next_in = next_visible_ms.map(|at| Duration::from_millis(at - now_ms));
        Ok(taken)
    }

    /// Deletes a message if this receipt is its latest; otherwise leaves it, as SQS may do too.
    pub(super) fn remove(&self, queue: &str, id: &str, receipt: &str) -> Result<(), StoreError> {
        let delete = json!({
            "TableName": TABLE,
            "Key": key(queue, id),
            "ConditionExpression": "receipt = :receipt",
            "ExpressionAttributeValues": { ":receipt": { "S": receipt } },
        });
        unless_condition_failed(self.store.apply("DeleteItem", &delete)).map(|_| ())
    }

    /// Makes the messages visible again that were held by receivers that no longer exist.
    pub(super) fn release(&self, queue: &str) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        let mut held = Vec::new();
        self.each(queue, |message| {
            if message.receive_count > 0 && message.visible_at_ms > now_ms {
                held.push(message);
            }
            Ok(true)
        })?;
        for message in held {
            let update = json!({
                "TableName": TABLE,
                "Key": key(queue, &message.id),
                // A live receiver may have received it since it was read.
                "ConditionExpression": "receive_count = :read",
                "UpdateExpression": "SET visible_at_ms = :visible",
                "ExpressionAttributeValues": {
                    ":read": number(message.receive_count),
                    ":visible": number(now_ms),
                },
            });
            unless_condition_failed(self.store.apply("UpdateItem", &update))?;
        }
        Ok(())
    }

    pub(super) fn count(&self, queue: &str) -> Result<Counts, StoreError> {
        let now_ms = self.now_ms();
        let mut counts = Counts::default();
        self.each(queue, |message| {
            if message.visible_at_ms <= now_ms {
                counts.visible += 1;
            } else if message.receive_count == 0 {
                counts.delayed += 1;
            } else {
                counts.in_flight += 1;
            }
            Ok(true)
        })?;
        Ok(counts)
    }

    /// Passes the queue's messages to `visit`, oldest first, until it has enough.
    fn each(&self, queue: &str, mut visit: impl FnMut(Stored) -> Result<bool, StoreError>) -> Result<(), StoreError> {
        let mut query = json!({
            "TableName": TABLE,
            "ConsistentRead": true,
            "KeyConditionExpression": "#queue = :queue",
            "ExpressionAttributeNames": { "#queue": "queue" },
            "ExpressionAttributeValues": { ":queue": { "S": queue } },
        });
        loop {
            let mut page = self.store.apply("Query", &query)?;
            for item in page["Items"].as_array().into_iter().flatten() {
                if !visit(Stored::from_item(item))? {
                    return Ok(());
                }
            }
            let next = page["LastEvaluatedKey"].take();
            if next.is_null() {
                return Ok(());
            }
            query["ExclusiveStartKey"] = next;
        }
    }

    /// Claims a message for one receiver, on the condition that nobody has received it since it was read.
    fn hide(
        &self,
        queue: &str,
        message: Stored,
        now_ms: u64,
        hidden_for: Duration,
    ) -> Result<Option<Received>, StoreError> {
        let receipt = Uuid::new_v4().to_string();
        let receive_count = message.receive_count + 1;
        let first_received_ms = message.first_received_ms.unwrap_or(now_ms);
        let update = json!({
            "TableName": TABLE,
            "Key": key(queue, &message.id),
            "ConditionExpression": "receive_count = :read",
            "UpdateExpression": "SET receive_count = :count, receipt = :receipt, \
                visible_at_ms = :visible, first_received_ms = :first",
            "ExpressionAttributeValues": {
                ":read": number(message.receive_count),
                ":count": number(receive_count),
                ":receipt": { "S": receipt },
                ":visible": number(later(now_ms, hidden_for)),
                ":first": number(first_received_ms),
            },
        });
        let claimed = unless_condition_failed(self.store.apply("UpdateItem", &update))?;
        Ok(claimed.then(|| Received {
            message_id: message.message_id().to_owned(),
            receipt_handle: format!("{}#{receipt}", message.id),
            body: message.body,
            sent_ms: message.sent_ms,
            first_received_ms,
            receive_count,
        }))
    }

    /// Moves a message in one transaction, so that it is always in exactly one queue.
    fn dead_letter(&self, queue: &str, to: &str, message: &Stored) -> Result<(), StoreError> {
        let buried = Stored {
            id: message.id.clone(),
            body: message.body.clone(),
            sent_ms: message.sent_ms,
            visible_at_ms: 0,
            receive_count: 0,
            first_received_ms: None,
        };
        let transaction = json!({ "TransactItems": [
            { "Put": { "TableName": TABLE, "Item": buried.item(to) } },
            { "Delete": {
                "TableName": TABLE,
                "Key": key(queue, &message.id),
                // Another receiver may have moved it since it was read.
                "ConditionExpression": "receive_count = :read",
                "ExpressionAttributeValues": { ":read": number(message.receive_count) },
            } },
        ] });
        unless_condition_failed(self.store.apply("TransactWriteItems", &transaction)).map(|_| ())
    }
}

impl Stored {
    fn item(&self, queue: &str) -> Value {
        let mut item = key(queue, &self.id);
        item["body"] = json!({ "S": self.body });
        item["sent_ms"] = number(self.sent_ms);
        item["visible_at_ms"] = number(self.visible_at_ms);
        item["receive_count"] = number(self.receive_count);
        item
    }

    fn from_item(item: &Value) -> Self {
        let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| item[name]["N"].as_str().and_then(|n| n.parse().ok());
        Self {
            id: text("id"),
            body: text("body"),
            sent_ms: number("sent_ms").unwrap_or_default(),
            visible_at_ms: number("visible_at_ms").unwrap_or_default(),
            receive_count: number("receive_count").unwrap_or_default(),
            first_received_ms: number("first_received_ms"),
        }
    }

    fn message_id(&self) -> &str {
        let parts = self.id.split_once('-');
        parts.map_or(self.id.as_str(), |(_sent, message_id)| message_id)
    }
}

fn key(queue: &str, id: &str) -> Value {
    json!({ "queue": { "S": queue }, "id": { "S": id } })
}

fn number(number: u64) -> Value {
    json!({ "N": number.to_string() })
}

fn later(now_ms: u64, by: Duration) -> u64 {
    now_ms.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX))
}

/// Whether a conditional write was applied.
fn unless_condition_failed(outcome: Result<Value, StoreError>) -> Result<bool, StoreError> {
    match outcome {
        Ok(_) => Ok(true),
        Err(StoreError::Refused {
            source: DynoxideError::ConditionalCheckFailedException(..) | DynoxideError::TransactionCanceledException(..),
            ..
        }) => Ok(false),
        Err(error) => Err(error),
    }
}
