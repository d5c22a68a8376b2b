//! Adjustments: stock that came in, got lost, or was counted differently, as a difference.
//!
//! A difference is added to the current stock, so orders may move stock at the same time. The
//! adjustment's record is written in the same transaction: a repeated request finds the record and
//! changes nothing. Records are kept for good: if one expired, a late repetition would count twice.
//! There are few of them, and they are the store's book of changes other than orders.

use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use order::{Actor, AdjustmentId, EpochMs, Note, Sku, StoreId};
use saga::conflict::Tries;
use saga::transaction::{cancellation_reasons, is_failed_condition, is_undecided, undecided};
use saga::{Item, Unavailable};
use serde::{Deserialize, Serialize};

use crate::pool::State;
use crate::pool::read::root_of;
use crate::stock::{MAX_ON_HAND, Stocks};
use crate::table::{Stock, key, stock_key};

const ATTEMPTED: &str = "adjust the stock";

/// Why stock is adjusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::EnumString)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum AdjustmentReason {
    /// It came in. Only a receipt may be an article's first adjustment.
    Received,
    /// It is gone: broken, stolen, spoilt.
    Lost,
    /// A count found more or less than expected.
    Counted,
}

/// An adjustment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    /// The store.
    pub store_id: StoreId,
    /// The article.
    pub sku: Sku,
    /// How many more there are, or fewer if it is negative. Never zero.
    pub difference: i64,
    /// Why.
    pub reason: AdjustmentReason,
    /// A comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// An adjustment's record, as stored without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdjustmentRecord {
    /// The adjustment, in a map of its own: at the top of an item, `store_id` and `sku` are the keys of
    /// the stock's index.
    pub adjustment: Adjustment,
    /// When it was made.
    pub adjusted_ms: EpochMs,
    /// Who made it. The first release did not record that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjusted_by: Option<Actor>,
}

/// Why an adjustment was not made.
#[derive(Debug, thiserror::Error)]
pub enum AdjustError {
    /// The key was used for another adjustment.
    #[error("the key was used for another adjustment")]
    OtherContent,
    /// The store does not keep the article.
    #[error("the store does not keep the article")]
    UnknownSku,
    /// Open orders would hold more stock than there is.
    #[error("open orders would hold more than there is")]
    Reserved(Box<Stock>),
    /// There is more stock than can be real: a slip, or somebody testing the limit.
    #[error("more than {MAX_ON_HAND} are available already")]
    TooMuch(Box<Stock>),
    /// Nothing is decided.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Stocks {
    /// Makes an adjustment. An article's first receipt adds it to the store's stock.
    ///
    /// # Idempotency
    /// Repeated with the same id and content, it returns the first record and changes nothing. Who repeats it makes no
    /// difference.
    ///
    /// # Cost
    /// Four write units, because it is a transaction, and one for the index if the article is new. A try
    /// that conflicts with another transaction costs as much, and a read unit. If more is taken away than the root of
    /// a [pool](crate::pool) has left, the pool is merged first.
    ///
    /// # Errors
    /// [`AdjustError`].
    pub async fn adjust(
        &self,
        id: &AdjustmentId,
        adjustment: &Adjustment,
        by: &Actor,
        now_ms: EpochMs,
    ) -> Result<AdjustmentRecord, AdjustError> {
        let record =
            AdjustmentRecord { adjustment: adjustment.clone(), adjusted_ms: now_ms, adjusted_by: Some(by.clone()) };
        let writes = vec![self.put(id, &record)?, self.add(adjustment, by, now_ms)?];
        let mut tries = Tries::of(id.as_str());
        loop {
            let transaction = self.client.transact_write_items().set_transact_items(Some(writes.clone()));
            let Err(error) = transaction.send().await else { return Ok(record) };
            match read_reasons(adjustment, &cancellation_reasons(ATTEMPTED, error)?) {
                Ok(Answer::Made(record)) => return Ok(record),
                Ok(Answer::Spread) => {
                    self.merged(&adjustment.store_id, &adjustment.sku, id.as_str()).await?;
                    if !tries.at_once() {
                        return Err(Unavailable::Contended { attempted: ATTEMPTED }.into());
                    }
                }
                // No workflow retries this, so it is retried here. That is safe: the record shows whether
                // an earlier try succeeded.
                Err(error @ AdjustError::Unavailable(Unavailable::Cancelled { .. })) => {
                    if !tries.again().await {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
            // The other transaction may have been this very adjustment, sent twice at once.
            if let Some(made) = self.made(id).await? {
                return same(made, adjustment);
            }
        }
    }

    async fn made(&self, id: &AdjustmentId) -> Result<Option<AdjustmentRecord>, Unavailable> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(adjustment_key(id)));
        let answer = get.consistent_read(true).send().await.map_err(|error| Unavailable::call(ATTEMPTED, error))?;
        answer.item.map(record_of).transpose()
    }

    fn put(&self, id: &AdjustmentId, record: &AdjustmentRecord) -> Result<TransactWriteItem, Unavailable> {
        let mut item: Item =
            serde_dynamo::to_item(record).map_err(|source| Unavailable::Unreadable { attempted: ATTEMPTED, source })?;
        item.extend(adjustment_key(id));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            // Made once, no matter how many times it is sent.
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("a put with a table and an item is complete");
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn add(&self, adjustment: &Adjustment, by: &Actor, now_ms: EpochMs) -> Result<TransactWriteItem, Unavailable> {
        let Adjustment { store_id, sku, difference, reason, .. } = adjustment;
        let number = |value: i64| AttributeValue::N(value.to_string());
        let actor = serde_dynamo::to_attribute_value(by)
            .map_err(|source| Unavailable::Unreadable { attempted: ATTEMPTED, source })?;
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(stock_key(store_id, sku)))
            .expression_attribute_values(":difference", number(*difference))
            .expression_attribute_values(":by", actor)
            .expression_attribute_values(":now", number(now_ms))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = if *reason == AdjustmentReason::Received {
            update
                // A receipt may be of a new article. Setting the keys of an item that has them changes
                // nothing, and so writes no index.
                .update_expression(
                    "SET store_id = :store, sku = :sku, reserved = if_not_exists(reserved, :none), \
                     available = if_not_exists(available, :none) + :difference, changed_by = :by, changed_ms = :now",
                )
                .condition_expression("attribute_not_exists(available) OR available <= :most")
                .expression_attribute_values(":most", number(MAX_ON_HAND))
                .expression_attribute_values(":store", AttributeValue::S(store_id.to_string()))
                .expression_attribute_values(":sku", AttributeValue::S(sku.to_string()))
                .expression_attribute_values(":none", number(0))
        } else {
            update
                .update_expression("SET available = available + :difference, changed_by = :by, changed_ms = :now")
                // Orders hold the rest, so `available` never goes below zero. An article that the store
                // does not keep has no `available`, and fails the condition too.
                .condition_expression("available BETWEEN :least AND :most")
                .expression_attribute_values(":least", number((-difference).max(0)))
                // Stock may be taken away from any amount.
                .expression_attribute_values(":most", number(if *difference > 0 { MAX_ON_HAND } else { i64::MAX }))
        };
        let update = update.build().expect("an update with a table, a key and an expression is complete");
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// The key of an adjustment's record.
pub fn adjustment_key(id: &AdjustmentId) -> Item {
    key(format!("ADJUSTMENT#{id}"))
}

/// What a cancelled transaction says.
enum Answer {
    /// The adjustment was made before.
    Made(AdjustmentRecord),
    /// The root of a pool has too little left, which says nothing about the article: it must be merged.
    Spread,
}

/// Reads why an adjustment's transaction was cancelled: its record first, because it may show that this
/// very adjustment was made before; then the reasons that decide nothing; the stock last.
fn read_reasons(adjustment: &Adjustment, reasons: &[CancellationReason]) -> Result<Answer, AdjustError> {
    if let Some(reason) = reasons.first().filter(|reason| is_failed_condition(reason)) {
        let item = reason.item().ok_or(Unavailable::Contended { attempted: ATTEMPTED })?.clone();
        return same(record_of(item)?, adjustment).map(Answer::Made);
    }
    if !reasons.iter().any(is_undecided)
        && let Some(reason) = reasons.get(1).filter(|reason| is_failed_condition(reason))
    {
        return Err(match reason.item().filter(|item| !item.is_empty()) {
            None => AdjustError::UnknownSku,
            Some(item) => {
                let root = root_of(item.clone(), ATTEMPTED)?;
                if root.available > MAX_ON_HAND {
                    AdjustError::TooMuch(Box::new(root.stock()))
                } else if root.state() == State::Whole {
                    AdjustError::Reserved(Box::new(root.stock()))
                } else {
                    return Ok(Answer::Spread);
                }
            }
        });
    }
    Err(undecided(ATTEMPTED, reasons).into())
}

fn record_of(item: Item) -> Result<AdjustmentRecord, Unavailable> {
    serde_dynamo::from_item(item).map_err(|source| Unavailable::Unreadable { attempted: ATTEMPTED, source })
}

/// The record, if its adjustment is the same.
fn same(made: AdjustmentRecord, adjustment: &Adjustment) -> Result<AdjustmentRecord, AdjustError> {
    if made.adjustment == *adjustment { Ok(made) } else { Err(AdjustError::OtherContent) }
}
