//! The order as the saga passes it on, and its fingerprint.

use std::collections::BTreeSet;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::{CorrelationId, CountyId, CustomerId, OrderId, PaymentReference, Sku, StoreId, Tenant};
use crate::money::{Currency, MAX_AMOUNT_MINOR};

/// The most lines of an order: a reservation of this many fits in one DynamoDB transaction, which takes
/// [100 items](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html).
pub const MAX_LINES: usize = 50;

/// The largest quantity of a line.
pub const MAX_QUANTITY: u32 = 1_000_000;

/// One article of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The article.
    pub sku: Sku,
    /// How many, 1 to [`MAX_QUANTITY`].
    pub quantity: u32,
    /// The price of one.
    pub price_minor: i64,
}

/// When the customer pays.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentTerms {
    /// Paid when ordered.
    #[default]
    Prepaid,
    /// On the customer's account, within its credit limit.
    Invoice,
    /// By a card that the customer has authorised at checkout: the saga captures the payment.
    Authorized,
}

/// The content of an order that has no id yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The customer.
    pub customer_id: CustomerId,
    /// The store whose stock it draws on.
    pub store_id: StoreId,
    /// The county it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub county_id: Option<CountyId>,
    /// When it is paid.
    pub payment_terms: PaymentTerms,
    /// The reference of the payment or of the purchase order. An authorised payment's is the provider's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_reference: Option<PaymentReference>,
    /// The currency of every amount in it.
    pub currency: Currency,
    /// 1 to [`MAX_LINES`] lines, each for a different article.
    pub lines: Vec<OrderLine>,
    /// Σ quantity × price.
    pub total_minor: i64,
}

/// An order that satisfies every rule of the domain; see [`Order::place`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Order {
    order_id: OrderId,
    tenant: Tenant,
    fingerprint: Fingerprint,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<CorrelationId>,
    #[serde(flatten)]
    draft: Draft,
}

impl Order {
    /// Gives a draft its id and its owner.
    ///
    /// # Errors
    /// [`InvalidOrder`], if the draft breaks a rule that spans its fields.
    pub fn place(order_id: OrderId, tenant: Tenant, draft: Draft) -> Result<Self, InvalidOrder> {
        check(&draft)?;
        Ok(Self { order_id, tenant, fingerprint: Fingerprint::of(&draft), correlation_id: None, draft })
    }

    /// The order, placed by the request with this name. It is no part of what was ordered.
    #[must_use]
    pub fn correlated(self, correlation_id: CorrelationId) -> Self {
        Self { correlation_id: Some(correlation_id), ..self }
    }

    /// Its id.
    pub fn order_id(&self) -> &OrderId {
        &self.order_id
    }

    /// The tenant that owns it.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The name of the request that placed it, if that is known.
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.correlation_id.as_ref()
    }

    /// Its content's fingerprint.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

impl Deref for Order {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.draft
    }
}

/// An order from outside this process, unchecked.
#[derive(Deserialize)]
struct Stored {
    order_id: OrderId,
    tenant: Tenant,
    fingerprint: Fingerprint,
    #[serde(default)]
    correlation_id: Option<CorrelationId>,
    #[serde(flatten)]
    draft: Draft,
}

impl TryFrom<Stored> for Order {
    type Error = InvalidOrder;

    /// Keeps the fingerprint as it is: it was computed when the order was placed, perhaps with an
    /// earlier version of the normalisation.
    fn try_from(stored: Stored) -> Result<Self, InvalidOrder> {
        let Stored { order_id, tenant, fingerprint, correlation_id, draft } = stored;
        check(&draft)?;
        Ok(Self { order_id, tenant, fingerprint, correlation_id, draft })
    }
}

/// A broken rule that spans several fields of an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrder {
    /// No lines, or more than one transaction takes.
    #[error("an order has 1 to {MAX_LINES} lines, not {0}")]
    LineCount(usize),
    /// Two lines for one article.
    #[error("an order has one line per article, and {0} has two")]
    DuplicateSku(Sku),
    /// A quantity out of its range.
    #[error("the quantity of {0} is not 1 to {MAX_QUANTITY}")]
    Quantity(Sku),
    /// A price out of its range.
    #[error("the price of {0} is not 0 to {MAX_AMOUNT_MINOR} minor units")]
    Price(Sku),
    /// The lines add up to more than the largest amount.
    #[error("the lines add up to more than {MAX_AMOUNT_MINOR} minor units")]
    SumTooLarge,
    /// The total is not the sum.
    #[error("the total is {total_minor} minor units, but the lines add up to {sum_minor}")]
    Total {
        /// The order's total.
        total_minor: i64,
        /// The sum of its lines.
        sum_minor: i64,
    },
    /// An authorised payment that is not named, or whose name cannot be a payment's.
    #[error("an order with an authorised payment names the payment, with {PAYMENT_IDS}")]
    Payment,
    /// A payment of nothing.
    #[error("an authorised payment is of more than nothing")]
    NothingToPay,
}

/// What the `payment_reference` of an authorised payment consists of. It becomes part of a URL.
pub(crate) const PAYMENT_IDS: &str = "1 to 64 letters, digits and underscores";

/// The longest id of a payment.
const MAX_PAYMENT_CHARS: usize = 64;

/// Whether a reference can be a payment's id at the payment provider.
pub(crate) fn is_payment(reference: &PaymentReference) -> bool {
    let text = reference.as_str();
    text.len() <= MAX_PAYMENT_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn check(draft: &Draft) -> Result<(), InvalidOrder> {
    if draft.lines.is_empty() || draft.lines.len() > MAX_LINES {
        return Err(InvalidOrder::LineCount(draft.lines.len()));
    }
    let mut seen = BTreeSet::new();
    for line in &draft.lines {
        if !seen.insert(&line.sku) {
            return Err(InvalidOrder::DuplicateSku(line.sku.clone()));
        }
        if !(1..=MAX_QUANTITY).contains(&line.quantity) {
            return Err(InvalidOrder::Quantity(line.sku.clone()));
        }
        if !(0..=MAX_AMOUNT_MINOR).contains(&line.price_minor) {
            return Err(InvalidOrder::Price(line.sku.clone()));
        }
    }
    if draft.payment_terms == PaymentTerms::Authorized {
        if !draft.payment_reference.as_ref().is_some_and(is_payment) {
            return Err(InvalidOrder::Payment);
        }
        if draft.total_minor == 0 {
            return Err(InvalidOrder::NothingToPay);
        }
    }
    let sum_minor = sum_minor(&draft.lines).ok_or(InvalidOrder::SumTooLarge)?;
    if sum_minor != draft.total_minor {
        return Err(InvalidOrder::Total { total_minor: draft.total_minor, sum_minor });
    }
    Ok(())
}

/// Σ quantity × price, or `None` beyond [`MAX_AMOUNT_MINOR`].
pub(crate) fn sum_minor(lines: &[OrderLine]) -> Option<i64> {
    lines
        .iter()
        .try_fold(0_i64, |sum, line| sum.checked_add(line.price_minor.checked_mul(line.quantity.into())?))
        .filter(|sum| *sum <= MAX_AMOUNT_MINOR)
}

/// An order's content in 66 characters: two bodies with the same meaning have the same fingerprint.
///
/// It starts with the version of the normalisation, so that a release with another normalisation can
/// still compare it with older orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Version 1: the draft as JSON with its defaults filled in, amounts in minor units, the lines
    /// sorted by article.
    fn of(draft: &Draft) -> Self {
        let mut normal = draft.clone();
        normal.lines.sort_by(|a, b| a.sku.cmp(&b.sku));
        let json = serde_json::to_vec(&normal).expect("a draft has string keys only, so it is always JSON");
        Self(format!("1:{}", hex::encode(Sha256::digest(json))))
    }

    /// The text as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sku: &str, quantity: u32, price_minor: i64) -> OrderLine {
        OrderLine { sku: sku.parse().unwrap(), quantity, price_minor }
    }

    fn draft(lines: Vec<OrderLine>) -> Draft {
        Draft {
            customer_id: "demo123".parse().unwrap(),
            store_id: "main".parse().unwrap(),
            county_id: None,
            payment_terms: PaymentTerms::Prepaid,
            payment_reference: None,
            currency: "USD".parse().unwrap(),
            total_minor: sum_minor(&lines).unwrap_or(0),
            lines,
        }
    }

    fn place(draft: Draft) -> Result<Order, InvalidOrder> {
        Order::place("0123456789abcdef0123456789abcdef".parse().unwrap(), "shop".parse().unwrap(), draft)
    }

    #[test]
    fn the_order_of_the_lines_does_not_matter_to_the_fingerprint() {
        let one = place(draft(vec![line("A", 1, 100), line("B", 2, 50)])).unwrap();
        let other = place(draft(vec![line("B", 2, 50), line("A", 1, 100)])).unwrap();
        assert_eq!(one.fingerprint(), other.fingerprint());
        let third = place(draft(vec![line("A", 2, 50), line("B", 1, 100)])).unwrap();
        assert_ne!(one.fingerprint(), third.fingerprint());
    }

    #[test]
    fn a_fingerprint_never_changes_between_releases() {
        let order = place(draft(vec![line("A", 1, 100)])).unwrap();
        assert_eq!(order.fingerprint().as_str(), "1:2080192db05e60355b719e27c3ee91244b48c2b52a48fb5430ae7f4f1995a337");
    }

    #[test]
    fn rules_that_span_fields_are_checked_also_when_an_order_is_read() {
        let order = place(draft(vec![line("A", 1, 100)])).unwrap();
        let json = serde_json::to_string(&order).unwrap();
        assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order);
        for (from, to) in [("\"total_minor\":100", "\"total_minor\":99"), ("\"quantity\":1", "\"quantity\":0")] {
            assert!(serde_json::from_str::<Order>(&json.replace(from, to)).is_err(), "{to}");
        }
        assert_eq!(place(draft(vec![])), Err(InvalidOrder::LineCount(0)));
        let twice = draft(vec![line("A", 1, 1), line("A", 1, 1)]);
        assert_eq!(place(twice), Err(InvalidOrder::DuplicateSku("A".parse().unwrap())));
        let huge = draft(vec![line("A", 2, MAX_AMOUNT_MINOR)]);
        assert_eq!(place(huge), Err(InvalidOrder::SumTooLarge));
    }

    #[test]
    fn the_largest_order_fits_in_a_payload_many_times_over() {
        let text = "x".repeat(62);
        let lines = (10..60).map(|i| line(&format!("{text}{i}"), 1, 1)).collect();
        let json = serde_json::to_string(&place(draft(lines)).unwrap()).unwrap();
        assert!(json.len() < 16 * 1024, "{} bytes", json.len());
    }
}
