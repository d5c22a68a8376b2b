//! The declared tables, as Terraform creates them on AWS.

use std::collections::BTreeSet;

use declarations::{IndexKey, Table};
use serde_json::{Value, json};

use super::dynamodb::{DynamoDb, StoreError};

/// The tables could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The store refused to create or describe a table.
    #[error("the table {table} could not be prepared")]
    Store {
        /// The table.
        table: String,
        /// The store's error.
        source: Box<StoreError>,
    },
    /// The table was made by another version, and lacks what this one reads.
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

/// Creates the declared tables that are missing, and leaves existing ones as they are. Safe to repeat, even
/// after a crash in the middle. Blocks.
pub fn create_missing(store: &DynamoDb) -> Result<(), TableError> {
    declarations::tables().values().try_for_each(|table| create_if_missing(store, table))
}

/// Creates a table if it is missing, and leaves an existing one as it is. Blocks.
pub fn create_if_missing(store: &DynamoDb, table: &Table) -> Result<(), TableError> {
    let failed = |source| TableError::Store { table: table.name.clone(), source: Box::new(source) };
    match store.apply("DescribeTable", &json!({ "TableName": table.name })) {
        Ok(description) => check(table, &description["Table"])?,
        Err(StoreError::Refused { source: dynoxide::DynoxideError::ResourceNotFoundException(_), .. }) => {
            store.apply("CreateTable", &definition(table)).map_err(failed)?;
        }
        Err(source) => return Err(failed(source)),
    }
    if let Some(attribute) = &table.ttl {
        // Always: the process may have ended after creating the table and before setting its time to live.
        let ttl = json!({
            "TableName": table.name,
            "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": true },
        });
        store.apply("UpdateTimeToLive", &ttl).map_err(failed)?;
    }
    Ok(())
}

fn definition(table: &Table) -> Value {
    let types: Vec<Value> = table
        .attributes
        .iter()
        .map(|(name, kind)| json!({ "AttributeName": name, "AttributeType": format!("{kind:?}") }))
        .collect();
    let mut definition = json!({
        "TableName": table.name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": types,
        "KeySchema": key_schema([Some(&table.key.partition), table.key.sort.as_ref()]),
    });
    if !table.indexes.is_empty() {
        let index = |(name, key): (&String, &IndexKey)| {
            json!({
                "IndexName": name,
                "KeySchema": key_schema([Some(&key.partition), Some(&key.sort)]),
                "Projection": { "ProjectionType": "KEYS_ONLY" },
            })
        };
        definition["GlobalSecondaryIndexes"] = table.indexes.iter().map(index).collect();
    }
    definition
}

fn check(table: &Table, description: &Value) -> Result<(), TableError> {
    let expected = shape(&definition(table));
    let found = shape(description);
    if found == expected {
        return Ok(());
    }
    Err(TableError::OtherVersion { table: table.name.clone(), expected, found })
}

fn key_schema(attributes: [Option<&String>; 2]) -> Vec<Value> {
    let kinds = attributes.into_iter().zip(["HASH", "RANGE"]);
    let keys = kinds.filter_map(|(name, kind)| Some(json!({ "AttributeName": name?, "KeyType": kind })));
    keys.collect()
}

/// The keys of a table and its indexes, from a definition or a description.
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
