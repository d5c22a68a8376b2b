//! Whole tables, as of one moment.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use dynoxide::DynoxideError;
use dynoxide::actions::scan::ScanRequest;

use super::DynamoDb;

/// An item as the SDK's client would return it.
pub type Item = HashMap<String, AttributeValue>;

/// A table could not be read completely.
#[derive(Debug, thiserror::Error)]
#[error("the table {table} could not be read")]
pub struct SnapshotError {
    /// The table.
    pub table: String,
    /// dynoxide's error.
    pub source: DynoxideError,
}

impl DynamoDb {
    /// Passes every item of the named tables to `visit`, table by table, all as of one moment: no call
    /// changes anything in between. An audit that compares tables needs this, because an order that is
    /// confirmed between two reads would look half done.
    ///
    /// Blocks, and delays every call until it is done: about a second for 100,000 small items. Items are read
    /// in pages, so memory holds only what `visit` keeps. `visit` must not call this store.
    pub fn read_all(&self, tables: &[&str], mut visit: impl FnMut(&str, Item)) -> Result<(), SnapshotError> {
        let _moment = self.moment.write().unwrap_or_else(PoisonError::into_inner);
        for table in tables {
            self.read_table(table, &mut |item| visit(table, item))
                .map_err(|source| SnapshotError { table: (*table).to_owned(), source })?;
        }
        Ok(())
    }

    /// [`read_all`](Self::read_all) into one list of items for each table.
    pub fn snapshot(&self, tables: &[&str]) -> Result<BTreeMap<String, Vec<Item>>, SnapshotError> {
        let mut items: BTreeMap<String, Vec<Item>> =
            tables.iter().map(|table| ((*table).to_owned(), Vec::new())).collect();
        self.read_all(tables, |table, item| {
            items.entry(table.to_owned()).or_default().push(item);
        })?;
        Ok(items)
    }

    /// Each page ends at DynamoDB's limit of 1 MB; the last one has no key to continue from.
    fn read_table(&self, table: &str, visit: &mut dyn FnMut(Item)) -> Result<(), DynoxideError> {
        let mut start = None;
        loop {
            let page = self.database.scan(ScanRequest {
                table_name: table.to_owned(),
                exclusive_start_key: start,
                ..ScanRequest::default()
            })?;
            for item in page.items.into_iter().flatten() {
                visit(to_sdk_item(item));
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }
}

fn to_sdk_item(item: dynoxide::Item) -> Item {
    item.into_iter().map(|(name, value)| (name, to_sdk_value(value))).collect()
}

fn to_sdk_value(value: dynoxide::AttributeValue) -> AttributeValue {
    use dynoxide::AttributeValue as Stored;
    match value {
        Stored::S(text) => AttributeValue::S(text),
        Stored::N(number) => AttributeValue::N(number),
        Stored::B(bytes) => AttributeValue::B(Blob::new(bytes)),
        Stored::BOOL(flag) => AttributeValue::Bool(flag),
        Stored::NULL(flag) => AttributeValue::Null(flag),
        Stored::SS(texts) => AttributeValue::Ss(texts),
        Stored::NS(numbers) => AttributeValue::Ns(numbers),
        Stored::BS(blobs) => AttributeValue::Bs(blobs.into_iter().map(Blob::new).collect()),
        Stored::L(list) => AttributeValue::L(list.into_iter().map(to_sdk_value).collect()),
        Stored::M(map) => AttributeValue::M(to_sdk_item(map)),
    }
}
