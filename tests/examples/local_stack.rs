//! Prints the shape of the local stack as JSON, to check that the deployed one is the same: the tables' keys, indexes
//! and time to live; the queues' visibility timeouts and dead-letter queues; the functions' time limits; and the
//! batch sizes of received messages.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{KeySchemaElement, Projection, ProjectionType, TableDescription, TimeToLiveStatus};
use local_aws::{Api, DynamoDb, QueueSpec, Redrive, Services, create_missing, declared_queues, local_name};
use local_stack::config;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let stack = json!({
        "tables": tables().await?,
        "queues": queues(),
        "functions": functions(),
        "batches": batches(),
    });
    println!("{stack}");
    Ok(())
}

async fn tables() -> Result<BTreeMap<&'static str, Value>, Box<dyn Error>> {
    let store = DynamoDb::in_memory()?;
    create_missing(&store)?;
    let client = Client::new(&config(&Services::new().with(Api::DynamoDb, Arc::new(store))));
    let mut tables = BTreeMap::new();
    for name in declarations::tables().keys() {
        let described = client.describe_table().table_name(name).send().await?;
        let ttl = client.describe_time_to_live().table_name(name).send().await?;
        let ttl = ttl.time_to_live_description.filter(|ttl| ttl.time_to_live_status == Some(TimeToLiveStatus::Enabled));
        let shape = shape(&described.table.unwrap_or_else(|| unreachable!("a described table has a description")));
        tables.insert(name.as_str(), json!({ "table": shape, "ttl": ttl.and_then(|ttl| ttl.attribute_name) }));
    }
    Ok(tables)
}

/// The queues of the local SQS, under their declared names.
fn queues() -> BTreeMap<&'static str, Value> {
    let declared: BTreeMap<&str, &str> =
        declarations::queues().map(|queue| (local_name(&queue.name), queue.name.as_str())).collect();
    let redrive = |Redrive { to, max_receive_count }: Redrive| json!({ "to": declared[to.as_str()], "max_receives": max_receive_count });
    let queue = |QueueSpec { name, visibility_timeout, redrive: to }: QueueSpec| {
        let shape = json!({ "visibility_seconds": visibility_timeout.as_secs(), "redrive": to.map(redrive) });
        (declared[name.as_str()], shape)
    };
    declared_queues().into_iter().map(queue).collect()
}

/// The time limits at which the local stack stops task functions, and those of the functions that it runs without
/// one.
fn functions() -> BTreeMap<&'static str, Value> {
    let functions = declarations::functions().iter();
    functions.map(|function| (function.name.as_str(), json!({ "timeout_seconds": function.timeout.seconds }))).collect()
}

/// The maximum number of messages in one batch of a queue.
fn batches() -> BTreeMap<&'static str, u32> {
    let received = declarations::functions().iter().flat_map(|function| &function.receives);
    received.map(|(queue, receives)| (queue.as_str(), receives.batch)).collect()
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
