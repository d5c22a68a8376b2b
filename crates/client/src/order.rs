//! Orders, as the client places them and as the API shows them.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::amount;
use crate::error::Error;

/// An order to place, with its idempotency key.
///
/// The key is generated when the value is created. Placing the value or a clone of it again is the same order. To
/// order the same things twice, create two values.
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
    /// Starts an order by a customer. It has no items yet, is prepaid, in USD, and from the API's default store.
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

    /// Adds an article at `price` each.
    #[must_use]
    pub fn item(mut self, product_id: impl Into<String>, quantity: u32, price: Decimal) -> Self {
        self.content.items.push(Item { product_id: product_id.into(), quantity, price });
        self
    }

    /// Uses the caller's own idempotency key, such as the number of a basket. Such a key survives a restart of the
    /// caller.
    #[must_use]
    pub fn with_key(self, key: impl Into<String>) -> Self {
        Self { key: key.into(), ..self }
    }

    /// Takes the items from this store's stock.
    #[must_use]
    pub fn from_store(mut self, store_id: impl Into<String>) -> Self {
        self.content.store_id = Some(store_id.into());
        self
    }

    /// Sets the county that the order is for.
    #[must_use]
    pub fn for_county(mut self, county_id: impl Into<String>) -> Self {
        self.content.county_id = Some(county_id.into());
        self
    }

    /// Lets the customer pay later, on account.
    #[must_use]
    pub fn on_invoice(mut self) -> Self {
        self.content.payment_terms = Some(PaymentTerms::Invoice);
        self
    }

    /// Pays with a card that the customer has authorised at the checkout, by the payment's id at the payment provider.
    /// The payment must be of the order's total.
    #[must_use]
    pub fn paid_with(mut self, payment: impl Into<String>) -> Self {
        self.content.payment_terms = Some(PaymentTerms::Authorized);
        self.content.payment_reference = Some(payment.into());
        self
    }

    /// Sets the reference of the payment or of the purchase order.
    #[must_use]
    pub fn with_reference(mut self, payment_reference: impl Into<String>) -> Self {
        self.content.payment_reference = Some(payment_reference.into());
        self
    }

    /// Sets the currency, by its ISO 4217 code.
    #[must_use]
    pub fn in_currency(mut self, code: impl Into<String>) -> Self {
        self.content.currency = Some(code.into());
        self
    }

    /// The idempotency key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The total: Σ quantity × price.
    ///
    /// # Errors
    /// [`Error::TotalTooLarge`]
    pub fn total(&self) -> Result<Decimal, Error> {
        let add = |sum: Decimal, item: &Item| sum.checked_add(item.price.checked_mul(item.quantity.into())?);
        self.content.items.iter().try_fold(Decimal::ZERO, add).ok_or(Error::TotalTooLarge)
    }

    /// The body of the request.
    ///
    /// # Errors
    /// [`Error::TotalTooLarge`]
    pub fn to_json(&self) -> Result<Vec<u8>, Error> {
        let body = Body { content: &self.content, total_amount: self.total()? };
        Ok(serde_json::to_vec(&body).expect("an order has only text, numbers and text keys"))
    }
}

/// An order as the API shows it. Unknown fields, which a later release may add, are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Order {
    /// Its id.
    pub order_id: String,
    /// Its status.
    pub status: Status,
    /// Why it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What the step that refused the order said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The articles that the store had too little of, if that is why the order was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortages: Vec<Shortage>,
    /// The customer.
    pub customer_id: String,
    /// The store whose stock it takes.
    pub store_id: String,
    /// The county it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub county_id: Option<String>,
    /// When it is paid.
    pub payment_terms: PaymentTerms,
    /// The reference of the payment or of the purchase order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_reference: Option<String>,
    /// When the authorisation of its payment lapses, if that is captured at the hand-over.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub capture_before: Option<OffsetDateTime>,
    /// The ISO 4217 code of the currency of all its amounts.
    pub currency: String,
    /// The items. No two are of the same article.
    pub items: Vec<Item>,
    /// Σ quantity × price, with all decimals of the currency.
    #[serde(with = "amount")]
    pub total_amount: Decimal,
    /// The `X-Correlation-Id` of the request that placed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Who cancelled it by a request; for operations only, like all that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<Actor>,
    /// Who handed it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilled_by: Option<Actor>,
    /// Who put another payment in place of a lost one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_replaced_by: Option<Actor>,
    /// Who last had it retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_up_by: Option<Actor>,
    /// When it was placed.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// What happened to it, oldest first.
    pub timeline: Vec<Moment>,
}

/// An article and how many of it.
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

/// Who made a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// The subject of their token, or the name of their client.
    pub subject: String,
    /// The request's id.
    pub request_id: String,
}

/// An article that the store had too little of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Shortage {
    /// The article.
    pub product_id: String,
    /// How many were available when the order was refused. 0 if the store does not keep the article.
    pub available: u64,
}

/// Something that happened to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Moment {
    /// The name of the event.
    pub event: String,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// The status of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Status {
    /// Not decided yet.
    Pending,
    /// Its stock is reserved and it is in the books.
    Confirmed,
    /// Confirmed and being handed over.
    Fulfilling,
    /// Handed over.
    Fulfilled,
    /// Being rolled back.
    Cancelling,
    /// Rolled back everywhere.
    Cancelled,
    /// A value that this client does not know.
    #[serde(other)]
    Unknown,
}

impl Status {
    /// Whether the order is confirmed, handed over or cancelled. False for a status that this client does not know.
    pub fn is_decided(self) -> bool {
        self.is_confirmed() || self == Self::Cancelled
    }

    /// Whether the order was confirmed, even if it has been handed over since.
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
    /// A step refused it, for this reason: `OUT_OF_STOCK`, for example.
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
    /// By a card that the customer has authorised at the checkout.
    Authorized,
    /// A value that this client does not know.
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
    fn a_card_is_named_by_its_payment() {
        let order = NewOrder::by("c").paid_with("pi_1").item("A", 1, Decimal::ONE);
        assert_eq!(
            text(&order),
            r#"{"customerId":"c","paymentTerms":"AUTHORIZED","paymentReference":"pi_1","items":[{"productId":"A","quantity":1,"price":1}],"totalAmount":1}"#
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
