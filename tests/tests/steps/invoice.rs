//! What is specific to invoices.

use aws_sdk_dynamodb::types::AttributeValue;
use local_aws::{Api, CancellationReason, WireError};
use local_stack::config;
use local_stack::functions::Invoked;
use order::Order;
use serde_json::json;
use system_tests::faults::{Calls, Fault, Faults, Turns};
use system_tests::orders::{OrderBuilder, order};
use system_tests::shops::{Shop, set_terms, shop};
use tokio::task::JoinSet;

use crate::step::Standing::{Done, Undone, Untouched};
use crate::step::{INVOICE, PREPAID, error_of, instances, persist};

async fn post(shop: &Shop, order: OrderBuilder) -> Invoked {
    let order = order.placed();
    persist(shop, &order).await.unwrap();
    INVOICE.run(shop, &order).await
}

fn flag(value: bool) -> AttributeValue {
    AttributeValue::Bool(value)
}

fn minor(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

#[tokio::test(start_paused = true)]
async fn the_credit_limit_may_be_reached_and_not_exceeded() {
    let shop = shop().open().await;
    post(&shop, order("k1").of("LAPTOP001", 1).at(60_00).on_invoice()).await.unwrap();
    let beyond = post(&shop, order("beyond").of("LAPTOP001", 1).at(40_01).on_invoice()).await.unwrap_err();
    assert_eq!(beyond.error, "CreditLimitExceeded");
    assert!(beyond.cause.contains("the order exceeds what is left of the credit limit of acme"), "{}", beyond.cause);
    post(&shop, order("k2").of("LAPTOP001", 1).at(40_00).on_invoice()).await.unwrap();
    assert_eq!(shop.owed_minor("acme"), 100_00);
    assert_eq!(error_of(post(&shop, order("k3").of("LAPTOP001", 1).at(1).on_invoice()).await), "CreditLimitExceeded");
    post(&shop, order("a gift").of("LAPTOP001", 1).at(0).on_invoice()).await.unwrap();
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn an_order_larger_than_the_limit_is_refused() {
    let shop = shop().open().await;
    assert_eq!(
        error_of(post(&shop, order("k1").of("LAPTOP001", 1).at(100_01).on_invoice()).await),
        "CreditLimitExceeded"
    );
    assert_eq!(shop.owed_minor("acme"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_account_on_hold_accepts_no_invoice() {
    let shop = shop().open().await;
    let refused = post(&shop, INVOICE_ORDER("k1").by("on-hold")).await.unwrap_err();
    assert_eq!(refused.error, "AccountOnHold");
    assert!(refused.cause.contains("the account of on-hold is on hold"), "{}", refused.cause);
    shop.audit();
}

const INVOICE_ORDER: fn(&str) -> OrderBuilder = INVOICE.order;

#[tokio::test(start_paused = true)]
async fn a_customer_without_an_account_gets_no_invoice() {
    let shop = shop().open().await;
    let refused = post(&shop, INVOICE_ORDER("k1").by("stranger")).await.unwrap_err();
    assert_eq!(refused.error, "UnknownAccount");
    assert!(refused.cause.contains("stranger has no account to invoice"), "{}", refused.cause);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn an_account_in_another_currency_accepts_no_invoice() {
    let shop = shop().open().await;
    let refused = post(&shop, INVOICE_ORDER("k1").by("euro")).await.unwrap_err();
    assert_eq!(refused.error, "CurrencyMismatch");
    assert!(refused.cause.contains("the account of euro is in EUR, and the order is in USD"), "{}", refused.cause);
    post(&shop, INVOICE_ORDER("k2").by("euro").in_currency("EUR")).await.unwrap();
    assert_eq!(shop.owed_minor("euro"), 20_00);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_prepaid_order_needs_no_account() {
    let shop = shop().open().await;
    for customer in ["stranger", "on-hold", "euro"] {
        let order = (PREPAID.order)(customer).by(customer).placed();
        persist(&shop, &order).await.unwrap();
        PREPAID.run(&shop, &order).await.unwrap();
        assert_eq!(PREPAID.standing(&shop, &order), Done);
    }
}

/// Changes an account's terms between the action's read of them and its write.
async fn post_while(change: (&str, AttributeValue)) -> (Shop, Order, Invoked) {
    let turns = Turns::free();
    let shop = shop().behind(&turns).open().await;
    let order = INVOICE.order(&shop, "k1").await;
    let client = aws_sdk_dynamodb::Client::new(&config(&shop.services));
    turns.play("ATA");
    let (invoked, ()) = tokio::join!(
        turns.of('A', INVOICE.run(&shop, &order)),
        turns.of('T', set_terms(&client, journal::table::TABLE, "acme", change.0, change.1)),
    );
    (shop, order, invoked)
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_changes_during_the_action_is_read_again() {
    for limit_minor in [50_00, 500_00, 20_00] {
        let (shop, order, invoked) = post_while(("credit_limit_minor", minor(limit_minor))).await;
        assert_eq!(error_of(invoked), "Unavailable", "the limit is {limit_minor} now");
        assert_eq!(INVOICE.run(&shop, &order).await.unwrap()["effect"], "APPLIED");
        assert_eq!(INVOICE.standing(&shop, &order), Done);
    }
}

#[tokio::test(start_paused = true)]
async fn the_account_at_the_time_of_the_write_counts() {
    let (_, _, invoked) = post_while(("credit_limit_minor", minor(19_99))).await;
    assert_eq!(error_of(invoked), "CreditLimitExceeded");
    let (_, _, invoked) = post_while(("on_hold", flag(true))).await;
    assert_eq!(error_of(invoked), "AccountOnHold");
}

#[tokio::test(start_paused = true)]
async fn concurrent_invoices_never_exceed_the_limit() {
    let shop = shop().open().await;
    let mut callers = JoinSet::new();
    for (number, functions) in instances(&shop, 8).into_iter().enumerate() {
        let order = INVOICE.order(&shop, &format!("k{number}")).await;
        callers.spawn(async move { INVOICE.run_on(&functions, &order).await });
    }
    let refused: Vec<_> = callers.join_all().await.into_iter().filter_map(Result::err).collect();
    assert_eq!(shop.owed_minor("acme"), 100_00);
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|refused| refused.error == "CreditLimitExceeded"), "{refused:?}");
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn an_account_put_on_hold_does_not_block_the_reversal() {
    let shop = shop().open().await;
    let order = INVOICE.order(&shop, "k1").await;
    INVOICE.run(&shop, &order).await.unwrap();
    shop.set_terms("acme", "on_hold", flag(true)).await;
    shop.set_terms("acme", "credit_limit_minor", minor(0)).await;
    // The first receipt still answers: a later hold does not refuse what was already posted.
    assert_eq!(INVOICE.run(&shop, &order).await.unwrap()["effect"], "APPLIED");
    assert_eq!(INVOICE.undo(&shop, &order).await.unwrap()["effect"], "UNDONE");
    assert_eq!(shop.owed_minor("acme"), 0);
    assert_eq!(INVOICE.standing(&shop, &order), Undone);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_during_a_conflict_is_not_a_refusal() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let order = INVOICE.order(&shop, "k1").await;
    let held = json!({
        "customer_id": {"S": "acme"}, "currency": {"S": "USD"}, "credit_limit_minor": {"N": "10000"},
        "on_hold": {"BOOL": true}, "receivable_minor": {"N": "0"},
    });
    let refuses = CancellationReason::conditional_check_failed(Some(held));
    let transactions = Calls::to(Api::DynamoDb).operation("TransactWriteItems");
    for (fence, expected) in [
        (CancellationReason::transaction_conflict(), "Unavailable"),
        (CancellationReason::throttling_error(), "Unavailable"),
        (CancellationReason::none(), "AccountOnHold"),
    ] {
        let error = WireError::transaction_canceled(&[fence, refuses.clone()]);
        faults.strike_times(1, transactions, Fault::Refuse(error));
        assert_eq!(error_of(INVOICE.run(&shop, &order).await), expected);
    }
    assert_eq!(INVOICE.standing(&shop, &order), Untouched);
}
