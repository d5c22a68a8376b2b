//! The prices table: one item for each article of a store, with the key `store_id` and `sku`.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use order::{Actor, Currency, EpochMs, Order, Sku, StoreId};
use saga::{Item, Unavailable, batch};
use serde::{Deserialize, Serialize};

/// The table's name, as it declares itself.
pub const TABLE: &str = "prices";

/// An article's price in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// The store.
    pub store_id: StoreId,
    /// The article.
    pub sku: Sku,
    /// The price's currency.
    pub currency: Currency,
    /// The price of one piece.
    pub price_minor: i64,
    /// When it was set.
    pub set_ms: EpochMs,
    /// Who set it.
    pub set_by: Actor,
}

impl Price {
    fn is_the_same_amount(&self, other: &Self) -> bool {
        (self.currency, self.price_minor) == (other.currency, other.price_minor)
    }
}

/// The result of setting a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingPrice {
    /// The price is as requested.
    Done(Price),
    /// It has changed since it was read.
    Changed,
}

/// The price list in a table.
#[derive(Debug, Clone)]
pub struct Prices {
    client: Client,
    table: String,
}

impl Prices {
    /// The price list in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// An article's price, strongly consistent; `None` if it has none in the store.
    ///
    /// # Cost
    /// One read unit.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn read(&self, store_id: &StoreId, sku: &Sku) -> Result<Option<Price>, Unavailable> {
        const ATTEMPTED: &str = "read the price";
        let get = self.client.get_item().table_name(&self.table).set_key(Some(price_key(store_id, sku)));
        let answer = get.consistent_read(true).send().await.map_err(|error| Unavailable::call(ATTEMPTED, error))?;
        answer.item.map(|item| price_of(item, ATTEMPTED)).transpose()
    }

    /// The prices of an order's articles in its store, strongly consistent. Articles without one are left out.
    ///
    /// # Cost
    /// One read unit for each article.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn of_order(&self, order: &Order) -> Result<Vec<Price>, Unavailable> {
        const ATTEMPTED: &str = "read the prices of the order's articles";
        // An order has an article in one line only, and fewer lines than a batch has keys.
        let keys = order.lines.iter().map(|line| price_key(&order.store_id, &line.sku)).collect();
        let items = batch::read_all(&self.client, &self.table, keys, ATTEMPTED).await?;
        items.into_iter().map(|item| price_of(item, ATTEMPTED)).collect()
    }

    /// Sets a price, if it is unchanged since it was `read`.
    ///
    /// # Idempotency
    /// A price that is already as requested is [`SettingPrice::Done`], and does not change.
    ///
    /// # Cost
    /// One write unit.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn set(&self, read: Option<&Price>, price: Price) -> Result<SettingPrice, Unavailable> {
        const ATTEMPTED: &str = "set the price";
        if let Some(read) = read.filter(|read| read.is_the_same_amount(&price)) {
            return Ok(SettingPrice::Done(read.clone()));
        }
        let item =
            serde_dynamo::to_item(&price).map_err(|source| Unavailable::Unreadable { attempted: ATTEMPTED, source })?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = match read {
            None => put.condition_expression("attribute_not_exists(sku)"),
            Some(read) => put
                .condition_expression("currency = :currency AND price_minor = :price")
                .expression_attribute_values(":currency", AttributeValue::S(read.currency.code().to_owned()))
                .expression_attribute_values(":price", AttributeValue::N(read.price_minor.to_string())),
        };
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(SettingPrice::Done(price)),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    // It may be as requested, set by a try whose answer was lost.
                    let old = failed.item().filter(|item| !item.is_empty()).cloned();
                    let found = old.map(|item| price_of(item, ATTEMPTED)).transpose()?;
                    let as_wanted = found.filter(|found| found.is_the_same_amount(&price));
                    Ok(as_wanted.map_or(SettingPrice::Changed, SettingPrice::Done))
                }
                _ => Err(Unavailable::call(ATTEMPTED, error)),
            },
        }
    }
}

fn price_key(store_id: &StoreId, sku: &Sku) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    Item::from([("store_id".to_owned(), text(store_id.as_str())), ("sku".to_owned(), text(sku.as_str()))])
}

fn price_of(item: Item, attempted: &'static str) -> Result<Price, Unavailable> {
    serde_dynamo::from_item(item).map_err(|source| Unavailable::Unreadable { attempted, source })
}
