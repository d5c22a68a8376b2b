//! What is specific to the inventory step.

use local_aws::{Api, CancellationReason, WireError};
use serde_json::json;
use system_tests::faults::{Calls, Fault, Faults};
use system_tests::orders::order;
use system_tests::shops::shop;

use crate::step::Standing::Untouched;
use crate::step::{INVENTORY, error_of, persist};

#[tokio::test(start_paused = true)]
async fn a_reservation_holds_every_line_or_none() {
    let shop = shop().with_stock("SCARCE", 1).open().await;
    let order = order("k1").of("LAPTOP001", 3).of("SCARCE", 2).of("MOUSE001", 1).placed();
    persist(&shop, &order).await.unwrap();
    let refused = INVENTORY.run(&shop, &order).await.unwrap_err();
    assert_eq!(refused.error, "OutOfStock");
    assert!(refused.cause.contains("main has 1 of SCARCE, and 2 were ordered"), "{}", refused.cause);
    assert_eq!(["LAPTOP001", "SCARCE", "MOUSE001"].map(|sku| shop.available(sku)), [10, 1, 10]);
    assert_eq!(INVENTORY.standing(&shop, &order), Untouched);
}

#[tokio::test(start_paused = true)]
async fn fifty_lines_are_reserved_and_released_as_one() {
    let names: Vec<&'static str> = (0..50).map(|number| &*format!("SKU{number}").leak()).collect();
    let shop = names.iter().fold(shop(), |shop, name| shop.with_stock(name, 5)).open().await;
    let order = names.iter().fold(order("k1"), |order, name| order.of(name, 5)).placed();
    persist(&shop, &order).await.unwrap();
    INVENTORY.run(&shop, &order).await.unwrap();
    assert!(names.iter().all(|name| shop.available(name) == 0));
    shop.audit();
    INVENTORY.undo(&shop, &order).await.unwrap();
    assert!(names.iter().all(|name| shop.available(name) == 5));
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn the_last_piece_can_be_reserved() {
    let shop = shop().open().await;
    let all = order("all").of("LAPTOP001", 10).placed();
    persist(&shop, &all).await.unwrap();
    INVENTORY.run(&shop, &all).await.unwrap();
    let one_more = order("one more").of("LAPTOP001", 1).placed();
    persist(&shop, &one_more).await.unwrap();
    assert_eq!(error_of(INVENTORY.run(&shop, &one_more).await), "OutOfStock");
    INVENTORY.undo(&shop, &all).await.unwrap();
    INVENTORY.run(&shop, &one_more).await.unwrap();
    assert_eq!(shop.available("LAPTOP001"), 9);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn an_article_that_the_store_does_not_keep_is_named() {
    let shop = shop().open().await;
    let unknown =
        [order("k1").of("LAPTOP001", 1).of("NOSUCH", 1), order("k2").of("LAPTOP001", 1).with("storeId", "west")];
    for (order, said) in unknown.into_iter().zip(["main does not keep NOSUCH", "west does not keep LAPTOP001"]) {
        let order = order.placed();
        persist(&shop, &order).await.unwrap();
        let refused = INVENTORY.run(&shop, &order).await.unwrap_err();
        assert_eq!(refused.error, "UnknownSku");
        assert!(refused.cause.contains(said), "{}", refused.cause);
        assert_eq!(INVENTORY.standing(&shop, &order), Untouched);
    }
}

#[tokio::test(start_paused = true)]
async fn stock_that_looks_short_during_a_conflict_is_not_a_refusal() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let order = order("k1").of("LAPTOP001", 2).of("MOUSE001", 1).placed();
    persist(&shop, &order).await.unwrap();
    let short = || CancellationReason::conditional_check_failed(Some(json!({"available": {"N": "1"}})));
    let (none, conflict) = (CancellationReason::none, CancellationReason::transaction_conflict);
    let transactions = Calls::to(Api::DynamoDb).operation("TransactWriteItems");
    let refuse = async |reasons: [CancellationReason; 3]| {
        faults.strike_times(1, transactions, Fault::Refuse(WireError::transaction_canceled(&reasons)));
        INVENTORY.run(&shop, &order).await
    };
    assert_eq!(error_of(refuse([conflict(), short(), none()]).await), "Unavailable");
    assert_eq!(error_of(refuse([CancellationReason::throttling_error(), none(), short()]).await), "Unavailable");
    // Without the conflict it is one.
    assert_eq!(error_of(refuse([none(), short(), none()]).await), "OutOfStock");
    // The stock is read again after the conflict, and there is enough.
    refuse([none(), short(), conflict()]).await.unwrap();
    refuse([none(), conflict(), short()]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failed_condition_that_the_old_item_does_not_explain_is_not_a_refusal() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let order = INVENTORY.order(&shop, "k1").await;
    let enough = CancellationReason::conditional_check_failed(Some(json!({"available": {"N": "7"}})));
    let reasons = [CancellationReason::none(), enough];
    faults.strike_times(
        1,
        Calls::to(Api::DynamoDb).operation("TransactWriteItems"),
        Fault::Refuse(WireError::transaction_canceled(&reasons)),
    );
    INVENTORY.run(&shop, &order).await.unwrap();
}
