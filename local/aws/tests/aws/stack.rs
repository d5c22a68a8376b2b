//! A local stack with the calls that most tests need.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder};
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use local_aws::{Api, DynamoDb, InProcess, Item, Layer, Services, create_missing};

/// The key that most tests are about.
pub const FENCE: &str = "order#1";

/// A DynamoDB with the saga's tables, and one client for it.
pub struct Stack {
    pub store: DynamoDb,
    pub services: Services,
    pub client: aws_sdk_dynamodb::Client,
}

impl Stack {
    pub fn in_memory() -> Self {
        Self::on(DynamoDb::in_memory().unwrap(), None)
    }

    pub fn with_layer(layer: impl Layer + 'static) -> Self {
        Self::on(DynamoDb::in_memory().unwrap(), Some(Arc::new(layer)))
    }

    pub fn on(store: DynamoDb, layer: Option<Arc<dyn Layer>>) -> Self {
        create_missing(&store).unwrap();
        Self::as_it_is(store, layer)
    }

    /// A client on the store's existing tables.
    pub fn as_it_is(store: DynamoDb, layer: Option<Arc<dyn Layer>>) -> Self {
        let mut services = Services::new().with(Api::DynamoDb, Arc::new(store.clone()));
        if let Some(layer) = layer {
            services = services.with_layer(layer);
        }
        let client = InProcess::new(services.clone()).dynamodb_with(impatient());
        Self { store, services, client }
    }

    pub async fn put(&self, pk: &str, available: i64) {
        let put = self.client.put_item().table_name("inventory");
        put.item("pk", text(pk)).item("available", number(available)).send().await.unwrap();
    }

    pub async fn get(&self, pk: &str) -> Option<Item> {
        let get = self.client.get_item().table_name("inventory");
        let get = get.key("pk", text(pk)).consistent_read(true);
        get.send().await.unwrap().item
    }
}

/// One attempt of at most three seconds, so that a fault shows at once.
pub fn impatient() -> Builder {
    aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(3)).build())
}

pub fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Puts a fence if none exists, and returns the existing one otherwise.
pub fn put_fence(pk: &str) -> TransactWriteItem {
    let put = Put::builder()
        .table_name("inventory")
        .item("pk", text(pk))
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld);
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

/// Takes some of a stock if that much is available.
pub fn take(pk: &str, quantity: i64) -> TransactWriteItem {
    let update = Update::builder()
        .table_name("inventory")
        .key("pk", text(pk))
        .update_expression("SET available = available - :quantity, #last = :last")
        .condition_expression("available >= :quantity")
        .expression_attribute_names("#last", "last")
        .expression_attribute_values(":quantity", number(quantity))
        .expression_attribute_values(":last", text("taken"));
    TransactWriteItem::builder().update(update.build().unwrap()).build()
}
