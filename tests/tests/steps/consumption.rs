//! The consumption of a reservation: once, twice, concurrently, and with late requests.

use local_aws::Api;
use local_stack::functions::Invoked;
use local_stack::lambda::Functions;
use order::{Effect, Order};
use orders::handover::PaymentCheck;
use serde_json::json;
use system_tests::faults::{Calls, Fault, Faults, Turns, permutations};
use system_tests::orders::{clerk, order};
use system_tests::shops::{OPENED_MS, Shop, shop};
use tokio::task::JoinSet;
use tokio::time::advance;

use crate::errors::errors_that_decide_nothing;
use crate::record::do_steps;
use crate::step::Standing::{Consumed, Done, Tombstone, Undone, Untouched};
use crate::step::{INVENTORY, SECOND, error_of, instances, persist, receipt, receipts};

async fn consume_on(functions: &Functions, order: &Order) -> Invoked {
    functions.invoke("reserve-inventory", json!({"action": "consume", "order_id": order.order_id()})).await
}

async fn consume(shop: &Shop, order: &Order) -> Invoked {
    consume_on(&shop.functions, order).await
}

/// An order that the store is handing over. The audit holds for it with its stock reserved, and with its stock
/// consumed.
async fn handed_over(shop: &Shop, key: &str) -> Order {
    let order = INVENTORY.order(shop, key).await;
    do_steps(shop, &order).await;
    let id = order.order_id();
    shop.orders.confirm(id, &order.store_id, &receipts(Effect::Applied), shop.now_ms()).await.unwrap();
    shop.orders.fulfil(id, PaymentCheck::ToDo, &clerk(), shop.now_ms()).await.unwrap();
    order
}

#[tokio::test(start_paused = true)]
async fn a_consumption_takes_exactly_the_orders_stock_off_the_books() {
    let shop = shop().open().await;
    let other = INVENTORY.order(&shop, "another order").await;
    INVENTORY.run(&shop, &other).await.unwrap();
    let order = handed_over(&shop, "k1").await;
    advance(SECOND).await;
    assert_eq!(consume(&shop, &order).await.unwrap(), receipt(OPENED_MS + 1000, "CONSUMED"));
    assert_eq!(INVENTORY.standing(&shop, &order), Consumed);
    assert_eq!(INVENTORY.standing(&shop, &other), Done);
    let books = shop.audit();
    let laptops = books.stock.values().find(|stock| stock.sku.as_str() == "LAPTOP001").unwrap();
    assert_eq!((laptops.available, laptops.reserved), (6, 2));
}

#[tokio::test(start_paused = true)]
async fn fifty_lines_are_consumed_as_one() {
    let names: Vec<&'static str> = (0..50).map(|number| &*format!("SKU{number}").leak()).collect();
    let shop = names.iter().fold(shop(), |shop, name| shop.with_stock(name, 5)).open().await;
    let order = names.iter().fold(order("k1"), |order, name| order.of(name, 5)).placed();
    persist(&shop, &order).await.unwrap();
    INVENTORY.run(&shop, &order).await.unwrap();
    consume(&shop, &order).await.unwrap();
    let books = shop.books();
    let of_order = |sku: &str| books.stock.values().find(|stock| stock.sku.as_str() == sku).unwrap();
    assert!(names.iter().all(|name| (of_order(name).available, of_order(name).reserved) == (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_consumption_done_twice_consumes_once_and_answers_with_the_first_receipt() {
    let shop = shop().open().await;
    let order = handed_over(&shop, "k1").await;
    let first = consume(&shop, &order).await.unwrap();
    let before = shop.items();
    advance(SECOND).await;
    assert_eq!(consume(&shop, &order).await.unwrap(), first);
    assert_eq!(shop.items(), before);
}

#[tokio::test(start_paused = true)]
async fn eight_consumptions_at_once_consume_once() {
    let shop = shop().open().await;
    // Stock of another order, which a second consumption would take.
    let other = INVENTORY.order(&shop, "another order").await;
    INVENTORY.run(&shop, &other).await.unwrap();
    let order = handed_over(&shop, "k1").await;
    let mut callers = JoinSet::new();
    for functions in instances(&shop, 8) {
        let order = order.clone();
        callers.spawn(async move { consume_on(&functions, &order).await });
    }
    for invoked in callers.join_all().await {
        assert_eq!(invoked.unwrap(), receipt(OPENED_MS, "CONSUMED"));
    }
    assert_eq!(INVENTORY.standing(&shop, &order), Consumed);
}

#[tokio::test(start_paused = true)]
async fn at_every_interleaving_two_consumptions_consume_once() {
    for script in permutations("AAABBB") {
        let turns = Turns::free();
        let shop = shop().behind(&turns).open().await;
        let order = handed_over(&shop, "k1").await;
        turns.play(&script);
        let (one, other) = tokio::join!(turns.of('A', consume(&shop, &order)), turns.of('B', consume(&shop, &order)));
        assert_eq!(one.unwrap(), other.unwrap(), "{script}");
        assert_eq!(INVENTORY.standing(&shop, &order), Consumed, "{script}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reservation_after_the_consumption_answers_with_its_first_receipt_and_holds_nothing() {
    let shop = shop().open().await;
    let order = handed_over(&shop, "k1").await;
    consume(&shop, &order).await.unwrap();
    let before = shop.items();
    advance(SECOND).await;
    assert_eq!(INVENTORY.run(&shop, &order).await.unwrap(), receipt(OPENED_MS, "APPLIED"));
    assert_eq!(shop.items(), before);

    let other_content = system_tests::orders::order("k1").of("MOUSE001", 1).placed();
    assert_eq!(error_of(INVENTORY.run(&shop, &other_content).await), "OtherContent");
    assert_eq!(shop.items(), before);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_that_arrives_twice_and_late_holds_nothing_after_the_consumption() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let order = INVENTORY.order(&shop, "k1").await;
    faults.strike(Calls::to(Api::DynamoDb).operation("TransactWriteItems"), Fault::Strand);
    assert_eq!(error_of(INVENTORY.run(&shop, &order).await), "Unavailable");
    faults.heal();
    handed_over(&shop, "k1").await;
    consume(&shop, &order).await.unwrap();
    let answers = faults.deliver(&shop.services).await;
    assert!(!answers.is_empty() && answers.iter().all(|answer| answer.get("__type").is_some()), "{answers:?}");
    assert_eq!(INVENTORY.standing(&shop, &order), Consumed);
}

#[tokio::test(start_paused = true)]
async fn a_release_after_the_consumption_gives_nothing_back() {
    let shop = shop().open().await;
    let order = handed_over(&shop, "k1").await;
    consume(&shop, &order).await.unwrap();
    let before = shop.items();
    assert_eq!(error_of(INVENTORY.undo(&shop, &order).await), "AlreadyConsumed");
    assert_eq!(shop.items(), before);
    assert_eq!(INVENTORY.standing(&shop, &order), Consumed);
}

#[tokio::test(start_paused = true)]
async fn at_every_interleaving_either_the_consumption_or_the_release_has_the_stock() {
    for script in permutations("AAACCC") {
        let turns = Turns::free();
        let shop = shop().behind(&turns).open().await;
        // Neither decision is on record: an order never has both, so no audit would hold for both.
        let order = INVENTORY.order(&shop, "k1").await;
        INVENTORY.run(&shop, &order).await.unwrap();
        turns.play(&script);
        let (consumed, released) =
            tokio::join!(turns.of('A', consume(&shop, &order)), turns.of('C', INVENTORY.undo(&shop, &order)));
        let available = shop.available("LAPTOP001");
        if consumed.is_ok() {
            assert_eq!((error_of(released).as_str(), available), ("AlreadyConsumed", 8), "{script}");
        } else {
            assert_eq!((error_of(consumed).as_str(), available), ("NotApplied", 10), "{script}");
            assert_eq!(released.unwrap(), receipt(OPENED_MS, "UNDONE"), "{script}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_without_reserved_stock_cannot_be_consumed_and_is_left_unchanged() {
    let shop = shop().open().await;
    let absent = INVENTORY.order(&shop, "absent").await;
    let undone = INVENTORY.order(&shop, "undone").await;
    INVENTORY.run(&shop, &undone).await.unwrap();
    INVENTORY.undo(&shop, &undone).await.unwrap();
    let tombstone = INVENTORY.order(&shop, "tombstone").await;
    INVENTORY.undo(&shop, &tombstone).await.unwrap();
    for (order, standing) in [(absent, Untouched), (undone, Undone), (tombstone, Tombstone)] {
        let before = shop.items();
        assert_eq!(error_of(consume(&shop, &order).await), "NotApplied", "{standing:?}");
        assert_eq!(shop.items(), before, "{standing:?}");
        assert_eq!(INVENTORY.standing(&shop, &order), standing);
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumed_fence_expires_long_after_every_message_and_one_that_holds_stock_never_does() {
    let longest_message_s = 4 * 14 * 24 * 60 * 60;
    let shop = shop().open().await;
    let order = handed_over(&shop, "k1").await;
    let expiry = || shop.books().reservations[order.order_id()].expires_at;
    assert_eq!(expiry(), None);
    consume(&shop, &order).await.unwrap();
    let expires_s = expiry().expect("a consumed fence expires");
    assert!((OPENED_MS / 1000 + longest_message_s..OPENED_MS / 100).contains(&expires_s), "{expires_s} are seconds");
}

#[tokio::test(start_paused = true)]
async fn every_error_of_dynamodb_is_unavailable_and_the_next_consumption_succeeds() {
    for error in errors_that_decide_nothing() {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        for operation in ["GetItem", "TransactWriteItems"] {
            let order = handed_over(&shop, operation).await;
            faults.strike(Calls::to(Api::DynamoDb).operation(operation), Fault::Refuse(error.clone()));
            assert_eq!(error_of(consume(&shop, &order).await), "Unavailable", "{operation} is answered with {error:?}");
            faults.heal();
            assert_eq!(INVENTORY.standing(&shop, &order), Done);
            consume(&shop, &order).await.unwrap();
            assert_eq!(INVENTORY.standing(&shop, &order), Consumed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumption_whose_answer_is_lost_is_recognised_on_the_next_try() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let order = handed_over(&shop, "k1").await;
    faults.strike(Calls::to(Api::DynamoDb).operation("TransactWriteItems"), Fault::LoseAnswer);
    assert_eq!(error_of(consume(&shop, &order).await), "Unavailable");
    faults.heal();
    advance(SECOND).await;
    assert_eq!(consume(&shop, &order).await.unwrap()["effect"], "CONSUMED");
    assert_eq!(INVENTORY.standing(&shop, &order), Consumed);
}

#[tokio::test(start_paused = true)]
async fn stock_that_is_no_longer_reserved_is_not_consumed() {
    let shop = shop().open().await;
    let order = handed_over(&shop, "k1").await;
    let key = inventory::stock_key(&order.store_id, &order.lines[0].sku);
    let update = shop.client.update_item().table_name(inventory::table::TABLE).set_key(Some(key));
    let one = aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned());
    let by_hand = update.update_expression("SET reserved = :one").expression_attribute_values(":one", one);
    by_hand.send().await.unwrap();
    let before = shop.items();
    // It stays open until someone has looked, rather than inventing stock that is not there.
    assert_eq!(error_of(consume(&shop, &order).await), "Unavailable");
    assert_eq!(shop.items(), before);
}
