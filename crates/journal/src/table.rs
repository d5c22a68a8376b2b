//! The journal table: the orders' entries, and the customers' accounts.
//!
//! | item | key `pk` | key `sk` | attributes |
//! |---|---|---|---|
//! | posting | `ORDER#<order id>` | `POSTING` | a fence whose effect is an [`Entry`] |
//! | reversal | `ORDER#<order id>` | `REVERSAL` | `effect`, the posting's entry with opposite signs |
//! | settlement | `ORDER#<order id>` | `SETTLEMENT` | a [`Settlement`]: the payment was captured |
//! | its reversal | `ORDER#<order id>` | `SETTLEMENT_REVERSAL` | a [`Settlement`]: it was refunded |
//! | account | `ACCOUNT#<customer>` | `TERMS` | an [`Account`](crate::Account) |
//! | change of its terms | `ACCOUNT#<customer>` | `TERMS#<number>` | a [`TermsChange`](crate::TermsChange) |

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use order::{Currency, CustomerId, EpochMs, Order, OrderId, PaymentTerms};
use saga::Item;
use serde::{Deserialize, Serialize};

/// The table's name, as it declares itself.
pub const TABLE: &str = "journal";

/// The ledger account for payments of prepaid orders.
pub const CASH: &str = "CASH";

/// The ledger account for what customers owe on invoice.
pub const RECEIVABLES: &str = "RECEIVABLES";

/// The ledger account for payments that are authorised and not captured yet.
pub const CARD_RECEIVABLES: &str = "CARD_RECEIVABLES";

/// The ledger account for what the payment provider has captured, and owes until it pays it out.
pub const PAYMENT_PROVIDER: &str = "PAYMENT_PROVIDER";

/// The ledger account for sales.
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
            PaymentTerms::Authorized => (CARD_RECEIVABLES, None),
            PaymentTerms::Invoice => (RECEIVABLES, Some(order.customer_id.clone())),
        };
        Self { currency: order.currency, invoiced, lines: transfer(account, SALES, order.total_minor) }
    }
}

/// Debits one account and credits another.
fn transfer(debited: &str, credited: &str, amount_minor: i64) -> Vec<EntryLine> {
    let line = |account: &str, amount_minor| EntryLine { account: account.to_owned(), amount_minor };
    vec![line(debited, amount_minor), line(credited, -amount_minor)]
}

impl Entry {
    /// The entry of a captured payment: what was authorised is now owed by the payment provider.
    pub fn of_capture(currency: Currency, amount_minor: i64) -> Self {
        Self { currency, invoiced: None, lines: transfer(PAYMENT_PROVIDER, CARD_RECEIVABLES, amount_minor) }
    }

    /// The entry that cancels this one out.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let turn = |line: &EntryLine| EntryLine { account: line.account.clone(), amount_minor: -line.amount_minor };
        Self { lines: self.lines.iter().map(turn).collect(), ..self.clone() }
    }

    /// Whether it is the posting of an order with an authorised payment, which is settled by a further entry.
    pub fn is_authorised(&self) -> bool {
        self.lines.first().is_some_and(|line| line.account == CARD_RECEIVABLES)
    }

    /// By how much it raises the customer's receivable.
    pub fn receivable_minor(&self) -> i64 {
        self.lines.iter().filter(|line| line.account == RECEIVABLES).map(|line| line.amount_minor).sum()
    }
}

/// A reversal as stored, without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reversal {
    /// The posting's entry with opposite signs.
    pub effect: Entry,
    /// When it was written.
    pub reversed_ms: EpochMs,
}

/// The settlement of an order's payment, or its reversal, as stored without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The entry.
    pub effect: Entry,
    /// When it was written.
    pub posted_ms: EpochMs,
}

/// The journal.
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
}

/// The key of a customer's account.
pub fn account_key(customer_id: &CustomerId) -> Item {
    key(format!("ACCOUNT#{customer_id}"), "TERMS")
}

/// The key of a change of a customer's terms. The number has as many digits as the largest has, so that the changes of an
/// account are sorted by it.
pub fn terms_change_key(customer_id: &CustomerId, number: u32) -> Item {
    key(format!("ACCOUNT#{customer_id}"), &format!("TERMS#{number:010}"))
}

/// The key of an order's posting.
pub fn posting_key(order_id: &OrderId) -> Item {
    key(format!("ORDER#{order_id}"), "POSTING")
}

/// The key of the reversal of an order's posting.
pub fn reversal_key(order_id: &OrderId) -> Item {
    key(format!("ORDER#{order_id}"), "REVERSAL")
}

/// The key of the settlement of an order's payment.
pub fn settlement_key(order_id: &OrderId) -> Item {
    key(format!("ORDER#{order_id}"), "SETTLEMENT")
}

/// The key of the reversal of that settlement.
pub fn settlement_reversal_key(order_id: &OrderId) -> Item {
    key(format!("ORDER#{order_id}"), "SETTLEMENT_REVERSAL")
}

/// The key of an item that never exists.
pub fn absent_key() -> Item {
    key("-".to_owned(), "-")
}

fn key(pk: String, sk: &str) -> Item {
    Item::from([("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::S(sk.to_owned()))])
}
