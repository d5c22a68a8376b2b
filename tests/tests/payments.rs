//! Orders with an authorised payment, from the checkout to the hand-over.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::sync::Arc;

use engine::{Event, EventKind};
use local_aws::DynamoDb;
use local_payments::{Card, Intent, IntentStatus};
use local_stack::seed::Seed;
use local_stack::{Options, Payments, Stack, config};
use order::Status;
use payments::{Capture, Gateway};
use serde_json::{Value, json};
use system_tests::operations::{get, put};
use system_tests::orders::{OrderBuilder, Reply, cancel_order, clerk, fulfil_order, order, order_id};
use system_tests::shops::{OPENED_MS, Shop, recovery, shop};
use tokio::task::JoinSet;

const PAYMENT: &str = "pi_1";

/// The total of the orders here.
const TOTAL: i64 = 20_00;

/// An order of that total.
fn paid(key: &str) -> OrderBuilder {
    order(key).of("LAPTOP001", 2).paid_with(PAYMENT)
}

async fn authorise(stack: &Stack, payment: &str, amount_minor: i64, card: Card) {
    let currency = "USD".parse().unwrap();
    stack.payments.authorise_as(payment.parse().unwrap(), amount_minor, currency, card).await.unwrap();
}

async fn intent(stack: &Stack, payment: &str) -> Intent {
    stack.payments.intent(&payment.parse().unwrap()).await.unwrap().unwrap()
}

fn standing(intent: &Intent) -> (IntentStatus, i64, i64) {
    (intent.status, intent.captured_minor, intent.refunded_minor)
}

async fn with_card(card: Card) -> (Shop, Reply) {
    let shop = shop().open().await;
    authorise(&shop, PAYMENT, TOTAL, card).await;
    let reply = paid("k1").place_order(&shop).await;
    (shop, reply)
}

async fn kinds_of_entries(stack: &Stack, key: &str) -> Vec<String> {
    let journal = get(&format!("/orders/{}/journal", order_id(key))).send(stack).await;
    let entries = journal.body["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect()
}

fn problem(reply: &Reply) -> (u16, &str) {
    let kind = reply.body["type"].as_str().unwrap_or_default();
    (reply.http_status, kind.trim_start_matches("urn:order-saga:problem:"))
}

fn audit(shop: &Shop) {
    let report = local_audit::run(&shop.store).unwrap();
    assert!(report.holds, "{:?}", report.findings);
}

#[tokio::test(start_paused = true)]
async fn a_good_card_is_captured_once_and_settled() {
    for card in [Card::Good, Card::Slow] {
        let (shop, reply) = with_card(card).await;
        assert_eq!(reply.outcome(), (201, "CONFIRMED", ""));
        assert_eq!(standing(&intent(&shop, PAYMENT).await), (IntentStatus::Succeeded, TOTAL, 0));
        assert_eq!(kinds_of_entries(&shop, "k1").await, ["POSTING", "SETTLEMENT"]);
        let again = paid("k1").place_order(&shop).await;
        assert_eq!(again.outcome(), (201, "CONFIRMED", ""));
        audit(&shop);
    }
}

#[tokio::test(start_paused = true)]
async fn a_card_that_does_not_pay_leaves_nothing_of_the_order() {
    for (card, reason) in [(Card::Declined, "PAYMENT_DECLINED"), (Card::Expired, "PAYMENT_NOT_AUTHORIZED")] {
        let (shop, reply) = with_card(card).await;
        assert_eq!(reply.outcome(), (409, "CANCELLED", reason));
        assert_eq!(standing(&intent(&shop, PAYMENT).await), (IntentStatus::Canceled, 0, 0));
        let stock = get("/stores/main/stock/LAPTOP001").send(&shop).await;
        assert_eq!(stock.body["available"], 10);
        audit(&shop);
    }
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_is_not_meant_for_the_order_is_left_alone() {
    let shop = shop().open().await;
    authorise(&shop, "pi_other_amount", TOTAL + 1, Card::Good).await;
    authorise(&shop, PAYMENT, TOTAL, Card::Good).await;
    assert_eq!(paid("first").place_order(&shop).await.outcome(), (201, "CONFIRMED", ""));
    let of = |key: &str, payment: &str| order(key).of("MOUSE001", 2).paid_with(payment);
    for (order, reason) in [
        (of("k1", "pi_other_amount"), "PAYMENT_MISMATCH"),
        (of("k2", "pi_nobodys"), "PAYMENT_NOT_AUTHORIZED"),
        (of("k3", PAYMENT), "PAYMENT_MISMATCH"),
        (of("k4", "pi_other_amount").in_currency("EUR"), "PAYMENT_MISMATCH"),
    ] {
        assert_eq!(order.place_order(&shop).await.outcome(), (409, "CANCELLED", reason));
    }
    assert!(intent(&shop, "pi_other_amount").await.is_untouched());
    assert_eq!(standing(&intent(&shop, PAYMENT).await), (IntentStatus::Succeeded, TOTAL, 0));
    audit(&shop);
}

#[tokio::test(start_paused = true)]
async fn of_fifty_orders_with_one_payment_one_is_paid() {
    let shop = shop().with_stock("LAPTOP001", 100).open().await;
    authorise(&shop, PAYMENT, TOTAL, Card::Good).await;
    let mut orders = JoinSet::new();
    for number in 0..50 {
        let (stack, order) = (shop.stack.clone(), paid(&format!("k{number}")));
        orders.spawn(async move { order.place_order(&stack).await });
    }
    let replies = orders.join_all().await;
    let confirmed = replies.iter().filter(|reply| reply.status() == "CONFIRMED").count();
    assert_eq!(confirmed, 1);
    assert!(replies.iter().all(|reply| reply.http_status != 202), "{replies:?}");
    assert_eq!(standing(&intent(&shop, PAYMENT).await), (IntentStatus::Succeeded, TOTAL, 0));
    audit(&shop);
}

#[tokio::test(start_paused = true)]
async fn a_customer_who_cancels_gets_the_money_back() {
    let (shop, _) = with_card(Card::Good).await;
    let cancelled = cancel_order(&shop, order_id("k1").as_str()).await;
    assert_eq!(cancelled.outcome(), (200, "CANCELLED", "CUSTOMER_REQUEST"));
    assert_eq!(standing(&intent(&shop, PAYMENT).await), (IntentStatus::Succeeded, TOTAL, TOTAL));
    assert_eq!(kinds_of_entries(&shop, "k1").await, ["POSTING", "SETTLEMENT", "SETTLEMENT_REVERSAL", "REVERSAL"]);
    audit(&shop);
}

#[tokio::test(start_paused = true)]
async fn without_a_payment_provider_an_authorised_payment_is_rejected() {
    let shop = shop().capturing(None).open().await;
    let reply = paid("k1").place_order(&shop).await;
    assert_eq!(problem(&reply), (422, "invalid-order"));
    assert_eq!(reply.body["errors"][0]["pointer"], "#/paymentTerms");
    assert!(reply.body["errors"][0]["detail"].as_str().unwrap().contains("no payment provider"));
    assert_eq!(order("k2").of("LAPTOP001", 1).place_order(&shop).await.outcome(), (201, "CONFIRMED", ""));
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_over_is_collected_and_no_longer_returned() {
    let (shop, _) = with_card(Card::Good).await;
    let id = order_id("k1");
    assert_eq!(fulfil_order(&shop, id.as_str()).await.outcome(), (200, "FULFILLED", ""));
    assert_eq!(problem(&cancel_order(&shop, id.as_str()).await), (409, "order-fulfilled"));
    assert_eq!(standing(&intent(&shop, PAYMENT).await), (IntentStatus::Succeeded, TOTAL, 0));
    audit(&shop);
}

// --- Captured at the hand-over ------------------------------------------------------------------------------

async fn confirmed_for_later() -> Shop {
    let shop = shop().capturing(Some(Capture::Fulfilment)).open().await;
    authorise(&shop, PAYMENT, TOTAL, Card::Good).await;
    let reply = paid("k1").place_order(&shop).await;
    assert_eq!(reply.outcome(), (201, "CONFIRMED", ""));
    assert_eq!(reply.body["captureBefore"], "2027-01-22T08:00:00Z", "seven days after the shop opened");
    shop
}

/// What a bank does after seven days.
async fn lapse(shop: &Shop, payment: &str) {
    shop.payments.cancel(&payment.parse().unwrap(), "lapsed").await.unwrap();
}

async fn replace(shop: &Shop, by: &str) -> Reply {
    put(&format!("/orders/{}/payment", order_id("k1")), &json!({ "paymentReference": by })).send(shop).await
}

#[tokio::test(start_paused = true)]
async fn a_payment_for_later_is_claimed_at_once_and_captured_at_the_hand_over() {
    let shop = confirmed_for_later().await;
    assert!(intent(&shop, PAYMENT).await.is_untouched());
    assert_eq!(kinds_of_entries(&shop, "k1").await, ["POSTING"]);
    let contender = order("k2").of("MOUSE001", 2).paid_with(PAYMENT).place_order(&shop).await;
    assert_eq!(contender.outcome(), (409, "CANCELLED", "PAYMENT_MISMATCH"));
    audit(&shop);

    let handed_over = fulfil_order(&shop, order_id("k1").as_str()).await;
    assert_eq!(handed_over.outcome(), (200, "FULFILLED", ""));
    assert_eq!(handed_over.body["captureBefore"], Value::Null);
    assert_eq!(standing(&intent(&shop, PAYMENT).await), (IntentStatus::Succeeded, TOTAL, 0));
    assert_eq!(kinds_of_entries(&shop, "k1").await, ["POSTING", "SETTLEMENT"]);
    audit(&shop);
}

#[tokio::test(start_paused = true)]
async fn goods_that_nobody_would_pay_for_stay_until_another_payment_is_claimed() {
    let shop = confirmed_for_later().await;
    let id = order_id("k1");
    authorise(&shop, "pi_2", TOTAL, Card::Good).await;
    assert_eq!(problem(&replace(&shop, "pi_2").await), (409, "payment-not-lost"));
    lapse(&shop, PAYMENT).await;
    assert_eq!(problem(&fulfil_order(&shop, id.as_str()).await), (409, "payment-lapsed"));
    assert_eq!(shop.orders.read(&id).await.unwrap().unwrap().status, Status::Confirmed);

    authorise(&shop, "pi_small", TOTAL - 1, Card::Good).await;
    authorise(&shop, "pi_expired", TOTAL, Card::Expired).await;
    authorise(&shop, "pi_used", TOTAL, Card::Good).await;
    order("k2").of("MOUSE001", 2).paid_with("pi_used").place_order(&shop).await;
    for unfit in ["pi_small", "pi_expired", "pi_used", "pi_nobodys"] {
        assert_eq!(problem(&replace(&shop, unfit).await), (409, "payment-not-accepted"), "{unfit}");
    }
    assert_eq!(problem(&replace(&shop, "pi/2").await), (422, "invalid-content"));

    for _ in 0..2 {
        let replaced = replace(&shop, "pi_2").await;
        assert_eq!(replaced.outcome(), (200, "CONFIRMED", ""));
        assert_eq!(replaced.body["paymentReference"], "pi_2");
        assert!(replaced.body["captureBefore"].is_string());
    }
    assert_eq!(fulfil_order(&shop, id.as_str()).await.outcome(), (200, "FULFILLED", ""));
    assert_eq!(standing(&intent(&shop, "pi_2").await), (IntentStatus::Succeeded, TOTAL, 0));
    assert_eq!(problem(&replace(&shop, "pi_small").await), (409, "payment-not-lost"));
    audit(&shop);
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_declined_at_the_hand_over_parks_the_order_in_recoverys_next_run() {
    let shop = shop().capturing(Some(Capture::Fulfilment)).open().await;
    authorise(&shop, PAYMENT, TOTAL, Card::Declined).await;
    assert_eq!(paid("k1").place_order(&shop).await.outcome(), (201, "CONFIRMED", ""));
    let handed_over = fulfil_order(&shop, order_id("k1").as_str()).await;
    assert_eq!(handed_over.outcome(), (202, "FULFILLING", ""));
    let report = shop.recover_orders.run(&recovery(), shop.clock.now_ms(), recover_orders::RUN_TIME).await;
    assert_eq!(report.parked, Some(1));

    // The bank refuses the card for good: another one pays, and the order is retried.
    authorise(&shop, "pi_2", TOTAL, Card::Good).await;
    let replaced = replace(&shop, "pi_2").await;
    assert_eq!(replaced.outcome(), (200, "FULFILLING", ""));
    assert_eq!(replaced.body["paymentReference"], "pi_2");
    assert_eq!(
        standing(&intent(&shop, PAYMENT).await),
        (IntentStatus::Canceled, 0, 0),
        "it must not be captured as well"
    );
    shop.recover_orders.take_up(&order_id("k1"), &clerk()).await;
    let finished = fulfil_order(&shop, order_id("k1").as_str()).await;
    assert_eq!(finished.outcome(), (200, "FULFILLED", ""));
    audit(&shop);
}

#[tokio::test(start_paused = true)]
async fn a_payment_of_which_something_is_captured_is_not_replaced() {
    let shop = confirmed_for_later().await;
    authorise(&shop, "pi_2", TOTAL, Card::Good).await;
    // By hand, in the provider's dashboard.
    shop.payments.capture(&PAYMENT.parse().unwrap(), TOTAL - 1, "USD", "by-hand").await.unwrap();
    assert_eq!(problem(&replace(&shop, "pi_2").await), (409, "payment-not-lost"));
    assert!(intent(&shop, "pi_2").await.is_untouched());
    let unpaid = order("k2").of("MOUSE001", 2).place_order(&shop).await;
    let path = format!("/orders/{}/payment", unpaid.body["orderId"].as_str().unwrap());
    let refused = put(&path, &json!({ "paymentReference": "pi_2" })).send(&shop).await;
    assert_eq!(problem(&refused), (409, "payment-not-lost"));
    assert_eq!(refused.body["detail"], "the order has no authorised payment");
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_is_lost_as_well_is_not_taken_for_a_payment() {
    let shop = confirmed_for_later().await;
    lapse(&shop, PAYMENT).await;
    authorise(&shop, "pi_2", TOTAL, Card::Good).await;
    assert_eq!(replace(&shop, "pi_2").await.outcome(), (200, "CONFIRMED", ""));
    lapse(&shop, "pi_2").await;
    assert_eq!(problem(&replace(&shop, "pi_2").await), (409, "payment-not-accepted"));
    authorise(&shop, "pi_3", TOTAL, Card::Good).await;
    assert_eq!(replace(&shop, "pi_3").await.outcome(), (200, "CONFIRMED", ""));
    assert_eq!(fulfil_order(&shop, order_id("k1").as_str()).await.outcome(), (200, "FULFILLED", ""));
    audit(&shop);
}

#[tokio::test(start_paused = true)]
async fn payments_are_counted_from_a_day_before_they_lapse() {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let shop = confirmed_for_later().await;
    let count =
        async || shop.recover_orders.run(&recovery(), shop.clock.now_ms(), recover_orders::RUN_TIME).await.lapsing;
    assert_eq!(count().await, Some(0));
    tokio::time::advance(std::time::Duration::from_millis((6 * DAY_MS).unsigned_abs() + 1)).await;
    assert_eq!(count().await, Some(1));
    fulfil_order(&shop, order_id("k1").as_str()).await;
    assert_eq!(count().await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_changed_setting_decides_for_new_orders_alone() {
    let store = DynamoDb::in_memory().unwrap();
    let open = |capture| {
        let payments = Payments { capture: Some(capture), ..Payments::default() };
        let options = Options { origin_ms: OPENED_MS, payments, ..Options::new(store.clone()).unwrap() };
        Stack::open(options).unwrap()
    };
    let before = open(Capture::Fulfilment);
    Seed::sample().unwrap().store(&aws_sdk_dynamodb::Client::new(&config(&before.services))).await.unwrap();
    authorise(&before, PAYMENT, TOTAL, Card::Good).await;
    assert_eq!(paid("k1").place_order(&before).await.outcome(), (201, "CONFIRMED", ""));

    let after = open(Capture::Confirmation);
    assert!(intent(&after, PAYMENT).await.is_untouched());
    assert_eq!(fulfil_order(&after, order_id("k1").as_str()).await.outcome(), (200, "FULFILLED", ""));
    assert_eq!(standing(&intent(&after, PAYMENT).await), (IntentStatus::Succeeded, TOTAL, 0));
    assert!(local_audit::run(&store).unwrap().holds);
}

#[tokio::test(start_paused = true)]
async fn other_orders_ask_the_payment_provider_nothing() {
    #[derive(Debug)]
    struct Unasked;
    impl local_stack::PaymentLayer for Unasked {
        fn before(&self, _provider: local_payments::LocalGateway) -> Arc<dyn Gateway> {
            Arc::new(Self)
        }
    }
    impl Gateway for Unasked {
        fn payment<'a>(&'a self, _: &'a order::PaymentReference) -> payments::Answer<'a, Option<payments::Payment>> {
            panic!("nobody asks for a payment")
        }

        fn capture<'a>(
            &'a self,
            _: &'a order::PaymentReference,
            _: i64,
            _: &'a str,
            _: &'a str,
        ) -> payments::Answer<'a, payments::Payment> {
            panic!("nobody captures a payment")
        }

        fn cancel<'a>(&'a self, _: &'a order::PaymentReference, _: &'a str) -> payments::Answer<'a, ()> {
            panic!("nobody cancels a payment")
        }

        fn refund<'a>(&'a self, _: &'a order::PaymentReference, _: &'a str) -> payments::Answer<'a, ()> {
            panic!("nobody refunds a payment")
        }
    }
    let payments = Payments { layer: Some(Arc::new(Unasked)), ..Payments::default() };
    let stack = Stack::open(Options { payments, ..Options::in_memory().unwrap() }).unwrap();
    Seed::sample().unwrap().store(&aws_sdk_dynamodb::Client::new(&config(&stack.services))).await.unwrap();
    let prepaid = order("k1").of("LAPTOP001", 1).place_order(&stack).await;
    assert_eq!(prepaid.outcome(), (201, "CONFIRMED", ""));
    assert_eq!(fulfil_order(&stack, order_id("k1").as_str()).await.outcome(), (200, "FULFILLED", ""));
    let refused = order("k2").of("LAPTOP001", 1_000).place_order(&stack).await;
    assert_eq!(refused.outcome(), (409, "CANCELLED", "OUT_OF_STOCK"));
    let is_of_payments = |event: &Event| {
        let EventKind::StateEntered { state, .. } = &event.kind else { return false };
        matches!(&**state, "CapturePayment" | "RefundPayment" | "CollectPayment")
    };
    let called = stack.executions.all().iter().any(|execution| execution.history.events().iter().any(is_of_payments));
    assert!(!called, "the payment function is called for no other order");
}
