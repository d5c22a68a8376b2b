//! What is on disk after the process is killed, and how the audit finds what is wrong with it.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::AttributeValue;
use clock::WallClock;
use http::StatusCode;
use http::header::LOCATION;
use local_audit::{self as audit, Books};
use local_aws::{Api, DynamoDb, Item, Services, Sqs, declared_queues};
use local_stack::OVERFLOW_QUEUE;
use order::{IdempotencyKey, OrderId, Status};
use serde_json::{Value, json};
use system_tests::client::{Client, IDEMPOTENCY_KEY, NoAnswer, Response, order_of};
use system_tests::process::{Serve, Signal, run, stderr, stdout};
use tempfile::{NamedTempFile, TempDir};
use tokio::task::JoinSet;

/// How long an order may take when it is joined after a crash.
const PATIENCE: Duration = Duration::from_mins(2);

fn stock_file(on_hand: i64) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    let text = json!({
        "stock": [{ "storeId": "main", "sku": "SCARCE", "onHand": on_hand }],
        "accounts": [{ "customerId": "acme", "creditLimit": 1_000_000, "currency": "USD" }],
    });
    std::fs::write(&file, text.to_string()).unwrap();
    file
}

async fn serve(data: &Path, stock: &NamedTempFile) -> Serve {
    Serve::start(["--data".as_ref(), data, "--stock".as_ref(), stock.path()]).await
}

fn invoice(quantity: u32) -> Value {
    let mut order = order_of("SCARCE", quantity);
    order["customerId"] = "acme".into();
    order["paymentTerms"] = "INVOICE".into();
    order
}

fn books(data: &Path) -> Books {
    let mut books = Books::default();
    audit::read(&DynamoDb::open_existing(data).unwrap(), &mut books).unwrap();
    books
}

fn copy_of(data: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for file in std::fs::read_dir(data).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

/// The orders in the overflow queue, including those that were received and not yet handled. They are read from a
/// copy, because receiving changes the queue.
async fn overflow(data: &Path) -> BTreeSet<OrderId> {
    let copy = copy_of(data);
    let store = DynamoDb::open_existing(copy.path()).unwrap();
    let long_after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_hours(1);
    let clock = WallClock::starting_at(long_after.as_millis().try_into().unwrap());
    let queues = Sqs::open(store, clock, declared_queues()).unwrap();
    let mut orders = BTreeSet::new();
    loop {
        let received = queues.receive(OVERFLOW_QUEUE, 10, Duration::ZERO).await.unwrap();
        if received.is_empty() {
            return orders;
        }
        for message in received {
            let order: Value = serde_json::from_str(&message.body).unwrap();
            orders.insert(order["order_id"].as_str().unwrap().parse().unwrap());
        }
    }
}

/// On hand is available plus reserved, whatever happened in between.
fn assert_on_hand(books: &Books, on_hand: i64) {
    let stock: Vec<_> =
        books.stock.values().map(|stock| (stock.sku.as_str(), stock.available + stock.reserved)).collect();
    assert_eq!(stock, [("SCARCE", on_hand)]);
}

/// Runs `order-saga audit` in both output formats, and returns its exit code and its report.
async fn audit(data: &Path) -> (Option<i32>, Value, String) {
    let command = ["audit".as_ref(), "--data".as_ref(), data.as_os_str()];
    let json = run(command.into_iter().chain(["--json".as_ref()])).await;
    let text = run(command).await;
    assert_eq!(json.status.code(), text.status.code());
    let report = serde_json::from_str(stdout(&json)).unwrap_or_else(|_| panic!("{}", stderr(&json)));
    (json.status.code(), report, stdout(&text).to_owned())
}

/// One client of the crash test, and the order that it sends.
#[derive(Debug, Clone, Copy)]
struct Buyer(usize);

impl Buyer {
    fn key(self) -> String {
        format!("buyer-{}", self.0)
    }

    fn order_id(self) -> OrderId {
        let key: IdempotencyKey = self.key().parse().unwrap();
        OrderId::derive(&"public".parse().unwrap(), &key)
    }

    fn body(self) -> Value {
        if self.0.is_multiple_of(10) { invoice(1) } else { order_of("SCARCE", 1) }
    }

    async fn place(self, client: Client) -> Result<Response, NoAnswer> {
        let request = client.placing().header(IDEMPOTENCY_KEY, self.key());
        let request = if self.0.is_multiple_of(5) { request.header("prefer", "respond-async") } else { request };
        client.send(request, self.body().to_string()).await
    }

    /// Sends the order repeatedly, as clients are told to, until it is decided.
    async fn insist(self, client: Client) -> Value {
        let started = Instant::now();
        loop {
            let answer = client.place(&self.key(), self.body()).await;
            if [StatusCode::CREATED, StatusCode::CONFLICT].contains(&answer.status) {
                return client.get(answer.header(LOCATION)).await.json();
            }
            assert!(started.elapsed() < PATIENCE, "{answer:?} after {:?}", started.elapsed());
        }
    }
}

#[tokio::test]
async fn a_killed_server_loses_nothing_that_it_acknowledged() {
    const BUYERS: usize = 500;
    const ON_HAND: i64 = 300;
    /// Buyers who get their decision before the others come.
    const EARLY: usize = 20;
    /// How many get an answer before the kill: enough to include some who wait for a decision, and few enough that
    /// most orders are still in progress.
    const TOLD: usize = EARLY + BUYERS / 5 + 30;

    let (data, stock) = (TempDir::new().unwrap(), stock_file(ON_HAND));
    let first = serve(data.path(), &stock).await;
    let client = first.client();
    let mut told = BTreeMap::new();
    for buyer in (0..EARLY).map(Buyer) {
        told.insert(buyer.order_id(), client.place(&buyer.key(), buyer.body()).await);
    }
    let mut buyers = JoinSet::new();
    for buyer in (EARLY..BUYERS).map(Buyer) {
        let client = client.clone();
        buyers.spawn(async move { (buyer, buyer.place(client).await) });
    }
    while let Some(answered) = buyers.join_next().await {
        let (buyer, answer) = answered.unwrap();
        // 503 says that nothing is known.
        let Some(answer) = answer.ok().filter(|answer| answer.status != StatusCode::SERVICE_UNAVAILABLE) else {
            continue;
        };
        told.insert(buyer.order_id(), answer);
        if told.len() == TOLD {
            first.signal(Signal::KILL);
        }
    }
    let (status, log) = first.ended().await;
    assert_eq!(status.code(), None, "it was killed: {log}");
    assert!((TOLD..BUYERS).contains(&told.len()), "{} of {BUYERS} were answered", told.len());

    let (code, report, text) = audit(data.path()).await;
    assert_eq!((code, &report["holds"]), (Some(0), &json!(true)), "{report}");
    assert!(text.contains("audit holds"), "{text}");
    let after_crash = books(data.path());
    assert_on_hand(&after_crash, ON_HAND);
    let queued = overflow(data.path()).await;
    for (order_id, answer) in &told {
        let Some(order) = after_crash.orders.get(order_id) else {
            // A store that is too busy for a record still accepts a message.
            assert!(answer.status == StatusCode::ACCEPTED && queued.contains(order_id), "{answer:?} is lost");
            continue;
        };
        let record = &order.record;
        match answer.status {
            StatusCode::CREATED => assert_eq!(record.status, Status::Confirmed, "{answer:?}"),
            StatusCode::CONFLICT => {
                assert_eq!(record.status, Status::Cancelled, "{answer:?}");
                assert_eq!(answer.json()["reason"], json!(record.reason), "{answer:?}");
            }
            StatusCode::ACCEPTED => {}
            status => panic!("unexpected {status}: {answer:?}"),
        }
    }
    let is_open = |status: &str| status == "PENDING" || status == "CANCELLING";
    let counts = report["orders"].as_object().unwrap().iter().map(|(status, count)| (status, count.as_u64().unwrap()));
    let open: u64 = counts.clone().filter(|(status, _)| is_open(status)).map(|(_, count)| count).sum();
    let open_records = after_crash.orders.values().filter(|order| order.record.status.is_open()).count();
    assert!(open > 0, "orders in progress are open: {report}");
    assert_eq!(usize::try_from(open), Ok(open_records));
    assert_eq!(counts.map(|(_, count)| count).sum::<u64>(), after_crash.orders.len() as u64);

    // A second stock file does not add stock.
    let second = serve(data.path(), &stock_file(10_000)).await;
    let client = second.client();
    let mut decided = BTreeMap::new();
    let mut insisting = JoinSet::new();
    for buyer in (0..BUYERS).map(Buyer) {
        if insisting.len() == 16 {
            let (order_id, order) = insisting.join_next().await.unwrap().unwrap();
            decided.insert(order_id, order);
        }
        let client = client.clone();
        insisting.spawn(async move { (buyer.order_id(), buyer.insist(client).await) });
    }
    decided.extend(insisting.join_all().await);
    for (order_id, answer) in told {
        let before = answer.json();
        if before["status"] != "PENDING" {
            assert_eq!(decided[&order_id]["status"], before["status"], "{before}");
            assert_eq!(decided[&order_id]["orderId"], before["orderId"], "{before}");
        }
    }
    // Orders are refused only for lack of stock, and all stock is sold.
    let refused: Vec<_> = decided.values().filter(|order| order["status"] == "CANCELLED").collect();
    assert!(refused.iter().all(|order| order["reason"] == "OUT_OF_STOCK"), "{refused:?}");
    assert_eq!(decided.len() - refused.len(), usize::try_from(ON_HAND).unwrap());

    second.signal(Signal::INT);
    let (status, log) = second.ended().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let (code, report, _) = audit(data.path()).await;
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["orders"]["CONFIRMED"], ON_HAND);
    assert_eq!(report["orders"]["CANCELLED"], i64::try_from(BUYERS).unwrap() - ON_HAND);
    assert_on_hand(&books(data.path()), ON_HAND);
}

#[tokio::test]
async fn a_directory_belongs_to_one_process() {
    let data = TempDir::new().unwrap();
    let path = data.path().to_str().unwrap();
    let serve = serve(data.path(), &stock_file(1)).await;
    for arguments in [&["audit", "--data", path] as &[_], &["serve", "--listen", "127.0.0.1:0", "--data", path]] {
        let output = run(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = stderr(&output);
        assert!(error.contains(path) && error.contains("in use by another process"), "{error}");
        assert!(error.contains("GET /_local/audit"), "{error}");
        assert_eq!(stdout(&output), "");
    }
    assert_eq!(serve.client().get("/_local/audit").await.json()["holds"], true);
}

#[tokio::test]
async fn a_directory_without_a_store_does_not_pass_the_audit() {
    let parent = TempDir::new().unwrap();
    let (missing, empty, broken) =
        (parent.path().join("missing"), parent.path().join("empty"), parent.path().join("broken"));
    std::fs::create_dir(&empty).unwrap();
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("dynamodb.sqlite"), "this is not a database, however long it may be").unwrap();
    for (data, rule) in
        [(&missing, "contains no store"), (&empty, "contains no store"), (&broken, "could not be opened")]
    {
        let output = run(["audit".as_ref(), "--data".as_ref(), data.as_os_str()]).await;
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(data.to_str().unwrap()) && error.contains(rule), "{error}");
        assert_eq!(stdout(&output), "");
    }
    assert!(!missing.exists(), "an audit creates nothing");
}

/// A store with a few orders of each kind, at rest.
struct Store {
    data: TempDir,
    prepaid: String,
    invoiced: String,
    refused: String,
}

impl Store {
    async fn with_orders() -> Self {
        let data = TempDir::new().unwrap();
        let serve = serve(data.path(), &stock_file(10)).await;
        let client = serve.client();
        let mut ids = Vec::new();
        for (key, body, status) in [
            ("prepaid", order_of("SCARCE", 2), StatusCode::CREATED),
            ("invoiced", invoice(3), StatusCode::CREATED),
            ("refused", order_of("SCARCE", 11), StatusCode::CONFLICT),
        ] {
            let answer = client.place(key, body).await;
            assert_eq!(answer.status, status, "{answer:?}");
            ids.push(answer.json()["orderId"].as_str().unwrap().to_owned());
        }
        serve.signal(Signal::INT);
        let (status, log) = serve.ended().await;
        assert_eq!(status.code(), Some(0), "{log}");
        let [prepaid, invoiced, refused] = ids.try_into().unwrap();
        Self { data, prepaid, invoiced, refused }
    }

    /// A copy of it with `change` applied.
    async fn tampered(&self, change: &Change<'_>) -> TempDir {
        let copy = copy_of(self.data.path());
        let store = DynamoDb::open_existing(copy.path()).unwrap();
        let services = Services::new().with(Api::DynamoDb, Arc::new(store));
        let client = aws_sdk_dynamodb::Client::new(&local_stack::config(&services));
        let (table, key) = change.item.key();
        match change.update {
            None => drop(client.delete_item().table_name(table).set_key(Some(key)).send().await.unwrap()),
            Some(update) => {
                let mut request = client.update_item().table_name(table).set_key(Some(key)).update_expression(update);
                for (name, value) in [("one", number(1)), ("hundred", number(100)), ("state", text(change.value))] {
                    if update.contains(&format!(":{name}")) {
                        request = request.expression_attribute_values(format!(":{name}"), value);
                    }
                }
                // DynamoDB reserves these words.
                for name in ["#lines", "#status", "#work"] {
                    if update.contains(name) {
                        request = request.expression_attribute_names(name, &name[1..]);
                    }
                }
                request.send().await.unwrap();
            }
        }
        copy
    }
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[derive(Clone, Copy)]
enum Stored<'a> {
    Order(&'a str),
    Reservation(&'a str),
    Posting(&'a str),
    Stock,
    Account,
}

impl Stored<'_> {
    fn key(self) -> (&'static str, Item) {
        let pk = |pk: String| ("pk".to_owned(), text(&pk));
        let sk = |sk: &str| ("sk".to_owned(), text(sk));
        match self {
            Self::Order(id) => ("orders", Item::from([("order_id".to_owned(), text(id))])),
            Self::Reservation(id) => ("inventory", Item::from([pk(format!("ORDER#{id}"))])),
            Self::Posting(id) => ("journal", Item::from([pk(format!("ORDER#{id}")), sk("POSTING")])),
            Self::Stock => ("inventory", Item::from([pk("STOCK#main#SCARCE".to_owned())])),
            Self::Account => ("journal", Item::from([pk("ACCOUNT#acme".to_owned()), sk("TERMS")])),
        }
    }
}

/// A change to an item behind the system's back.
struct Change<'a> {
    item: Stored<'a>,
    /// An update expression over `:one`, `:hundred` and `:state`; without one the item is deleted.
    update: Option<&'a str>,
    /// The value of `:state`.
    value: &'a str,
}

impl<'a> Change<'a> {
    fn update(item: Stored<'a>, update: &'a str, value: &'a str) -> Self {
        Self { item, update: Some(update), value }
    }

    fn delete(item: Stored<'a>) -> Self {
        Self { item, update: None, value: "" }
    }
}

const STOCK: &str = "stock of SCARCE in main";

/// Asserts that the audit of a copy with this change finds these invariants broken at these places only.
async fn assert_found(store: &Store, name: &str, change: Change<'_>, expected: &[(&str, &str)]) {
    let data = store.tampered(&change).await;
    let (code, report, text) = audit(data.path()).await;
    assert_eq!((code, &report["holds"]), (Some(1), &json!(false)), "{name}: {report}");
    let member = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap();
    let mut found: Vec<_> =
        findings.iter().map(|finding| (member(finding, "invariant"), member(finding, "at"))).collect();
    found.sort();
    let found: Vec<_> = found.iter().map(|(invariant, at)| (invariant.as_str(), at.as_str())).collect();
    assert_eq!(found, expected, "{name}: {report}");
    for finding in findings {
        let [invariant, at, what] = ["invariant", "at", "what"].map(|name| member(finding, name));
        assert!(text.contains(&format!("{invariant}  {at} {what}")), "{name}: {text}");
    }
}

#[tokio::test]
async fn the_audit_names_the_order_whose_record_is_wrong() {
    let store = Store::with_orders().await;
    let (code, report, _) = audit(store.data.path()).await;
    assert_eq!((code, &report["findings"]), (Some(0), &json!([])), "{report}");

    let (prepaid, invoiced) = (Stored::Order(&store.prepaid), Stored::Order(&store.invoiced));
    let (at_prepaid, at_invoiced) = (format!("order {}", store.prepaid), format!("order {}", store.invoiced));
    let lost = Change::update(prepaid, "SET #status = :state REMOVE confirmed_ms", "PENDING");
    assert_found(&store, "open, but recovery cannot find it", lost, &[("I1", &at_prepaid)]).await;
    let haunting = Change::update(prepaid, "SET #work = :state, due_ms = :one", "OPEN#0");
    assert_found(&store, "closed, but recovery would restart it", haunting, &[("I1", &at_prepaid)]).await;
    let both = Change::update(invoiced, "SET cancelling_ms = :one", "");
    assert_found(&store, "confirmed and rolled back", both, &[("I5", &at_invoiced)]).await;
    let undecided = Change::update(invoiced, "SET #status = :state REMOVE #work, due_ms", "CANCELLED");
    let found = [("I2", &*at_invoiced), ("I2", &at_invoiced), ("I5", &at_invoiced)];
    assert_found(&store, "cancelled, but nobody decided it", undecided, &found).await;
    let orphans = [("I2", &*at_prepaid), ("I2", &at_prepaid)];
    assert_found(&store, "reserved and posted, but no order", Change::delete(prepaid), &orphans).await;
    let unreadable = Change::update(Stored::Order("x"), "SET #status = :state", "LOST");
    assert_found(&store, "a record that nobody can read", unreadable, &[("I2", "orders item x")]).await;
}

#[tokio::test]
async fn the_audit_names_the_stock_that_is_wrong() {
    let store = Store::with_orders().await;
    let at_prepaid = format!("order {}", store.prepaid);
    let reservation = Stored::Reservation(&store.prepaid);
    let both = [("I2", &*at_prepaid), ("I3", STOCK)];
    assert_found(&store, "confirmed without its reservation", Change::delete(reservation), &both).await;
    let less = Change::update(reservation, "SET effect.#lines[0].quantity = :one", "");
    assert_found(&store, "confirmed with less reserved than ordered", less, &both).await;
    let still_held = Change::update(Stored::Reservation(&store.refused), "SET fence = :state", "APPLIED");
    let at_refused = format!("order {}", store.refused);
    assert_found(&store, "cancelled, but still reserved", still_held, &[("I2", &at_refused)]).await;
    let more = Change::update(Stored::Stock, "SET reserved = reserved + :one", "");
    assert_found(&store, "more reserved than reservations hold", more, &[("I3", STOCK)]).await;
    let oversold = Change::update(Stored::Stock, "SET available = available - :hundred", "");
    assert_found(&store, "sold what is not there", oversold, &[("I3", STOCK)]).await;
    assert_found(&store, "no stock at all", Change::delete(Stored::Stock), &[("I3", STOCK)]).await;
}

#[tokio::test]
async fn the_audit_names_the_entry_that_is_wrong() {
    let store = Store::with_orders().await;
    let (at_prepaid, at_invoiced) = (format!("order {}", store.prepaid), format!("order {}", store.invoiced));
    let posting = Stored::Posting(&store.prepaid);
    assert_found(&store, "confirmed, but not posted", Change::delete(posting), &[("I2", &at_prepaid)]).await;
    let amount = "effect.#lines[0].amount_minor";
    let raise = format!("SET {amount} = {amount} + :one");
    let found = [("I2", &*at_prepaid), ("I4", &at_prepaid), ("I4", "trial balance in USD")];
    assert_found(&store, "an entry that is off", Change::update(posting, &raise, ""), &found).await;
    let unreversed = Change::update(Stored::Posting(&store.invoiced), "SET fence = :state", "CANCELLED");
    let found = [("I2", &*at_invoiced), ("I4", &at_invoiced)];
    assert_found(&store, "a reversal that was never written", unreversed, &found).await;
    let owing = Change::update(Stored::Account, "SET receivable_minor = receivable_minor + :one", "");
    assert_found(&store, "a debt that no invoice explains", owing, &[("I4", "account acme")]).await;
}
