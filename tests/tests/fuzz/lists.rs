//! The lists, with parameters and cursors derived from real ones.

use api::{Answer, Caller};
use http::{HeaderMap, Method};
use local_stack::gateway::{self, PathParameters};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use query_orders::cursor;
use serde_json::Value;
use system_tests::orders::{REQUEST_ID, order};

use crate::mutate::{edited, edits};
use crate::world::{World, cases};

pub const OF_CUSTOMER: &str = "/customers/{customerId}/orders";
pub const OF_STORE: &str = "/stores/{storeId}/orders";
pub const STOCK: &str = "/stores/{storeId}/stock";

/// A list: its resource, its path parameter, its filter.
pub type List = (&'static str, &'static str, &'static str, &'static str);

/// The lists that issue cursors.
const LISTS: [List; 5] = [
    (OF_CUSTOMER, "customerId", "demo123", "from=2020-01-01T00:00:00Z&"),
    (OF_CUSTOMER, "customerId", "demo123", ""),
    (OF_STORE, "storeId", "main", "to=2100-01-01T00:00:00%2B01:00&"),
    (STOCK, "storeId", "main", ""),
    (STOCK, "storeId", "main", "availableBelow=1000000000000&"),
];

/// Queries as clients send them, before mutation.
const QUERIES: [&str; 7] = [
    "status=PENDING&limit=3",
    "limit=1&from=2026-01-31T08:00:00Z&to=2026-12-31T08:00:00.123456789%2B05:30",
    "limit=100",
    "availableBelow=8&limit=2",
    "from=9999-12-31T23:59:60Z",
    "to=-0001-01-01T00:00:00Z&limit=18446744073709551616",
    "cursor=AAAA&cursor=&limit=%FF",
];

/// A page of a list.
pub async fn get(world: &World, (resource, name, id, filter): List, query: &str) -> Answer {
    let path = PathParameters::from([(name.to_owned(), id.to_owned())]);
    let mut event = gateway::event(Method::GET, resource, HeaderMap::new(), path, b"");
    gateway::set_query(&mut event, &format!("{filter}{query}"));
    let client = Caller::of_an_open_api();
    world.shop.answer(event, &client, REQUEST_ID).await
}

/// A world with a few orders, and a cursor for each of [`LISTS`].
fn world_with_cursors() -> (World, Vec<String>) {
    let world = World::open();
    let cursors = world.run(async {
        for key in ["one", "two", "three"] {
            order(key).of("LAPTOP001", 1).place_order(&world.shop).await;
        }
        let mut cursors = Vec::new();
        for list in LISTS {
            let page: Value = serde_json::from_str(&get(&world, list, "limit=1").await.body).unwrap();
            cursors.push(page["nextCursor"].as_str().unwrap().to_owned());
        }
        cursors
    });
    (world, cursors)
}

#[test]
fn a_cursor_that_was_changed_or_moved_is_refused_and_nothing_is_read() {
    let (world, cursors) = world_with_cursors();
    proptest!(cases(2_000), |(from in any::<Index>(), to in any::<Index>(), edits in edits())| {
        let genuine = &cursors[from.index(LISTS.len())];
        let text = edited(genuine.clone().into_bytes(), &edits);
        let query: String = form(&text);
        let list = to.index(LISTS.len());
        let before = world.calls();
        let answer = world.run(get(&world, LISTS[list], &query));
        // A repetition after the end, or a byte that a query drops, can leave the text unchanged.
        if text == cursors[list].as_bytes() {
            prop_assert_eq!(answer.status.as_u16(), 200);
        } else {
            prop_assert_eq!(answer.status.as_u16(), 400, "{}", answer.body);
            prop_assert_eq!(world.calls(), before, "a refused cursor caused a read");
        }
    });
}

/// A cursor as a parameter, whatever its bytes.
fn form(text: &[u8]) -> String {
    use std::fmt::Write as _;

    text.iter().fold("limit=1&cursor=".to_owned(), |mut query, byte| {
        write!(query, "%{byte:02X}").unwrap();
        query
    })
}

#[test]
fn every_query_is_answered_with_a_page_or_with_its_errors() {
    let (world, _) = world_with_cursors();
    let open = [("/orders", "", "", ""), ("/counties/{countyId}/orders", "countyId", "k\u{e9}", "")];
    let lists: Vec<List> = LISTS.into_iter().chain(open).collect();
    proptest!(cases(2_000), |(list in select(lists.clone()), query in select(&QUERIES[..]), edits in edits())| {
        let query = edited(query.as_bytes().to_vec(), &edits);
        let before = world.calls();
        let answer = world.run(get(&world, list, &String::from_utf8_lossy(&query)));
        match answer.status.as_u16() {
            200 => {
                let page: Value = serde_json::from_str(&answer.body).unwrap();
                prop_assert!(page[if list.0 == STOCK { "stock" } else { "orders" }].is_array(), "{page}");
            }
            status => {
                prop_assert_eq!(status, 400, "{}", answer.body);
                prop_assert_eq!(world.calls(), before, "a refused query caused a read");
            }
        }
    });
}

proptest! {
    #![proptest_config(cases(8_000))]

    #[test]
    fn each_place_has_one_cursor_only(
        sort_ms in any::<i64>(), partition in any::<u8>(), id in any::<u128>(), list in ".{0,40}", edits in edits(),
    ) {
        let position = orders::Position { sort_ms, partition, order_id: format!("{id:032x}").parse().unwrap() };
        let text = cursor::encode(&position, &list);
        prop_assert_eq!(cursor::decode(&text, &list), Ok(position));
        if let Ok(changed) = String::from_utf8(edited(text.clone().into_bytes(), &edits))
            && let Ok(read) = cursor::decode(&changed, &list)
        {
            prop_assert_eq!(&changed, &text);
            prop_assert_eq!(cursor::encode(&read, &list), changed);
        }
    }
}
