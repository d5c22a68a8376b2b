//! The changes of an account's terms.
//!
//! Each change is an item of its own, written in the same transaction as the terms, and never changed. Its number is one
//! more than that of the change before. So the history has no gap, and its order does not depend on any clock.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use order::{Actor, CustomerId, EpochMs};
use saga::{Item, Unavailable};
use serde::{Deserialize, Serialize};

use crate::account::AccountTerms;
use crate::table::{Journal, terms_change_key};

/// The most changes of a page.
pub const MAX_PAGE_SIZE: usize = 100;

const ATTEMPTED: &str = "read the history of the account's terms";

/// A change of an account's terms, as stored without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermsChange {
    /// Counts the changes of the account, from 1.
    pub number: u32,
    /// The terms before; `None` if the account was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<AccountTerms>,
    /// The terms after.
    pub to: AccountTerms,
    /// When.
    pub changed_ms: EpochMs,
    /// Who made it.
    pub changed_by: Actor,
}

/// A part of an account's history, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The changes.
    pub changes: Vec<TermsChange>,
    /// The number before which the history continues, if it does.
    pub next: Option<u32>,
}

impl TermsChange {
    /// The write that adds it to the history.
    pub(crate) fn put(&self, table: &str, customer_id: &CustomerId) -> TransactWriteItem {
        let mut item: Item = serde_dynamo::to_item(self).expect("a change is a map of plain values");
        item.extend(terms_change_key(customer_id, self.number));
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            // The account's condition ensures that no two changes have one number. This keeps a mistake in it from
            // overwriting history.
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .expect("a put with a table and an item is complete");
        TransactWriteItem::builder().put(put).build()
    }
}

impl Journal {
    /// The changes of a customer's terms before the one with this number, or the newest, at most `limit` (which is at most
    /// [`MAX_PAGE_SIZE`]), strongly consistent.
    ///
    /// # Cost
    /// One read unit per 4 KiB, which is about 15 changes.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn terms_history(
        &self,
        customer_id: &CustomerId,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Page, Unavailable> {
        let last = before.map_or(u32::MAX, |before| before.saturating_sub(1));
        let bound = |number| terms_change_key(customer_id, number).remove("sk").expect("the key has it");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :account AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":account", AttributeValue::S(format!("ACCOUNT#{customer_id}")))
            .expression_attribute_values(":first", bound(0))
            .expression_attribute_values(":last", bound(last))
            .scan_index_forward(false)
            .consistent_read(true)
            // One more than is shown, to see whether the history continues.
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX));
        let page = query.send().await.map_err(|error| Unavailable::call(ATTEMPTED, error))?;
        let read = page.items.unwrap_or_default().into_iter().map(serde_dynamo::from_item);
        let changes: Result<Vec<TermsChange>, _> = read.collect();
        let mut changes = changes.map_err(|source| Unavailable::Unreadable { attempted: ATTEMPTED, source })?;
        let more = changes.len() > limit || page.last_evaluated_key.is_some();
        changes.truncate(limit);
        let next = changes.last().filter(|_| more).map(|change| change.number);
        Ok(Page { changes, next })
    }
}
