//! Reading an account, and setting its terms.
//!
//! Setting the terms writes only their own attributes: invoices change the receivable at the same time. The change is
//! added to the [history](crate::history) in the same transaction.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use order::{Actor, CustomerId, EpochMs};
use saga::conflict::Tries;
use saga::transaction::{cancellation_reasons, is_failed_condition, undecided};
use saga::{Item, Unavailable};

use crate::account::{Account, AccountTerms, number};
use crate::history::TermsChange;
use crate::table::{Journal, account_key};

const SET: &str = "set the account's terms";

/// The result of setting terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingTerms {
    /// The terms are as requested.
    Done,
    /// The terms have changed since they were read.
    Changed,
}

impl Journal {
    /// A customer's account, strongly consistent; `None` if there isn't one.
    ///
    /// # Cost
    /// One read unit.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn account(&self, customer_id: &CustomerId) -> Result<Option<Account>, Unavailable> {
        const ATTEMPTED: &str = "read the customer's account";
        let get = self.client.get_item().table_name(&self.table).set_key(Some(account_key(customer_id)));
        let answer = get.consistent_read(true).send().await.map_err(|error| Unavailable::call(ATTEMPTED, error))?;
        answer.item.map(|item| account_of(item, ATTEMPTED)).transpose()
    }

    /// Opens an account that owes nothing yet, unless the customer has one.
    ///
    /// # Idempotency
    /// A retry after a lost answer is [`SettingTerms::Done`], unless somebody has changed the terms
    /// since.
    ///
    /// # Cost
    /// Four write units, because it is a transaction.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn open_account(
        &self,
        customer_id: &CustomerId,
        terms: &AccountTerms,
        by: &Actor,
        now_ms: EpochMs,
    ) -> Result<SettingTerms, Unavailable> {
        let change = TermsChange { number: 1, from: None, to: *terms, changed_ms: now_ms, changed_by: by.clone() };
        let update = Update::builder()
            .update_expression(
                "SET customer_id = :customer, currency = :currency, receivable_minor = :nothing, \
                 credit_limit_minor = :limit, on_hold = :hold, terms_version = :version",
            )
            // Of two clerks who open it at once, the second does not overwrite the first, and what a
            // customer owes is never reset to zero.
            .condition_expression("attribute_not_exists(pk)")
            .expression_attribute_values(":customer", AttributeValue::S(customer_id.to_string()))
            .expression_attribute_values(":currency", AttributeValue::S(terms.currency.code().to_owned()))
            .expression_attribute_values(":nothing", number(0));
        self.write_terms(update, customer_id, &change).await
    }

    /// Sets an account's terms, if they are unchanged since it was `read`. The limit may be below what
    /// the customer owes: then no new invoices are accepted.
    ///
    /// # Idempotency
    /// Terms that are already as requested are [`SettingTerms::Done`], and neither they nor their history change.
    ///
    /// # Cost
    /// Four write units, because it is a transaction. A try that conflicts with an invoice costs as much.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn set_terms(
        &self,
        read: &Account,
        terms: &AccountTerms,
        by: &Actor,
        now_ms: EpochMs,
    ) -> Result<SettingTerms, Unavailable> {
        // Two clerks must not overwrite each other unknowingly. The receivable is not part of the
        // condition, because invoices may change it at any time. The version alone would not do: a release without
        // a history does not count it.
        const UNCHANGED: &str = "currency = :currency AND credit_limit_minor = :read_limit AND on_hold = :read_hold";

        let from = read.terms();
        if from == *terms {
            return Ok(SettingTerms::Done);
        }
        let change = TermsChange {
            number: read.terms_version + 1,
            from: Some(from),
            to: *terms,
            changed_ms: now_ms,
            changed_by: by.clone(),
        };
        let update = Update::builder()
            .update_expression("SET credit_limit_minor = :limit, on_hold = :hold, terms_version = :version")
            .expression_attribute_values(":currency", AttributeValue::S(terms.currency.code().to_owned()))
            .expression_attribute_values(":read_limit", number(from.credit_limit_minor))
            .expression_attribute_values(":read_hold", AttributeValue::Bool(from.on_hold));
        let update = if read.terms_version == 0 {
            update.condition_expression(format!("{UNCHANGED} AND attribute_not_exists(terms_version)"))
        } else {
            update
                .condition_expression(format!("{UNCHANGED} AND terms_version = :read_version"))
                .expression_attribute_values(":read_version", number(read.terms_version.into()))
        };
        self.write_terms(update, &read.customer_id, &change).await
    }

    async fn write_terms(
        &self,
        update: UpdateBuilder,
        customer_id: &CustomerId,
        change: &TermsChange,
    ) -> Result<SettingTerms, Unavailable> {
        let update = update
            .table_name(&self.table)
            .set_key(Some(account_key(customer_id)))
            .expression_attribute_values(":limit", number(change.to.credit_limit_minor))
            .expression_attribute_values(":hold", AttributeValue::Bool(change.to.on_hold))
            .expression_attribute_values(":version", number(change.number.into()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("an update with a table, a key and an expression is complete");
        let writes = vec![TransactWriteItem::builder().update(update).build(), change.put(&self.table, customer_id)];
        let mut tries = Tries::of(change.changed_by.request_id());
        loop {
            let transaction = self.client.transact_write_items().set_transact_items(Some(writes.clone()));
            let Err(error) = transaction.send().await else { return Ok(SettingTerms::Done) };
            match read_reasons(&change.to, &cancellation_reasons(SET, error)?) {
                // An invoice was written at the same time. No workflow retries this, so it is retried here.
                Err(Unavailable::Cancelled { .. }) if tries.again().await => {}
                setting => return setting,
            }
        }
    }
}

/// Reads why the transaction was cancelled: the account first, because it shows whether the terms are as requested, set
/// by a try whose answer was lost, or have been changed by somebody else. Every other reason decides nothing.
fn read_reasons(terms: &AccountTerms, reasons: &[CancellationReason]) -> Result<SettingTerms, Unavailable> {
    let Some(reason) = reasons.first().filter(|reason| is_failed_condition(reason)) else {
        return Err(undecided(SET, reasons));
    };
    let old = reason.item().filter(|item| !item.is_empty()).cloned();
    let found = old.map(|item| account_of(item, SET)).transpose()?;
    let is_so = found.is_some_and(|account| account.terms() == *terms);
    Ok(if is_so { SettingTerms::Done } else { SettingTerms::Changed })
}

fn account_of(item: Item, attempted: &'static str) -> Result<Account, Unavailable> {
    serde_dynamo::from_item(item).map_err(|source| Unavailable::Unreadable { attempted, source })
}
