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
//! The indexes project only keys, so a change of status rewrites only `work_by_due`, which holds just
//! the open orders and those that wait to be picked. The partition keys of `work_by_due`, of stores and
//! of counties end in a shard of the order's id, so that a campaign does not overload one partition.
//! They are read shard by shard and merged.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use order::{
    Actor, CustomerId, EpochMs, Fingerprint, Order, OrderId, OrderRecord, Reach, Reason, Receipts, Shortage, Status,
    StepReceipts, StoreId, Tenant,
};
use saga::{Item, Unavailable};

/// How long recovery waits before it first retries an open order: the state machine's `TimeoutSeconds`,
/// after which no execution is still running, and half a minute for clocks that differ.
pub const RECOVER_AFTER_MS: EpochMs = 300_000;

/// The table's name, as it declares itself.
pub const TABLE: &str = "orders";

/// The longest stored detail of a cancellation: it counts towards the record's write units.
pub const MAX_DETAIL_CHARS: usize = 300;

/// What a conditional put found.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// No record; this one was written.
    Now(OrderRecord),
    /// This record, which was left as it is. Its content may be different.
    Before(OrderRecord),
}

/// How an order's cancellation is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Closing {
    /// Why.
    pub reason: Reason,
    /// The refusing step's own message.
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

/// Who decides to cancel, which limits what they may cancel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Canceller<'a> {
    /// A saga that failed. It cannot cancel a confirmed order. With a fingerprint it can only cancel the
    /// order that has it: a second request with the same key must not cancel the first one's order.
    Saga(Option<&'a Fingerprint>),
    /// Recovery, which gave up on an order that was due at this time. If the due time has changed, an
    /// operator has retried the order since, with new attempts.
    Recovery(EpochMs),
    /// The customer, who may also cancel a confirmed order, if it is within reach. Other orders do not
    /// exist for them. The record keeps who it was.
    Customer(Reach<'a>, &'a Actor),
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

    /// Writes a new order as `PENDING`, due for recovery at `due_ms`, unless its id has a record.
    ///
    /// # Idempotency
    /// The order id is the deduplication key: the first put writes, and the others read.
    ///
    /// # Cost
    /// One write unit per KiB for the item, and one for each index that it is in: 4, or 5 with a county.
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
            payment_replacement: None,
            payment_replaced_by: None,
            payment_replaced_ms: None,
            receipts: Receipts::default(),
            attempts: 0,
            created_ms: now_ms,
            updated_ms: now_ms,
            confirmed_ms: None,
            cancelling_ms: None,
            cancelled_by: None,
            cancelled_ms: None,
            fulfilling_ms: None,
            fulfilled_by: None,
            fulfilled_ms: None,
            parked_by: None,
            taken_up_by: None,
            taken_up_ms: None,
        };
        self.put(record, due_ms).await
    }

    /// Writes a new order as `CANCELLING`, because persisting it failed for good.
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
            payment_replacement: None,
            payment_replaced_by: None,
            payment_replaced_ms: None,
            receipts: Receipts::default(),
            attempts: 0,
            created_ms: now_ms,
            updated_ms: now_ms,
            confirmed_ms: None,
            cancelling_ms: Some(now_ms),
            cancelled_by: None,
            cancelled_ms: None,
            fulfilling_ms: None,
            fulfilled_by: None,
            fulfilled_ms: None,
            parked_by: None,
            taken_up_by: None,
            taken_up_ms: None,
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
            // An order is written once. Later writers read what the first one wrote.
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

    /// Moves `PENDING` to `CONFIRMED`, the pivot, and into the pick list of `store_id`, the order's store.
    /// Returns the current record, also if another decision was first; `None` if there is no such order.
    ///
    /// # Idempotency
    /// Repeated, it finds `CONFIRMED` and changes nothing.
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
                 #work = :work, due_ms = :now REMOVE parked_at_ms",
            )
            // The decision is made once. An order whose cancellation has begun cannot be confirmed any
            // more: its steps may already be undone.
            .condition_expression("#status = :pending")
            .expression_attribute_names("#work", "work")
            .expression_attribute_values(":confirmed", status_value(Status::Confirmed))
            .expression_attribute_values(":pending", status_value(Status::Pending))
            .expression_attribute_values(":receipts", value(receipts, ATTEMPTED)?)
            .expression_attribute_values(":work", string(&pick_work(store_id, order_id.shard())))
            .expression_attribute_values(":now", number(now_ms));
        decide(update, ATTEMPTED).await
    }

    /// Moves the order to `CANCELLING`: compensation may begin. Returns the current record, also if
    /// another decision was first; `None` if there is no such order.
    ///
    /// # Idempotency
    /// Repeated, it finds the decision and changes nothing.
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
        let mut change = "SET #status = :cancelling, reason = :reason, cancelling_ms = :now, updated_ms = :now, \
                      #work = :work, due_ms = :due, attempts = :none"
            .to_owned();
        let due_ms = match canceller {
            // A failed execution rolls the order back itself, and recovery starts one that does.
            Canceller::Saga(_) | Canceller::Recovery(_) => closing.now_ms + RECOVER_AFTER_MS,
            // The customer's request may die before it starts an execution.
            Canceller::Customer(..) => closing.now_ms,
        };
        let mut update = self
            .update(order_id)
            // A failure cannot cancel a confirmed order, nobody can cancel one that was handed over, and
            // a decision is made once.
            .condition_expression(match canceller {
                Canceller::Saga(Some(_)) => "#status = :pending AND fingerprint = :fingerprint",
                Canceller::Saga(None) => "#status = :pending",
                Canceller::Recovery(_) => "#status = :pending AND due_ms = :was_due",
                Canceller::Customer(Reach::All, _) => "#status IN (:pending, :confirmed)",
                Canceller::Customer(Reach::Tenant(_), _) => "#status IN (:pending, :confirmed) AND tenant = :tenant",
                Canceller::Customer(Reach::Customer(..), _) => {
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
            Canceller::Customer(reach, by) => {
                change.push_str(", cancelled_by = :by");
                update = update.expression_attribute_values(":by", value(by, ATTEMPTED)?);
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
        if let Some(detail) = &closing.detail {
            change.push_str(", detail = :detail");
            update = update.expression_attribute_values(":detail", string(detail));
        }
        if !closing.shortages.is_empty() {
            change.push_str(", shortages = :shortages");
            update = update.expression_attribute_values(":shortages", value(&closing.shortages, ATTEMPTED)?);
        }
        // It may have been parked for want of a start.
        change.push_str(" REMOVE parked_at_ms");
        let update = update.update_expression(change);
        let record = decide(update, ATTEMPTED).await?;
        Ok(match canceller {
            Canceller::Customer(reach, _) => record.filter(|record| reach.has(&record.order)),
            Canceller::Saga(_) | Canceller::Recovery(_) => record,
        })
    }

    /// Moves `CANCELLING` to `CANCELLED`, once every step is undone. Returns the current record; `None`
    /// if there is no such order.
    ///
    /// # Idempotency
    /// Repeated, it finds `CANCELLED` and changes nothing.
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
            // Only an order that was decided to be cancelled becomes cancelled, and only once.
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

/// Sends a compare-and-set on a record. Returns the record that is stored if another write was first.
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

/// The index partition of a customer's orders. It names the tenant too, so that no tenant sees another's
/// orders.
pub(crate) fn tenant_customer(tenant: &Tenant, customer_id: &CustomerId) -> String {
    format!("{tenant}#{customer_id}")
}

/// The partition of an open order in the work index.
pub fn open_work(order_id: &OrderId) -> String {
    format!("OPEN#{}", order_id.shard())
}

/// The partition of a store's confirmed orders in the work index, where they wait to be picked. Recovery
/// does not read it.
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
