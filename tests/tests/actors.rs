//! Who did it: every change by hand keeps its actor, in the same write as the change.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::sync::Arc;
use std::time::Duration;

use api::{Caller, Scope};
use local_aws::{Api, CancellationReason, Tally, WireError};
use local_payments::Card;
use local_stack::Stack;
use order::{Actor, Status};
use payments::Capture;
use serde_json::{Value, json};
use system_tests::faults::{Calls, Fault, Faults};
use system_tests::operations::{Ask, get, post, put};
use system_tests::orders::{Reply, client, fulfil_order, order, order_id};
use system_tests::shops::{Shop, recovery, shop};
use tokio::task::JoinSet;
use tokio::time::sleep;

const LAPTOP: &str = "/stores/main/stock/LAPTOP001";
const TERMS: &str = "/accounts/acme/terms";
const HISTORY: &str = "/accounts/acme/terms/history";

/// One of the shop's own staff.
fn staff(name: &str) -> Caller {
    Caller { subject: name.to_owned(), ..Caller::of_an_open_api() }
}

async fn send_as(name: &str, request_id: &str, ask: Ask, stack: &Stack) -> Reply {
    ask.by(&staff(name)).answer_as(stack, request_id).await.into()
}

fn shown(name: &str, request_id: &str) -> Value {
    json!({ "subject": name, "requestId": request_id })
}

fn adjustment(difference: i64, key: &str) -> Ask {
    post(&format!("{LAPTOP}/adjustments"), &json!({ "difference": difference, "reason": "COUNTED" })).under(key)
}

fn terms(limit: i64) -> Ask {
    put(TERMS, &json!({ "creditLimit": limit, "onHold": false })).if_match("*")
}

fn of_order(key: &str, command: &str) -> Ask {
    let path = format!("/orders/{}/{command}", order_id(key));
    post(path.trim_end_matches('/'), &json!({}))
}

async fn read_order(key: &str, by: &Caller, stack: &Stack) -> Reply {
    get(&format!("/orders/{}", order_id(key))).by(by).send(stack).await
}

/// The writing requests of one change, by operation, and what they write.
async fn writes(tally: &Tally, change: impl Future<Output = Reply>) -> (Reply, Vec<(String, u64)>) {
    tally.reset();
    let reply = change.await;
    let writing = |(operation, usage): (String, local_aws::Usage)| {
        (usage.write_units > 0.0).then_some((operation, usage.requests))
    };
    (reply, tally.by_operation().into_iter().filter_map(writing).collect())
}

async fn counted() -> (Arc<Tally>, Shop) {
    let tally = Arc::new(Tally::new());
    let shop = shop().behind(&tally).open().await;
    (tally, shop)
}

// --- Stock -------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn an_adjustment_has_its_first_actor_in_the_same_transaction() {
    let (tally, shop) = counted().await;
    let (first, written) = writes(&tally, send_as("alice", "r1", adjustment(-1, "a1"), &shop)).await;
    assert_eq!(written, [("TransactWriteItems".to_owned(), 1)]);
    assert_eq!(first.body["adjustedBy"], shown("alice", "r1"));
    sleep(Duration::from_secs(1)).await;
    let again = send_as("bob", "r2", adjustment(-1, "a1"), &shop).await;
    assert_eq!((again.http_status, again.header("idempotent-replayed")), (201, Some("true")));
    assert_eq!(again.body["adjustedBy"], shown("alice", "r1"));
    let other = send_as("alice", "r3", adjustment(-2, "a1"), &shop).await;
    assert_eq!(other.http_status, 422, "only the content is compared");
    shop.books();
}

#[tokio::test(start_paused = true)]
async fn set_stock_says_who_set_it_last_and_when() {
    let (tally, shop) = counted().await;
    assert_eq!(get(LAPTOP).send(&shop).await.body.get("changedBy"), None);
    let setting = |on_hand: i64| put(LAPTOP, &json!({ "onHand": on_hand })).if_match("*");
    let (set, written) = writes(&tally, send_as("alice", "r1", setting(8), &shop)).await;
    assert_eq!(written, [("UpdateItem".to_owned(), 1)]);
    assert_eq!((&set.body["changedBy"], set.body["changedAt"].is_string()), (&shown("alice", "r1"), true));
    // Nothing changes, so nothing is written.
    let (same, written) = writes(&tally, send_as("bob", "r2", setting(8), &shop)).await;
    assert_eq!((same.http_status, written), (200, Vec::new()));
    assert_eq!(same.body, set.body);
    assert_eq!(same.header("etag"), set.header("etag"));
    // Orders leave it, and adjustments have actors of their own.
    order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    let stock = get(LAPTOP).send(&shop).await.body;
    assert_eq!((&stock["changedBy"], &stock["changedAt"]), (&set.body["changedBy"], &set.body["changedAt"]));
    for (who, difference, key) in [("carol", -1, "a1"), ("erin", 2, "a2")] {
        send_as(who, "r3", adjustment(difference, key), &shop).await;
        assert_eq!(get(LAPTOP).send(&shop).await.body["changedBy"], shown(who, "r3"));
    }
    let list = get("/stores/main/stock").send(&shop).await.body;
    assert_eq!((&list["stock"][0]["changedBy"], &list["stock"][0]["onHand"]), (&shown("erin", "r3"), &json!(9)));

    let chair = put("/stores/main/stock/CHAIR001", &json!({ "onHand": 1 })).if_absent();
    let (created, written) = writes(&tally, send_as("dave", "r4", chair, &shop)).await;
    assert_eq!((created.http_status, written), (201, vec![("PutItem".to_owned(), 1)]));
    assert_eq!(created.body["changedBy"], shown("dave", "r4"));
}

#[tokio::test(start_paused = true)]
async fn of_two_who_set_the_same_number_the_first_one_stays() {
    let shop = shop().open().await;
    let chair = || put("/stores/main/stock/CHAIR001", &json!({ "onHand": 1 }));
    assert_eq!(send_as("alice", "r1", chair().if_absent(), &shop).await.http_status, 201);
    // Bob's request finds no article, and another one when it writes.
    let stock = stocks(&shop);
    let (store, sku) = ("main".parse().unwrap(), "CHAIR001".parse().unwrap());
    let bob = Actor::new("bob", "r2");
    let setting = stock.create(&store, &sku, 1, &bob, shop.now_ms()).await.unwrap();
    let inventory::stock::Setting::Done(found) = setting else { panic!("{setting:?}") };
    assert_eq!(found.changed_by, Some(Actor::new("alice", "r1")));
}

fn stocks(shop: &Shop) -> inventory::Stocks {
    inventory::Stocks::new(shop.client.clone(), inventory::table::TABLE)
}

#[tokio::test(start_paused = true)]
async fn a_spread_says_which_operator_asked_for_it_and_an_orders_own_says_none() {
    let shop = shop().open().await;
    let spread = |shards: u16| put(&format!("{LAPTOP}/spread"), &json!({ "shards": shards }));
    assert_eq!(send_as("alice", "r1", spread(2), &shop).await.http_status, 200);
    let (store, sku) = ("main".parse().unwrap(), "LAPTOP001".parse().unwrap());
    let root = || async { stocks(&shop).root(&store, &sku).await.unwrap().unwrap() };
    assert_eq!(root().await.spread_by, Some(Actor::new("alice", "r1")));
    assert_eq!(send_as("alice", "r2", spread(1), &shop).await.http_status, 200);
    stocks(&shop).spread(&root().await, 2, None, shop.now_ms()).await.unwrap();
    assert_eq!(root().await.spread_by, None);
    let read = get(LAPTOP).send(&shop).await;
    assert_eq!((read.http_status, read.body.get("changedBy")), (200, None));
}

/// The stock item takes part in every order, so it must stay below 1 KiB.
#[tokio::test(start_paused = true)]
async fn an_order_for_stock_with_the_longest_names_costs_what_it_did() {
    const LONGEST_SKU: &str = "L123456789012345678901234567890123456789012345678901234567890123";
    let longest = "x".repeat(64);
    let tally = Arc::new(Tally::new());
    let shop = shop().behind(&tally).open().await;
    let path = format!("/stores/{longest}/stock/{LONGEST_SKU}");
    let (name, request) = ("n".repeat(100), "r".repeat(100));
    let most = put(&path, &json!({ "onHand": 1_000_000_000_000_i64 })).if_absent();
    assert_eq!(send_as(&name, &request, most, &shop).await.http_status, 201);
    // It was spread once, and keeps what that left behind.
    for shards in [2, 1] {
        let spread = put(&format!("{path}/spread"), &json!({ "shards": shards }));
        assert_eq!(send_as(&name, &request, spread, &shop).await.http_status, 200);
    }
    tally.reset();
    let order = order("k1").of(LONGEST_SKU, 1).with("storeId", longest.as_str());
    assert_eq!(order.place_order(&shop).await.http_status, 201);
    let reserved = tally.by_operation()["TransactWriteItems"];
    assert!((reserved.write_units - 4.0).abs() < f64::EPSILON, "{reserved:?}");
}

// --- Orders ------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_cancellation_keeps_its_first_actor_and_only_operations_see_it() {
    let shop = shop().open().await;
    order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    let cancelled = send_as("alice", "r1", of_order("k1", "cancel"), &shop).await;
    assert_eq!(cancelled.outcome(), (200, "CANCELLED", "CUSTOMER_REQUEST"));
    assert_eq!(cancelled.body["cancelledBy"], shown("alice", "r1"));
    let again = send_as("bob", "r2", of_order("k1", "cancel"), &shop).await;
    assert_eq!(again.body, cancelled.body);

    let customer = client("public", &[Scope::Submit, Scope::Read]);
    let read = read_order("k1", &customer, &shop).await;
    assert_eq!((read.status(), read.body.get("cancelledBy")), ("CANCELLED", None));
    let own = of_order("k1", "cancel").by(&customer).send(&shop).await;
    assert_eq!((own.status(), own.body.get("cancelledBy")), ("CANCELLED", None));
    let placed = Reply::from(shop.answer(order("k1").of("LAPTOP001", 1).event(), &customer, "r3").await);
    assert_eq!((placed.http_status, placed.body["order"].get("cancelledBy")), (409, None));
    assert_eq!(placed.header("etag"), read.header("etag"), "each caller's own version");
}

#[tokio::test(start_paused = true)]
async fn the_customers_own_cancellation_is_recorded_too() {
    let shop = shop().open().await;
    order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    let customer = Caller { subject: "the shop's site".to_owned(), ..client("public", &[Scope::Submit]) };
    let answer: Reply = of_order("k1", "cancel").by(&customer).answer_as(&shop, "r1").await.into();
    assert_eq!((answer.status(), answer.body.get("cancelledBy")), ("CANCELLED", None));
    assert_eq!(shop.record(&order_id("k1")).cancelled_by, Some(Actor::new("the shop's site", "r1")));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_failed_was_cancelled_by_nobody() {
    let shop = shop().open().await;
    let refused = order("k1").of("LAPTOP001", 11).place_order(&shop).await;
    assert_eq!((refused.reason(), refused.body["order"].get("cancelledBy")), ("OUT_OF_STOCK", None));
    assert_eq!(shop.record(&order_id("k1")).cancelled_by, None);
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_keeps_its_first_actor() {
    let shop = shop().open().await;
    order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    let first = send_as("alice", "r1", of_order("k1", "fulfil"), &shop).await;
    assert_eq!(first.outcome(), (200, "FULFILLED", ""));
    assert_eq!(first.body["fulfilledBy"], shown("alice", "r1"));
    let again = send_as("bob", "r2", of_order("k1", "fulfil"), &shop).await;
    assert_eq!(again.body, first.body);
    let customer = client("public", &[Scope::Read]);
    assert_eq!(read_order("k1", &customer, &shop).await.body.get("fulfilledBy"), None);
}

/// If the actor were written afterwards, the order would have none for as long as nothing can be written.
#[tokio::test(start_paused = true)]
async fn no_decision_is_without_its_actor_even_if_nothing_can_be_written_after_it() {
    for (command, status) in [("cancel", Status::Cancelling), ("fulfil", Status::Fulfilling)] {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        order("k1").of("LAPTOP001", 1).place_order(&shop).await;
        let updates = Calls::to(Api::DynamoDb).operation("UpdateItem");
        faults.strike_times(1, updates, Fault::DelayAnswer(Duration::ZERO));
        faults.strike(Calls::to(Api::DynamoDb), Fault::Refuse(WireError::internal(Api::DynamoDb)));
        let reply = send_as("alice", "r1", of_order("k1", command), &shop).await;
        assert!([202, 503].contains(&reply.http_status), "{reply:?}");
        faults.heal();
        let record = shop.record(&order_id("k1"));
        assert_eq!(record.status, status);
        let by = record.cancelled_by.or(record.fulfilled_by);
        assert_eq!(by, Some(Actor::new("alice", "r1")), "{command}");
    }
}

/// An order with the longest names passes 1 KiB when it is closed, and with the longest actor when it is decided.
#[tokio::test(start_paused = true)]
async fn an_actor_costs_a_decision_nothing_unless_every_name_is_as_long_as_it_can_be() {
    let (tally, shop) = counted().await;
    let uuid = "6f1ed002-ab5e-4b8c-a9a7-1d3a2e0c5f77";
    let mut bills = Vec::new();
    let longest_name = "n".repeat(64);
    for (what, longest, name, request_id) in [
        ("ordinary", false, uuid, uuid),
        ("longest order", true, "", ""),
        ("longest of all", true, &longest_name, uuid),
    ] {
        for command in ["cancel", "fulfil"] {
            let key = format!("{what}-{command}");
            let text = "x".repeat(64);
            let order = order(&key).of("LAPTOP001", 1);
            let order = if longest {
                order.by(&text).with("countyId", text.as_str()).with("paymentReference", "x".repeat(140))
            } else {
                order
            };
            assert_eq!(order.place_order(&shop).await.http_status, 201);
            tally.reset();
            let reply = send_as(name, request_id, of_order(&key, command), &shop).await;
            assert_eq!(reply.http_status, 200, "{reply:?}");
            bills.push(format!("{key}: {} write units", tally.total().write_units));
        }
    }
    insta::assert_json_snapshot!(bills, @r##"
    [
      "ordinary-cancel: 13 write units",
      "ordinary-fulfil: 9 write units",
      "longest order-cancel: 14 write units",
      "longest order-fulfil: 10 write units",
      "longest of all-cancel: 15 write units",
      "longest of all-fulfil: 11 write units"
    ]
    "##);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_taken_up_says_by_which_operator_last() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(Calls::to(Api::DynamoDb).table("inventory"), Fault::Refuse(WireError::internal(Api::DynamoDb)));
    order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    for (payload, by) in [
        (json!({ "action": "take_up", "order_id": order_id("k1"), "by": "alice" }), Actor::new("alice", "r1")),
        (json!({ "action": "take_up", "order_id": order_id("k1") }), Actor::new("operator", "r1")),
    ] {
        let event = serde_json::from_value(payload).unwrap();
        shop.recover_orders.handle(event, "r1").await;
        let record = shop.record(&order_id("k1"));
        assert_eq!((record.taken_up_by, record.taken_up_ms), (Some(by.clone()), Some(shop.now_ms())));
        let read = read_order("k1", &staff("bob"), &shop).await;
        assert_eq!(read.body["takenUpBy"], shown(by.subject(), "r1"));
    }
    // Recovery's own attempts change nothing about it.
    shop.recover_orders.run(&recovery(), i64::MAX, Duration::from_secs(40)).await;
    assert_eq!(shop.record(&order_id("k1")).taken_up_by, Some(Actor::new("operator", "r1")));
}

#[tokio::test(start_paused = true)]
async fn a_replaced_payment_says_who_replaced_it_first() {
    let shop = shop().capturing(Some(Capture::Fulfilment)).open().await;
    let authorise = async |id: &str, card| {
        let (id, currency) = (id.parse().unwrap(), "USD".parse().unwrap());
        shop.payments.authorise_as(id, 10_00, currency, card).await.unwrap();
    };
    authorise("pi_1", Card::Declined).await;
    authorise("pi_2", Card::Good).await;
    order("k1").of("LAPTOP001", 1).paid_with("pi_1").place_order(&shop).await;
    assert_eq!(fulfil_order(&shop, order_id("k1").as_str()).await.outcome(), (202, "FULFILLING", ""));
    let replace = || put(&format!("/orders/{}/payment", order_id("k1")), &json!({ "paymentReference": "pi_2" }));
    let replaced = send_as("alice", "r1", replace(), &shop).await;
    assert_eq!(
        (replaced.http_status, &replaced.body["paymentReplacedBy"]),
        (200, &shown("alice", "r1")),
        "{replaced:?}"
    );
    let recorded = shop.record(&order_id("k1"));
    assert!(recorded.payment_replaced_ms.is_some());
    sleep(Duration::from_secs(1)).await;
    let again = send_as("bob", "r2", replace(), &shop).await;
    assert_eq!((again.http_status, &again.body), (200, &replaced.body));
    assert_eq!(shop.record(&order_id("k1")), recorded);
}

// --- Terms -------------------------------------------------------------------------------------------

/// The whole history of the account, oldest first, by pages of this size.
async fn history(stack: &Stack, limit: usize) -> Vec<Value> {
    let (mut changes, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&format!("{HISTORY}?limit={limit}{cursor}")).send(stack).await;
        assert_eq!(page.http_status, 200, "{page:?}");
        changes.extend(page.body["changes"].as_array().unwrap().iter().cloned());
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    changes.reverse();
    changes
}

/// Checks that the history has no gap, and that each change begins where the one before ended. Returns its length.
async fn complete(shop: &Shop) -> usize {
    let changes = history(shop, 100).await;
    for (number, change) in (1..).zip(&changes) {
        assert_eq!(change["number"], number, "{changes:?}");
    }
    for pair in changes.windows(2) {
        assert_eq!(pair[0]["to"], pair[1]["from"], "{changes:?}");
    }
    let now = get(TERMS).send(shop).await.body;
    if let Some(last) = changes.last() {
        assert_eq!((&last["to"]["creditLimit"], &last["to"]["onHold"]), (&now["creditLimit"], &now["onHold"]));
    }
    let account = &shop.books().accounts[&"acme".parse().unwrap()];
    assert_eq!(usize::try_from(account.terms_version).unwrap(), changes.len());
    changes.len()
}

#[tokio::test(start_paused = true)]
async fn each_change_of_terms_is_in_the_history_by_the_same_transaction() {
    let (tally, shop) = counted().await;
    assert_eq!(history(&shop, 20).await, Vec::<Value>::new());
    let (set, written) = writes(&tally, send_as("alice", "r1", terms(50), &shop)).await;
    assert_eq!((set.http_status, written), (200, vec![("TransactWriteItems".to_owned(), 1)]));
    let (same, written) = writes(&tally, send_as("bob", "r2", terms(50), &shop)).await;
    assert_eq!((same.http_status, written), (200, Vec::new()), "nothing changes");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(send_as("bob", "r3", terms(70), &shop).await.http_status, 200);
    let changes = history(&shop, 20).await;
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0]["changedBy"], shown("alice", "r1"));
    assert_eq!(changes[0]["from"], json!({ "creditLimit": 100.0, "onHold": false }));
    assert_eq!(changes[1]["changedBy"], shown("bob", "r3"));
    assert_eq!(changes[1]["to"], json!({ "creditLimit": 70.0, "onHold": false }));
    assert_eq!(complete(&shop).await, 2);
    // The account itself is read as before.
    assert_eq!(get("/accounts/acme").send(&shop).await.body["creditLimit"], json!(70.0));
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn an_opened_account_has_a_first_change_without_terms_before() {
    let shop = shop().open().await;
    let wanted = json!({ "currency": "KWD", "creditLimit": 12.5, "onHold": false });
    let (path, history) = ("/accounts/newcomer/terms", "/accounts/newcomer/terms/history");
    let absent = get(history).send(&shop).await;
    assert_eq!((absent.http_status, &absent.body["type"]), (404, &json!("urn:order-saga:problem:account-not-found")));
    assert_eq!(send_as("alice", "r1", put(path, &wanted).if_absent(), &shop).await.http_status, 201);
    let text = get(history).answer(&shop).await.body;
    let start = r#"{"changes":[{"number":1,"to":{"creditLimit":12.500,"onHold":false},"changedAt":""#;
    assert!(text.starts_with(start), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_was_lost_is_in_the_history_once() {
    for times in [1, 2] {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        let transactions = Calls::to(Api::DynamoDb).operation("TransactWriteItems");
        faults.strike_times(times, transactions, Fault::LoseAnswer);
        let first = send_as("alice", "r1", terms(50), &shop).await;
        faults.heal();
        assert!([200, 503].contains(&first.http_status), "{first:?}");
        let again = send_as("alice", "r2", terms(50), &shop).await;
        assert_eq!(again.http_status, 200, "{again:?}");
        assert_eq!(complete(&shop).await, 1);
        assert_eq!(history(&shop, 20).await[0]["changedBy"], shown("alice", "r1"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_or_conflicting_change_is_retried_and_not_reported_as_made_by_another() {
    let reasons = [CancellationReason::transaction_conflict(), CancellationReason::none()];
    let cancelled = WireError::transaction_canceled(&reasons);
    for (times, status) in [(2, 200), (u32::MAX, 503)] {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        let transactions = Calls::to(Api::DynamoDb).operation("TransactWriteItems");
        faults.strike_times(times, transactions, Fault::Refuse(cancelled.clone()));
        let reply = send_as("alice", "r1", terms(50), &shop).await;
        assert_eq!(reply.http_status, status, "{reply:?}");
        faults.heal();
        assert_eq!(complete(&shop).await, usize::from(status == 200));
    }
}

#[tokio::test(start_paused = true)]
async fn the_history_of_concurrent_clerks_is_complete() {
    let shop = shop().where_transactions_take(Duration::from_millis(10)).open().await;
    let mut clerks = JoinSet::new();
    for number in 1..=8 {
        let stack = shop.stack.clone();
        clerks.spawn(async move { send_as("clerk", &format!("r{number}"), terms(1000 * number), &stack).await });
    }
    for number in 1..=4 {
        let stack = shop.stack.clone();
        let invoice = order(&format!("k{number}")).of("LAPTOP001", 1).on_invoice();
        clerks.spawn(async move { invoice.place_order(&stack).await });
    }
    let replies = clerks.join_all().await;
    let set = replies.iter().filter(|reply| reply.http_status == 200).count();
    let length = complete(&shop).await;
    assert!(set >= 1 && length >= set, "{set} of {length}: {replies:?}");
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn the_history_is_walked_page_by_page_and_a_cursor_is_valid_for_its_account_only() {
    let shop = shop().open().await;
    for number in 1..=7 {
        assert_eq!(send_as("alice", &format!("r{number}"), terms(number), &shop).await.http_status, 200);
    }
    let all = history(&shop, 100).await;
    assert_eq!(all.len(), 7);
    for limit in [1, 2, 3, 7] {
        assert_eq!(history(&shop, limit).await, all, "pages of {limit}");
    }
    let page = get(&format!("{HISTORY}?limit=2")).send(&shop).await;
    let cursor = page.body["nextCursor"].as_str().unwrap();
    for path in [
        format!("/accounts/euro/terms/history?cursor={cursor}"),
        format!("{HISTORY}?cursor={}", cursor.to_lowercase()),
        format!("{HISTORY}?limit=101"),
        format!("{HISTORY}?from=1"),
    ] {
        assert_eq!(get(&path).send(&shop).await.http_status, 400, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_of_any_length_are_kept_up_to_their_limit() {
    let shop = shop().open().await;
    let (name, request) = ("ü".repeat(300), "r".repeat(300));
    order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    send_as(&name, &request, of_order("k1", "fulfil"), &shop).await;
    send_as(&name, &request, adjustment(1, "a1"), &shop).await;
    send_as(&name, &request, terms(50), &shop).await;
    let cut = shown(&"ü".repeat(32), &"r".repeat(64));
    assert_eq!(read_order("k1", &staff("bob"), &shop).await.body["fulfilledBy"], cut);
    assert_eq!(adjustment(1, "a1").send(&shop).await.body["adjustedBy"], cut);
    assert_eq!(history(&shop, 20).await[0]["changedBy"], cut);
}
