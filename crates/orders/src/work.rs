//! The work index: which orders are open, when recovery retries them, which are parked, and which wait
//! to be picked.
//!
//! An open order is in one of 16 partitions `OPEN#<shard>`, sorted by `due_ms`. Recovery counts the
//! attempt and moves `due_ms` in one compare-and-set on the status and the due time that it read, so
//! only one of several concurrent recoveries takes an order. An order that cannot be finished moves to
//! the partition `PARKED`, which recovery only counts, for an alarm.
//!
//! A confirmed order is in one of its store's 16 partitions `PICK#<store>#<shard>`, sorted by when it
//! was confirmed, until it is handed over or cancelled. Recovery does not read these.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::Select;
use order::{Actor, EpochMs, OrderId, OrderRecord, Status};
use saga::{Item, Unavailable};

use crate::table::{Orders, decide, number, open_work, record_of, status_value, string, value};

/// The index.
pub const INDEX: &str = "work_by_due";

/// Maximum number of attempts before recovery gives up on an order: about five hours, with the delays
/// between them.
pub const MAX_ATTEMPTS: u32 = 8;

/// The partition of parked orders in the work index.
pub const PARKED_WORK: &str = "PARKED";

/// The shards: the last digit of the order id.
pub const SHARDS: [&str; 16] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];

/// The most orders of one page of the index.
const PAGE_SIZE: i32 = 100;

/// The most pages that are counted: a count beyond them raises an alarm anyway.
const MAX_COUNT_PAGES: usize = 20;

/// An open order with its place in the work index, as read.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenOrder {
    /// The record.
    pub record: OrderRecord,
    /// When it is due.
    pub due_ms: EpochMs,
    /// When it was parked, if it is parked.
    pub parked_at_ms: Option<EpochMs>,
}

impl OpenOrder {
    /// Since when the order has waited for its present end, or since an operator has last taken it up.
    pub fn open_since_ms(&self) -> EpochMs {
        let OrderRecord { status, created_ms, cancelling_ms, fulfilling_ms, taken_up_ms, .. } = &self.record;
        let since_ms = match status {
            Status::Cancelling => *cancelling_ms,
            Status::Fulfilling => *fulfilling_ms,
            _ => None,
        };
        since_ms.unwrap_or(*created_ms).max(taken_up_ms.unwrap_or_default())
    }
}

/// A page of due orders.
#[derive(Debug, Clone, PartialEq)]
pub struct DuePage {
    /// The orders, longest due first.
    pub order_ids: Vec<OrderId>,
    /// Where the next page begins, if there are more.
    pub next: Option<Item>,
}

impl Orders {
    /// The open orders of a shard that are due by `due_by_ms`, a page at a time. The index is eventually
    /// consistent: an order may be missing, or may not be open any more.
    ///
    /// # Cost
    /// Half a read unit per 4 KiB of keys.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn due(&self, shard: &str, due_by_ms: EpochMs, start: Option<Item>) -> Result<DuePage, Unavailable> {
        const ATTEMPTED: &str = "look for due orders";
        let query = self.query_work(&format!("OPEN#{shard}"), due_by_ms).limit(PAGE_SIZE);
        let page =
            query.set_exclusive_start_key(start).send().await.map_err(|error| Unavailable::call(ATTEMPTED, error))?;
        let order_id = |item: &Item| item.get("order_id")?.as_s().ok()?.parse().ok();
        Ok(DuePage { order_ids: page.items().iter().filter_map(order_id).collect(), next: page.last_evaluated_key })
    }

    /// How many open orders of a shard are due by `due_by_ms`.
    ///
    /// # Cost, errors
    /// As [`Orders::due`].
    pub async fn count_due(&self, shard: &str, due_by_ms: EpochMs) -> Result<u64, Unavailable> {
        self.count(&format!("OPEN#{shard}"), due_by_ms).await
    }

    /// How many orders are parked.
    ///
    /// # Cost, errors
    /// As [`Orders::due`].
    pub async fn count_parked(&self) -> Result<u64, Unavailable> {
        self.count(PARKED_WORK, EpochMs::MAX).await
    }

    async fn count(&self, work: &str, due_by_ms: EpochMs) -> Result<u64, Unavailable> {
        let mut count = 0;
        let mut start = None;
        for _ in 0..MAX_COUNT_PAGES {
            let query = self.query_work(work, due_by_ms).select(Select::Count).set_exclusive_start_key(start);
            let page = query.send().await.map_err(|error| Unavailable::call("count the open orders", error))?;
            count += u64::from(page.count().unsigned_abs());
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(count)
    }

    fn query_work(&self, work: &str, due_by_ms: EpochMs) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression("#work = :work AND due_ms <= :due_by")
            .expression_attribute_names("#work", "work")
            .expression_attribute_values(":work", string(work))
            .expression_attribute_values(":due_by", number(due_by_ms))
    }

    /// Reads an order with its place in the work index, strongly consistent; `None` if it is not
    /// open.
    ///
    /// # Cost
    /// One read unit per 4 KiB.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn read_open(&self, order_id: &OrderId) -> Result<Option<OpenOrder>, Unavailable> {
        const ATTEMPTED: &str = "read the open order";
        let get = self.client.get_item().table_name(&self.table).set_key(Some(Self::key(order_id)));
        let answer = get.consistent_read(true).send().await.map_err(|error| Unavailable::call(ATTEMPTED, error))?;
        let Some(item) = answer.item else { return Ok(None) };
        let time = |name: &str| item.get(name)?.as_n().ok()?.parse().ok();
        let (due_ms, parked_at_ms) = (time("due_ms"), time("parked_at_ms"));
        let record = record_of(item, ATTEMPTED)?;
        Ok(due_ms.filter(|_| record.status.is_open()).map(|due_ms| OpenOrder { record, due_ms, parked_at_ms }))
    }

    /// Counts an attempt at an order and moves its due time, if nobody has done so since it was read.
    ///
    /// # Idempotency
    /// Of any number of calls with the same `open`, one succeeds.
    ///
    /// # Cost
    /// One write unit per KiB, and two for the new due time in the work index: 3.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn count_attempt(&self, open: &OpenOrder, next_due_ms: EpochMs) -> Result<bool, Unavailable> {
        let update = self
            .update_as_read(open)
            .update_expression("SET attempts = attempts + :one, due_ms = :next")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":next", number(next_due_ms));
        won(update, "count the attempt at the order").await
    }

    /// Takes back an attempt that was counted and then could not be made, if nobody has changed the order since. `open` has
    /// the due time that counting it has set.
    ///
    /// # Idempotency
    /// Of any number of calls with the same `open`, one succeeds.
    ///
    /// # Cost, errors
    /// As [`Orders::count_attempt`].
    pub async fn give_attempt_back(&self, open: &OpenOrder, next_due_ms: EpochMs) -> Result<bool, Unavailable> {
        let update = self
            .update_as_read(open)
            .update_expression("SET attempts = attempts - :one, due_ms = :next")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":next", number(next_due_ms));
        won(update, "give the attempt at the order back").await
    }

    /// Parks an order, so that recovery no longer retries it, if nobody has changed it since it was read. The record keeps
    /// which run of recovery did so, also after an operator has reopened the order.
    ///
    /// # Idempotency, cost, errors
    /// As [`Orders::count_attempt`].
    pub async fn park(&self, open: &OpenOrder, by: &Actor, now_ms: EpochMs) -> Result<bool, Unavailable> {
        const ATTEMPTED: &str = "park the order";
        let update = self
            .update_as_read(open)
            .update_expression(
                "SET #work = :parked, due_ms = :now, parked_at_ms = :now, parked_by = :by, updated_ms = :now",
            )
            .expression_attribute_names("#work", "work")
            .expression_attribute_values(":parked", string(PARKED_WORK))
            .expression_attribute_values(":by", value(by, ATTEMPTED)?)
            .expression_attribute_values(":now", number(now_ms));
        won(update, ATTEMPTED).await
    }

    /// Uses up the attempts of an order that is being cancelled or handed over, so that recovery parks it in its next
    /// run. Returns the current record; `None` if there is no such order.
    ///
    /// # Idempotency
    /// Repeated, it changes nothing more, unless an operator has reopened the order since.
    ///
    /// # Cost
    /// One write unit per KiB, and two for the new due time in the work index: 3.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn use_up_attempts(
        &self,
        order_id: &OrderId,
        now_ms: EpochMs,
    ) -> Result<Option<OrderRecord>, Unavailable> {
        let update = self
            .update(order_id)
            .update_expression("SET attempts = :all, due_ms = :now")
            // A pending order is never given up like this, and a parked one is parked already.
            .condition_expression("#status IN (:cancelling, :fulfilling) AND attribute_not_exists(parked_at_ms)")
            .expression_attribute_values(":cancelling", status_value(Status::Cancelling))
            .expression_attribute_values(":fulfilling", status_value(Status::Fulfilling))
            .expression_attribute_values(":all", number(MAX_ATTEMPTS.into()))
            .expression_attribute_values(":now", number(now_ms));
        decide(update, "use up the order's attempts").await
    }

    /// Reopens an order for recovery, parked or not: its attempts start from zero, and it is due at
    /// `next_due_ms`. The record keeps which operator did that last, and when.
    ///
    /// # Idempotency, cost, errors
    /// As [`Orders::count_attempt`].
    pub async fn take_up(
        &self,
        open: &OpenOrder,
        by: &Actor,
        now_ms: EpochMs,
        next_due_ms: EpochMs,
    ) -> Result<bool, Unavailable> {
        const ATTEMPTED: &str = "reopen the order";
        let update = self
            .update_as_read(open)
            .update_expression(
                "SET #work = :open, due_ms = :next, attempts = :none, taken_up_by = :by, taken_up_ms = :now \
                 REMOVE parked_at_ms",
            )
            .expression_attribute_values(":by", value(by, ATTEMPTED)?)
            .expression_attribute_values(":now", number(now_ms))
            .expression_attribute_names("#work", "work")
            .expression_attribute_values(":open", string(&open_work(open.record.order.order_id())))
            .expression_attribute_values(":next", number(next_due_ms))
            .expression_attribute_values(":none", number(0));
        won(update, ATTEMPTED).await
    }

    fn update_as_read(&self, open: &OpenOrder) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Self::key(open.record.order.order_id())))
            // If the due time has changed, somebody else took the order. If the status has changed, the
            // order counts its attempts anew.
            .condition_expression("#status = :status AND due_ms = :due")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", status_value(open.record.status))
            .expression_attribute_values(":due", number(open.due_ms))
    }
}

async fn won(update: UpdateItemFluentBuilder, attempted: &'static str) -> Result<bool, Unavailable> {
    match update.send().await {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) => {
            Ok(false)
        }
        Err(error) => Err(Unavailable::call(attempted, error)),
    }
}
