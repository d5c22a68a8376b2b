//! Stock for operations: reading it, and setting it to a count.
//!
//! Orders move stock at the same time. So a write that depends on a number read before is conditional on
//! that number being unchanged.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use order::{Actor, EpochMs, Sku, StoreId};
use saga::{Item, Unavailable};

use crate::pool::State;
use crate::pool::read::root_of;
use crate::table::{Stock, stock_key};

/// The most that stock can be set to or adjusted by, and the most that may be available before more is
/// added: a million millions, far below the point where JSON numbers are no longer exact.
pub const MAX_ON_HAND: i64 = 1_000_000_000_000;

/// The stock in a table, for operations.
#[derive(Debug, Clone)]
pub struct Stocks {
    pub(crate) client: Client,
    pub(crate) table: String,
}

/// The result of setting stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// The stock is as requested.
    Done(Stock),
    /// The stock has changed since it was read.
    Changed,
    /// Open orders hold more than was requested; the stock is unchanged.
    Reserved(Stock),
}

impl Stocks {
    /// The stock in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// An article's stock, strongly consistent; `None` if the store does not keep it. The shards of a [pool] are read
    /// one after the other: while orders move stock, the sum may count a piece twice or not at all.
    ///
    /// [pool]: crate::pool
    ///
    /// # Cost
    /// One read unit, and one for each shard.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn read(&self, store_id: &StoreId, sku: &Sku) -> Result<Option<Stock>, Unavailable> {
        match self.root(store_id, sku).await? {
            None => Ok(None),
            Some(root) => self.sum(root).await.map(Some),
        }
    }

    /// Adds an article that the store did not keep, with this much on hand.
    ///
    /// # Idempotency
    /// A retry after a lost answer is [`Setting::Done`]. So is stock that somebody else created with the
    /// same number, if none of it is reserved or gone yet: then it is the other one who has set it.
    ///
    /// # Cost
    /// Two write units, one of them for the index.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn create(
        &self,
        store_id: &StoreId,
        sku: &Sku,
        on_hand: i64,
        by: &Actor,
        now_ms: EpochMs,
    ) -> Result<Setting, Unavailable> {
        const ATTEMPTED: &str = "create the stock";
        let stock = Stock {
            changed_by: Some(by.clone()),
            changed_ms: Some(now_ms),
            ..Stock::new(store_id.clone(), sku.clone(), on_hand, 0)
        };
        let mut item: Item =
            serde_dynamo::to_item(&stock).map_err(|source| Unavailable::Unreadable { attempted: ATTEMPTED, source })?;
        item.extend(stock_key(store_id, sku));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            // Of two clerks who create it at once with different numbers, the second gets `Changed`.
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(Setting::Done(stock)),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => found(failed.item(), &stock, ATTEMPTED),
                _ => Err(Unavailable::call(ATTEMPTED, error)),
            },
        }
    }

    /// Sets what is on hand, if the stock is whole and unchanged since it was `read`. Who did that and when is on the
    /// stock item, which stays below 1 KiB, so that orders pay nothing for it.
    ///
    /// # Idempotency
    /// A retry after a lost answer is [`Setting::Done`]. Nothing is written if there is that much on hand
    /// already.
    ///
    /// # Cost
    /// One write unit. No index is written, because no key changes.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn set(&self, read: &Stock, on_hand: i64, by: &Actor, now_ms: EpochMs) -> Result<Setting, Unavailable> {
        const ATTEMPTED: &str = "set the stock";
        if read.on_hand() == on_hand {
            return Ok(Setting::Done(read.clone()));
        }
        if on_hand < read.reserved {
            return Ok(Setting::Reserved(read.clone()));
        }
        let set = Stock {
            available: on_hand - read.reserved,
            changed_by: Some(by.clone()),
            changed_ms: Some(now_ms),
            ..read.clone()
        };
        let actor = serde_dynamo::to_attribute_value(by);
        let actor = actor.map_err(|source| Unavailable::Unreadable { attempted: ATTEMPTED, source })?;
        let number = |value: i64| AttributeValue::N(value.to_string());
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(stock_key(&read.store_id, &read.sku)))
            .update_expression("SET available = :set, changed_by = :by, changed_ms = :now")
            // The new number is computed from what was read. Without the condition it would overwrite
            // an order's or a delivery's change since then. The root of a pool may have the same numbers as before it
            // was spread, and is not all there is.
            .condition_expression("available = :available AND reserved = :reserved AND attribute_not_exists(phase)")
            .expression_attribute_values(":set", number(set.available))
            .expression_attribute_values(":by", actor)
            .expression_attribute_values(":now", number(now_ms))
            .expression_attribute_values(":available", number(read.available))
            .expression_attribute_values(":reserved", number(read.reserved))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(_) => Ok(Setting::Done(set)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => found(failed.item(), &set, ATTEMPTED),
                _ => Err(Unavailable::call(ATTEMPTED, error)),
            },
        }
    }
}

/// The result after a failed condition: `Done` if the stock is exactly as requested, set by a try whose
/// answer was lost. The same number on hand is not enough: a hand-over can lead to that number too.
fn found(old: Option<&Item>, wanted: &Stock, attempted: &'static str) -> Result<Setting, Unavailable> {
    let Some(old) = old.filter(|item| !item.is_empty()) else { return Ok(Setting::Changed) };
    let root = root_of(old.clone(), attempted)?;
    let is_whole = root.state() == State::Whole;
    let stock = root.stock();
    Ok(if is_whole && stock.counts_same(wanted) { Setting::Done(stock) } else { Setting::Changed })
}
