//! What an invoice does to its customer's account.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use journal::Account;
use order::{Currency, CustomerId, Order};
use saga::{Item, Refusal};

/// Why accounting refuses an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum AccountRefusal {
    /// The invoice would exceed the customer's credit limit.
    #[error("the order exceeds what is left of the credit limit of {customer_id}")]
    CreditLimitExceeded {
        /// The customer.
        customer_id: CustomerId,
    },
    /// The account takes no new invoices.
    #[error("the account of {customer_id} is on hold")]
    AccountOnHold {
        /// The customer.
        customer_id: CustomerId,
    },
    /// There is no account to invoice.
    #[error("{customer_id} has no account to invoice")]
    UnknownAccount {
        /// The customer.
        customer_id: CustomerId,
    },
    /// The account is kept in another currency.
    #[error("the account of {customer_id} is in {account}, and the order is in {ordered}")]
    CurrencyMismatch {
        /// The customer.
        customer_id: CustomerId,
        /// The account's currency.
        account: Currency,
        /// The order's.
        ordered: Currency,
    },
}

impl Refusal for AccountRefusal {
    fn name(&self) -> &'static str {
        self.into()
    }
}

/// The write that raises a customer's receivable by an order's total, if the account allows it.
///
/// A condition has no arithmetic. So the rest of the limit is computed from the limit as it was read,
/// and the condition requires that the limit is still the same. For an account that was not found,
/// `limit_minor` is 0; the condition then fails, and the missing old item shows why.
pub(crate) fn raise(table: &str, key: Item, order: &Order, limit_minor: i64) -> TransactWriteItem {
    let update = Update::builder()
        .table_name(table)
        .set_key(Some(key))
        .update_expression("SET receivable_minor = receivable_minor + :total")
        // The customer may owe no more than the limit, even if other invoices and changed terms come
        // in at the same time.
        .condition_expression(
            "on_hold = :no AND currency = :currency AND credit_limit_minor = :limit AND receivable_minor <= :rest",
        )
        .expression_attribute_values(":total", number(order.total_minor))
        .expression_attribute_values(":no", AttributeValue::Bool(false))
        .expression_attribute_values(":currency", AttributeValue::S(order.currency.code().to_owned()))
        .expression_attribute_values(":limit", number(limit_minor))
        .expression_attribute_values(":rest", number(limit_minor - order.total_minor))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .expect("an update with a table, a key and an expression is complete");
    TransactWriteItem::builder().update(update).build()
}

/// The write that takes an order's total off again. Its only condition is the fence's: an account that
/// was put on hold since must not block a roll-back.
pub(crate) fn lower(table: &str, key: Item, total_minor: i64) -> TransactWriteItem {
    let update = Update::builder()
        .table_name(table)
        .set_key(Some(key))
        .update_expression("ADD receivable_minor :less")
        .expression_attribute_values(":less", number(-total_minor))
        .build()
        .expect("an update with a table, a key and an expression is complete");
    TransactWriteItem::builder().update(update).build()
}

/// Why the account refuses the order, judged by the account as it was when the condition failed. `None`
/// if it does not: its terms changed after they were read, and another attempt may succeed.
pub(crate) fn refusal(order: &Order, old: Option<&Item>) -> Option<AccountRefusal> {
    let customer_id = order.customer_id.clone();
    let Some(old) = old.filter(|item| !item.is_empty()) else {
        return Some(AccountRefusal::UnknownAccount { customer_id });
    };
    let account: Account = serde_dynamo::from_item(old.clone()).ok()?;
    if account.on_hold {
        return Some(AccountRefusal::AccountOnHold { customer_id });
    }
    if account.currency != order.currency {
        return Some(AccountRefusal::CurrencyMismatch {
            customer_id,
            account: account.currency,
            ordered: order.currency,
        });
    }
    let exceeded = account.receivable_minor > account.credit_limit_minor - order.total_minor;
    exceeded.then_some(AccountRefusal::CreditLimitExceeded { customer_id })
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
