//! The lists of orders: what a walk from page to page shows, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::Scope;
use api::parameters;
use http::{HeaderMap, Method};
use local_aws::{BoxFuture, Call, Layer, Next, Outcome, ServiceAnswer, StoreError};
use local_stack::gateway::{self, PathParameters};
use local_stack::{Options, Stack};
use order::{EpochMs, OrderId, Reach, Reason, Status, StepReceipts};
use orders::handover::PaymentCheck;
use orders::{Canceller, Closing};
use serde_json::{Value, json};
use system_tests::orders::{REQUEST_ID, Reply, clerk, client, order, order_id};
use system_tests::shops::{OPENED_MS, Shop, recovery, shop};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const OF_CUSTOMER: &str = "/customers/{customerId}/orders";
const OF_STORE: &str = "/stores/{storeId}/orders";
const OF_COUNTY: &str = "/counties/{countyId}/orders";

/// A list, with its caller.
#[derive(Debug, Clone, Copy)]
struct List {
    resource: &'static str,
    id: &'static str,
    filter: &'static str,
    tenant: &'static str,
}

fn list(resource: &'static str, id: &'static str) -> List {
    List { resource, id, filter: "", tenant: "public" }
}

impl List {
    /// A page, given the rest of the query.
    async fn page(self, stack: &Stack, query: &str) -> Reply {
        let names = ["customerId", "storeId", "countyId"].into_iter().filter(|name| self.resource.contains(name));
        let path: PathParameters = names.map(|name| (name.to_owned(), self.id.to_owned())).collect();
        let mut event = gateway::event(Method::GET, self.resource, HeaderMap::new(), path, b"");
        gateway::set_query(&mut event, &format!("{}&{query}", self.filter));
        let client = client(self.tenant, &[Scope::Read, Scope::Operations]);
        stack.answer(event, &client, REQUEST_ID).await.into()
    }

    /// A walk from the first page to the last, as ids in their order.
    async fn walk(self, stack: &Stack, limit: usize) -> Vec<Value> {
        self.walk_while(stack, limit, || ()).await
    }

    /// A walk that announces each page before reading it.
    async fn walk_while(self, stack: &Stack, limit: usize, mut meanwhile: impl FnMut()) -> Vec<Value> {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            meanwhile();
            let reply = self.page(stack, &format!("limit={limit}{cursor}")).await;
            assert_eq!(reply.http_status, 200, "{reply:?}");
            let orders = reply.body["orders"].as_array().unwrap();
            assert!(orders.len() <= limit);
            seen.extend(orders.iter().cloned());
            match reply.body.get("nextCursor") {
                Some(next) => cursor = format!("&cursor={}", next.as_str().unwrap()),
                None => return seen,
            }
        }
    }
}

fn ids(orders: &[Value]) -> Vec<&str> {
    orders.iter().map(|order| order["orderId"].as_str().unwrap()).collect()
}

/// Puts an order of `demo123` in `main`, in `kings`, on record as if it had been placed at that time.
async fn put(stack: &Stack, key: &str, created_ms: EpochMs) -> String {
    let order = order(key).of("LAPTOP001", 1).with("storeId", "main").with("countyId", "kings").placed();
    stack.orders.put_pending(&order, created_ms, created_ms).await.unwrap();
    order.order_id().to_string()
}

async fn put_all(stack: &Stack, times: impl IntoIterator<Item = EpochMs>) -> BTreeSet<String> {
    let mut written = BTreeSet::new();
    for (number, created_ms) in times.into_iter().enumerate() {
        written.insert(put(stack, &format!("order-{number}"), created_ms).await);
    }
    written
}

/// A stack with only its tables.
fn stack() -> Stack {
    Stack::open(Options { origin_ms: OPENED_MS, ..Options::in_memory().unwrap() }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_misses_no_order_and_repeats_none_while_eight_writers_place_more() {
    const ORDERS: i64 = 2_000;
    const WRITERS: usize = 8;
    /// Several orders share each millisecond.
    const ORDERS_PER_MS: i64 = 7;

    let stack = stack();
    let before = put_all(&stack, (0..ORDERS).map(|number| OPENED_MS + number / ORDERS_PER_MS)).await;
    assert_eq!(before.len(), 2_000);

    // While each page is being read, every writer places one more order.
    let turns = Arc::new(Semaphore::new(0));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (stack, turns) = (stack.clone(), Arc::clone(&turns));
        writers.spawn(async move {
            for number in 0.. {
                let Ok(turn) = turns.acquire().await else { return number };
                turn.forget();
                // Mostly newer than all others, and some in between, because clocks differ.
                let created_ms = OPENED_MS + if number % 4 == 0 { number % 280 } else { 1_000 + number };
                put(&stack, &format!("late-{writer}-{number}"), created_ms).await;
            }
            0
        });
    }
    for (list, limit) in
        [(list(OF_CUSTOMER, "demo123"), 41), (list(OF_STORE, "main"), 100), (list(OF_COUNTY, "kings"), 83)]
    {
        let seen = list.walk_while(&stack, limit, || turns.add_permits(WRITERS)).await;
        let unique: BTreeSet<&str> = ids(&seen).into_iter().collect();
        assert_eq!(unique.len(), seen.len(), "{list:?}: an order came twice");
        let missed = before.iter().filter(|id| !unique.contains(id.as_str())).count();
        assert_eq!(missed, 0, "{list:?}: existing orders are missing");
        let times: Vec<EpochMs> = seen.iter().map(|order| millis(order["createdAt"].as_str().unwrap())).collect();
        assert!(times.is_sorted_by(|newer, older| newer >= older), "{list:?}: not newest first");
    }
    turns.close();
    let placed = writers.join_all().await;
    assert!(placed.iter().sum::<i64>() >= 90 * 8, "one for each page and writer: {placed:?}");
}

/// A time in the API's format, with as many decimals as it needs.
fn millis(text: &str) -> EpochMs {
    parameters::millis(parameters::time(text).unwrap())
}

#[tokio::test]
async fn every_page_size_shows_the_same_list_even_if_all_orders_share_a_millisecond() {
    let stack = stack();
    let written = put_all(&stack, (0..30).map(|number| OPENED_MS + i64::from(number >= 25))).await;
    for resource in [list(OF_CUSTOMER, "demo123"), list(OF_STORE, "main"), list(OF_COUNTY, "kings")] {
        let whole = resource.walk(&stack, 100).await;
        assert_eq!(ids(&whole).into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), written);
        for limit in [3, 7, 16, 29, 30] {
            assert_eq!(resource.walk(&stack, limit).await, whole, "{resource:?} by {limit}");
        }
    }
    let first = list(OF_CUSTOMER, "demo123").page(&stack, "").await;
    assert_eq!(first.body["orders"].as_array().unwrap().len(), 20, "the default page size");
    let of_nobody = list(OF_CUSTOMER, "nobody").page(&stack, "").await;
    assert_eq!((of_nobody.http_status, of_nobody.body), (200, json!({ "orders": [] })));
}

#[tokio::test]
async fn an_order_in_a_list_is_the_order_as_it_is_read() {
    let shop = shop().open().await;
    let placed = order("k1").of("LAPTOP001", 1).with("countyId", "kings").place_order(&shop).await;
    let refused = order("k2").of("LAPTOP001", 11).with("countyId", "kings").place_order(&shop).await;
    for resource in [list(OF_CUSTOMER, "demo123"), list(OF_STORE, "main"), list(OF_COUNTY, "kings")] {
        let orders = resource.walk(&shop, 100).await;
        assert_eq!(orders.len(), 2, "{resource:?}");
        assert!(orders.contains(&placed.body), "{orders:?}");
        assert!(orders.contains(&refused.body["order"]), "{orders:?}");
    }
}

#[tokio::test]
async fn a_time_range_begins_with_from_and_ends_before_to() {
    let stack = stack();
    let day = "1970-01-02T00:00:00";
    put_all(&stack, (0..10).map(|ms| 86_400_000 + ms)).await;
    for (filter, expected) in [
        (format!("from={day}.003Z"), 7),
        (format!("to={day}.003Z"), 3),
        (format!("from={day}.003Z&to={day}.005Z"), 2),
        (format!("from={day}.003Z&to={day}.0031Z"), 1),
        (format!("from={day}.0021Z&to={day}.003Z"), 0),
        ("from=1970-01-02T01:00:00.003%2B01:00".to_owned(), 7),
        ("from=1969-12-31T23:59:59Z&to=9999-12-31T23:59:59.999999999Z".to_owned(), 10),
        ("to=1970-01-01T00:00:00Z&from=0000-01-01T00:00:00Z".to_owned(), 0),
    ] {
        for resource in [list(OF_CUSTOMER, "demo123"), list(OF_STORE, "main")] {
            let filter: &'static str = filter.clone().leak();
            let orders = List { filter, ..resource }.walk(&stack, 2).await;
            assert_eq!(orders.len(), expected, "{filter}: {orders:?}");
        }
    }
}

/// The names of the parameters that a refusal is about.
fn refused(reply: &Reply) -> Vec<&str> {
    assert_eq!(reply.http_status, 400, "{reply:?}");
    assert_eq!(reply.body["type"], "urn:order-saga:problem:invalid-parameters");
    let errors = reply.body["errors"].as_array().unwrap();
    errors.iter().map(|error| error["parameter"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_cursor_is_valid_only_for_its_list() {
    let stack = stack();
    put_all(&stack, (0..4).map(|ms| OPENED_MS + ms)).await;
    let mine = List { filter: "from=2020-01-01T00:00:00Z", ..list(OF_CUSTOMER, "demo123") };
    let cursor = mine.page(&stack, "limit=1").await.body["nextCursor"].as_str().unwrap().to_owned();
    let query = format!("cursor={cursor}");
    assert_eq!(mine.page(&stack, &query).await.body["orders"].as_array().unwrap().len(), 3, "with another page size");

    for other in [
        List { id: "demo124", ..mine },
        List { resource: OF_STORE, ..mine },
        List { filter: "", ..mine },
        List { filter: "from=2020-01-01T00:00:01Z", ..mine },
        List { filter: "from=2020-01-01T00:00:00Z&to=2999-01-01T00:00:00Z", ..mine },
        List { tenant: "another", ..mine },
        List { resource: "/orders", filter: "status=PENDING", ..mine },
    ] {
        assert_eq!(refused(&other.page(&stack, &query).await), ["cursor"], "{other:?}");
    }
    let mut changed = cursor.clone();
    let letter = if changed.ends_with('A') { "B" } else { "A" };
    changed.replace_range(changed.len() - 1.., letter);
    for text in [changed.as_str(), &cursor[1..], "", "x", "%FF", &"A".repeat(5_000)] {
        assert_eq!(refused(&mine.page(&stack, &format!("cursor={text}")).await), ["cursor"], "{text}");
    }
    let open = List { filter: "status=PENDING", ..list("/orders", "") };
    let cursor = open.page(&stack, "limit=1").await.body["nextCursor"].as_str().unwrap().to_owned();
    let cancelling = List { filter: "status=CANCELLING", ..open };
    assert_eq!(refused(&cancelling.page(&stack, &format!("cursor={cursor}")).await), ["cursor"]);
}

#[tokio::test]
async fn every_wrong_parameter_is_named_at_once_with_its_rule() {
    let stack = stack();
    let wrong = "limit=101&from=yesterday&to=2026-01-01&cursor=x&cursor=y&customer=a&status=PENDING";
    let reply = list(OF_CUSTOMER, "a#b").page(&stack, wrong).await;
    insta::assert_json_snapshot!(reply.body, @r##"
    {
      "type": "urn:order-saga:problem:invalid-parameters",
      "title": "The request's parameters break the rules listed in errors",
      "status": 400,
      "errors": [
        {
          "parameter": "customerId",
          "detail": "must be 1 to 64 characters from A-Z, a-z, 0-9 and . _ - : @ +"
        },
        {
          "parameter": "from",
          "detail": "must be an RFC 3339 time, such as 2026-01-31T08:00:00Z"
        },
        {
          "parameter": "to",
          "detail": "must be an RFC 3339 time, such as 2026-01-31T08:00:00Z"
        },
        {
          "parameter": "limit",
          "detail": "must be a whole number from 1 to 100"
        },
        {
          "parameter": "cursor",
          "detail": "must be sent once"
        },
        {
          "parameter": "customer",
          "detail": "is not a parameter here; allowed: from, to, limit, cursor"
        },
        {
          "parameter": "status",
          "detail": "is not a parameter here; allowed: from, to, limit, cursor"
        }
      ]
    }
    "##);

    for (query, names) in [
        ("limit=0", &["limit"][..]),
        ("limit=", &["limit"]),
        ("limit=1&limit=2", &["limit"]),
        ("from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", &["to"]),
        ("Limit=1", &["Limit"]),
        ("%FF=%FF", &["\u{fffd}"]),
    ] {
        assert_eq!(refused(&list(OF_STORE, "main").page(&stack, query).await), names, "{query}");
    }
    let open = list("/orders", "");
    for (query, names) in [
        ("", &["status"][..]),
        ("status=CONFIRMED", &["storeId"]),
        ("status=CONFIRMED&storeId=no%20store", &["storeId"]),
        ("status=CANCELLED&storeId=main", &["status"]),
        ("status=pending", &["status"]),
        ("status=PENDING&status=CANCELLING", &["status"]),
        ("status=PENDING&from=yesterday&storeId=main", &["storeId", "from"]),
        ("limit=x", &["status", "limit"]),
    ] {
        assert_eq!(refused(&open.page(&stack, query).await), names, "{query}");
    }
}

#[tokio::test]
async fn the_open_orders_are_listed_by_status_longest_due_first_and_parked_ones_among_them() {
    let stack = stack();
    let keys: Vec<String> = (0..30).map(|number| format!("order-{number}")).collect();
    put_all(&stack, (0..30).map(|number| OPENED_MS + number)).await;
    let closing = |now_ms| Closing { reason: Reason::CustomerRequest, detail: None, shortages: Vec::new(), now_ms };
    for (number, key) in (0..).zip(&keys).take(20) {
        stack
            .orders
            .cancel(&order_id(key), Canceller::Customer(Reach::All, &clerk()), &closing(OPENED_MS + 100 + number))
            .await
            .unwrap();
    }
    let open = stack.orders.read_open(&order_id(&keys[0])).await.unwrap().unwrap();
    assert!(stack.orders.park(&open, &recovery(), OPENED_MS + 1_000).await.unwrap());
    let confirmed =
        stack.orders.confirm(&order_id(&keys[29]), &"main".parse().unwrap(), &StepReceipts::default(), OPENED_MS).await;
    assert_eq!(confirmed.unwrap().unwrap().status, Status::Confirmed);

    let expected = |numbers: Vec<usize>| -> Vec<String> {
        numbers.into_iter().map(|number| order_id(&keys[number]).to_string()).collect()
    };
    for limit in [3, 100] {
        let pending = List { filter: "status=PENDING", ..list("/orders", "") }.walk(&stack, limit).await;
        assert_eq!(ids(&pending), expected((20..29).collect()));
        assert!(pending.iter().all(|order| order["status"] == "PENDING"));
        let cancelling = List { filter: "status=CANCELLING", ..list("/orders", "") }.walk(&stack, limit).await;
        assert_eq!(ids(&cancelling), expected((1..20).chain([0]).collect()), "the parked one was due last");
    }
}

/// A store's confirmed orders, each confirmed at one of these times.
async fn confirm_all(stack: &Stack, store: &'static str, times: impl IntoIterator<Item = EpochMs>) -> Vec<String> {
    let mut confirmed = Vec::new();
    for (number, confirmed_ms) in times.into_iter().enumerate() {
        confirmed.push(confirm(stack, &format!("{store}-{number}"), store, confirmed_ms).await);
    }
    confirmed
}

async fn confirm(stack: &Stack, key: &str, store: &str, confirmed_ms: EpochMs) -> String {
    let order = order(key).of("LAPTOP001", 1).with("storeId", store).placed();
    stack.orders.put_pending(&order, OPENED_MS, OPENED_MS).await.unwrap();
    let confirmed =
        stack.orders.confirm(order.order_id(), &order.store_id, &StepReceipts::default(), confirmed_ms).await;
    assert_eq!(confirmed.unwrap().unwrap().status, Status::Confirmed);
    order.order_id().to_string()
}

const PICK_MAIN: List = List { resource: "/orders", id: "", filter: "status=CONFIRMED&storeId=main", tenant: "public" };

#[tokio::test]
async fn the_pick_list_of_a_store_is_its_confirmed_orders_longest_confirmed_first() {
    let stack = stack();
    put(&stack, "pending", OPENED_MS).await;
    let mut expected = confirm_all(&stack, "main", (0..30).map(|number| OPENED_MS + number)).await;
    let others = confirm_all(&stack, "west", [OPENED_MS + 5]).await;
    // Stores whose names begin alike, or look like the index's other partitions, are different stores.
    confirm_all(&stack, "mai", [OPENED_MS + 5]).await;
    confirm_all(&stack, "OPEN", [OPENED_MS + 5]).await;
    for limit in [1, 7, 100] {
        assert_eq!(ids(&PICK_MAIN.walk(&stack, limit).await), expected, "by {limit}");
    }
    let west = List { filter: "status=CONFIRMED&storeId=west", ..PICK_MAIN };
    assert_eq!(ids(&west.walk(&stack, 100).await), others);

    // An order that is handed over or cancelled leaves this list, and is in the list of its new status.
    let (fulfilled, cancelled) = (expected.remove(20), expected.remove(3));
    stack.orders.fulfil(&fulfilled.parse().unwrap(), PaymentCheck::ToDo, &clerk(), OPENED_MS + 100).await.unwrap();
    let closing =
        Closing { reason: Reason::CustomerRequest, detail: None, shortages: Vec::new(), now_ms: OPENED_MS + 100 };
    let customer = Canceller::Customer(Reach::All, &clerk());
    stack.orders.cancel(&cancelled.parse().unwrap(), customer, &closing).await.unwrap();
    assert_eq!(ids(&PICK_MAIN.walk(&stack, 4).await), expected);
    for (filter, id) in [("status=FULFILLING", &fulfilled), ("status=CANCELLING", &cancelled)] {
        assert_eq!(ids(&List { filter, ..PICK_MAIN }.walk(&stack, 100).await), [id]);
    }
}

#[tokio::test]
async fn the_lists_by_status_also_have_a_time_range() {
    let stack = stack();
    let mut placed = Vec::new();
    for second in 0..30 {
        let (order, at_ms) =
            (order(&format!("picked-{second}")).of("LAPTOP001", 1).placed(), OPENED_MS + 1_000 * second);
        stack.orders.put_pending(&order, at_ms, at_ms).await.unwrap();
        stack
            .orders
            .confirm(order.order_id(), &order.store_id, &StepReceipts::default(), OPENED_MS + 60_000)
            .await
            .unwrap();
        placed.push(order.order_id().to_string());
    }
    let picked: BTreeSet<&str> = placed[10..20].iter().map(String::as_str).collect();
    let pending = put_all(&stack, (0..30).map(|second| OPENED_MS + 1_000 * second)).await;
    let pick =
        List { filter: "status=CONFIRMED&storeId=main&from=2027-01-15T08:00:10Z&to=2027-01-15T08:00:20Z", ..PICK_MAIN };
    let open = List { filter: "status=PENDING&from=2027-01-15T08:00:10Z&to=2027-01-15T08:00:20Z", ..PICK_MAIN };
    for limit in [1, 7, 100] {
        assert_eq!(BTreeSet::from_iter(ids(&pick.walk(&stack, limit).await)), picked, "by {limit}");
        let found = open.walk(&stack, limit).await;
        assert_eq!(found.len(), 10, "by {limit}");
        assert!(found.iter().all(|order| pending.contains(order["orderId"].as_str().unwrap())));
    }
}

#[tokio::test]
async fn a_cursor_of_one_pick_list_is_invalid_for_another() {
    let stack = stack();
    confirm_all(&stack, "main", (0..3).map(|number| OPENED_MS + number)).await;
    confirm_all(&stack, "west", (0..3).map(|number| OPENED_MS + number)).await;
    let page = PICK_MAIN.page(&stack, "limit=1").await;
    let cursor = format!("limit=1&cursor={}", page.body["nextCursor"].as_str().unwrap());
    assert_eq!(PICK_MAIN.page(&stack, &cursor).await.http_status, 200);
    for filter in ["status=CONFIRMED&storeId=west", "status=PENDING", "status=FULFILLING"] {
        let other = List { filter, ..PICK_MAIN }.page(&stack, &cursor).await;
        assert_eq!(refused(&other), ["cursor"], "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_waits_to_be_picked_appears_once_in_a_walk_while_others_are_confirmed_and_picked() {
    const ORDERS: i64 = 300;
    const WRITERS: usize = 4;

    let stack = stack();
    let orders = confirm_all(&stack, "main", (0..ORDERS).map(|number| OPENED_MS + number / 7)).await;
    // Every third one is picked while the list is read.
    let picked: Vec<String> = orders.iter().step_by(3).cloned().collect();
    let waiting: BTreeSet<&String> = orders.iter().filter(|id| !picked.contains(id)).collect();
    let turns = Arc::new(Semaphore::new(0));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (stack, turns) = (stack.clone(), Arc::clone(&turns));
        let mut picked = picked.clone().into_iter().skip(writer).step_by(WRITERS);
        writers.spawn(async move {
            for number in 0.. {
                let Ok(turn) = turns.acquire().await else { return number };
                turn.forget();
                if let Some(id) = picked.next() {
                    stack
                        .orders
                        .fulfil(&id.parse().unwrap(), PaymentCheck::ToDo, &clerk(), OPENED_MS + 1_000)
                        .await
                        .unwrap();
                }
                confirm(&stack, &format!("late-{writer}-{number}"), "main", OPENED_MS + 100 + number).await;
            }
            0
        });
    }
    let seen = PICK_MAIN.walk_while(&stack, 13, || turns.add_permits(3 * WRITERS)).await;
    turns.close();
    assert!(writers.join_all().await.iter().sum::<i64>() > 100);
    let unique: BTreeSet<&str> = ids(&seen).into_iter().collect();
    assert_eq!(unique.len(), seen.len(), "an order appeared twice");
    let missed = waiting.iter().filter(|id| !unique.contains(id.as_str())).count();
    assert_eq!(missed, 0, "missing, of {} that waited all the time", waiting.len());
}

/// DynamoDB under load: it reads one key of each batch, and leaves the others unprocessed.
#[derive(Debug, Default)]
struct ReadsOneByOne {
    nothing_at_all: bool,
}

impl Layer for ReadsOneByOne {
    fn around<'a>(&'a self, mut call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            if call.operation != "BatchGetItem" {
                return next.apply(&call).await;
            }
            let mut unread = call.body["RequestItems"].clone();
            let kept = usize::from(!self.nothing_at_all);
            for (table, wanted) in unread.as_object_mut().unwrap() {
                let keys = wanted["Keys"].as_array_mut().unwrap();
                let read: Vec<Value> = keys.drain(..kept.min(keys.len())).collect();
                call.body["RequestItems"][table]["Keys"] = Value::Array(read);
            }
            if self.nothing_at_all {
                let answer = json!({ "Responses": {}, "UnprocessedKeys": unread });
                return Ok(ServiceAnswer::ok(&answer));
            }
            let answer = next.apply(&call).await?;
            let mut body = answer.json();
            let left: BTreeMap<_, _> =
                unread.as_object().unwrap().iter().filter(|(_, wanted)| wanted["Keys"] != json!([])).collect();
            body["UnprocessedKeys"] = json!(left);
            Ok(ServiceAnswer::ok(&body))
        })
    }
}

/// Shows an order among the parked ones as well, as the index does for a moment while it is being parked.
#[derive(Debug)]
struct ShowsTwice(OrderId);

impl Layer for ShowsTwice {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let answer = next.apply(&call).await?;
            if call.operation != "Query" || call.body["ExpressionAttributeValues"][":partition"]["S"] != "PARKED" {
                return Ok(answer);
            }
            let mut body = answer.json();
            let item = json!({
                "order_id": { "S": self.0 }, "work": { "S": "PARKED" }, "due_ms": { "N": (OPENED_MS + 1).to_string() },
            });
            body["Items"].as_array_mut().unwrap().push(item);
            Ok(ServiceAnswer::ok(&body))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_just_being_parked_is_listed_once() {
    let shop = shop().behind(&Arc::new(ShowsTwice(order_id("order-0")))).open().await;
    put_all(&shop, [OPENED_MS, OPENED_MS + 1]).await;
    let open = List { filter: "status=PENDING", ..list("/orders", "") };
    let expected = [0, 1].map(|number| order_id(&format!("order-{number}")).to_string());
    assert_eq!(ids(&open.walk(&shop, 100).await), expected);
}

async fn behind(layer: ReadsOneByOne, orders: i64) -> Result<Reply, StoreError> {
    let shop: Shop = shop().behind(&Arc::new(layer)).open().await;
    put_all(&shop, (0..orders).map(|number| OPENED_MS + number)).await;
    Ok(list(OF_STORE, "main").page(&shop, "").await)
}

#[tokio::test(start_paused = true)]
async fn unprocessed_keys_of_a_batch_are_requested_again_and_not_skipped() {
    let reply = behind(ReadsOneByOne::default(), 4).await.unwrap();
    assert_eq!((reply.http_status, reply.body["orders"].as_array().map(Vec::len)), (200, Some(4)), "{reply:?}");
    for stuck in [behind(ReadsOneByOne::default(), 20).await, behind(ReadsOneByOne { nothing_at_all: true }, 1).await] {
        let stuck = stuck.unwrap();
        assert_eq!(stuck.http_status, 503, "a page with gaps is not returned: {stuck:?}");
        assert_eq!(stuck.body["type"], "urn:order-saga:problem:store-unavailable");
        assert_eq!(stuck.header("retry-after"), Some("5"));
    }
}
