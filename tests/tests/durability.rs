//! What is left on disk when the process is killed, and how the audit finds what is wrong with it.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use http::StatusCode;
use http::header::LOCATION;
use local::audit::{self, Books};
use local::aws::{Api, DynamoDb, Item, Services, TableNames};
use order::{IdempotencyKey, OrderId, Status, Tenant};
use serde_json::{Value, json};
use system_tests::client::{Client, IDEMPOTENCY_KEY, NoAnswer, Response, order_of};
use system_tests::process::{Serve, Signal, run, stderr, stdout};
use tempfile::{NamedTempFile, TempDir};
use tokio::task::JoinSet;

/// How long an order may take that is joined after a crash.
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
    audit::read(&DynamoDb::open_existing(data).unwrap(), &TableNames::default(), &mut books).unwrap();
    books
}

/// On hand is available and reserved, whatever happened in between.
fn assert_on_hand(books: &Books, on_hand: i64) {
    let stock: Vec<_> =
        books.stock.values().map(|stock| (stock.sku.as_str(), stock.available + stock.reserved)).collect();
    assert_eq!(stock, [("SCARCE", on_hand)]);
}

/// Runs `order-saga audit`, in both its forms, and answers with its exit code and its report.
async fn audit(data: &Path) -> (Option<i32>, Value, String) {
    let command = ["audit".as_ref(), "--data".as_ref(), data.as_os_str()];
    let json = run(command.into_iter().chain(["--json".as_ref()])).await;
    let text = run(command).await;
    assert_eq!(json.status.code(), text.status.code());
    let report = serde_json::from_str(stdout(&json)).unwrap_or_else(|_| panic!("{}", stderr(&json)));
    (json.status.code(), report, stdout(&text).to_owned())
}

/// One of the clients of the crash, and the order that it sends.
#[derive(Debug, Clone, Copy)]
struct Buyer(usize);

impl Buyer {
    fn key(self) -> String {
        format!("buyer-{}", self.0)
    }

    fn order_id(self) -> OrderId {
        let key: IdempotencyKey = self.key().parse().unwrap();
        OrderId::derive(&Tenant("public".to_owned()), &key)
    }

    fn body(self) -> Value {
        if self.0.is_multiple_of(10) { invoice(1) } else { order_of("SCARCE", 1) }
    }

    async fn place(self, client: Client) -> Result<Response, NoAnswer> {
        let request = client.placing().header(IDEMPOTENCY_KEY, self.key());
        let request = if self.0.is_multiple_of(5) { request.header("prefer", "respond-async") } else { request };
        client.send(request, self.body().to_string()).await
    }

    /// Sends the order again and again, as clients are told to, until it is decided.
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
async fn a_killed_server_has_lost_nothing_that_it_acknowledged() {
    const BUYERS: usize = 500;
    const ON_HAND: i64 = 300;
    /// Buyers who are told of their decision before the others come.
    const EARLY: usize = 20;
    /// How many are told something before the kill: enough for some of those who wait for a decision
    /// to be among them, and few enough for most orders to be under way.
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
    for (order_id, answer) in &told {
        let record = &after_crash.orders.get(order_id).unwrap_or_else(|| panic!("{answer:?} is lost")).record;
        match answer.status {
            StatusCode::CREATED => assert_eq!(record.status, Status::Confirmed, "{answer:?}"),
            StatusCode::CONFLICT => {
                assert_eq!(record.status, Status::Cancelled, "{answer:?}");
                assert_eq!(answer.json()["reason"], json!(record.reason), "{answer:?}");
            }
            StatusCode::ACCEPTED => {}
            status => panic!("{status} is no answer to an order: {answer:?}"),
        }
    }
    let is_open = |status: &str| status == "PENDING" || status == "CANCELLING";
    let counts = report["orders"].as_object().unwrap().iter().map(|(status, count)| (status, count.as_u64().unwrap()));
    let open: u64 = counts.clone().filter(|(status, _)| is_open(status)).map(|(_, count)| count).sum();
    let open_records = after_crash.orders.values().filter(|order| order.record.status.is_open()).count();
    assert!(open > 0, "what was under way is open: {report}");
    assert_eq!(usize::try_from(open), Ok(open_records));
    assert_eq!(counts.map(|(_, count)| count).sum::<u64>(), after_crash.orders.len() as u64);

    // Another stock file does not fill the shelves again.
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
    // Nobody is refused for another reason than stock, and all stock is sold.
    let refused: Vec<_> = decided.values().filter(|order| order["status"] == "CANCELLED").collect();
    assert!(refused.iter().all(|order| order["reason"] == "OUT_OF_STOCK"), "{refused:?}");
    assert_eq!(decided.len() - refused.len(), usize::try_from(ON_HAND).unwrap());

    second.signal(Signal::INT);
    let (status, log) = second.ended().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let (code, report, _) = audit(data.path()).await;
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["orders"]["CONFIRMED"], ON_HAND);
    assert_eq!(report["orders"]["CANCELLED"], BUYERS as i64 - ON_HAND);
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
async fn a_directory_without_a_store_is_no_faultless_store() {
    let parent = TempDir::new().unwrap();
    let (missing, empty, broken) =
        (parent.path().join("missing"), parent.path().join("empty"), parent.path().join("broken"));
    std::fs::create_dir(&empty).unwrap();
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("dynamodb.sqlite"), "this is no database, however long it may be").unwrap();
    for (data, rule) in [(&missing, "holds no store"), (&empty, "holds no store"), (&broken, "cannot be opened")] {
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

    /// A copy of it that `change` was made to.
    async fn tampered(&self, change: &Change<'_>) -> TempDir {
        let copy = TempDir::new().unwrap();
        for file in std::fs::read_dir(self.data.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        let store = DynamoDb::open_existing(copy.path()).unwrap();
        let services = Services::new().with(Api::DynamoDb, Arc::new(store));
        let client = aws_sdk_dynamodb::Client::new(&local::stack::config(&services));
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

/// What somebody did to an item behind the system's back.
struct Change<'a> {
    item: Stored<'a>,
    /// An update expression over `:one`, `:hundred` and `:state`; without one the item is deleted.
    update: Option<&'a str>,
    /// The value of `:state`.
    value: &'a str,
}

#[tokio::test]
async fn the_audit_names_what_breaks_and_where() {
    let store = Store::with_orders().await;
    let (code, report, _) = audit(store.data.path()).await;
    assert_eq!((code, &report["findings"]), (Some(0), &json!([])), "{report}");
    let order = |id: &str| format!("order {id}");
    let (prepaid, invoiced, refused) = (&*store.prepaid, &*store.invoiced, &*store.refused);
    let (stock, account, balance) = ("stock of SCARCE in main", "account acme", "trial balance in USD");

    let update = |item, update, value| Change { item, update: Some(update), value };
    let delete = |item| Change { item, update: None, value: "" };
    let cases: Vec<(&str, Change<'_>, Vec<(&str, String)>)> = vec![
        (
            "I1: an open order that recovery does not find",
            update(Stored::Order(prepaid), "SET #status = :state REMOVE confirmed_ms", "PENDING"),
            vec![("I1", order(prepaid))],
        ),
        (
            "I1: a closed order that recovery would take up",
            update(Stored::Order(prepaid), "SET #work = :state, due_ms = :one", "OPEN#0"),
            vec![("I1", order(prepaid))],
        ),
        (
            "I2: confirmed without its reservation",
            delete(Stored::Reservation(prepaid)),
            vec![("I2", order(prepaid)), ("I3", stock.into())],
        ),
        (
            "I2: confirmed with less reserved than ordered",
            update(Stored::Reservation(prepaid), "SET effect.#lines[0].quantity = :one", ""),
            vec![("I2", order(prepaid)), ("I3", stock.into())],
        ),
        ("I2: confirmed without its journal entry", delete(Stored::Posting(prepaid)), vec![("I2", order(prepaid))]),
        (
            "I2: cancelled and still reserved",
            update(Stored::Reservation(refused), "SET fence = :state", "APPLIED"),
            vec![("I2", order(refused))],
        ),
        (
            "I2: reserved and posted, and no order",
            delete(Stored::Order(prepaid)),
            vec![("I2", order(prepaid)), ("I2", order(prepaid))],
        ),
        (
            "I3: more reserved than reservations hold",
            update(Stored::Stock, "SET reserved = reserved + :one", ""),
            vec![("I3", stock.into())],
        ),
        (
            "I3: sold what is not there",
            update(Stored::Stock, "SET available = available - :hundred", ""),
            vec![("I3", stock.into())],
        ),
        ("I3: no stock at all", delete(Stored::Stock), vec![("I3", stock.into())]),
        (
            "I4: an entry that does not balance",
            update(
                Stored::Posting(prepaid),
                "SET effect.#lines[0].amount_minor = effect.#lines[0].amount_minor + :one",
                "",
            ),
            vec![("I2", order(prepaid)), ("I4", order(prepaid)), ("I4", balance.into())],
        ),
        (
            "I4: a customer who owes what no invoice says",
            update(Stored::Account, "SET receivable_minor = receivable_minor + :one", ""),
            vec![("I4", account.into())],
        ),
        (
            "I4: a reversal that was never written",
            update(Stored::Posting(invoiced), "SET fence = :state", "CANCELLED"),
            vec![("I2", order(invoiced)), ("I4", order(invoiced))],
        ),
        (
            "I5: confirmed and rolled back",
            update(Stored::Order(invoiced), "SET cancelling_ms = :one", ""),
            vec![("I5", order(invoiced))],
        ),
        (
            "I5: cancelled, and nobody decided it",
            update(Stored::Order(invoiced), "SET #status = :state", "CANCELLED"),
            vec![("I2", order(invoiced)), ("I2", order(invoiced)), ("I5", order(invoiced))],
        ),
        (
            "a record that nobody can read",
            update(Stored::Order("x"), "SET #status = :state", "LOST"),
            vec![("I2", "orders item x".into())],
        ),
    ];
    for (name, change, expected) in cases {
        let data = store.tampered(&change).await;
        let (code, report, text) = audit(data.path()).await;
        assert_eq!((code, &report["holds"]), (Some(1), &json!(false)), "{name}: {report}");
        let findings = report["findings"].as_array().unwrap();
        let mut found: Vec<_> = findings
            .iter()
            .map(|finding| (finding["invariant"].as_str().unwrap(), finding["at"].as_str().unwrap().to_owned()))
            .collect();
        found.sort();
        assert_eq!(found, expected, "{name}: {report}");
        for finding in findings {
            let member = |name: &str| finding[name].as_str().unwrap().to_owned();
            let line = format!("{}  {} {}", member("invariant"), member("at"), member("what"));
            assert!(text.contains(&line), "{name}: {text}");
        }
    }
}
