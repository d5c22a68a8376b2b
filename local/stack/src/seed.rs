//! The initial stock and customer accounts of a new stack.
//!
//! ```json
//! {"stock":[{"storeId":"main","sku":"LAPTOP001","onHand":100}],
//!  "accounts":[{"customerId":"acme-wholesale","creditLimit":5000.00,"currency":"USD","onHold":false}]}
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use inventory::stock::MAX_ON_HAND;
use inventory::{Stock, stock_key};
use journal::{Account, account_key};
use order::{Currency, CustomerId, Sku, StoreId};
use saga::{Item, Unavailable};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The sample, for a stack that is given no file.
pub const SAMPLE: &str = include_str!("sample-stock.json");

/// The initial content of a new stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    stock: Vec<Stock>,
    accounts: Vec<Account>,
}

/// The seed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The file cannot be read.
    #[error("cannot read the stock file {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not have the right format.
    #[error("the stock file does not have the format that `order-saga serve --help` shows")]
    Form(#[source] serde_json::Error),
    /// A value in it is out of its range.
    #[error("the stock file's {place} {rule}")]
    Value {
        /// Where it is.
        place: String,
        /// The rule that it breaks.
        rule: String,
    },
    /// It could not be stored.
    #[error("could not store the stock and the accounts")]
    Store(#[from] Unavailable),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    stock: Vec<FileStock>,
    #[serde(default)]
    accounts: Vec<FileAccount>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileStock {
    store_id: StoreId,
    sku: Sku,
    on_hand: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileAccount {
    customer_id: CustomerId,
    credit_limit: Box<RawValue>,
    currency: Currency,
    #[serde(default)]
    on_hold: bool,
}

impl Seed {
    /// The built-in sample.
    ///
    /// # Errors
    /// [`SeedError::Form`].
    pub fn sample() -> Result<Self, SeedError> {
        Self::parse(SAMPLE)
    }

    /// The seed in a file.
    ///
    /// # Errors
    /// [`SeedError`].
    pub fn read(path: &Path) -> Result<Self, SeedError> {
        let text = std::fs::read_to_string(path).map_err(|source| SeedError::File { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// The seed in a text.
    ///
    /// # Errors
    /// [`SeedError`].
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        let file: File = serde_json::from_str(text).map_err(SeedError::Form)?;
        let mut articles = BTreeSet::new();
        let stock = file.stock.into_iter().enumerate().map(|(index, stock)| {
            // The second entry would be ignored: seeding writes only what is missing.
            if !articles.insert((stock.store_id.clone(), stock.sku.clone())) {
                let rule = format!("repeats {} of {}", stock.sku, stock.store_id);
                return Err(SeedError::Value { place: format!("stock[{index}]"), rule });
            }
            if !(0..=MAX_ON_HAND).contains(&stock.on_hand) {
                let place = format!("stock[{index}].onHand");
                return Err(SeedError::Value { place, rule: format!("must be 0 to {MAX_ON_HAND}") });
            }
            Ok::<_, SeedError>(Stock::new(stock.store_id, stock.sku, stock.on_hand, 0))
        });
        let mut customers = BTreeSet::new();
        let accounts = file.accounts.into_iter().enumerate().map(|(index, account)| {
            if !customers.insert(account.customer_id.clone()) {
                let rule = format!("repeats {}", account.customer_id);
                return Err(SeedError::Value { place: format!("accounts[{index}]"), rule });
            }
            let credit_limit_minor = account.currency.minor_units(account.credit_limit.get()).map_err(|rule| {
                SeedError::Value { place: format!("accounts[{index}].creditLimit"), rule: rule.to_string() }
            })?;
            Ok::<_, SeedError>(Account {
                customer_id: account.customer_id,
                currency: account.currency,
                credit_limit_minor,
                on_hold: account.on_hold,
                receivable_minor: 0,
                terms_version: 0,
            })
        });
        Ok(Self { stock: stock.collect::<Result<_, _>>()?, accounts: accounts.collect::<Result<_, _>>()? })
    }

    /// Stores the seed, once. Tables that were seeded before are left as they are.
    ///
    /// The mark for that is written last, so the next start completes a seeding that was interrupted. It
    /// overwrites nothing.
    ///
    /// # Errors
    /// [`SeedError::Store`].
    pub async fn store(&self, client: &Client) -> Result<(), SeedError> {
        let mark = seeded_mark();
        let seeded =
            client.get_item().table_name(inventory::table::TABLE).set_key(Some(mark.clone())).consistent_read(true);
        if seeded.send().await.map_err(|error| Unavailable::call(READ, error))?.item.is_some() {
            return Ok(());
        }
        for stock in &self.stock {
            put_new(client, inventory::table::TABLE, stock_key(&stock.store_id, &stock.sku), stock).await?;
        }
        for account in &self.accounts {
            put_new(client, journal::table::TABLE, account_key(&account.customer_id), account).await?;
        }
        put_new(client, inventory::table::TABLE, mark, &serde_json::Map::new()).await?;
        Ok(())
    }
}

const READ: &str = "read whether the stock is loaded";
const WRITE: &str = "load the stock and the accounts";

/// The key of the item that marks the tables as seeded.
pub fn seeded_mark() -> Item {
    Item::from([("pk".to_owned(), AttributeValue::S("SEEDED".to_owned()))])
}

async fn put_new<T: serde::Serialize>(client: &Client, table: &str, key: Item, value: &T) -> Result<(), Unavailable> {
    let mut item: Item =
        serde_dynamo::to_item(value).map_err(|source| Unavailable::Unreadable { attempted: WRITE, source })?;
    item.extend(key);
    // What exists stays: orders may already hold some of it.
    let put = client.put_item().table_name(table).set_item(Some(item)).condition_expression("attribute_not_exists(pk)");
    match put.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
            Ok(())
        }
        Err(error) => Err(Unavailable::call(WRITE, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_has_a_laptop_in_main() {
        let seed = Seed::sample().unwrap();
        assert!(seed.stock.iter().any(|stock| stock.store_id.as_str() == "main" && stock.sku.as_str() == "LAPTOP001"));
        assert!(!seed.accounts.is_empty());
    }

    #[test]
    fn a_wrong_value_is_named_with_its_place() {
        let error = Seed::parse(r#"{"stock":[{"storeId":"main","sku":"A","onHand":-1}]}"#).unwrap_err();
        assert_eq!(error.to_string(), "the stock file's stock[0].onHand must be 0 to 1000000000000");
        let text = r#"{"accounts":[{"customerId":"a","creditLimit":0.001,"currency":"USD"}]}"#;
        assert!(Seed::parse(text).unwrap_err().to_string().contains("accounts[0].creditLimit"));
        assert!(Seed::parse(r#"{"stocks":[]}"#).is_err());
        let twice = r#"{"storeId":"main","sku":"A","onHand":1}"#;
        let error = Seed::parse(&format!(r#"{{"stock":[{twice},{twice}]}}"#)).unwrap_err();
        assert_eq!(error.to_string(), "the stock file's stock[1] repeats A of main");
        let twice = r#"{"customerId":"a","creditLimit":1,"currency":"USD"}"#;
        let error = Seed::parse(&format!(r#"{{"accounts":[{twice},{twice}]}}"#)).unwrap_err();
        assert_eq!(error.to_string(), "the stock file's accounts[1] repeats a");
    }
}
