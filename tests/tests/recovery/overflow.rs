//! Orders in the overflow queue.

use std::time::Duration;

use local_aws::{Api, WireError};
use local_stack::schedule::poll_overflow;
use local_stack::{DEAD_LETTER_QUEUE, OVERFLOW_QUEUE};
use order::Status;
use system_tests::faults::{Calls, Fault, Faults};
use system_tests::orders::{OrderBuilder, order, order_id};
use system_tests::shops::{Shop, shop};

use crate::settle;

fn refused() -> Fault {
    Fault::Refuse(WireError::internal(Api::DynamoDb))
}

/// Places orders that only the queue accepts.
async fn queue(faults: &Faults, shop: &Shop, orders: &[OrderBuilder]) {
    faults.strike(Calls::to(Api::DynamoDb), refused());
    for order in orders {
        assert_eq!(order.place_order(shop).await.outcome(), (202, "PENDING", ""));
    }
    faults.heal();
}

fn laptops(keys: [&str; 3]) -> [OrderBuilder; 3] {
    keys.map(|key| order(key).of("LAPTOP001", 1))
}

#[tokio::test(start_paused = true)]
async fn queued_orders_are_put_on_record_and_decided() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    queue(&faults, &shop, &laptops(["k1", "k2", "k3"])).await;
    assert_eq!(shop.queues.len(OVERFLOW_QUEUE).await.unwrap(), 3);
    let batch = poll_overflow(&shop, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(batch.batch_item_failures, []);
    settle(&shop).await;
    for key in ["k1", "k2", "k3"] {
        assert_eq!(shop.record(&order_id(key)).status, Status::Confirmed);
    }
    assert_eq!(shop.queues.len(OVERFLOW_QUEUE).await.unwrap(), 0);
    assert!(poll_overflow(&shop, Duration::ZERO).await.unwrap().is_none());
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn only_unfinished_messages_return() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    queue(&faults, &shop, &laptops(["k1", "k2", "k3"])).await;
    shop.queues.send(OVERFLOW_QUEUE, "not an order".to_owned(), Duration::ZERO).await.unwrap();
    let batch = poll_overflow(&shop, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(batch.batch_item_failures.len(), 1, "{batch:?}");
    assert_eq!(shop.queues.len(OVERFLOW_QUEUE).await.unwrap(), 1, "only the poison message is left");
    settle(&shop).await;
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_poison_message_ends_in_the_dead_letter_queue() {
    let shop = shop().open().await;
    shop.queues.send(OVERFLOW_QUEUE, r#"{"order_id":"nonsense"}"#.to_owned(), Duration::ZERO).await.unwrap();
    let overflow = declarations::queues().find(|queue| queue.name == "overflow").unwrap();
    let max_receives = overflow.redrive.as_ref().unwrap().max_receives;
    // The visibility timeout passes between two receipts. The last one finds that the message has moved to the
    // dead-letter queue.
    for receipt in 1..=max_receives + 1 {
        assert_eq!(shop.queues.len(DEAD_LETTER_QUEUE).await.unwrap(), 0, "before receipt {receipt}");
        poll_overflow(&shop, Duration::ZERO).await.unwrap();
        tokio::time::sleep(Duration::from_secs(overflow.visibility_seconds.into())).await;
    }
    assert_eq!(shop.queues.len(DEAD_LETTER_QUEUE).await.unwrap(), 1);
    assert_eq!(shop.audit().dead_letters, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_not_done_before_its_record_is_known_to_exist() {
    for fault in [refused(), Fault::LoseRequest, Fault::LoseAnswer] {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        queue(&faults, &shop, &[order("k1").of("LAPTOP001", 1)]).await;
        faults.strike(Calls::to(Api::DynamoDb).table("orders"), fault.clone());
        let batch = poll_overflow(&shop, Duration::ZERO).await.unwrap().unwrap();
        assert_eq!(batch.batch_item_failures.len(), 1, "{fault:?}");
        assert_eq!(shop.queues.len(OVERFLOW_QUEUE).await.unwrap(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_whose_saga_could_not_be_started_is_left_to_the_schedule() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    queue(&faults, &shop, &[order("k1").of("LAPTOP001", 1)]).await;
    faults.strike(Calls::to(Api::StepFunctions), Fault::Refuse(WireError::internal(Api::StepFunctions)));
    let batch = poll_overflow(&shop, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(batch.batch_item_failures, [], "its record exists, so the message is done");
    assert_eq!(shop.record(&order_id("k1")).status, Status::Pending);
    faults.heal();
    crate::recover(&shop).await;
    assert_eq!(shop.record(&order_id("k1")).status, Status::Confirmed);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_arrives_twice_is_one_order() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let laptop = order("k1").of("LAPTOP001", 1);
    queue(&faults, &shop, &[laptop.clone(), laptop]).await;
    let batch = poll_overflow(&shop, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!((batch.batch_item_failures.len(), batch.conflicts), (0, 0));
    settle(&shop).await;
    assert_eq!(shop.available("LAPTOP001"), 9);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_counted_and_dropped_and_the_stored_order_stays() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    queue(&faults, &shop, &[order("k1").of("MOUSE001", 2)]).await;
    assert_eq!(order("k1").of("LAPTOP001", 1).place_order(&shop).await.outcome(), (201, "CONFIRMED", ""));
    let batch = poll_overflow(&shop, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!((batch.batch_item_failures.len(), batch.conflicts), (0, 1));
    settle(&shop).await;
    assert_eq!(shop.queues.len(OVERFLOW_QUEUE).await.unwrap(), 0);
    assert_eq!(shop.record(&order_id("k1")).status, Status::Confirmed);
    assert_eq!((shop.available("LAPTOP001"), shop.available("MOUSE001")), (9, 10));
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn messages_that_a_dead_process_received_become_visible_again() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    queue(&faults, &shop, &[order("k1").of("LAPTOP001", 1)]).await;
    assert_eq!(shop.queued().await.len(), 1);
    assert!(poll_overflow(&shop, Duration::ZERO).await.unwrap().is_none(), "it is hidden");
    shop.queues.release(OVERFLOW_QUEUE).await.unwrap();
    assert!(poll_overflow(&shop, Duration::ZERO).await.unwrap().is_some());
}
