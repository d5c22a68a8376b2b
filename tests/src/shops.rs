//! A shop: the whole system in memory, with some stock and some customers, at a known time.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use engine::{EventKind, Random};
use journal::account_key;
use local_audit::{self as audit, Books};
use local_aws::{Api, ConflictingTransactions, DynamoDb, InProcess, Item, Layer, Services, queue_url};
use local_stack::functions::tasks;
use local_stack::lambda::{Functions, InvocationLayer};
use local_stack::seed::Seed;
use local_stack::step_functions::machine_arn;
use local_stack::{OVERFLOW_QUEUE, Options, Payments, Stack, config};
use order::{Actor, Order, OrderId, OrderRecord, Sku, StoreId};
use payments::Capture;
use saga::fence::FenceState;
use serde_json::{Value, json};

/// The time at which a shop opens.
pub const OPENED_MS: i64 = 1_800_000_000_000;

/// What a shop opens with.
#[derive(Debug)]
pub struct ShopBuilder {
    stock: BTreeMap<&'static str, i64>,
    layers: Vec<Arc<dyn Layer>>,
    transactions_take: Option<[Duration; 2]>,
    invocations: Option<Arc<dyn InvocationLayer>>,
    payments: Payments,
    random: Random,
    price_list: bool,
    restored: Option<(DynamoDb, i64)>,
}

/// A shop with ten each of `LAPTOP001` and `MOUSE001` in `main`, and three customers with a credit limit of 100 each:
/// `acme`; `on-hold`, whose account is on hold; and `euro`, whose account is in EUR.
pub fn shop() -> ShopBuilder {
    ShopBuilder {
        stock: BTreeMap::from([("LAPTOP001", 10), ("MOUSE001", 10)]),
        layers: Vec::new(),
        transactions_take: None,
        invocations: None,
        payments: Payments::default(),
        // Retries wait as long as they can, so a test does not pass by luck.
        random: Random::fixed(1.0),
        price_list: false,
        restored: None,
    }
}

impl ShopBuilder {
    /// The stock of an article.
    #[must_use]
    pub fn with_stock(mut self, sku: &'static str, on_hand: i64) -> Self {
        self.stock.insert(sku, on_hand);
        self
    }

    /// Adds a layer in front of AWS's services, inside the existing ones.
    #[must_use]
    pub fn behind(mut self, layer: &Arc<impl Layer + 'static>) -> Self {
        self.layers.push(layer.clone());
        self
    }

    /// Makes transactions take this long, so that they conflict.
    #[must_use]
    pub fn where_transactions_take(self, window: Duration) -> Self {
        self.where_transactions_take_between(window, window)
    }

    /// Makes each transaction take some time between these, so that they conflict.
    #[must_use]
    pub fn where_transactions_take_between(self, shortest: Duration, longest: Duration) -> Self {
        Self { transactions_take: Some([shortest, longest]), ..self }
    }

    /// The layer in front of the task functions.
    #[must_use]
    pub fn invoked_through(mut self, layer: &Arc<impl InvocationLayer + 'static>) -> Self {
        self.invocations = Some(layer.clone());
        self
    }

    /// When payments are captured; `None` for a shop without a payment provider.
    #[must_use]
    pub fn capturing(mut self, capture: Option<Capture>) -> Self {
        self.payments.capture = capture;
        self
    }

    /// Orders are compared with the price list.
    #[must_use]
    pub fn with_price_list(self) -> Self {
        Self { price_list: true, ..self }
    }

    /// On what another shop left, at this time.
    #[must_use]
    pub fn on(self, store: DynamoDb, opened_ms: i64) -> Self {
        Self { restored: Some((store, opened_ms)), ..self }
    }

    /// The source of the retries' jitter.
    #[must_use]
    pub fn with_random(self, random: Random) -> Self {
        Self { random, ..self }
    }

    /// Opens the shop.
    pub async fn open(self) -> Shop {
        let is_new = self.restored.is_none();
        let empty = || (DynamoDb::in_memory().expect("a store in memory can be opened"), OPENED_MS);
        let (store, origin_ms) = self.restored.unwrap_or_else(empty);
        let mut layers = self.layers;
        if let Some([shortest, longest]) = self.transactions_take {
            layers.push(Arc::new(ConflictingTransactions::between(store.clone(), shortest, longest)));
        }
        let options = Options {
            origin_ms,
            random: self.random,
            layers,
            invocations: self.invocations,
            payments: self.payments,
            price_list: self.price_list,
            ..Options::new(store.clone()).expect("the shipped definition can be loaded")
        };
        let stack = Stack::open(options).expect("the shipped stack can be opened");
        let unhindered = config(&Services::new().with(Api::DynamoDb, Arc::new(store)));
        let client = Client::new(&unhindered);
        if is_new {
            seed(&self.stock).store(&client).await.expect("new tables can be seeded");
        }
        let functions = Functions::new(tasks(&config(&stack.services), &stack.provider, stack.clock));
        Shop { stack, functions: Arc::new(functions), client, on_hand: self.stock }
    }
}

fn seed(stock: &BTreeMap<&str, i64>) -> Seed {
    let stock: Vec<Value> =
        stock.iter().map(|(sku, on_hand)| json!({"storeId": "main", "sku": sku, "onHand": on_hand})).collect();
    let accounts = [("acme", "USD", false), ("on-hold", "USD", true), ("euro", "EUR", false)].map(
        |(customer, currency, on_hold)| json!({"customerId": customer, "creditLimit": 100.0, "currency": currency, "onHold": on_hold}),
    );
    Seed::parse(&json!({"stock": stock, "accounts": accounts}).to_string()).expect("the seed has the right format")
}

/// A run of recovery, as the schedule starts it.
pub fn recovery() -> Actor {
    Actor::new("recovery", "run-1")
}

/// A shop that is open.
#[derive(Debug)]
pub struct Shop {
    /// The system.
    pub stack: Stack,
    /// The task functions, invoked without a workflow. Their requests pass the layers.
    pub functions: Arc<Functions>,
    /// A client whose requests pass no layer.
    pub client: Client,
    on_hand: BTreeMap<&'static str, i64>,
}

impl Deref for Shop {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

impl Shop {
    /// The time.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The content of all tables.
    pub fn books(&self) -> Books {
        let mut books = Books::default();
        audit::read(&self.store, &mut books).expect("the tables can be read");
        books
    }

    /// Every item of every table, for comparing two moments.
    pub fn items(&self) -> BTreeMap<String, Vec<Item>> {
        let tables: Vec<&str> = declarations::tables().keys().map(String::as_str).collect();
        self.store.snapshot(&tables).expect("the tables can be read")
    }

    /// An order's item, its index keys included.
    pub fn item(&self, order_id: &OrderId) -> Option<Item> {
        let id = AttributeValue::S(order_id.to_string());
        self.items().remove(orders::table::TABLE)?.into_iter().find(|item| item.get("order_id") == Some(&id))
    }

    /// When recovery may restart the order; `None` if it is neither open nor parked in the work index.
    pub fn due_ms(&self, order_id: &OrderId) -> Option<i64> {
        let item = self.item(order_id)?;
        item.get("work").filter(|work| work.as_s().is_ok_and(|work| !work.starts_with("PICK#")))?;
        item.get("due_ms")?.as_n().ok()?.parse().ok()
    }

    /// An order's record.
    pub fn find(&self, order_id: &OrderId) -> Option<OrderRecord> {
        self.books().orders.remove(order_id).map(|stored| stored.record)
    }

    /// An order's record, which must exist.
    pub fn record(&self, order_id: &OrderId) -> OrderRecord {
        self.find(order_id).expect("the order is on record")
    }

    /// Audits the tables, checks that no stock appeared, or vanished except by hand-over, and returns what it read.
    pub fn audit(&self) -> Books {
        let books = self.books();
        let report = audit::check(&books);
        assert!(report.holds, "{:#?}", report.findings);
        let consumed = books.reservations.values().filter(|fence| fence.state == FenceState::Consumed);
        let gone: Vec<_> = consumed.filter_map(|fence| fence.effect.as_ref()).flat_map(|held| &held.lines).collect();
        for (sku, on_hand) in &self.on_hand {
            let stock = &books.stock[&main_stock(sku)];
            let gone = gone.iter().filter(|line| line.sku.as_str() == *sku).map(|line| i64::from(line.quantity));
            assert_eq!(stock.available + stock.reserved + gone.sum::<i64>(), *on_hand, "on hand of {sku}");
        }
        books
    }

    /// How many of an article can still be reserved.
    pub fn available(&self, sku: &str) -> i64 {
        self.books().stock[&main_stock(sku)].available
    }

    /// What a customer owes.
    pub fn owed_minor(&self, customer: &str) -> i64 {
        let customer = customer.parse().expect("tests use customers that are valid");
        self.books().accounts[&customer].receivable_minor
    }

    /// Changes one attribute of an account, as the account's owner does.
    pub async fn set_terms(&self, customer: &str, name: &str, value: AttributeValue) {
        set_terms(&self.client, journal::table::TABLE, customer, name, value).await;
    }

    /// The orders in the overflow queue. Reading hides them.
    pub async fn queued(&self) -> Vec<Order> {
        let client = InProcess::new(self.services.clone()).sqs();
        let receive = client.receive_message().queue_url(queue_url(OVERFLOW_QUEUE)).max_number_of_messages(10);
        let messages = receive.send().await.expect("the queue answers").messages.unwrap_or_default();
        let read = |body: &str| serde_json::from_str(body).expect("a message is an order");
        messages.iter().map(|message| read(message.body().unwrap_or_default())).collect()
    }

    /// Starts the saga with this input, and waits for its end, however long it takes.
    pub async fn run(&self, input: Value) -> Run {
        let name = input["order_id"].as_str().unwrap_or_default();
        let start = json!({"stateMachineArn": machine_arn(), "name": name, "input": input.to_string()});
        let started = self.services.call("AWSStepFunctions.StartExecution", start.to_string().as_bytes()).await;
        let started = started.expect("the start is answered").json();
        let all = self.executions.all();
        let mut execution = all
            .into_iter()
            .find(|execution| started["executionArn"] == execution.arn.as_str())
            .unwrap_or_else(|| panic!("the saga was not started: {started}"));
        let outcome = execution.outcome.wait_for(Option::is_some).await.expect("nobody kills it").clone();
        let outcome = outcome.expect("it was awaited");
        let entered = |kind: &EventKind| match kind {
            EventKind::StateEntered { state, .. } => Some(state.to_string()),
            _ => None,
        };
        Run {
            status: outcome.status.as_str(),
            output: outcome.output.as_deref().cloned().unwrap_or_default(),
            error: outcome.error.clone().unwrap_or_default(),
            path: execution.history.events().iter().filter_map(|event| entered(&event.kind)).collect(),
        }
    }

    /// Starts the saga with the id alone, as recovery does, and waits for its end.
    pub async fn resume(&self, order_id: &OrderId) -> Run {
        self.run(json!({"order_id": order_id})).await
    }
}

/// Changes one attribute of an account, through this client.
pub async fn set_terms(client: &Client, table: &str, customer: &str, name: &str, value: AttributeValue) {
    let customer = customer.parse().expect("tests use customers that are valid");
    let update = client.update_item().table_name(table).set_key(Some(account_key(&customer)));
    let update = update.update_expression("SET #name = :value").expression_attribute_names("#name", name);
    update.expression_attribute_values(":value", value).send().await.expect("an account's terms can be changed");
}

fn main_stock(sku: &str) -> (StoreId, Sku) {
    let valid = "tests use stores and articles that are valid";
    ("main".parse().expect(valid), sku.parse().expect(valid))
}

/// An execution that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// `SUCCEEDED`, `FAILED` or `TIMED_OUT`.
    pub status: &'static str,
    /// Its output; null if it has none.
    pub output: Value,
    /// Its error's name; empty if it has none.
    pub error: String,
    /// The states that it entered, in order.
    pub path: Vec<String>,
}

impl Run {
    /// The order's status in its output, or the error's name if it failed.
    pub fn end(&self) -> &str {
        self.output["status"].as_str().unwrap_or(&self.error)
    }

    /// The reason in its output.
    pub fn reason(&self) -> &str {
        self.output["reason"].as_str().unwrap_or_default()
    }
}
