//! Customers' accounts and orders' journal entries, as operations read and set them.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use http::header::IF_NONE_MATCH;
use local_aws::{Api, WireError};
use local_stack::Stack;
use serde_json::{Value, json};
use system_tests::faults::{Calls, Fault, Faults, Turns};
use system_tests::operations::{Ask, get, put};
use system_tests::orders::{Reply, cancel_order, order, order_id};
use system_tests::shops::shop;
use tokio::task::JoinSet;

const ACME: &str = "/accounts/acme";
const TERMS: &str = "/accounts/acme/terms";

fn kind(reply: &Reply) -> &str {
    reply.body["type"].as_str().unwrap_or_default().trim_start_matches("urn:order-saga:problem:")
}

fn terms(limit: i64, on_hold: bool) -> Ask {
    put(TERMS, &json!({ "creditLimit": limit, "onHold": on_hold }))
}

async fn version(stack: &Stack, path: &str) -> String {
    get(path).send(stack).await.header("etag").unwrap().to_owned()
}

/// The body as text: a parsed number would not show its decimals.
async fn text(ask: Ask, stack: &Stack) -> String {
    ask.answer(stack).await.body
}

#[tokio::test(start_paused = true)]
async fn an_account_is_read_as_invoices_leave_it() {
    let shop = shop().open().await;
    let before = version(&shop, ACME).await;
    let known = get(ACME).with(IF_NONE_MATCH, &before).send(&shop).await;
    assert_eq!((known.http_status, &known.body), (304, &Value::Null));
    order("k1").of("LAPTOP001", 3).on_invoice().place_order(&shop).await;
    assert_eq!(
        text(get(ACME), &shop).await,
        r#"{"customerId":"acme","currency":"USD","creditLimit":100.00,"onHold":false,"receivable":30.00}"#
    );
    assert_ne!(version(&shop, ACME).await, before);
    for path in ["/accounts/nobody", "/accounts/nobody/terms"] {
        let absent = get(path).send(&shop).await;
        assert_eq!((absent.http_status, kind(&absent)), (404, "account-not-found"));
    }
    for path in ["/accounts/a%20b", "/accounts//terms", "/accounts/acme?currency=USD"] {
        let refused = get(path).send(&shop).await;
        assert_eq!((refused.http_status, kind(&refused)), (400, "invalid-parameters"), "{path}: {refused:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn terms_are_set_by_the_last_reader_even_after_an_invoice() {
    let shop = shop().open().await;
    let etag = version(&shop, TERMS).await;
    order("k1").of("LAPTOP001", 3).on_invoice().place_order(&shop).await;
    assert_eq!(version(&shop, TERMS).await, etag, "an invoice does not change the terms");
    let set = terms(50, false).if_match(&etag).send(&shop).await;
    assert_eq!((set.http_status, &set.body["creditLimit"]), (200, &json!(50.0)), "{set:?}");
    assert_eq!(set.header("etag"), Some(version(&shop, TERMS).await.as_str()));
    assert_eq!(shop.owed_minor("acme"), 30_00);

    let stale = terms(70, false).if_match(&etag).send(&shop).await;
    assert_eq!((stale.http_status, kind(&stale)), (412, "precondition-failed"), "{stale:?}");
    let repeated = terms(50, false).if_match(&etag).send(&shop).await;
    assert_eq!((repeated.http_status, &repeated.body), (200, &set.body), "they already have these values");
    let blind = terms(70, false).send(&shop).await;
    assert_eq!((blind.http_status, kind(&blind)), (428, "precondition-required"), "{blind:?}");
    assert_eq!(terms(60, true).if_match("*").send(&shop).await.http_status, 200);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn new_terms_hold_for_the_next_invoice() {
    let shop = shop().open().await;
    order("k1").of("LAPTOP001", 5).on_invoice().place_order(&shop).await;
    // Less than is owed: the debt stands, and there is no credit for another invoice.
    assert_eq!(terms(20, false).if_match("*").send(&shop).await.http_status, 200);
    let beyond = order("k2").of("LAPTOP001", 1).on_invoice().place_order(&shop).await;
    assert_eq!(beyond.outcome(), (409, "CANCELLED", "CREDIT_LIMIT_EXCEEDED"));
    assert_eq!(terms(200, true).if_match("*").send(&shop).await.http_status, 200);
    let held = order("k3").of("LAPTOP001", 1).on_invoice().place_order(&shop).await;
    assert_eq!(held.outcome(), (409, "CANCELLED", "ACCOUNT_ON_HOLD"));
    // An account on hold accepts no invoice, but does not block a roll-back.
    assert_eq!(cancel_order(&shop, order_id("k1").as_str()).await.http_status, 200);
    assert_eq!(shop.owed_minor("acme"), 0);
    assert_eq!(terms(200, false).if_match("*").send(&shop).await.http_status, 200);
    assert_eq!(order("k4").of("LAPTOP001", 2).on_invoice().place_order(&shop).await.http_status, 201);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn an_invoice_between_reading_and_setting_the_terms_is_kept() {
    let turns = Turns::free();
    let shop = shop().behind(&turns).open().await;
    let etag = version(&shop, TERMS).await;
    // The invoice reads the account and posts; the two requests that set the terms surround it.
    turns.play("tiit");
    let posting = json!({ "action": "post", "order": order("k1").of("LAPTOP001", 4).on_invoice().placed() });
    let (set, posted) = tokio::join!(
        turns.of('t', terms(90, false).if_match(&etag).send(&shop)),
        turns.of('i', shop.functions.invoke("post-accounting", posting)),
    );
    assert!(posted.is_ok(), "{posted:?}");
    assert_eq!(set.http_status, 200, "{set:?}");
    let account = get(ACME).send(&shop).await.body;
    assert_eq!((&account["creditLimit"], &account["receivable"]), (&json!(90.0), &json!(40.0)));
}

#[tokio::test(start_paused = true)]
async fn of_eight_clerks_who_set_the_terms_that_they_read_one_wins() {
    let shop = shop().open().await;
    let etag = version(&shop, TERMS).await;
    let mut clerks = JoinSet::new();
    for number in 1..=8 {
        let (stack, etag) = (shop.stack.clone(), etag.clone());
        clerks.spawn(async move { terms(1000 * number, false).if_match(&etag).send(&stack).await });
    }
    let replies = clerks.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.http_status == 200);
    assert_eq!((won.len(), lost.iter().all(|reply| reply.http_status == 412)), (1, true), "{replies:?}");
    assert_eq!(get(TERMS).send(&shop).await.body, won[0].body);
}

#[tokio::test(start_paused = true)]
async fn an_account_is_opened_once_and_keeps_its_currency() {
    let shop = shop().open().await;
    let path = "/accounts/newcomer/terms";
    let wanted = json!({ "currency": "KWD", "creditLimit": 12.5, "onHold": false });
    let absent = put(path, &wanted).if_match("*").send(&shop).await;
    assert_eq!((absent.http_status, kind(&absent)), (404, "account-not-found"), "{absent:?}");
    let nameless = put(path, &json!({ "creditLimit": 1, "onHold": false })).if_absent().send(&shop).await;
    assert_eq!((nameless.http_status, &nameless.body["errors"][0]["pointer"]), (422, &json!("#/currency")));
    let opened = put(path, &wanted).if_absent().send(&shop).await;
    assert_eq!(opened.http_status, 201, "{opened:?}");
    assert_eq!(
        text(get("/accounts/newcomer"), &shop).await,
        r#"{"customerId":"newcomer","currency":"KWD","creditLimit":12.500,"onHold":false,"receivable":0.000}"#
    );
    let again = put(path, &wanted).if_absent().send(&shop).await;
    assert_eq!((again.http_status, kind(&again)), (412, "precondition-failed"), "{again:?}");

    let other = json!({ "currency": "USD", "creditLimit": 12.5, "onHold": false });
    let other = put(path, &other).if_match("*").send(&shop).await;
    assert_eq!((other.http_status, &other.body["errors"][0]["pointer"]), (422, &json!("#/currency")), "{other:?}");
    // Without a currency, the amount is in the account's currency, which has three decimals.
    for (limit, status) in [("0.001", 200), ("0.0001", 422)] {
        let body = format!(r#"{{"creditLimit":{limit},"onHold":true}}"#);
        let reply = put(path, &Value::Null).if_match("*").saying(&body).send(&shop).await;
        assert_eq!(reply.http_status, status, "{reply:?}");
    }
    let invoice = order("k1").of("LAPTOP001", 1).in_currency("KWD").on_invoice().by("newcomer");
    assert_eq!(invoice.place_order(&shop).await.reason(), "ACCOUNT_ON_HOLD");
}

#[tokio::test(start_paused = true)]
async fn every_wrong_field_of_the_terms_is_named() {
    let shop = shop().open().await;
    for (body, places) in [
        ("{}", vec!["#/creditLimit", "#/onHold"]),
        (r#"{"creditLimit":"1","onHold":"no"}"#, vec!["#/creditLimit", "#/onHold"]),
        (r#"{"creditLimit":0.001,"onHold":false,"currency":"USD"}"#, vec!["#/creditLimit"]),
        (r#"{"creditLimit":-1,"onHold":false}"#, vec!["#/creditLimit"]),
        (r#"{"creditLimit":1,"onHold":false,"currency":"XAU"}"#, vec!["#/currency"]),
        (r#"{"creditLimit":1,"onHold":false,"receivable":0}"#, vec!["#/receivable"]),
    ] {
        let reply = terms(0, false).if_match("*").saying(body).send(&shop).await;
        assert_eq!((reply.http_status, kind(&reply)), (422, "invalid-content"), "{body}: {reply:?}");
        let errors = reply.body["errors"].as_array().unwrap();
        assert_eq!(errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect::<Vec<_>>(), places);
    }
    assert_eq!(get(TERMS).send(&shop).await.body["creditLimit"], json!(100.0));
}

#[tokio::test(start_paused = true)]
async fn terms_whose_answer_was_lost_are_reported_as_set() {
    for path in [TERMS, "/accounts/newcomer/terms"] {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        faults.strike_times(1, Calls::to(Api::DynamoDb).operation("TransactWriteItems"), Fault::LoseAnswer);
        let wanted = put(path, &json!({ "currency": "USD", "creditLimit": 7, "onHold": true }));
        let wanted = if path == TERMS { wanted.if_match("*") } else { wanted.if_absent() };
        let reply = wanted.send(&shop).await;
        assert_eq!(faults.struck(), 1);
        assert!([200, 201].contains(&reply.http_status), "{reply:?}");
        assert_eq!(get(path).send(&shop).await.body["creditLimit"], json!(7.0));
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_journal_is_down_the_outcome_is_unknown_and_nothing_changes() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let before = shop.items();
    faults.strike(Calls::to(Api::DynamoDb), Fault::Refuse(WireError::internal(Api::DynamoDb)));
    let journal = format!("/orders/{}/journal", order_id("k1"));
    for ask in [get(ACME), get(TERMS), get(&journal), terms(1, true).if_match("*")] {
        let reply = ask.send(&shop).await;
        assert_eq!((reply.http_status, kind(&reply)), (503, "store-unavailable"), "{reply:?}");
        assert_eq!(reply.header("retry-after"), Some("5"));
    }
    assert_eq!(shop.items(), before);
}

#[tokio::test(start_paused = true)]
async fn the_journal_of_an_order_has_its_posting_and_its_reversal() {
    let shop = shop().open().await;
    order("k1").of("LAPTOP001", 2).on_invoice().place_order(&shop).await;
    let id = order_id("k1");
    let journal = format!("/orders/{id}/journal");
    let posted = text(get(&journal), &shop).await;
    let lines = r#"[{"account":"RECEIVABLES","debit":20.00},{"account":"SALES","credit":20.00}]"#;
    assert!(posted.contains(&format!(r#""currency":"USD","customerId":"acme","lines":{lines}"#)), "{posted}");
    let entries = get(&journal).send(&shop).await.body["entries"].clone();
    assert_eq!((entries.as_array().unwrap().len(), &entries[0]["kind"]), (1, &json!("POSTING")));

    cancel_order(&shop, id.as_str()).await;
    let entries = get(&journal).send(&shop).await.body["entries"].clone();
    assert_eq!((entries.as_array().unwrap().len(), &entries[1]["kind"]), (2, &json!("REVERSAL")));
    let lines = r#"[{"account":"RECEIVABLES","credit":20.00},{"account":"SALES","debit":20.00}]"#;
    assert!(text(get(&journal), &shop).await.contains(lines));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_never_posted_has_no_entries() {
    let shop = shop().open().await;
    // Out of stock: it was rolled back, and its tombstone posts nothing.
    order("k1").of("LAPTOP001", 11).place_order(&shop).await;
    for key in ["k1", "nobody's"] {
        let reply = get(&format!("/orders/{}/journal", order_id(key))).send(&shop).await;
        assert_eq!((reply.http_status, &reply.body["entries"]), (200, &json!([])), "{reply:?}");
    }
    let malformed = get("/orders/short/journal").send(&shop).await;
    assert_eq!((malformed.http_status, kind(&malformed)), (404, "order-not-found"));
}
