use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use local_aws::{DynamoDb, StoreError};

use crate::stack::{FENCE, Stack, number, put_fence, take, text};

#[tokio::test(start_paused = true)]
async fn an_item_that_was_put_can_be_read() {
    let stack = Stack::in_memory();
    stack.put("sku", 7).await;
    assert_eq!(stack.get("sku").await.unwrap()["available"], number(7));
}

#[tokio::test(start_paused = true)]
async fn an_update_returns_the_new_values() {
    let stack = Stack::in_memory();
    stack.put("sku", 7).await;
    let update = stack.client.update_item().table_name("inventory");
    let updated = update
        .key("pk", text("sku"))
        .update_expression("SET available = available - :one")
        .expression_attribute_values(":one", number(1))
        .return_values(ReturnValue::AllNew)
        .send()
        .await
        .unwrap();
    assert_eq!(updated.attributes.unwrap()["available"], number(6));
}

#[tokio::test(start_paused = true)]
async fn a_failed_condition_returns_the_old_item() {
    let stack = Stack::in_memory();
    stack.put("sku", 7).await;
    let put = stack.client.put_item().table_name("inventory");
    let refused = put
        .item("pk", text("sku"))
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let PutItemError::ConditionalCheckFailedException(failed) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(failed.item.unwrap()["available"], number(7));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_transaction_gives_a_reason_for_each_action_and_writes_nothing() {
    let stack = Stack::in_memory();
    stack.put(FENCE, 0).await;
    stack.put("sku", 7).await;
    let refused = stack
        .client
        .transact_write_items()
        .transact_items(put_fence(FENCE))
        .transact_items(take("sku", 1))
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = refused else {
        panic!("{refused:?}");
    };
    let reasons = cancelled.cancellation_reasons();
    assert_eq!(reasons[0].code(), Some("ConditionalCheckFailed"));
    assert_eq!(reasons[0].item().unwrap()["pk"], text(FENCE));
    assert_eq!(reasons[1].code(), Some("None"));
    assert_eq!(stack.get("sku").await.unwrap()["available"], number(7));
}

#[tokio::test(start_paused = true)]
async fn the_token_of_a_transaction_is_dropped() {
    // A token that dynoxide saw would make the second transaction, with other content, an
    // IdempotentParameterMismatchException.
    let stack = Stack::in_memory();
    for pk in ["a", "b"] {
        let transaction = stack.client.transact_write_items();
        transaction.client_request_token("the same token").transact_items(put_fence(pk)).send().await.unwrap();
    }
    assert!(stack.get("a").await.is_some() && stack.get("b").await.is_some());
}

#[tokio::test]
async fn a_store_on_disk_survives_reopening() {
    let dir = tempfile::tempdir().unwrap();
    {
        let stack = Stack::on(DynamoDb::open(dir.path()).unwrap(), None);
        stack.put("sku", 7).await;
    }
    let stack = Stack::on(DynamoDb::open_existing(dir.path()).unwrap(), None);
    assert_eq!(stack.get("sku").await.unwrap()["available"], number(7));
}

#[tokio::test(start_paused = true)]
async fn a_store_on_disk_does_not_let_the_paused_clock_run_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let stack = Stack::on(DynamoDb::open(dir.path()).unwrap(), None);
    let started = tokio::time::Instant::now();
    stack.put("sku", 7).await;
    assert_eq!(started.elapsed(), std::time::Duration::ZERO);
}

#[test]
fn a_directory_in_use_is_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let held = DynamoDb::open(dir.path()).unwrap();
    let refused = DynamoDb::open_existing(dir.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Held { .. }));
    assert!(refused.to_string().contains("GET /_local/audit"));
    drop(held);
    DynamoDb::open_existing(dir.path()).unwrap();
}

#[test]
fn a_directory_without_a_store_is_not_taken_for_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let refused = DynamoDb::open_existing(dir.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Absent { .. }));
}

#[tokio::test(start_paused = true)]
async fn requests_of_concurrent_tasks_interleave() {
    let stack = Stack::in_memory();
    let (first, second) = (stack.client.clone(), stack.client.clone());
    let seen = std::sync::Mutex::new(String::new());
    let run = async |client: aws_sdk_dynamodb::Client, name: char| {
        for _ in 0..3 {
            let get = client.get_item().table_name("inventory");
            get.key("pk", text("sku")).send().await.unwrap();
            seen.lock().unwrap().push(name);
        }
    };
    tokio::join!(run(first, 'a'), run(second, 'b'));
    let seen = seen.into_inner().unwrap();
    assert!(!["aaabbb", "bbbaaa"].contains(&seen.as_str()), "{seen}");
}
