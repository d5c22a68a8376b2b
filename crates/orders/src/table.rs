//! The orders table: its items, its index keys, and the compare-and-sets that decide an order.
//!
//! | access | key |
//! |---|---|
//! | by id | `order_id` |
//! | by customer and time | `orders_by_customer`: `tenant_customer`, `created_ms` |
//! | by store and time | `orders_by_store`: `store_shard`, `created_ms` |
//! | by county and time | `orders_by_county`: `county_shard`, `created_ms` |
//! | open orders, when due | `work_by_due`: `work`, `due_ms` |
//! | a store's confirmed orders, when confirmed | `work_by_due`: `work`, `due_ms` |
//!
//! The indexes project keys only, so a change of status rewrites none of them but `work_by_due`,
//! which nothing but open orders and those that wait to be picked stand in. Its keys, a store's and
//! a county's end in a shard taken from the order's id, so that a campaign does not heat one
//! partition; they are read shard by shard and merged.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use order::{
    CustomerId, EpochMs, Fingerprint, Order, OrderId, OrderRecord, Reach, Reason, Receipts, Shortage, Status,
    StepReceipts, StoreId, Tenant,
};
use saga::{Item, Unavailable};

/// When recovery may take up an order that became open now: the state machine's `TimeoutSeconds`,
/// past which no execution of it is alive, and half a minute for clocks that differ.
pub const RECOVER_AFTER_MS: EpochMs = 300_000;

/// The table's name, as it declares itself.
pub const TABLE: &str = "orders";

/// The longest detail of a cancellation that is stored: it shares the record's write units.
pub const MAX_DETAIL_CHARS: usize = 300;

/// What a conditional put found.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// Nothing; this is the record now.
    Now(OrderRecord),
    /// This record, which was left as it is. Its content may be another.
    Before(OrderRecord),
}

/// How an order's cancellation is put on record.
#[derive(Debug, Clone, PartialEq)]
pub struct Closing {
    /// Why.
    pub reason: Reason,
    /// The refusing step's own words.
    pub detail: Option<String>,
    /// What the store had too little of.
    pub shortages: Vec<Shortage>,
    /// When.
    pub now_ms: EpochMs,
}

/// The orders table.
#[derive(Debug, Clone)]
pub struct Orders {
    pub(crate) client: Client,
    pub(crate) table: String,
}

/// Who decides to cancel, and so what they may cancel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Canceller<'a> {
    /// A saga that failed. What is confirmed is out of its reach; and if it knows the order that it
    /// means by its fingerprint, so is every other one: a second request under the same key must
    /// not cancel the first one's order.
    Saga(Option<&'a Fingerprint>),
    /// Recovery, which has given up on the order as it stood when it was due at this time. An
    /// operator may have taken it up again since, with attempts of its own.
    Recovery(EpochMs),
    /// The customer, who may also cancel what is confirmed, among the orders within reach. To them
    /// there is no other order.
    Customer(Reach<'a>),
}

impl Orders {
    /// The orders in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The key of an order's item.
    pub fn key(order_id: &OrderId) -> Item {
        Item::from([("order_id".to_owned(), string(order_id.as_str()))])
    }

    /// The key of an item that never exists.
    pub fn absent_key() -> Item {
        Item::from([("order_id".to_owned(), string("-"))])
    }

    /// Writes a new order as `PENDING`, due for recovery at `due_ms`, if there is none with its id.
    ///
    /// # Idempotency
    /// The order id is the deduplication key: the first put writes, every other one reads.
    ///
    /// # Cost
    /// One write unit per KiB for the item and one for each index that it stands in: 4, or 5 with a
    /// county.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn put_pending(&self, order: &Order, now_ms: EpochMs, due_ms: EpochMs) -> Result<Written, Unavailable> {
        let record = OrderRecord {
            order: order.clone(),
            status: Status::Pending,
            reason: None,
            detail: None,
            shortages: Vec::new(),
            receipts: Receipts::default(),
            attempts: 0,
            created_ms: now_ms,
            updated_ms: now_ms,
            confirmed_ms: None,
            cancelling_ms: None,
            cancelled_ms: None,
            fulfilling_ms: None,
            fulfilled_ms: None,
        };
        self.put(record, due_ms).await
    }

    /// Writes a new order that is already being cancelled: its persisting failed for good.
    ///
    /// # Idempotency, cost, errors
    /// As [`Orders::put_pending`].
    pub async fn put_cancelling(&self, order: &Order, closing: &Closing) -> Result<Written, Unavailable> {
        let Closing { reason, detail, shortages, now_ms } = closing;
        let now_ms = *now_ms;
        let record = OrderRecord {
            order: order.clone(),
            status: Status::Cancelling,
            reason: Some(reason.clone()),
            detail: detail.clone(),
            shortages: shortages.clone(),
            receipts: Receipts::default(),
            attempts: 0,
            created_ms: now_ms,
            updated_ms: now_ms,
            confirmed_ms: None,
            cancelling_ms: Some(now_ms),
            cancelled_ms: None,
            fulfilling_ms: None,
            fulfilled_ms: None,
        };
        self.put(record, now_ms + RECOVER_AFTER_MS).await
    }

    async fn put(&self, record: OrderRecord, due_ms: EpochMs) -> Result<Written, Unavailable> {
        const ATTEMPTED: &str = "write the new order";
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(new_item(&record, due_ms)?))
            // An order is written once. Whoever comes second reads what the first one wrote.
            .condition_expression("attribute_not_exists(order_id)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(Written::Now(record)),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    let item = failed.item().ok_or(Unavailable::Contended { attempted: ATTEMPTED })?;
                    Ok(Written::Before(record_of(item.clone(), ATTEMPTED)?))
                }
                _ => Err(Unavailable::call(ATTEMPTED, error)),
            },
        }
    }

    /// Reads an order, strongly consistent.
    ///
    /// # Cost
    /// One read unit per 4 KiB.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn read(&self, order_id: &OrderId) -> Result<Option<OrderRecord>, Unavailable> {
        const ATTEMPTED: &str = "read the order";
        let get = self.client.get_item().table_name(&self.table).set_key(Some(Self::key(order_id)));
        let answer = get.consistent_read(true).send().await.map_err(|error| Unavailable::call(ATTEMPTED, error))?;
        answer.item.map(|item| record_of(item, ATTEMPTED)).transpose()
    }

    /// Moves `PENDING` to `CONFIRMED`, the pivot, and into the pick list of `store_id`, which is the
    /// order's own. Answers with the record as it stands afterwards, also where another decision was
    /// first; `None` if there is no such order.
    ///
    /// # Idempotency
    /// Again, it finds `CONFIRMED` and changes nothing.
    ///
    /// # Cost
    /// One write unit per KiB, and two for the new place in the work index: 3.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn confirm(
        &self,
        order_id: &OrderId,
        store_id: &StoreId,
        receipts: &StepReceipts,
        now_ms: EpochMs,
    ) -> Result<Option<OrderRecord>, Unavailable> {
        const ATTEMPTED: &str = "confirm the order";
        let update = self
            .update(order_id)
            .update_expression(
                "SET #status = :confirmed, receipts = :receipts, confirmed_ms = :now, updated_ms = :now, \
                 #work = :work, due_ms = :now",
            )
            // The decision is made once. An order whose cancellation has begun can no longer be
            // confirmed: its steps may be undone already.
            .condition_expression("#status = :pending")
            .expression_attribute_names("#work", "work")
            .expression_attribute_values(":confirmed", status_value(Status::Confirmed))
            .expression_attribute_values(":pending", status_value(Status::Pending))
            .expression_attribute_values(":receipts", value(receipts, ATTEMPTED)?)
            .expression_attribute_values(":work", string(&pick_work(store_id, order_id.shard())))
            .expression_attribute_values(":now", number(now_ms));
        decide(update, ATTEMPTED).await
    }

    /// Moves the order to `CANCELLING`: compensation may begin. Answers with the record as it stands
    /// afterwards, also where another decision was first; `None` if there is no such order.
    ///
    /// # Idempotency
    /// Again, it finds the decision and changes nothing.
    ///
    /// # Cost
    /// One write unit per KiB, and two for the new due time in the work index: 3.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn cancel(
        &self,
        order_id: &OrderId,
        canceller: Canceller<'_>,
        closing: &Closing,
    ) -> Result<Option<OrderRecord>, Unavailable> {
        const ATTEMPTED: &str = "decide to cancel the order";
        let change = "SET #status = :cancelling, reason = :reason, cancelling_ms = :now, updated_ms = :now, \
                      #work = :work, due_ms = :due, attempts = :none";
        let due_ms = match canceller {
            // The execution that failed rolls the order back itself.
            // Recovery starts one that does.
            Canceller::Saga(_) | Canceller::Recovery(_) => closing.now_ms + RECOVER_AFTER_MS,
            // The customer's request may die before it starts one.
            Canceller::Customer(_) => closing.now_ms,
        };
        let mut update = self
            .update(order_id)
            // CONFIRMED is final for whatever merely failed, what was handed over is final for
            // everybody, and a decision is made once.
            .condition_expression(match canceller {
                Canceller::Saga(Some(_)) => "#status = :pending AND fingerprint = :fingerprint",
                Canceller::Saga(None) => "#status = :pending",
                Canceller::Recovery(_) => "#status = :pending AND due_ms = :was_due",
                Canceller::Customer(Reach::All) => "#status IN (:pending, :confirmed)",
                Canceller::Customer(Reach::Tenant(_)) => "#status IN (:pending, :confirmed) AND tenant = :tenant",
                Canceller::Customer(Reach::Customer(..)) => {
                    "#status IN (:pending, :confirmed) AND tenant = :tenant AND customer_id = :customer"
                }
            })
            .expression_attribute_names("#work", "work")
            .expression_attribute_values(":cancelling", status_value(Status::Cancelling))
            .expression_attribute_values(":pending", status_value(Status::Pending))
            .expression_attribute_values(":reason", string(closing.reason.as_str()))
            .expression_attribute_values(":work", string(&open_work(order_id)))
            .expression_attribute_values(":due", number(due_ms))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":now", number(closing.now_ms));
        match canceller {
            Canceller::Saga(Some(fingerprint)) => {
                update = update.expression_attribute_values(":fingerprint", string(fingerprint.as_str()));
            }
            Canceller::Customer(reach) => {
                update = update.expression_attribute_values(":confirmed", status_value(Status::Confirmed));
                if let Reach::Tenant(tenant) | Reach::Customer(tenant, _) = reach {
                    update = update.expression_attribute_values(":tenant", string(tenant.as_str()));
                }
                if let Reach::Customer(_, customer_id) = reach {
                    update = update.expression_attribute_values(":customer", string(customer_id.as_str()));
                }
            }
            Canceller::Recovery(due_ms) => {
                update = update.expression_attribute_values(":was_due", number(due_ms));
            }
            Canceller::Saga(None) => {}
        }
        let mut change = change.to_owned();
        if let Some(detail) = &closing.detail {
            change.push_str(", detail = :detail");
            update = update.expression_attribute_values(":detail", string(detail));
        }
        if !closing.shortages.is_empty() {
            change.push_str(", shortages = :shortages");
            update = update.expression_attribute_values(":shortages", value(&closing.shortages, ATTEMPTED)?);
        }
        let update = update.update_expression(change);
        let record = decide(update, ATTEMPTED).await?;
        Ok(match canceller {
            Canceller::Customer(reach) => record.filter(|record| reach.has(&record.order)),
            Canceller::Saga(_) | Canceller::Recovery(_) => record,
        })
    }

    /// Moves `CANCELLING` to `CANCELLED`, once every step is undone. Answers with the record as it
    /// stands afterwards; `None` if there is no such order.
    ///
    /// # Idempotency
    /// Again, it finds `CANCELLED` and changes nothing.
    ///
    /// # Cost
    /// One write unit per KiB, and one for leaving the work index: 2.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn close(
        &self,
        order_id: &OrderId,
        receipts: &StepReceipts,
        now_ms: EpochMs,
    ) -> Result<Option<OrderRecord>, Unavailable> {
        const ATTEMPTED: &str = "close the cancelled order";
        let update = self
            .update(order_id)
            .update_expression(
                "SET #status = :cancelled, cancelled_ms = :now, updated_ms = :now, undo_receipts = :receipts \
                 REMOVE #work, due_ms, parked_at_ms",
            )
            // Only an order that was decided against is ever called cancelled, and only once.
            .condition_expression("#status = :cancelling")
            .expression_attribute_names("#work", "work")
            .expression_attribute_values(":cancelled", status_value(Status::Cancelled))
            .expression_attribute_values(":cancelling", status_value(Status::Cancelling))
            .expression_attribute_values(":receipts", value(receipts, ATTEMPTED)?)
            .expression_attribute_values(":now", number(now_ms));
        decide(update, ATTEMPTED).await
    }

    pub(crate) fn update(&self, order_id: &OrderId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Self::key(order_id)))
            .expression_attribute_names("#status", "status")
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

/// Sends a compare-and-set on a record, and adopts what is there if another one was first.
pub(crate) async fn decide(
    update: UpdateItemFluentBuilder,
    attempted: &'static str,
) -> Result<Option<OrderRecord>, Unavailable> {
    let item = match update.send().await {
        Ok(done) => done.attributes,
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => failed.item().cloned(),
            _ => return Err(Unavailable::call(attempted, error)),
        },
    };
    item.map(|item| record_of(item, attempted)).transpose()
}

/// The partition that a customer's orders stand in: what one tenant placed for the customer is no
/// other tenant's business.
pub(crate) fn tenant_customer(tenant: &Tenant, customer_id: &CustomerId) -> String {
    format!("{tenant}#{customer_id}")
}

/// The partition of the work index that an open order stands in.
pub fn open_work(order_id: &OrderId) -> String {
    format!("OPEN#{}", order_id.shard())
}

/// The partition of the work index that a store's confirmed orders wait in to be picked. Recovery
/// does not look there.
pub fn pick_work(store_id: &StoreId, shard: &str) -> String {
    format!("PICK#{store_id}#{shard}")
}

fn new_item(record: &OrderRecord, due_ms: EpochMs) -> Result<Item, Unavailable> {
    let mut item: Item = serde_dynamo::to_item(record)
        .map_err(|source| Unavailable::Unreadable { attempted: "write the new order", source })?;
    let tenant_customer = tenant_customer(record.order.tenant(), &record.order.customer_id);
    item.insert("tenant_customer".to_owned(), string(&tenant_customer));
    let shard = record.order.order_id().shard();
    item.insert("store_shard".to_owned(), string(&format!("{}#{shard}", record.order.store_id)));
    if let Some(county_id) = &record.order.county_id {
        item.insert("county_shard".to_owned(), string(&format!("{county_id}#{shard}")));
    }
    item.insert("work".to_owned(), string(&open_work(record.order.order_id())));
    item.insert("due_ms".to_owned(), number(due_ms));
    Ok(item)
}

pub(crate) fn record_of(item: Item, attempted: &'static str) -> Result<OrderRecord, Unavailable> {
    serde_dynamo::from_item(item).map_err(|source| Unavailable::Unreadable { attempted, source })
}

pub(crate) fn value<T: serde::Serialize>(value: &T, attempted: &'static str) -> Result<AttributeValue, Unavailable> {
    serde_dynamo::to_attribute_value(value).map_err(|source| Unavailable::Unreadable { attempted, source })
}

pub(crate) fn string(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn status_value(status: Status) -> AttributeValue {
    string(status.into())
}
