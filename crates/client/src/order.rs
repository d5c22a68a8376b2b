//! Orders: as they are placed, and as the API shows them.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::amount;
use crate::error::Error;

/// An order to be placed, with the key that it goes out under.
///
/// Its key is minted once, when the order is made: placing the same value again, or a clone of it, is
/// the same order. To order the same things twice, make two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    pub(crate) key: String,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    customer_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    store_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    county_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_terms: Option<PaymentTerms>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    items: Vec<Item>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(flatten)]
    content: &'a Content,
    #[serde(with = "amount")]
    total_amount: Decimal,
}

impl NewOrder {
    /// A customer's order of nothing yet, prepaid, in USD, from the API's default store.
    pub fn by(customer_id: impl Into<String>) -> Self {
        Self {
            key: Uuid::new_v4().to_string(),
            content: Content {
                customer_id: customer_id.into(),
                store_id: None,
                county_id: None,
                payment_terms: None,
                payment_reference: None,
                currency: None,
                items: Vec::new(),
            },
        }
    }

    /// So many of an article, at `price` each.
    #[must_use]
    pub fn item(mut self, product_id: impl Into<String>, quantity: u32, price: Decimal) -> Self {
        self.content.items.push(Item { product_id: product_id.into(), quantity, price });
        self
    }

    /// Under the caller's own key: a basket's number, say, that survives a restart of the caller.
    #[must_use]
    pub fn with_key(self, key: impl Into<String>) -> Self {
        Self { key: key.into(), ..self }
    }

    /// From this store's stock.
    #[must_use]
    pub fn from_store(mut self, store_id: impl Into<String>) -> Self {
        self.content.store_id = Some(store_id.into());
        self
    }

    /// For this county.
    #[must_use]
    pub fn for_county(mut self, county_id: impl Into<String>) -> Self {
        self.content.county_id = Some(county_id.into());
        self
    }

    /// To be paid later, on the customer's account.
    #[must_use]
    pub fn on_invoice(mut self) -> Self {
        self.content.payment_terms = Some(PaymentTerms::Invoice);
        self
    }

    /// With the payment's, or the purchase order's, reference.
    #[must_use]
    pub fn with_reference(mut self, payment_reference: impl Into<String>) -> Self {
        self.content.payment_reference = Some(payment_reference.into());
        self
    }

    /// In this currency, by its ISO 4217 code.
    #[must_use]
    pub fn in_currency(mut self, code: impl Into<String>) -> Self {
        self.content.currency = Some(code.into());
        self
    }

    /// The key that it goes out under.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Σ quantity × price.
    ///
    /// # Errors
    /// [`Error::TotalTooLarge`]
    pub fn total(&self) -> Result<Decimal, Error> {
        let add = |sum: Decimal, item: &Item| sum.checked_add(item.price.checked_mul(item.quantity.into())?);
        self.content.items.iter().try_fold(Decimal::ZERO, add).ok_or(Error::TotalTooLarge)
    }

    /// What goes out as the request's body.
    ///
    /// # Errors
    /// [`Error::TotalTooLarge`]
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        let body = Body { content: &self.content, total_amount: self.total()? };
        Ok(serde_json::to_vec(&body).expect("an order has text, numbers and no other keys"))
    }
}

/// An order as the API shows it. Fields that a later release adds are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Order {
    /// Its id.
    pub order_id: String,
    /// Where it stands.
    pub status: Status,
    /// Why it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The refusing step's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What the store had too little of, if it refused the order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortages: Vec<Shortage>,
    /// Who orders.
    pub customer_id: String,
    /// Whose stock it draws on.
    pub store_id: String,
    /// The county it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub county_id: Option<String>,
    /// When it is paid.
    pub payment_terms: PaymentTerms,
    /// The payment's, or the purchase order's, reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_reference: Option<String>,
    /// The ISO 4217 code of the currency of every amount in it.
    pub currency: String,
    /// What is ordered, each of another article.
    pub items: Vec<Item>,
    /// Σ quantity × price, with all the currency's decimals.
    #[serde(with = "amount")]
    pub total_amount: Decimal,
    /// When it was placed.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it changed last.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// What happened to it, in that order.
    pub timeline: Vec<Moment>,
}

/// So many of an article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The article.
    pub product_id: String,
    /// How many.
    pub quantity: u32,
    /// The price of one.
    #[serde(with = "amount")]
    pub price: Decimal,
}

/// An article that the store had too little of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Shortage {
    /// The article.
    pub product_id: String,
    /// How many could be reserved when the order was refused; 0 if the store does not keep it.
    pub available: u64,
}

/// Something that happened to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Moment {
    /// What.
    pub event: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Status {
    /// On its way to a decision.
    Pending,
    /// It holds its stock and is in the books.
    Confirmed,
    /// Confirmed, and being handed over.
    Fulfilling,
    /// Handed over.
    Fulfilled,
    /// Being rolled back.
    Cancelling,
    /// Undone everywhere.
    Cancelled,
    /// One that this client does not know.
    #[serde(other)]
    Unknown,
}

impl Status {
    /// Whether it is known how the order ended: confirmed, whatever became of it then, or cancelled, and
    /// undone everywhere. Of a status that this client does not know it is not known.
    pub fn is_decided(self) -> bool {
        self.is_confirmed() || self == Self::Cancelled
    }

    /// Whether it was confirmed, whatever became of it then.
    pub fn is_confirmed(self) -> bool {
        matches!(self, Self::Confirmed | Self::Fulfilling | Self::Fulfilled)
    }
}

/// Why an order was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum Reason {
    /// A step failed.
    StepFailed,
    /// A service could not be reached in time.
    Unavailable,
    /// The customer cancelled it.
    CustomerRequest,
    /// A step refused it: the step's own reason, such as `OUT_OF_STOCK`.
    Refused(String),
}

impl From<String> for Reason {
    fn from(name: String) -> Self {
        match name.as_str() {
            "STEP_FAILED" => Self::StepFailed,
            "UNAVAILABLE" => Self::Unavailable,
            "CUSTOMER_REQUEST" => Self::CustomerRequest,
            _ => Self::Refused(name),
        }
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::StepFailed => "STEP_FAILED".to_owned(),
            Reason::Unavailable => "UNAVAILABLE".to_owned(),
            Reason::CustomerRequest => "CUSTOMER_REQUEST".to_owned(),
            Reason::Refused(name) => name,
        }
    }
}

/// When an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum PaymentTerms {
    /// When it is placed.
    Prepaid,
    /// Later, on the customer's account.
    Invoice,
    /// One that this client does not know.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(order: &NewOrder) -> String {
        String::from_utf8(order.to_json().unwrap()).unwrap()
    }

    #[test]
    fn the_total_is_the_exact_sum() {
        let order = NewOrder::by("c").item("A", 3, "0.10".parse().unwrap()).item("B", 1, "1299.99".parse().unwrap());
        assert_eq!(
            text(&order),
            r#"{"customerId":"c","items":[{"productId":"A","quantity":3,"price":0.10},{"productId":"B","quantity":1,"price":1299.99}],"totalAmount":1300.29}"#
        );
    }

    #[test]
    fn every_field_goes_out_under_its_name() {
        let order = NewOrder::by("c").from_store("west").for_county("kings").on_invoice().with_reference("PO 7");
        assert_eq!(
            text(&order.in_currency("JPY")),
            r#"{"customerId":"c","storeId":"west","countyId":"kings","paymentTerms":"INVOICE","paymentReference":"PO 7","currency":"JPY","items":[],"totalAmount":0}"#
        );
    }

    #[test]
    fn an_order_has_one_key_for_good_and_another_order_another() {
        let order = NewOrder::by("c");
        assert_eq!(order.clone().item("A", 1, Decimal::ONE).key(), order.key());
        assert_ne!(NewOrder::by("c").key(), order.key());
        assert_eq!(order.with_key("basket-1").key(), "basket-1");
    }

    #[test]
    fn a_total_that_no_decimal_holds_is_an_error_and_no_panic() {
        let order = NewOrder::by("c").item("A", u32::MAX, Decimal::MAX);
        assert!(matches!(order.total(), Err(Error::TotalTooLarge)));
    }
}
