//! The accounting step: post and reverse.
//!
//! Every order is posted once, in double entry, and an order on invoice terms raises its customer's
//! receivable in the same transaction. Nothing is ever edited: reversing adds an entry that cancels
//! the first one out.
//!
//! [`account`] knows what an invoice does to its customer's account.

pub mod account;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use journal::{Entry, Journal, Reversal, account_key, posting_key, reversal_key};
use order::{EpochMs, Order, OrderId, PaymentTerms};
use saga::{Item, Step, Unavailable};

pub use account::AccountRefusal;

/// The accounting step.
#[derive(Debug, Clone)]
pub struct PostAccounting {
    journal: Journal,
    table: String,
}

impl PostAccounting {
    /// The step on the journal in `table`.
    pub fn new(client: aws_sdk_dynamodb::Client, table: impl Into<String>) -> Self {
        let table = table.into();
        Self { journal: Journal::new(client, &table), table }
    }
}

impl Step for PostAccounting {
    /// The customer's credit limit as it was read, 0 for a customer without an account; `None` for a prepaid
    /// order.
    type Prepared = Option<i64>;
    type Effect = Entry;
    type Refusal = AccountRefusal;

    /// Journal entries are kept forever; only a tombstone, which posts nothing, expires.
    const CANCELLED_FENCE_EXPIRES: bool = false;

    fn fence_key(&self, order_id: &OrderId) -> Item {
        posting_key(order_id)
    }

    fn effect(&self, order: &Order) -> Entry {
        order.into()
    }

    /// Reads the credit limit for an invoice's condition, strongly consistent. A missing account is not a
    /// refusal yet: the order may have been posted before, and then its fence says so.
    async fn prepare(&self, order: &Order) -> Result<Option<i64>, Unavailable> {
        match order.payment_terms {
            PaymentTerms::Prepaid | PaymentTerms::Authorized => Ok(None),
            PaymentTerms::Invoice => {
                let account = self.journal.account(&order.customer_id).await?;
                Ok(Some(account.map_or(0, |account| account.credit_limit_minor)))
            }
        }
    }

    fn apply(&self, order: &Order, credit_limit_minor: &Option<i64>, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        let raise = |limit_minor| account::raise(&self.table, account_key(&order.customer_id), order, limit_minor);
        credit_limit_minor.map(raise).into_iter().collect()
    }

    fn refusal(&self, order: &Order, failed: &[(usize, Option<&Item>)]) -> Option<AccountRefusal> {
        failed.iter().find_map(|(_, old)| account::refusal(order, *old))
    }

    fn undo(&self, order_id: &OrderId, entry: &Entry, now_ms: EpochMs) -> Vec<TransactWriteItem> {
        let reversal = Reversal { effect: entry.reversed(), reversed_ms: now_ms };
        let mut item: Item = serde_dynamo::to_item(reversal).expect("an entry is a map of plain values");
        item.extend(reversal_key(order_id));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            // An entry is written once. The fence already ensures that; this keeps a mistake in the
            // fence from overwriting history.
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .expect("a put with a table and an item is complete");
        let reversal = TransactWriteItem::builder().put(put).build();
        let lower = entry
            .invoiced
            .as_ref()
            .map(|customer_id| account::lower(&self.table, account_key(customer_id), entry.receivable_minor()));
        std::iter::once(reversal).chain(lower).collect()
    }
}
