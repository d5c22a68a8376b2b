use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};

use crate::stack::{Stack, number, text};

#[tokio::test(start_paused = true)]
async fn a_snapshot_holds_values_of_every_type_as_the_client_returns_them() {
    let stack = Stack::in_memory();
    let put = stack.client.put_item().table_name("inventory");
    put.item("pk", text("all"))
        .item("n", number(1))
        .item("b", AttributeValue::B(Blob::new([1, 2])))
        .item("bool", AttributeValue::Bool(true))
        .item("null", AttributeValue::Null(true))
        .item("ss", AttributeValue::Ss(vec!["a".to_owned()]))
        .item("ns", AttributeValue::Ns(vec!["1".to_owned()]))
        .item("bs", AttributeValue::Bs(vec![Blob::new([3])]))
        .item("l", AttributeValue::L(vec![number(1), text("x")]))
        .item("m", AttributeValue::M([("k".to_owned(), text("v"))].into()))
        .send()
        .await
        .unwrap();
    let snapshot = stack.store.snapshot(&["inventory", "journal"]).unwrap();
    assert_eq!(snapshot["inventory"], [stack.get("all").await.unwrap()]);
    assert!(snapshot["journal"].is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_reads_many_pages() {
    // 1.5 KB each: three pages of DynamoDB's 1 MB.
    let stack = Stack::in_memory();
    let filler = "x".repeat(1_500);
    for batch in 0..80 {
        let puts = (0..25).map(|place| {
            let put = PutRequest::builder().item("pk", text(&format!("{batch}-{place}")));
            let put = put.item("filler", text(&filler)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        });
        let write = stack.client.batch_write_item();
        let write = write.request_items("inventory", puts.collect());
        write.send().await.unwrap();
    }
    let mut seen = std::collections::BTreeSet::new();
    stack
        .store
        .read_all(&["inventory"], |table, item| {
            assert_eq!(table, "inventory");
            assert!(seen.insert(item["pk"].as_s().unwrap().clone()));
        })
        .unwrap();
    assert_eq!(seen.len(), 2_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_shows_one_moment_of_all_tables() {
    // Each round is written to both tables, inventory first, so at any moment inventory is at most one round
    // ahead and never behind. Reading one table after the other would show journal far ahead.
    let stack = Arc::new(Stack::in_memory());
    let write = async |stack: &Stack, round| {
        for table in ["inventory", "journal"] {
            let put = stack.client.put_item().table_name(table);
            let put = put.item("pk", text("round")).item("sk", text("0"));
            put.item("n", number(round)).send().await.unwrap();
        }
    };
    write(&stack, 0).await;
    let done = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (stack, done) = (stack.clone(), done.clone());
        async move {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                round += 1;
                write(&stack, round).await;
            }
        }
    });
    for _ in 0..200 {
        let snapshot = stack.store.snapshot(&["inventory", "journal"]).unwrap();
        let round = |table: &str| -> i64 {
            let item = &snapshot[table][0];
            item["n"].as_n().unwrap().parse().unwrap()
        };
        let ahead = round("inventory") - round("journal");
        assert!((0..=1).contains(&ahead), "inventory is {ahead} ahead");
        tokio::task::yield_now().await;
    }
    done.store(true, Ordering::Relaxed);
    writer.await.unwrap();
}

#[test]
fn a_missing_table_is_named_in_the_error() {
    let store = local_aws::DynamoDb::in_memory().unwrap();
    let error = store.snapshot(&["orders"]).unwrap_err();
    assert!(error.to_string().contains("orders"), "{error}");
}
