use std::sync::Arc;

use local_aws::{DynamoDb, Tally, Usage};

use crate::stack::{FENCE, Stack, number, put_fence, take, text};

fn counted() -> (Arc<Tally>, Stack) {
    let tally = Arc::new(Tally::new());
    let store = DynamoDb::in_memory().unwrap();
    let stack = Stack::on(store, Some(tally.clone()));
    (tally, stack)
}

#[tokio::test(start_paused = true)]
async fn a_write_costs_one_unit_for_the_table_and_one_for_each_index_it_enters() {
    let (tally, stack) = counted();
    let put = stack.client.put_item().table_name("orders");
    put.item("order_id", text("1"))
        .item("tenant_customer", text("public#demo123"))
        .item("created_ms", number(1))
        .item("work", text("0"))
        .item("due_ms", number(2))
        .send()
        .await
        .unwrap();
    assert_eq!(tally.total(), Usage { requests: 1, write_units: 3.0, read_units: 0.0 });
}

#[tokio::test(start_paused = true)]
async fn a_transaction_costs_double() {
    let (tally, stack) = counted();
    stack.put("sku", 7).await;
    tally.reset();
    let transaction = stack.client.transact_write_items();
    transaction.transact_items(put_fence(FENCE)).transact_items(take("sku", 1)).send().await.unwrap();
    assert_eq!(tally.by_operation()["TransactWriteItems"], Usage { requests: 1, write_units: 4.0, read_units: 0.0 });
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_counts_and_a_read_costs_read_units() {
    let (tally, stack) = counted();
    stack.put("sku", 0).await;
    tally.reset();
    let transaction = stack.client.transact_write_items();
    let refused = transaction.transact_items(take("sku", 1)).send().await;
    assert!(refused.is_err());
    stack.get("sku").await;
    assert_eq!(tally.total(), Usage { requests: 2, write_units: 0.0, read_units: 1.0 });
}
