//! The journal table: the orders' entries, and the customers' accounts.
//!
//! | item | key `pk` | key `sk` | attributes |
//! |---|---|---|---|
//! | posting | `ORDER#<order id>` | `POSTING` | a fence whose effect is an [`Entry`] |
//! | reversal | `ORDER#<order id>` | `REVERSAL` | `effect`, the posting's entry with its signs turned |
//! | account | `ACCOUNT#<customer>` | `TERMS` | an [`Account`](crate::Account) |

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use order::{Currency, CustomerId, EpochMs, Order, OrderId, PaymentTerms};
use saga::{Item, Step, Unavailable};
use serde::{Deserialize, Serialize};

use crate::account::{self, Refusal};

/// The table's name on Lambda comes from this variable.
pub const TABLE_VARIABLE: &str = "JOURNAL_TABLE";

/// The ledger account that prepaid orders are paid into.
pub const CASH: &str = "CASH";

/// The ledger account of what customers owe on invoice.
pub const RECEIVABLES: &str = "RECEIVABLES";

/// The ledger account of what was sold.
pub const SALES: &str = "SALES";

/// A journal entry: its lines add up to zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The currency of its amounts.
    pub currency: Currency,
    /// The customer whose receivable it changes, for an order on invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoiced: Option<CustomerId>,
    /// The lines.
    pub lines: Vec<EntryLine>,
}

/// One line of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryLine {
    /// The ledger account.
    pub account: String,
    /// Debits are positive, credits negative.
    pub amount_minor: i64,
}

impl From<&Order> for Entry {
    fn from(order: &Order) -> Self {
        let (account, invoiced) = match order.payment_terms {
            PaymentTerms::Prepaid => (CASH, None),
            PaymentTerms::Invoice => (RECEIVABLES, Some(order.customer_id.clone())),
        };
        let line = |account: &str, amount_minor| EntryLine { account: account.to_owned(), amount_minor };
        let lines = vec![line(account, order.total_minor), line(SALES, -order.total_minor)];
        Self { currency: order.currency, invoiced, lines }
    }
}

impl Entry {
    /// The entry that cancels this one out.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let turn = |line: &EntryLine| EntryLine { account: line.account.clone(), amount_minor: -line.amount_minor };
        Self { lines: self.lines.iter().map(turn).collect(), ..self.clone() }
    }

    /// How much it raises the customer's receivable by.
    fn receivable_minor(&self) -> i64 {
        self.lines.iter().filter(|line| line.account == RECEIVABLES).map(|line| line.amount_minor).sum()
    }
}

/// A reversal as stored, beside its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reversal {
    /// The posting's entry with its signs turned.
    pub effect: Entry,
    /// When it was written.
    pub reversed_ms: EpochMs,
}

/// What the step is asked to post.
#[derive(Debug, Clone)]
pub struct Posting {
    /// The order.
    pub order: Order,
    /// The customer's credit limit as it was read; `None` for a prepaid order.
    pub terms: Option<Terms>,
}

/// The terms of an account, as read before an invoice.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    credit_limit_minor: i64,
}

/// The accounting step.
#[derive(Debug, Clone)]
pub struct Journal {
    pub(crate) client: Client,
    pub(crate) table: String,
}

impl Journal {
    /// The journal in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The key of a customer's account.
    pub fn account_key(customer_id: &CustomerId) -> Item {
        key(format!("ACCOUNT#{customer_id}"), "TERMS")
    }

    /// The key of an item that never exists.
    pub fn absent_key() -> Item {
        key("-".to_owned(), "-")
    }

    /// Reads the terms that an invoice's condition is computed from, strongly consistent. A missing
    /// account is no refusal yet: the order may have been posted before, and its fence says so.
    pub(crate) async fn read_terms(&self, customer_id: &CustomerId) -> Result<Terms, Unavailable> {
        let account = self.account(customer_id).await?;
        Ok(Terms { credit_limit_minor: account.map_or(0, |account| account.credit_limit_minor) })
    }
}

fn key(pk: String, sk: &str) -> Item {
    Item::from([("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::S(sk.to_owned()))])
}

pub(crate) fn order_key(order_id: &OrderId, sk: &str) -> Item {
    key(format!("ORDER#{order_id}"), sk)
}

impl Step for Journal {
    type Request = Posting;
    type Effect = Entry;
    type Refusal = Refusal;

    /// Journal entries are kept for good; only a tombstone, which posts nothing, expires.
    const CANCELLED_FENCE_EXPIRES: bool = false;

    fn fence_key(&self, order_id: &OrderId) -> Item {
        order_key(order_id, "POSTING")
    }

    fn effect(&self, posting: &Posting) -> Entry {
        (&posting.order).into()
    }

    fn apply(&self, posting: &Posting, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        let Posting { order, terms } = posting;
        let raise = |terms: &Terms| {
            account::raise(&self.table, Self::account_key(&order.customer_id), order, terms.credit_limit_minor)
        };
        terms.iter().map(raise).collect()
    }

    fn refusal(&self, posting: &Posting, failed: &[(usize, Option<&Item>)]) -> Option<Refusal> {
        failed.iter().find_map(|(_, old)| account::refusal(&posting.order, *old))
    }

    fn undo(&self, order_id: &OrderId, entry: &Entry, now_ms: EpochMs) -> Vec<TransactWriteItem> {
        let reversal = Reversal { effect: entry.reversed(), reversed_ms: now_ms };
        let mut item: Item = serde_dynamo::to_item(reversal).expect("an entry is a map of plain values");
        item.extend(order_key(order_id, "REVERSAL"));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            // An entry is written once. The fence beside it holds already, and this keeps a mistake
            // in it from overwriting history.
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .expect("a put with a table and an item is complete");
        let reversal = TransactWriteItem::builder().put(put).build();
        let lower = entry
            .invoiced
            .as_ref()
            .map(|customer_id| account::lower(&self.table, Self::account_key(customer_id), entry.receivable_minor()));
        std::iter::once(reversal).chain(lower).collect()
    }
}
