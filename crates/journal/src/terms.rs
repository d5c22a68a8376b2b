//! Reading an account, and setting its terms.
//!
//! Setting the terms writes only their own attributes: invoices change the receivable at the same time.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use order::CustomerId;
use saga::{Item, Unavailable};

use crate::account::{Account, AccountTerms, number};
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
    /// One write unit.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn open_account(
        &self,
        customer_id: &CustomerId,
        terms: &AccountTerms,
    ) -> Result<SettingTerms, Unavailable> {
        let update = self
            .client
            .update_item()
            .update_expression(
                "SET customer_id = :customer, currency = :currency, receivable_minor = :nothing, \
                 credit_limit_minor = :limit, on_hold = :hold",
            )
            // Of two clerks who open it at once, the second does not overwrite the first, and what a
            // customer owes is never reset to zero.
            .condition_expression("attribute_not_exists(pk)")
            .expression_attribute_values(":customer", AttributeValue::S(customer_id.to_string()))
            .expression_attribute_values(":currency", AttributeValue::S(terms.currency.code().to_owned()))
            .expression_attribute_values(":nothing", number(0));
        self.write_terms(update, customer_id, terms).await
    }

    /// Sets an account's terms, if they are unchanged since they were `read`. The limit may be below what
    /// the customer owes: then no new invoices are accepted.
    ///
    /// # Idempotency
    /// Terms that are already as requested are [`SettingTerms::Done`], and do not change.
    ///
    /// # Cost
    /// One write unit.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn set_terms(
        &self,
        customer_id: &CustomerId,
        read: &AccountTerms,
        terms: &AccountTerms,
    ) -> Result<SettingTerms, Unavailable> {
        if read == terms {
            return Ok(SettingTerms::Done);
        }
        let update = self
            .client
            .update_item()
            .update_expression("SET credit_limit_minor = :limit, on_hold = :hold")
            // Two clerks must not overwrite each other unknowingly. The receivable is not part of the
            // condition, because invoices may change it at any time.
            .condition_expression("currency = :currency AND credit_limit_minor = :read_limit AND on_hold = :read_hold")
            .expression_attribute_values(":currency", AttributeValue::S(terms.currency.code().to_owned()))
            .expression_attribute_values(":read_limit", number(read.credit_limit_minor))
            .expression_attribute_values(":read_hold", AttributeValue::Bool(read.on_hold));
        self.write_terms(update, customer_id, terms).await
    }

    async fn write_terms(
        &self,
        update: UpdateItemFluentBuilder,
        customer_id: &CustomerId,
        terms: &AccountTerms,
    ) -> Result<SettingTerms, Unavailable> {
        let update = update
            .table_name(&self.table)
            .set_key(Some(account_key(customer_id)))
            .expression_attribute_values(":limit", number(terms.credit_limit_minor))
            .expression_attribute_values(":hold", AttributeValue::Bool(terms.on_hold))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(_) => Ok(SettingTerms::Done),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    // They may be as requested, set by a try whose answer was lost.
                    let old = failed.item().filter(|item| !item.is_empty()).cloned();
                    let found = old.map(|item| account_of(item, SET)).transpose()?;
                    let is_so = found.is_some_and(|account| account.terms() == *terms);
                    Ok(if is_so { SettingTerms::Done } else { SettingTerms::Changed })
                }
                _ => Err(Unavailable::call(SET, error)),
            },
        }
    }
}

fn account_of(item: Item, attempted: &'static str) -> Result<Account, Unavailable> {
    serde_dynamo::from_item(item).map_err(|source| Unavailable::Unreadable { attempted, source })
}
