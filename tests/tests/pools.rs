//! The stock of a hot article, spread over shards: everything that moves it while it is spread, and afterwards.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::BTreeMap;

use inventory::pool::{Pool, Root, ShardPhase, State};
use local_audit::Books;
use serde_json::{Value, json};
use system_tests::operations::{Ask, get, post, put};
use system_tests::orders::{Reply, cancel_order, fulfil_order, order, order_id};
use system_tests::shops::{Shop, shop};

const LAPTOP: &str = "/stores/main/stock/LAPTOP001";

fn spread(sku: &str, shards: u16) -> Ask {
    put(&format!("/stores/main/stock/{sku}/spread"), &json!({ "shards": shards }))
}

/// A shop whose ten laptops are spread over this many shards.
async fn spread_shop(shards: u16) -> Shop {
    let shop = shop().open().await;
    let reply = spread("LAPTOP001", shards).send(&shop).await;
    assert_eq!((reply.http_status, &reply.body["shards"]), (200, &json!(shards)), "{reply:?}");
    shop
}

fn laptop(books: &Books) -> &Root {
    &books.roots[&("main".parse().unwrap(), "LAPTOP001".parse().unwrap())]
}

/// What each shard of the laptops has: available, reserved, and its phase.
fn shards(books: &Books) -> BTreeMap<u16, (i64, i64, ShardPhase)> {
    let shards = &books.shards[&("main".parse().unwrap(), "LAPTOP001".parse().unwrap())];
    shards.iter().map(|(number, shard)| (*number, (shard.available, shard.reserved, shard.phase))).collect()
}

async fn laptops(shop: &Shop) -> (i64, i64, i64) {
    let reply = get(LAPTOP).send(shop).await;
    let number = |name: &str| reply.body[name].as_i64().unwrap();
    (number("available"), number("reserved"), number("onHand"))
}

async fn place(shop: &Shop, key: &str, quantity: u32) -> Reply {
    order(key).of("LAPTOP001", quantity).place_order(shop).await
}

#[track_caller]
fn assert_confirmed(reply: &Reply) {
    assert_eq!(reply.outcome(), (201, "CONFIRMED", ""), "{reply:?}");
}

#[track_caller]
fn assert_sold_out(reply: &Reply) {
    assert_eq!(reply.outcome(), (409, "CANCELLED", "OUT_OF_STOCK"), "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn a_spread_article_is_filled_evenly_and_counts_as_before() {
    let shop = spread_shop(4).await;
    let books = shop.audit();
    assert_eq!(laptop(&books).state(), State::Open(Pool { shards: 4, era: 1 }));
    assert_eq!(laptop(&books).available, 0);
    let filled = [3, 3, 2, 2].map(|available| (available, 0, ShardPhase::Open));
    assert_eq!(shards(&books).into_values().collect::<Vec<_>>(), filled);
    assert_eq!(laptops(&shop).await, (10, 0, 10));
    let listed = get("/stores/main/stock").send(&shop).await;
    let listed: Vec<&Value> =
        listed.body["stock"].as_array().unwrap().iter().map(|stock| &stock["available"]).collect();
    assert_eq!(listed, [&json!(10), &json!(10)]);
}

#[tokio::test(start_paused = true)]
async fn every_piece_of_a_spread_article_is_sold_and_none_twice() {
    let shop = spread_shop(4).await;
    for number in 0..10 {
        assert_confirmed(&place(&shop, &format!("k{number}"), 1).await);
        shop.audit();
    }
    for number in 10..13 {
        assert_sold_out(&place(&shop, &format!("k{number}"), 1).await);
    }
    // Only a whole root says so.
    let books = shop.audit();
    assert_eq!((laptop(&books).state(), laptop(&books).available, laptop(&books).reserved), (State::Whole, 0, 10));
}

#[tokio::test(start_paused = true)]
async fn an_order_takes_from_several_shards_what_no_shard_has_alone() {
    let shop = spread_shop(4).await;
    assert_confirmed(&place(&shop, "k1", 2).await);
    assert_confirmed(&place(&shop, "k2", 5).await);
    let books = shop.audit();
    assert_eq!(books.reservations[&order_id("k2")].effect.as_ref().unwrap().places.len(), 2);
    assert_eq!(laptops(&shop).await, (3, 7, 10));
    assert_eq!(cancel_order(&shop, order_id("k2").as_str()).await.status(), "CANCELLED");
    shop.audit();
    assert_eq!(laptops(&shop).await, (8, 2, 10));
}

#[tokio::test(start_paused = true)]
async fn an_order_for_more_than_there_is_merges_and_is_refused() {
    let shop = spread_shop(4).await;
    assert_confirmed(&place(&shop, "k1", 3).await);
    assert_sold_out(&place(&shop, "k2", 8).await);
    let books = shop.audit();
    assert_eq!((laptop(&books).state(), laptop(&books).available, laptop(&books).reserved), (State::Whole, 7, 3));
    assert!(shards(&books).values().all(|shard| *shard == (0, 0, ShardPhase::Merged)));
    assert_confirmed(&place(&shop, "k3", 7).await);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_from_a_shard_is_released_or_handed_over_from_wherever_it_is() {
    let shop = spread_shop(4).await;
    for key in ["cancelled", "handed-over", "cancelled-later", "handed-over-later"] {
        assert_confirmed(&place(&shop, key, 1).await);
    }
    assert_eq!(cancel_order(&shop, order_id("cancelled").as_str()).await.status(), "CANCELLED");
    assert_eq!(fulfil_order(&shop, order_id("handed-over").as_str()).await.status(), "FULFILLED");
    shop.audit();
    // The next era uses the same shards.
    spread("LAPTOP001", 1).send(&shop).await;
    spread("LAPTOP001", 2).send(&shop).await;
    assert_eq!(laptop(&shop.audit()).state(), State::Open(Pool { shards: 2, era: 2 }));
    assert_eq!(cancel_order(&shop, order_id("cancelled-later").as_str()).await.status(), "CANCELLED");
    assert_eq!(fulfil_order(&shop, order_id("handed-over-later").as_str()).await.status(), "FULFILLED");
    shop.audit();
    assert_eq!(laptops(&shop).await, (8, 0, 8));
}

#[tokio::test(start_paused = true)]
async fn an_adjustment_goes_to_the_root_and_merges_where_that_has_too_little() {
    let shop = spread_shop(4).await;
    let adjust = |difference: i64, reason: &str, key: &str| {
        post(&format!("{LAPTOP}/adjustments"), &json!({ "difference": difference, "reason": reason })).under(key)
    };
    let received = adjust(4, "RECEIVED", "a1").send(&shop).await;
    assert_eq!((received.http_status, &received.body["stock"]["available"]), (201, &json!(14)));
    assert_eq!(laptop(&shop.books()).available, 4);
    let lost = adjust(-12, "LOST", "a2").send(&shop).await;
    assert_eq!((lost.http_status, &lost.body["stock"]["available"]), (201, &json!(2)));
    assert_eq!(laptop(&shop.books()).state(), State::Whole);
    spread("LAPTOP001", 4).send(&shop).await;
    let too_many = adjust(-3, "LOST", "a3").send(&shop).await;
    assert_eq!((too_many.http_status, &too_many.body["stock"]["available"]), (409, &json!(2)));
    assert!(local_audit::check(&shop.books()).holds);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_refills_the_shards() {
    let shop = shop().with_stock("LAPTOP001", 0).open().await;
    spread("LAPTOP001", 4).send(&shop).await;
    post(&format!("{LAPTOP}/adjustments"), &json!({ "difference": 8, "reason": "RECEIVED" }))
        .under("a1")
        .send(&shop)
        .await;
    for number in 0..8 {
        assert_confirmed(&place(&shop, &format!("k{number}"), 1).await);
    }
    let books = shop.books();
    assert!(local_audit::check(&books).holds);
    assert_eq!(laptop(&books).state(), State::Open(Pool { shards: 4, era: 1 }));
    assert_eq!(laptops(&shop).await, (0, 8, 8));
}

#[tokio::test(start_paused = true)]
async fn setting_the_stock_merges_it_and_counts_all_of_it() {
    let shop = spread_shop(4).await;
    assert_confirmed(&place(&shop, "k1", 1).await);
    let etag = get(LAPTOP).send(&shop).await.header("etag").unwrap().to_owned();
    let set = put(LAPTOP, &json!({ "onHand": 5 })).if_match(&etag).send(&shop).await;
    assert_eq!((set.http_status, &set.body["available"], &set.body["reserved"]), (200, &json!(4), &json!(1)));
    let books = shop.books();
    assert!(local_audit::check(&books).holds);
    assert_eq!(laptop(&books).state(), State::Whole);
}

#[tokio::test(start_paused = true)]
async fn spreading_is_repeatable_and_changes_the_number_of_shards() {
    let shop = spread_shop(4).await;
    for (shards, era) in [(4, 1), (2, 2), (256, 3), (256, 3)] {
        let reply = spread("LAPTOP001", shards).send(&shop).await;
        assert_eq!(reply.http_status, 200, "{reply:?}");
        assert_eq!(laptop(&shop.audit()).state(), State::Open(Pool { shards, era }));
    }
    assert_confirmed(&place(&shop, "k1", 10).await);
    for _ in 0..2 {
        assert_eq!(spread("LAPTOP001", 1).send(&shop).await.http_status, 200);
        assert_eq!(laptop(&shop.audit()).state(), State::Whole);
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_of_fifty_spread_articles_is_held_and_released_in_one_transaction_each() {
    const SKUS: [&str; 50] = {
        // Names of one letter and one digit.
        const NAMES: &str =
            "A0A1A2A3A4A5A6A7A8A9B0B1B2B3B4B5B6B7B8B9C0C1C2C3C4C5C6C7C8C9D0D1D2D3D4D5D6D7D8D9E0E1E2E3E4E5E6E7E8E9";
        let mut skus = [""; 50];
        let mut at = 0;
        while at < 50 {
            skus[at] = NAMES.split_at(2 * at).1.split_at(2).0;
            at += 1;
        }
        skus
    };
    // Each shard has one piece, so two of an article are in two shards, or they are on the root after a merge.
    for (quantity, merges) in [(1, false), (1, true), (2, false), (2, true)] {
        let mut stocked = shop();
        for sku in SKUS {
            stocked = stocked.with_stock(sku, 4);
        }
        let shop = stocked.open().await;
        for sku in SKUS {
            spread(sku, 4).send(&shop).await;
        }
        let ordered = SKUS.iter().fold(order("k1"), |order, sku| order.of(sku, quantity).at(1));
        assert_confirmed(&ordered.place_order(&shop).await);
        let books = shop.audit();
        let places = &books.reservations[&order_id("k1")].effect.as_ref().unwrap().places;
        assert!(places.len() <= 99, "{}", places.len());
        if merges {
            for sku in SKUS {
                spread(sku, 1).send(&shop).await;
            }
        }
        assert_eq!(cancel_order(&shop, order_id("k1").as_str()).await.status(), "CANCELLED");
        shop.audit();
    }
}
