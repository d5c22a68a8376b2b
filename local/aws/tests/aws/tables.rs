use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ProjectionType, ScalarAttributeType,
};
use local_aws::{DynamoDb, TableError, create_missing};

use crate::stack::{Stack, number, text};

#[tokio::test(start_paused = true)]
async fn the_tables_have_the_declared_keys_and_indexes() {
    let stack = Stack::in_memory();
    let describe = stack.client.describe_table().table_name("orders");
    let orders = describe.send().await.unwrap().table.unwrap();
    let billing = orders.billing_mode_summary().unwrap();
    assert_eq!(billing.billing_mode(), Some(&BillingMode::PayPerRequest));
    let indexes: BTreeMap<_, _> = orders
        .global_secondary_indexes()
        .iter()
        .map(|index| {
            let projection = index.projection().unwrap().projection_type();
            assert_eq!(projection, Some(&ProjectionType::KeysOnly));
            let keys = index.key_schema().iter();
            let keys: Vec<&str> = keys.map(KeySchemaElement::attribute_name).collect();
            (index.index_name().unwrap(), keys)
        })
        .collect();
    assert_eq!(
        indexes,
        BTreeMap::from([
            ("orders_by_customer", vec!["tenant_customer", "created_ms"]),
            ("orders_by_store", vec!["store_shard", "created_ms"]),
            ("orders_by_county", vec!["county_shard", "created_ms"]),
            ("work_by_due", vec!["work", "due_ms"]),
        ])
    );
    for table in ["inventory", "journal"] {
        let describe = stack.client.describe_time_to_live().table_name(table);
        let ttl = describe.send().await.unwrap();
        let ttl = ttl.time_to_live_description.unwrap();
        assert_eq!(ttl.attribute_name(), Some("expires_at"), "{table}");
    }
}

#[tokio::test(start_paused = true)]
async fn creating_the_tables_again_keeps_what_is_in_them() {
    let stack = Stack::in_memory();
    stack.put("sku", 7).await;
    create_missing(&stack.store).unwrap();
    assert!(stack.get("sku").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_table_with_other_keys_is_refused() {
    let stack = Stack::as_it_is(DynamoDb::in_memory().unwrap(), None);
    let other = stack.client.create_table().table_name("journal").billing_mode(BillingMode::PayPerRequest);
    let attribute = AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash);
    let other = other.attribute_definitions(attribute.build().unwrap()).key_schema(key.build().unwrap());
    other.send().await.unwrap();
    let refused = create_missing(&stack.store).unwrap_err();
    assert!(matches!(&refused, TableError::OtherVersion { table, .. } if table == "journal"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn an_index_is_sparse() {
    let stack = Stack::in_memory();
    for (id, due) in [("open", Some(5)), ("decided", None)] {
        let put = stack.client.put_item().table_name("orders");
        let mut put = put.item("order_id", text(id));
        if let Some(due) = due {
            put = put.item("work", text("0")).item("due_ms", number(due));
        }
        put.send().await.unwrap();
    }
    let query = stack.client.query().table_name("orders");
    let due = query
        .index_name("work_by_due")
        .key_condition_expression("#work = :shard AND due_ms <= :now")
        // WORK is one of DynamoDB's reserved words.
        .expression_attribute_names("#work", "work")
        .expression_attribute_values(":shard", text("0"))
        .expression_attribute_values(":now", number(10))
        .send()
        .await
        .unwrap();
    assert_eq!(due.items().len(), 1);
    assert_eq!(due.items()[0]["order_id"], text("open"));
}

#[tokio::test(start_paused = true)]
async fn the_sweep_removes_what_has_expired() {
    let stack = Stack::in_memory();
    let put = stack.client.put_item().table_name("inventory");
    let expired = put.item("pk", text("old")).item("expires_at", number(1));
    expired.send().await.unwrap();
    assert_eq!(stack.store.sweep_expired().unwrap(), 1);
    assert!(stack.get("old").await.is_none());
}
