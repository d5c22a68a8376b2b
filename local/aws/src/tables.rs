//! The tables of the order saga, as Terraform creates them on AWS.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::dynamodb::{DynamoDb, StoreError};

/// The tables' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableNames {
    /// The order records.
    pub orders: String,
    /// Stock, and the reservations of orders.
    pub inventory: String,
    /// Journal entries, and the customer accounts they draw on.
    pub journal: String,
}

impl Default for TableNames {
    fn default() -> Self {
        Self { orders: "orders".to_owned(), inventory: "inventory".to_owned(), journal: "journal".to_owned() }
    }
}

impl TableNames {
    /// All three names.
    pub fn all(&self) -> [&str; 3] {
        [&self.orders, &self.inventory, &self.journal]
    }
}

/// The tables could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The store refused to create or describe a table.
    #[error("the table {table} could not be made ready")]
    Store {
        /// The table.
        table: String,
        /// What the store says.
        source: Box<StoreError>,
    },
    /// A table of another version of the software: it lacks what this one reads.
    #[error(
        "the table {table} has keys or indexes of another version ({found:?}, not {expected:?}); \
         use a new data directory"
    )]
    OtherVersion {
        /// The table.
        table: String,
        /// The key attributes and indexes that it should have.
        expected: BTreeSet<String>,
        /// The key attributes and indexes that it has.
        found: BTreeSet<String>,
    },
}

/// The attribute whose time (epoch seconds) DynamoDB deletes an item after.
const TTL_ATTRIBUTE: &str = "expires_at";

/// One table: what `CreateTable` needs to know.
struct Table<'a> {
    name: &'a str,
    keys: &'static [Key],
    indexes: &'static [Index],
    expires: bool,
}

/// A key attribute and its type, `S` or `N`.
type Key = (&'static str, &'static str);

/// A global secondary index, by partition key (always a string) and sort key.
///
/// Only keys are projected: a status change then rewrites no index, and a page fetches what it
/// shows by key.
struct Index {
    name: &'static str,
    partition: &'static str,
    sort: Key,
}

const ORDER_INDEXES: &[Index] = &[
    Index { name: "orders_by_customer", partition: "tenant_customer", sort: ("created_ms", "N") },
    Index { name: "orders_by_store", partition: "store_shard", sort: ("created_ms", "N") },
    Index { name: "orders_by_county", partition: "county_shard", sort: ("created_ms", "N") },
    Index { name: "work_by_due", partition: "work", sort: ("due_ms", "N") },
];

const INVENTORY_INDEXES: &[Index] = &[Index { name: "stock_by_store", partition: "store_id", sort: ("sku", "S") }];

/// Creates the tables that are missing, and leaves those that exist as they are. Safe to repeat,
/// also after a crash in its middle. It blocks.
pub fn create_missing(store: &DynamoDb, names: &TableNames) -> Result<(), TableError> {
    let tables = [
        Table { name: &names.orders, keys: &[("order_id", "S")], indexes: ORDER_INDEXES, expires: false },
        Table { name: &names.inventory, keys: &[("pk", "S")], indexes: INVENTORY_INDEXES, expires: true },
        Table { name: &names.journal, keys: &[("pk", "S"), ("sk", "S")], indexes: &[], expires: true },
    ];
    for table in &tables {
        table.make_ready(store)?;
    }
    Ok(())
}

impl Table<'_> {
    fn make_ready(&self, store: &DynamoDb) -> Result<(), TableError> {
        let failed = |source| TableError::Store { table: self.name.to_owned(), source: Box::new(source) };
        match store.apply("DescribeTable", &json!({ "TableName": self.name })) {
            Ok(description) => self.check(&description["Table"])?,
            Err(StoreError::Refused { source: dynoxide::DynoxideError::ResourceNotFoundException(_), .. }) => {
                store.apply("CreateTable", &self.definition()).map_err(failed)?;
            }
            Err(source) => return Err(failed(source)),
        }
        if self.expires {
            // Each time: the process may have ended between the table and its time to live.
            let ttl = json!({
                "TableName": self.name,
                "TimeToLiveSpecification": { "AttributeName": TTL_ATTRIBUTE, "Enabled": true },
            });
            store.apply("UpdateTimeToLive", &ttl).map_err(failed)?;
        }
        Ok(())
    }

    fn definition(&self) -> Value {
        let mut types: BTreeSet<Key> = self.keys.iter().copied().collect();
        for index in self.indexes {
            types.extend([(index.partition, "S"), index.sort]);
        }
        let types: Vec<Value> =
            types.into_iter().map(|(name, kind)| json!({ "AttributeName": name, "AttributeType": kind })).collect();
        let keys: Vec<&str> = self.keys.iter().map(|(name, _)| *name).collect();
        let mut table = json!({
            "TableName": self.name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": types,
            "KeySchema": key_schema(&keys),
        });
        if !self.indexes.is_empty() {
            table["GlobalSecondaryIndexes"] = self.indexes.iter().map(Index::definition).collect();
        }
        table
    }

    fn check(&self, description: &Value) -> Result<(), TableError> {
        let expected = shape(&self.definition());
        let found = shape(description);
        if found == expected {
            return Ok(());
        }
        Err(TableError::OtherVersion { table: self.name.to_owned(), expected, found })
    }
}

impl Index {
    fn definition(&self) -> Value {
        json!({
            "IndexName": self.name,
            "KeySchema": key_schema(&[self.partition, self.sort.0]),
            "Projection": { "ProjectionType": "KEYS_ONLY" },
        })
    }
}

fn key_schema(attributes: &[&str]) -> Vec<Value> {
    attributes
        .iter()
        .zip(["HASH", "RANGE"])
        .map(|(name, kind)| json!({ "AttributeName": name, "KeyType": kind }))
        .collect()
}

/// A table's and its indexes' keys, from a definition or a description.
fn shape(table: &Value) -> BTreeSet<String> {
    let keys = |of: &Value| {
        let names = of["KeySchema"].as_array().into_iter().flatten();
        let names: Vec<&str> = names.filter_map(|key| key["AttributeName"].as_str()).collect();
        names.join(", ")
    };
    let indexes = table["GlobalSecondaryIndexes"].as_array();
    let indexes = indexes.into_iter().flatten().map(|index| {
        let name = index["IndexName"].as_str().unwrap_or_default();
        format!("{name}: {}", keys(index))
    });
    indexes.chain([keys(table)]).collect()
}
