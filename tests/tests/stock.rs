//! Stock as operations manage it, alongside the orders that move it.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::header::IF_NONE_MATCH;
use local_aws::{Api, Tally, WireError};
use local_stack::Stack;
use serde_json::{Value, json};
use system_tests::faults::{Calls, Fault, Faults, Turns};
use system_tests::operations::{Ask, get, post, put};
use system_tests::orders::{Reply, client, fulfil_order, order, order_id};
use system_tests::shops::{Shop, shop};
use tokio::task::JoinSet;
use tokio::time::sleep;

const LAPTOP: &str = "/stores/main/stock/LAPTOP001";
const WRITERS: i64 = 8;

/// An adjustment of the laptops, of which there are ten.
fn adjustment(difference: i64, reason: &str, key: &str) -> Ask {
    post(&format!("{LAPTOP}/adjustments"), &json!({ "difference": difference, "reason": reason })).under(key)
}

fn setting(on_hand: i64) -> Ask {
    put(LAPTOP, &json!({ "onHand": on_hand }))
}

fn kind(reply: &Reply) -> &str {
    reply.body["type"].as_str().unwrap_or_default().trim_start_matches("urn:order-saga:problem:")
}

/// Available, reserved, on hand.
fn numbers(stock: &Value) -> (i64, i64, i64) {
    let number = |name: &str| stock[name].as_i64().unwrap_or_else(|| panic!("{stock} has no {name}"));
    (number("available"), number("reserved"), number("onHand"))
}

async fn laptops(stack: &Stack) -> (i64, i64, i64) {
    let reply = get(LAPTOP).send(stack).await;
    assert_eq!(reply.http_status, 200, "{reply:?}");
    numbers(&reply.body)
}

async fn version(stack: &Stack) -> String {
    get(LAPTOP).send(stack).await.header("etag").unwrap().to_owned()
}

/// Sends all of them at once.
async fn all(stack: &Stack, asks: impl IntoIterator<Item = Ask>) -> Vec<Reply> {
    let mut sent = JoinSet::new();
    for ask in asks {
        let stack = stack.clone();
        sent.spawn(async move { ask.send(&stack).await });
    }
    sent.join_all().await
}

/// Checks the books, where the laptops on hand must be the initial stock plus the adjustments.
fn check(shop: &Shop) {
    let books = shop.books();
    let report = local_audit::check(&books);
    assert!(report.holds, "{:#?}", report.findings);
    let of_laptops = books.adjustments.values().map(|record| &record.adjustment);
    let of_laptops = of_laptops.filter(|adjustment| adjustment.sku.as_str() == "LAPTOP001");
    let stock = &books.stock[&("main".parse().unwrap(), "LAPTOP001".parse().unwrap())];
    assert_eq!(stock.on_hand(), 10 + of_laptops.map(|adjustment| adjustment.difference).sum::<i64>());
}

#[tokio::test(start_paused = true)]
async fn stock_is_read_as_orders_leave_it_and_sent_only_if_it_changed() {
    let shop = shop().open().await;
    let before = get(LAPTOP).send(&shop).await;
    assert_eq!(numbers(&before.body), (10, 0, 10));
    let etag = before.header("etag").unwrap();
    let known = get(LAPTOP).with(IF_NONE_MATCH, etag).send(&shop).await;
    assert_eq!((known.http_status, &known.body, known.header("etag")), (304, &Value::Null, Some(etag)));

    order("k1").of("LAPTOP001", 3).place_order(&shop).await;
    let after = get(LAPTOP).with(IF_NONE_MATCH, etag).send(&shop).await;
    assert_eq!((after.http_status, numbers(&after.body)), (200, (7, 3, 10)));
    assert_ne!(after.header("etag"), Some(etag));
}

#[tokio::test(start_paused = true)]
async fn an_article_that_a_store_does_not_keep_is_not_found_and_an_invalid_one_is_refused() {
    let shop = shop().open().await;
    for path in ["/stores/main/stock/NOTHING", "/stores/nowhere/stock/LAPTOP001"] {
        for ask in [
            get(path),
            put(path, &json!({ "onHand": 1 })).if_match("*"),
            post(&format!("{path}/adjustments"), &json!({ "difference": 1, "reason": "COUNTED" })).under("k"),
            post(&format!("{path}/adjustments"), &json!({ "difference": -1, "reason": "LOST" })).under("k"),
        ] {
            let reply = ask.send(&shop).await;
            assert_eq!((reply.http_status, kind(&reply)), (404, "stock-not-found"), "{path}: {reply:?}");
        }
    }
    for ask in [
        get("/stores/main/stock/A%20B"),
        get("/stores//stock/A"),
        get("/stores//stock"),
        get(&format!("{LAPTOP}?unit=box")),
    ] {
        let reply = ask.send(&shop).await;
        assert_eq!((reply.http_status, kind(&reply)), (400, "invalid-parameters"), "{reply:?}");
        assert_eq!(reply.body["errors"].as_array().unwrap().len(), 1, "{reply:?}");
    }
    assert!(shop.books().adjustments.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_difference_is_added_to_what_is_available() {
    let shop = shop().open().await;
    order("k1").of("LAPTOP001", 3).place_order(&shop).await;
    let received = adjustment(5, "RECEIVED", "a1").send(&shop).await;
    assert_eq!(received.http_status, 201, "{received:?}");
    assert_eq!(numbers(&received.body["stock"]), (12, 3, 15));
    assert_eq!((&received.body["difference"], &received.body["reason"]), (&json!(5), &json!("RECEIVED")));
    assert_eq!(received.header("idempotent-replayed"), None);

    assert_eq!(adjustment(-2, "LOST", "a2").send(&shop).await.http_status, 201);
    assert_eq!(adjustment(1, "COUNTED", "a3").send(&shop).await.http_status, 201);
    assert_eq!(adjustment(-1, "COUNTED", "a4").send(&shop).await.http_status, 201);
    assert_eq!(laptops(&shop).await, (10, 3, 13));
    check(&shop);
}

#[tokio::test(start_paused = true)]
async fn stock_that_was_handed_over_is_no_longer_on_hand_and_is_not_a_loss() {
    let shop = shop().open().await;
    order("k1").of("LAPTOP001", 3).place_order(&shop).await;
    assert_eq!(fulfil_order(&shop, order_id("k1").as_str()).await.http_status, 200);
    assert_eq!(laptops(&shop).await, (7, 0, 7));
    assert_eq!(adjustment(-8, "LOST", "a1").send(&shop).await.http_status, 409);
    assert_eq!(adjustment(-7, "LOST", "a1").send(&shop).await.http_status, 201);
    assert_eq!(laptops(&shop).await, (0, 0, 0));
    assert!(local_audit::check(&shop.books()).holds);
}

#[tokio::test(start_paused = true)]
async fn a_first_receipt_adds_the_article_to_the_store() {
    let shop = shop().open().await;
    let path = "/stores/north/stock/CHAIR001";
    let receipt = json!({ "difference": 4, "reason": "RECEIVED", "note": "delivery 7" });
    let received = post(&format!("{path}/adjustments"), &receipt).under("a1").send(&shop).await;
    assert_eq!((received.http_status, &received.body["note"]), (201, &json!("delivery 7")), "{received:?}");
    assert_eq!(numbers(&get(path).send(&shop).await.body), (4, 0, 4));
    let ordered = order("k1").of("CHAIR001", 4).with("storeId", "north").place_order(&shop).await;
    assert_eq!(ordered.outcome(), (201, "CONFIRMED", ""));
    check(&shop);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_adjustment_moves_nothing_and_is_answered_with_the_record() {
    let shop = shop().open().await;
    let first = adjustment(5, "RECEIVED", "a1").send(&shop).await;
    sleep(Duration::from_mins(1)).await;
    order("k1").of("LAPTOP001", 3).place_order(&shop).await;
    let again = adjustment(5, "RECEIVED", "\"a1\"").send(&shop).await;
    assert_eq!((again.http_status, again.header("idempotent-replayed")), (201, Some("true")));
    for field in ["adjustmentId", "difference", "reason", "adjustedAt"] {
        assert_eq!(again.body[field], first.body[field]);
    }
    assert_eq!(numbers(&again.body["stock"]), (12, 3, 15), "the stock is the current one");
    check(&shop);
}

#[tokio::test(start_paused = true)]
async fn a_key_does_not_stand_for_another_adjustment_but_each_tenant_has_its_own() {
    let shop = shop().open().await;
    assert_eq!(adjustment(5, "RECEIVED", "a1").send(&shop).await.http_status, 201);
    let elsewhere = "/stores/main/stock/MOUSE001/adjustments";
    let receipt = json!({ "difference": 5, "reason": "RECEIVED" });
    for other in [
        adjustment(6, "RECEIVED", "a1"),
        adjustment(5, "COUNTED", "a1"),
        adjustment(-20, "LOST", "a1"),
        post(elsewhere, &receipt).under("a1"),
        adjustment(5, "RECEIVED", "a1").saying(r#"{"difference":5,"reason":"RECEIVED","note":"n"}"#),
    ] {
        let reply = other.send(&shop).await;
        assert_eq!((reply.http_status, kind(&reply)), (422, "idempotency-conflict"), "{reply:?}");
    }
    assert_eq!(laptops(&shop).await, (15, 0, 15));
    let other_tenant = client("other", &[api::Scope::Operations]);
    assert_eq!(adjustment(5, "RECEIVED", "a1").by(&other_tenant).send(&shop).await.http_status, 201);
    assert_eq!(laptops(&shop).await, (20, 0, 20));
    check(&shop);
}

#[tokio::test(start_paused = true)]
async fn stock_never_falls_below_what_orders_hold() {
    let shop = shop().open().await;
    order("k1").of("LAPTOP001", 8).place_order(&shop).await;
    let refused = adjustment(-3, "LOST", "a1").send(&shop).await;
    assert_eq!((refused.http_status, kind(&refused)), (409, "stock-reserved"), "{refused:?}");
    assert_eq!(numbers(&refused.body["stock"]), (2, 8, 10));
    assert_eq!(refused.body["detail"], "open orders hold 8 of the 10 on hand");
    let refused = setting(7).if_match(&version(&shop).await).send(&shop).await;
    assert_eq!((refused.http_status, kind(&refused)), (409, "stock-reserved"), "{refused:?}");
    assert_eq!(numbers(&refused.body["stock"]), (2, 8, 10));
    assert!(shop.books().adjustments.is_empty(), "a refused adjustment is not recorded");

    assert_eq!(adjustment(-2, "LOST", "a1").send(&shop).await.http_status, 201, "and its key can be reused");
    assert_eq!(laptops(&shop).await, (0, 8, 8));
    check(&shop);
}

#[tokio::test(start_paused = true)]
async fn stock_has_an_upper_limit() {
    const MOST: i64 = 1_000_000_000_000;
    let shop = shop().open().await;
    assert_eq!(adjustment(MOST, "RECEIVED", "a1").send(&shop).await.http_status, 201);
    for reason in ["RECEIVED", "COUNTED"] {
        let refused = adjustment(1, reason, "a2").send(&shop).await;
        assert_eq!((refused.http_status, kind(&refused)), (422, "invalid-content"), "{refused:?}");
        assert_eq!(refused.body["errors"][0]["pointer"], "#/difference");
    }
    assert_eq!(adjustment(-MOST, "COUNTED", "a3").send(&shop).await.http_status, 201, "stock can always be reduced");
    assert_eq!(laptops(&shop).await, (10, 0, 10));
    check(&shop);
}

#[tokio::test(start_paused = true)]
async fn eight_senders_of_one_adjustment_move_the_stock_once() {
    let shop = shop().where_transactions_take(Duration::from_millis(10)).open().await;
    let replies = all(&shop, (0..WRITERS).map(|_| adjustment(-10, "LOST", "a1"))).await;
    for reply in &replies {
        assert_eq!(reply.http_status, 201, "{reply:?}");
        assert_eq!(reply.body["adjustedAt"], replies[0].body["adjustedAt"]);
    }
    assert_eq!(laptops(&shop).await, (0, 0, 0));
    check(&shop);
}

#[tokio::test(start_paused = true)]
async fn eight_adjustments_alongside_eight_orders_all_count() {
    let shop = shop().where_transactions_take(Duration::from_millis(10)).open().await;
    let mut orders = JoinSet::new();
    for number in 0..WRITERS {
        let stack = shop.stack.clone();
        orders.spawn(async move { order(&format!("k{number}")).of("LAPTOP001", 1).place_order(&stack).await });
    }
    let asks = (0..WRITERS).map(|number| adjustment(1, "RECEIVED", &format!("a{number}")));
    let replies = all(&shop, asks).await;
    orders.join_all().await;
    let made = i64::try_from(replies.iter().filter(|reply| reply.http_status == 201).count()).unwrap();
    for reply in replies.iter().filter(|reply| reply.http_status != 201) {
        assert_eq!((reply.http_status, kind(reply)), (503, "store-unavailable"), "{reply:?}");
    }
    assert!(made >= WRITERS / 2, "{made} were made");
    // Those that were told to try again do so, with the same key.
    let asks = (0..WRITERS).map(|number| adjustment(1, "RECEIVED", &format!("a{number}")));
    for ask in asks {
        assert_eq!(ask.send(&shop).await.http_status, 201);
    }
    let (available, reserved, on_hand) = laptops(&shop).await;
    assert_eq!((available + reserved, on_hand), (18, 18));
    check(&shop);
}

#[tokio::test(start_paused = true)]
async fn an_adjustment_whose_answer_was_lost_is_not_refused_for_what_it_did_itself() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike_times(1, Calls::to(Api::DynamoDb).operation("TransactWriteItems"), Fault::LoseAnswer);
    let reply = adjustment(-10, "LOST", "a1").send(&shop).await;
    assert_eq!(reply.http_status, 201, "its record is checked before the stock: {reply:?}");
    check(&shop);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_adjustment_counts_once_after_any_fault() {
    let transactions = Calls::to(Api::DynamoDb).operation("TransactWriteItems");
    let reads = Calls::to(Api::DynamoDb).operation("GetItem");
    for (calls, fault) in [
        (transactions, Fault::Refuse(WireError::internal(Api::DynamoDb))),
        (transactions, Fault::LoseRequest),
        (transactions, Fault::LoseAnswer),
        (transactions, Fault::Hang),
        (reads, Fault::LoseAnswer),
        (reads, Fault::Hang),
    ] {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        faults.strike(calls, fault.clone());
        let reply = adjustment(-10, "LOST", "a1").send(&shop).await;
        // After a lost answer, the SDK's second try finds the record and knows the outcome.
        if reply.http_status != 201 {
            assert_eq!((reply.http_status, kind(&reply)), (503, "store-unavailable"), "{fault:?}: {reply:?}");
            assert_eq!(reply.header("retry-after"), Some("5"));
        }
        faults.heal();
        let again = adjustment(-10, "LOST", "a1").send(&shop).await;
        assert_eq!((again.http_status, numbers(&again.body["stock"])), (201, (0, 0, 0)), "{fault:?}: {again:?}");
        check(&shop);
    }
}

#[tokio::test(start_paused = true)]
async fn every_wrong_field_of_an_adjustment_is_named() {
    let shop = shop().open().await;
    let path = format!("{LAPTOP}/adjustments");
    for (body, places) in [
        ("{}", vec!["#/difference", "#/reason"]),
        ("[]", vec!["#"]),
        (r#"{"difference":0,"reason":"COUNTED"}"#, vec!["#/difference"]),
        (r#"{"difference":1.5,"reason":"COUNTED"}"#, vec!["#/difference"]),
        (r#"{"difference":"1","reason":"counted"}"#, vec!["#/difference", "#/reason"]),
        (r#"{"difference":1000000000001,"reason":"COUNTED"}"#, vec!["#/difference"]),
        (r#"{"difference":-1,"reason":"RECEIVED"}"#, vec!["#/difference"]),
        (r#"{"difference":1,"reason":"LOST","note":""}"#, vec!["#/note", "#/difference"]),
        (r#"{"difference":1,"difference":2,"reason":"COUNTED","by":"me"}"#, vec!["#/difference", "#/by"]),
    ] {
        let reply = post(&path, &Value::Null).under("k").saying(body).send(&shop).await;
        assert_eq!((reply.http_status, kind(&reply)), (422, "invalid-content"), "{body}: {reply:?}");
        let errors = reply.body["errors"].as_array().unwrap();
        assert_eq!(errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect::<Vec<_>>(), places);
    }
    let adjustment = json!({ "difference": 1, "reason": "COUNTED" });
    for keyless in
        [post(&path, &adjustment), post(&path, &adjustment).under(""), post(&path, &adjustment).under("a").under("b")]
    {
        let reply = keyless.send(&shop).await;
        assert_eq!((reply.http_status, kind(&reply)), (400, "invalid-parameters"), "{reply:?}");
        assert_eq!(reply.body["errors"][0]["header"], "Idempotency-Key");
    }
    assert_eq!(post(&path, &adjustment).under("k").saying("{").send(&shop).await.http_status, 400);
    assert_eq!((laptops(&shop).await, shop.books().adjustments.len()), ((10, 0, 10), 0));
}

#[tokio::test(start_paused = true)]
async fn stock_is_set_only_by_the_last_reader() {
    let shop = shop().open().await;
    order("k1").of("LAPTOP001", 3).place_order(&shop).await;
    let etag = version(&shop).await;
    let set = setting(20).if_match(&etag).send(&shop).await;
    assert_eq!((set.http_status, numbers(&set.body)), (200, (17, 3, 20)), "{set:?}");
    assert_eq!(set.header("etag"), Some(version(&shop).await.as_str()));

    let stale = setting(21).if_match(&etag).send(&shop).await;
    assert_eq!((stale.http_status, kind(&stale)), (412, "precondition-failed"), "{stale:?}");
    assert_eq!(numbers(&stale.body["stock"]), (17, 3, 20), "the answer has the current stock");
    let repeated = setting(20).if_match(&etag).send(&shop).await;
    assert_eq!((repeated.http_status, numbers(&repeated.body["stock"])), (412, (17, 3, 20)), "{repeated:?}");
    for blind in [setting(21), setting(21).with(IF_NONE_MATCH, "\"a\"")] {
        let reply = blind.send(&shop).await;
        assert_eq!((reply.http_status, kind(&reply)), (428, "precondition-required"), "{reply:?}");
    }
    assert_eq!(setting(3).if_match("*").send(&shop).await.http_status, 200, "any version");
    assert_eq!(laptops(&shop).await, (0, 3, 3));
}

#[tokio::test(start_paused = true)]
async fn new_stock_is_created_once() {
    let shop = shop().open().await;
    let path = "/stores/main/stock/CHAIR001";
    let created = put(path, &json!({ "onHand": 0 })).if_absent().send(&shop).await;
    assert_eq!((created.http_status, numbers(&created.body)), (201, (0, 0, 0)), "{created:?}");
    let twice = put(path, &json!({ "onHand": 0 })).if_absent().send(&shop).await;
    assert_eq!((twice.http_status, kind(&twice)), (412, "precondition-failed"), "{twice:?}");
    let etag = created.header("etag").unwrap();
    assert_eq!(put(path, &json!({ "onHand": 2 })).if_match(etag).send(&shop).await.http_status, 200);
}

#[tokio::test(start_paused = true)]
async fn of_eight_clients_that_set_the_stock_that_they_read_one_wins() {
    let shop = shop().open().await;
    let etag = version(&shop).await;
    let replies = all(&shop, (1..=WRITERS).map(|number| setting(100 * number).if_match(&etag))).await;
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.http_status == 200);
    assert_eq!((won.len(), lost.iter().all(|reply| reply.http_status == 412)), (1, true), "{replies:?}");
    assert_eq!(laptops(&shop).await, numbers(&won[0].body));

    let path = "/stores/main/stock/CHAIR001";
    let asks = (1..=WRITERS).map(|number| put(path, &json!({ "onHand": number })).if_absent());
    let replies = all(&shop, asks).await;
    assert_eq!(replies.iter().filter(|reply| reply.http_status == 201).count(), 1, "{replies:?}");
    assert_eq!(replies.iter().filter(|reply| reply.http_status == 412).count(), 7, "{replies:?}");
}

#[tokio::test(start_paused = true)]
async fn stock_that_an_order_moved_since_it_was_read_is_not_set() {
    let turns = Turns::free();
    let shop = shop().behind(&turns).open().await;
    let etag = version(&shop).await;
    // Setting it takes two requests, and an order reserves some in between.
    turns.play("sos");
    let reservation = json!({ "action": "reserve", "order": order("k1").of("LAPTOP001", 4).placed() });
    let (set, reserved) = tokio::join!(
        turns.of('s', setting(5).if_match(&etag).send(&shop)),
        turns.of('o', shop.functions.invoke("reserve-inventory", reservation)),
    );
    assert!(reserved.is_ok(), "{reserved:?}");
    assert_eq!((set.http_status, kind(&set)), (412, "precondition-failed"), "{set:?}");
    assert_eq!(laptops(&shop).await, (6, 4, 10));
}

#[tokio::test(start_paused = true)]
async fn a_setting_whose_answer_was_lost_is_answered_as_done() {
    for operation in ["UpdateItem", "PutItem"] {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        let etag = version(&shop).await;
        faults.strike_times(1, Calls::to(Api::DynamoDb).operation(operation), Fault::LoseAnswer);
        let reply = match operation {
            "UpdateItem" => setting(5).if_match(&etag).send(&shop).await,
            _ => put("/stores/main/stock/CHAIR001", &json!({ "onHand": 5 })).if_absent().send(&shop).await,
        };
        assert_eq!(faults.struck(), 1);
        assert!([200, 201].contains(&reply.http_status), "{reply:?}");
        assert_eq!(numbers(&reply.body), (5, 0, 5));
    }
}

#[tokio::test(start_paused = true)]
async fn a_count_that_a_sale_has_overtaken_is_refused_even_if_the_number_matches() {
    let shop = shop().open().await;
    let etag = version(&shop).await;
    // A clerk counts nine of ten. Before that is set, one of them is sold and handed over.
    let order = order("k1").of("LAPTOP001", 1).placed();
    for step in
        [json!({ "action": "reserve", "order": order }), json!({ "action": "consume", "order_id": order.order_id() })]
    {
        shop.functions.invoke("reserve-inventory", step).await.unwrap();
    }
    let set = setting(9).if_match(&etag).send(&shop).await;
    assert_eq!((set.http_status, numbers(&set.body["stock"])), (412, (9, 0, 9)), "{set:?}");
}

#[tokio::test(start_paused = true)]
async fn only_a_valid_count_can_be_set() {
    let shop = shop().open().await;
    for (body, place) in [
        ("{}", "#/onHand"),
        (r#"{"onHand":-1}"#, "#/onHand"),
        (r#"{"onHand":1000000000001}"#, "#/onHand"),
        (r#"{"onHand":1,"available":1}"#, "#/available"),
    ] {
        let reply = setting(0).if_match("*").saying(body).send(&shop).await;
        assert_eq!((reply.http_status, kind(&reply)), (422, "invalid-content"), "{body}: {reply:?}");
        assert_eq!(reply.body["errors"][0]["pointer"], place);
    }
    assert_eq!(laptops(&shop).await, (10, 0, 10));
}

/// A walk through a store's stock, with its number of pages.
async fn walk(stack: &Stack, query: &str) -> (Vec<String>, usize) {
    let (mut seen, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let reply = get(&format!("/stores/main/stock?{query}{cursor}")).send(stack).await;
        assert_eq!(reply.http_status, 200, "{reply:?}");
        pages += 1;
        seen.extend(
            reply.body["stock"].as_array().unwrap().iter().map(|item| item["sku"].as_str().unwrap().to_owned()),
        );
        match reply.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (seen, pages),
        }
    }
}

async fn keep(stack: &Stack, store: &str, count: usize) {
    let asks = (0..count).map(|number| {
        let path = format!("/stores/{store}/stock/S{number:04}");
        put(&path, &json!({ "onHand": number })).if_absent()
    });
    assert!(all(stack, asks).await.iter().all(|reply| reply.http_status == 201));
}

#[tokio::test(start_paused = true)]
async fn low_stock_is_listed_page_by_page_with_each_article_once() {
    let shop = shop().open().await;
    keep(&shop, "main", 250).await;
    keep(&shop, "other", 3).await;
    let low: Vec<String> = (0..30).map(|number| format!("S{number:04}")).collect();
    let expected: Vec<String> = ["LAPTOP001", "MOUSE001"].map(str::to_owned).into_iter().chain(low).collect();
    for limit in [1, 7, 32, 100] {
        let (seen, _) = walk(&shop, &format!("availableBelow=30&limit={limit}")).await;
        assert_eq!(seen, expected, "pages of {limit}");
    }
    let (all, pages) = walk(&shop, "limit=84").await;
    assert_eq!(
        (all.len(), all.iter().collect::<BTreeSet<_>>().len(), pages),
        (252, 252, 3),
        "no empty page at the end"
    );
    // An order that reserves some puts an article on the list at once.
    order("k1").of("S0030", 1).place_order(&shop).await;
    assert_eq!(walk(&shop, "availableBelow=30").await.0.last().unwrap(), "S0030");
}

#[tokio::test(start_paused = true)]
async fn a_page_is_short_rather_than_late_and_its_cursor_is_valid_only_for_its_list() {
    let shop = shop().open().await;
    keep(&shop, "main", 30).await;
    let short = get("/stores/main/stock?availableBelow=1&limit=2").send(&shop).await;
    assert_eq!(short.body["stock"].as_array().unwrap().len(), 1, "{short:?}");
    let cursor = short.body["nextCursor"].as_str().unwrap();
    assert_eq!(walk(&shop, "availableBelow=1&limit=2").await.0, ["S0000"]);
    let other = client("other", &[api::Scope::Operations]);
    for ask in [
        get(&format!("/stores/main/stock?availableBelow=2&cursor={cursor}")),
        get(&format!("/stores/main/stock?cursor={cursor}")),
        get(&format!("/stores/other/stock?availableBelow=1&cursor={cursor}")),
        get(&format!("/stores/main/stock?availableBelow=1&cursor={cursor}")).by(&other),
        get(&format!("/stores/main/stock?availableBelow=1&cursor={}", cursor.to_lowercase())),
        get("/stores/main/stock?availableBelow=0"),
        get("/stores/main/stock?limit=101"),
        get("/stores/main/stock?below=1"),
    ] {
        let reply = ask.send(&shop).await;
        assert_eq!((reply.http_status, kind(&reply)), (400, "invalid-parameters"), "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_stock_index_contains_only_stock_and_costs_an_order_nothing() {
    let tally = Arc::new(Tally::new());
    let shop = shop().behind(&tally).open().await;
    order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    adjustment(1, "RECEIVED", "a1").send(&shop).await;
    let query = shop.client.scan().table_name(inventory::table::TABLE).index_name("stock_by_store");
    let skus: BTreeSet<String> =
        query.send().await.unwrap().items().iter().map(|item| item["sku"].as_s().unwrap().clone()).collect();
    assert_eq!(skus, BTreeSet::from(["LAPTOP001", "MOUSE001"].map(str::to_owned)));

    let mut costs = Vec::new();
    for (ask, what) in [
        (adjustment(1, "RECEIVED", "a2"), "a receipt"),
        (adjustment(1, "RECEIVED", "a2"), "a repetition"),
        (adjustment(-1, "LOST", "a3"), "a loss"),
        (
            post("/stores/main/stock/CHAIR001/adjustments", &json!({ "difference": 1, "reason": "RECEIVED" }))
                .under("a4"),
            "a first receipt",
        ),
        (setting(50).if_match(&version(&shop).await), "set"),
    ] {
        tally.reset();
        ask.send(&shop).await;
        costs.push(format!("{what}: {} write units", tally.total().write_units));
    }
    insta::assert_json_snapshot!(costs, @r##"
    [
      "a receipt: 4 write units",
      "a repetition: 0 write units",
      "a loss: 4 write units",
      "a first receipt: 5 write units",
      "set: 1 write units"
    ]
    "##);
}

#[tokio::test(start_paused = true)]
async fn an_adjustment_without_its_stock_is_found_by_the_audit() {
    let shop = shop().open().await;
    adjustment(1, "RECEIVED", "a1").send(&shop).await;
    let key = inventory::stock_key(&"main".parse().unwrap(), &"LAPTOP001".parse().unwrap());
    shop.client.delete_item().table_name(inventory::table::TABLE).set_key(Some(key)).send().await.unwrap();
    let report = local_audit::check(&shop.books());
    let found: Vec<_> = report.findings.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(found, ["adjusts LAPTOP001 in main, which has no stock item"]);
}
