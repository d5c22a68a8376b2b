//! Cursors that nobody issued: sealed as ours are and for the right list, but pointing anywhere.

use api::{Caller, cursor as places};
use order::{EpochMs, Status, StoreId};
use orders::{Listing, Position};
use proptest::prelude::*;
use proptest::sample::select;
use query_orders::cursor;
use serde_json::Value;
use system_tests::orders::order;

use crate::lists::{List, OF_CUSTOMER, OF_STORE, STOCK, get};
use crate::world::{World, cases};

const OF_COUNTY: &str = "/counties/{countyId}/orders";
const BY_STATUS: &str = "/orders";

fn tenant() -> order::Tenant {
    Caller::of_an_open_api().tenant
}

/// The lists of orders, each with the text that its cursors are bound to.
fn order_lists() -> Vec<(List, String)> {
    let named = |list: List, listing: Listing, status: Option<Status>| {
        (list, format!("{:?} {:?} {status:?} {}", Some(listing), 0..=EpochMs::MAX, tenant()))
    };
    let main = || "main".parse::<StoreId>().unwrap();
    vec![
        named(
            (OF_CUSTOMER, "customerId", "demo123", ""),
            Listing::Customer(tenant(), "demo123".parse().unwrap()),
            None,
        ),
        named((OF_STORE, "storeId", "main", ""), Listing::Store(main()), None),
        named((OF_COUNTY, "countyId", "kings", ""), Listing::County("kings".parse().unwrap()), None),
        named((BY_STATUS, "", "", "status=PENDING&"), Listing::Open, Some(Status::Pending)),
        named((BY_STATUS, "", "", "status=CONFIRMED&storeId=main&"), Listing::Pick(main()), Some(Status::Confirmed)),
    ]
}

fn position() -> impl Strategy<Value = Position> {
    let edges = select(&[EpochMs::MIN, EpochMs::MIN + 1, -1, 0, 1, EpochMs::MAX - 1, EpochMs::MAX][..]);
    let sort_ms = prop_oneof![edges, any::<EpochMs>(), 0..4_000_000_000_000_i64];
    let partition = prop_oneof![0..20_u8, any::<u8>()];
    (sort_ms, partition, any::<u128>()).prop_map(|(sort_ms, partition, id)| Position {
        sort_ms,
        partition,
        order_id: format!("{id:032x}").parse().unwrap(),
    })
}

/// Requests the page after a cursor. The answer is a page, or a refusal before anything is read.
fn is_a_page(world: &World, list: List, cursor: &str) -> Result<bool, TestCaseError> {
    let before = world.calls();
    let answer = world.run(get(world, list, &format!("limit=2&cursor={cursor}")));
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    if answer.status == 200 {
        prop_assert!(body["orders"].is_array() || body["stock"].is_array(), "{body}");
        return Ok(true);
    }
    prop_assert_eq!(answer.status.as_u16(), 400, "{}", body);
    prop_assert_eq!(world.calls(), before, "a refused cursor caused a read");
    Ok(false)
}

#[test]
fn a_sealed_cursor_of_any_place_is_answered_with_a_page_or_refused() {
    let world = World::open();
    world.run(async {
        for key in ["one", "two", "three"] {
            order(key).of("LAPTOP001", 1).with("countyId", "kings").place_order(&world.shop).await;
        }
    });
    let lists = order_lists();
    // What is sealed here is also valid for the handler.
    let beginning = Position { sort_ms: 0, partition: 0, order_id: "0".repeat(32).parse().unwrap() };
    for (list, name) in &lists {
        assert!(is_a_page(&world, *list, &cursor::encode(&beginning, name)).unwrap(), "{list:?}");
    }
    proptest!(cases(500), |((list, name) in select(lists.clone()), position in position())| {
        is_a_page(&world, list, &cursor::encode(&position, &name))?;
    });
}

#[test]
fn a_sealed_cursor_of_any_article_is_answered_with_a_page_or_refused() {
    const FIRST: &str = "\u{1}A";

    let world = World::open();
    let list = (STOCK, "storeId", "main", "");
    let name =
        format!("stock of {:?} below {:?} for {}", Some("main".parse::<StoreId>().unwrap()), None::<i64>, tenant());
    assert!(is_a_page(&world, list, &places::encode(FIRST.into(), &name)).unwrap());
    let places = prop_oneof![
        "\u{1}[A-Za-z0-9._:@+-]{1,70}".prop_map(String::into_bytes),
        "\u{1}.{0,20}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..80),
    ];
    proptest!(cases(2_000), |(place in places)| {
        is_a_page(&world, list, &places::encode(place, &name))?;
    });
}
