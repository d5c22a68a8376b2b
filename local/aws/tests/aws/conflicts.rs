use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_get_items::TransactGetItemsError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Get, TransactGetItem, TransactWriteItem};
use local_aws::{ConflictingTransactions, DynamoDb};

use crate::stack::{FENCE, Stack, number, put_fence, take, text};

const WINDOW: Duration = Duration::from_millis(5);

fn conflicting() -> Stack {
    let store = DynamoDb::in_memory().unwrap();
    let layer = ConflictingTransactions::new(store.clone(), WINDOW);
    Stack::on(store, Some(Arc::new(layer)))
}

/// The transaction's reasons by code; none if it was applied.
async fn transact(stack: &Stack, actions: Vec<TransactWriteItem>) -> Vec<String> {
    let transaction = stack.client.transact_write_items();
    let transaction = transaction.set_transact_items(Some(actions));
    let Err(error) = transaction.send().await else {
        return Vec::new();
    };
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error.into_service_error() else {
        panic!("only a cancellation is expected");
    };
    let reasons = cancelled.cancellation_reasons().iter();
    reasons.map(|reason| reason.code().unwrap().to_owned()).collect()
}

/// Lets another transaction start first.
async fn in_its_middle<T>(later: impl Future<Output = T>) -> T {
    tokio::time::sleep(WINDOW / 2).await;
    later.await
}

#[tokio::test(start_paused = true)]
async fn the_later_of_two_overlapping_transactions_is_cancelled_on_the_shared_item() {
    let stack = conflicting();
    stack.put("sku", 7).await;
    let (first, second) = tokio::join!(
        transact(&stack, vec![put_fence("order#1"), take("sku", 1)]),
        in_its_middle(transact(&stack, vec![put_fence("order#2"), take("sku", 1)])),
    );
    assert!(first.is_empty());
    assert_eq!(second, ["None", "TransactionConflict"]);
    assert!(stack.get("order#2").await.is_none());
    assert_eq!(stack.get("sku").await.unwrap()["available"], number(6));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_reported_with_the_results_of_the_other_conditions() {
    let stack = conflicting();
    stack.put(FENCE, 0).await;
    stack.put("sku", 7).await;
    stack.put("scarce", 0).await;
    let (first, second) = tokio::join!(
        transact(&stack, vec![take("sku", 1)]),
        in_its_middle(transact(&stack, vec![put_fence(FENCE), take("sku", 1), take("scarce", 1)])),
    );
    assert!(first.is_empty());
    assert_eq!(second, ["ConditionalCheckFailed", "TransactionConflict", "ConditionalCheckFailed"]);
}

#[tokio::test(start_paused = true)]
async fn transactions_one_after_the_other_or_on_other_items_do_not_conflict() {
    let stack = conflicting();
    stack.put("sku", 7).await;
    stack.put("other", 7).await;
    let (first, second) =
        tokio::join!(transact(&stack, vec![take("sku", 1)]), transact(&stack, vec![take("other", 1)]),);
    assert!(first.is_empty() && second.is_empty());
    assert!(transact(&stack, vec![take("sku", 1)]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_transaction_releases_its_items() {
    let stack = conflicting();
    stack.put("sku", 0).await;
    for _ in 0..2 {
        let reasons = transact(&stack, vec![take("sku", 1)]).await;
        assert_eq!(reasons, ["ConditionalCheckFailed"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_its_caller_gave_up_releases_its_items_and_is_not_applied() {
    let stack = conflicting();
    stack.put("sku", 7).await;
    let given_up = tokio::time::timeout(WINDOW / 2, transact(&stack, vec![take("sku", 1)])).await;
    assert!(given_up.is_err());
    assert!(transact(&stack, vec![take("sku", 1)]).await.is_empty());
    assert_eq!(stack.get("sku").await.unwrap()["available"], number(6));
}

#[tokio::test(start_paused = true)]
async fn a_single_write_during_a_transaction_is_refused_and_a_single_read_is_not() {
    let stack = conflicting();
    stack.put("sku", 7).await;
    let during = async {
        let put = stack.client.put_item().table_name("inventory");
        let refused = put.item("pk", text("sku")).send().await.unwrap_err();
        let refused = refused.into_service_error();
        assert!(refused.is_transaction_conflict_exception());
        let update = stack.client.update_item().table_name("inventory");
        let update = update.key("pk", text("sku"));
        let update = update.update_expression("REMOVE available");
        let refused = update.send().await.unwrap_err().into_service_error();
        assert!(refused.is_transaction_conflict_exception());
        assert_eq!(stack.get("sku").await.unwrap()["available"], number(7));
    };
    let (applied, ()) = tokio::join!(transact(&stack, vec![take("sku", 1)]), in_its_middle(during));
    assert!(applied.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reading_transaction_conflicts_with_a_writing_one() {
    let stack = conflicting();
    stack.put("sku", 7).await;
    let during = async {
        let get = |pk| {
            let get = Get::builder().table_name("inventory").key("pk", text(pk));
            TransactGetItem::builder().get(get.build().unwrap()).build()
        };
        let read = stack.client.transact_get_items();
        let read = read.transact_items(get("sku")).transact_items(get("other"));
        let error = read.send().await.unwrap_err().into_service_error();
        let TransactGetItemsError::TransactionCanceledException(cancelled) = error else {
            panic!("{error:?}");
        };
        let reasons = cancelled.cancellation_reasons();
        assert_eq!(reasons[0].code(), Some("TransactionConflict"));
        assert_eq!(reasons[1].code(), Some("None"));
    };
    tokio::join!(transact(&stack, vec![take("sku", 1)]), in_its_middle(during));
}

#[tokio::test(start_paused = true)]
async fn of_many_buyers_of_a_scarce_item_exactly_as_many_succeed_as_there_are_items() {
    let stack = Arc::new(conflicting());
    stack.put("sku", 100).await;
    let buyers = (0..200).map(|buyer| {
        let stack = Arc::clone(&stack);
        tokio::spawn(async move {
            // Retried only while a conflict, and nothing else, is in the way.
            for attempt in 1.. {
                let fence = put_fence(&format!("order#{buyer}"));
                let reasons = transact(&stack, vec![fence, take("sku", 1)]).await;
                match reasons.as_slice() {
                    [] => return true,
                    [first, second] if first == "None" && second == "ConditionalCheckFailed" => {
                        return false;
                    }
                    [first, second] if first == "None" && second == "TransactionConflict" => {
                        tokio::time::sleep(WINDOW * (1 + (buyer * attempt) % 211)).await;
                    }
                    other => panic!("{other:?}"),
                }
            }
            unreachable!("the loop over attempts does not end")
        })
    });
    let mut sold = 0;
    for buyer in buyers.collect::<Vec<_>>() {
        sold += u32::from(buyer.await.unwrap());
    }
    assert_eq!(sold, 100);
    assert_eq!(stack.get("sku").await.unwrap()["available"], number(0));
}
