//! Prints the tables of the local stack as JSON: their keys, indexes and time to live, for a check that
//! the deployed tables are the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{KeySchemaElement, Projection, ProjectionType, TableDescription, TimeToLiveStatus};
use local_aws::{Api, DynamoDb, Services, TableNames, create_missing};
use local_stack::config;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = DynamoDb::in_memory()?;
    let names = TableNames::default();
    create_missing(&store, &names)?;
    let client = Client::new(&config(&Services::new().with(Api::DynamoDb, Arc::new(store))));
    let mut tables = BTreeMap::new();
    for name in names.all() {
        let described = client.describe_table().table_name(name).send().await?;
        let ttl = client.describe_time_to_live().table_name(name).send().await?;
        let ttl = ttl.time_to_live_description.filter(|ttl| ttl.time_to_live_status == Some(TimeToLiveStatus::Enabled));
        let shape = shape(&described.table.unwrap_or_else(|| unreachable!("a described table has a description")));
        tables.insert(name, json!({ "table": shape, "ttl": ttl.and_then(|ttl| ttl.attribute_name) }));
    }
    println!("{}", json!(tables));
    Ok(())
}

fn shape(table: &TableDescription) -> Value {
    let types: BTreeMap<_, _> = table
        .attribute_definitions()
        .iter()
        .map(|attribute| (attribute.attribute_name(), attribute.attribute_type().as_str()))
        .collect();
    let indexes: BTreeMap<_, _> = table
        .global_secondary_indexes()
        .iter()
        .map(|index| {
            let projection = index.projection().and_then(Projection::projection_type);
            let projection = projection.map_or("", ProjectionType::as_str);
            (
                index.index_name().unwrap_or_default(),
                json!({ "keys": keys(index.key_schema()), "projection": projection }),
            )
        })
        .collect();
    json!({ "keys": keys(table.key_schema()), "attributes": types, "indexes": indexes })
}

/// The names of the partition key and of the sort key, if there is one.
fn keys(schema: &[KeySchemaElement]) -> Vec<&str> {
    schema.iter().map(KeySchemaElement::attribute_name).collect()
}
