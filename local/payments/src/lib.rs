//! A payment provider in this process. Its cards behave in known ways, so that a decline and its roll-back can be
//! watched.
//!
//! A payment is one item in the same store as the tables, with the answers to the calls on it by idempotency key. So each
//! call is one write, and payments survive whatever the tables survive. There are no refunds of a part, no disputes, and
//! keys are never forgotten; tests that need a provider to fail put one in front of this.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use clock::WallClock;
use declarations::{AttributeType, Key, Table};
use local_aws::{DynamoDb, Item, Service, TableError};
use order::{Currency, EpochMs, PaymentReference};
use payments::{Answer, Gateway, GatewayError, Payment, PaymentStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use uuid::Uuid;

/// The table of all payments: partition key `id`.
pub const TABLE: &str = "local_payments";

/// How long a call takes, so that calls of different executions overlap as they do over a network.
const LATENCY: Duration = Duration::from_millis(20);

/// After how long the caller gives up on a slow card.
const CALL_TIMEOUT: Duration = Duration::from_millis(2200);

/// How long an authorisation lasts: Stripe's seven days.
/// <https://docs.stripe.com/payments/place-a-hold-on-a-payment-method#authorizations>
const AUTHORISED_MS: EpochMs = 7 * 24 * 60 * 60 * 1000;

/// A card at the checkout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Card {
    /// Everything succeeds.
    Good,
    /// The bank declines the capture.
    Declined,
    /// The authorisation has lapsed.
    Expired,
    /// The capture succeeds, but its answer comes too late.
    Slow,
}

/// Whether the provider looks at a payment's status before it does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// As every provider: only an authorised payment is captured, once.
    #[default]
    Status,
    /// Only the idempotency key keeps a capture or a refund from being done twice, so a wrong key shows. Cancelling is final
    /// all the same: every provider promises that.
    Keys,
}

/// A payment as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its id.
    pub id: PaymentReference,
    /// Where it stands.
    pub status: IntentStatus,
    /// The card.
    pub card: Card,
    /// The authorised amount.
    pub amount_minor: i64,
    /// Its currency.
    pub currency: Currency,
    /// How much was captured, all captures together.
    pub captured_minor: i64,
    /// How much was refunded, all refunds together.
    pub refunded_minor: i64,
    /// When it was authorised.
    pub authorised_ms: EpochMs,
    /// The answers to the calls so far, by key.
    answers: BTreeMap<String, StoredAnswer>,
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum IntentStatus {
    /// Authorised.
    RequiresCapture,
    /// Captured.
    Succeeded,
    /// Cancelled or lapsed.
    Canceled,
}

/// What a call was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredAnswer {
    Done,
    Declined,
    Rejected,
}

/// What a call does.
#[derive(Debug, Clone, Copy)]
enum Call {
    Capture(i64),
    Cancel,
    Refund,
}

impl Intent {
    /// Whether anything was ever done to it.
    pub fn is_untouched(&self) -> bool {
        self.answers.is_empty() && self.captured_minor == 0 && self.refunded_minor == 0
    }

    /// Reads a payment from its item.
    pub fn of_item(item: &Item) -> Option<Self> {
        serde_json::from_str(item.get("payment")?.as_s().ok()?).ok()
    }

    fn payment(&self) -> Payment {
        Payment {
            status: match self.status {
                IntentStatus::RequiresCapture => PaymentStatus::RequiresCapture,
                IntentStatus::Succeeded => PaymentStatus::Succeeded,
                IntentStatus::Canceled => PaymentStatus::Canceled,
            },
            amount_minor: self.amount_minor,
            currency: self.currency.code().to_owned(),
            captured_minor: self.captured_minor,
            refunded_minor: self.refunded_minor,
            capture_before_ms: Some(self.authorised_ms + AUTHORISED_MS),
        }
    }

    /// The first answer to a key is the answer to all its calls.
    fn take(&mut self, call: Call, key: &str, guard: Guard) -> StoredAnswer {
        if let Some(answer) = self.answers.get(key) {
            return *answer;
        }
        let answer = self.apply(call, guard);
        self.answers.insert(key.to_owned(), answer);
        answer
    }

    fn apply(&mut self, call: Call, guard: Guard) -> StoredAnswer {
        let is_open = self.status == IntentStatus::RequiresCapture;
        let is_capturable = is_open || guard == Guard::Keys && self.status == IntentStatus::Succeeded;
        let is_refundable = guard == Guard::Keys || self.refunded_minor < self.captured_minor;
        match call {
            Call::Capture(_) if self.card == Card::Declined => return StoredAnswer::Declined,
            Call::Capture(amount_minor) if is_capturable && amount_minor <= self.amount_minor => {
                self.status = IntentStatus::Succeeded;
                self.captured_minor += amount_minor;
            }
            Call::Cancel if is_open => self.status = IntentStatus::Canceled,
            Call::Refund if self.status == IntentStatus::Succeeded && is_refundable => {
                self.refunded_minor += self.captured_minor;
            }
            Call::Capture(_) | Call::Cancel | Call::Refund => return StoredAnswer::Rejected,
        }
        StoredAnswer::Done
    }
}

/// The provider. Clones share its payments.
#[derive(Debug, Clone)]
pub struct LocalGateway {
    store: DynamoDb,
    clock: WallClock,
    guard: Guard,
    /// A call reads a payment and writes it back; nobody else may do so in between.
    calls: Arc<Mutex<()>>,
}

static DECLARATION: LazyLock<Table> = LazyLock::new(|| Table {
    name: TABLE.to_owned(),
    key: Key { partition: "id".to_owned(), sort: None },
    attributes: BTreeMap::from([("id".to_owned(), AttributeType::S)]),
    indexes: BTreeMap::new(),
    ttl: None,
});

impl LocalGateway {
    /// The provider whose payments are in this store. Blocks.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn open(store: DynamoDb, clock: WallClock, guard: Guard) -> Result<Self, TableError> {
        local_aws::create_if_missing(&store, &DECLARATION)?;
        Ok(Self { store, clock, guard, calls: Arc::default() })
    }

    /// What the checkout does: authorises an amount on a card.
    ///
    /// # Errors
    /// [`GatewayError::Failed`], if the store refuses.
    pub async fn authorise(&self, amount_minor: i64, currency: Currency, card: Card) -> Result<Intent, GatewayError> {
        let id = format!("pi_{}", Uuid::new_v4().simple());
        self.authorise_as(id.parse().expect("it is short, and of letters and digits"), amount_minor, currency, card)
            .await
    }

    /// The same, under a given id.
    ///
    /// # Errors
    /// [`GatewayError::Failed`], if the store refuses.
    pub async fn authorise_as(
        &self,
        id: PaymentReference,
        amount_minor: i64,
        currency: Currency,
        card: Card,
    ) -> Result<Intent, GatewayError> {
        let intent = Intent {
            id,
            status: if card == Card::Expired { IntentStatus::Canceled } else { IntentStatus::RequiresCapture },
            card,
            amount_minor,
            currency,
            captured_minor: 0,
            refunded_minor: 0,
            authorised_ms: self.clock.now_ms(),
            answers: BTreeMap::new(),
        };
        self.write(&intent).await?;
        Ok(intent)
    }

    /// A payment as stored; `None` if there is no such payment.
    ///
    /// # Errors
    /// [`GatewayError::Failed`], if the store refuses.
    pub async fn intent(&self, id: &PaymentReference) -> Result<Option<Intent>, GatewayError> {
        let key = json!({ "TableName": TABLE, "Key": { "id": { "S": id } }, "ConsistentRead": true });
        let answer = self.ask("GetItem", &key).await?;
        let text = answer["Item"]["payment"]["S"].as_str();
        text.map(|text| serde_json::from_str(text).map_err(|error| GatewayError::Failed(error.to_string()))).transpose()
    }

    async fn call(&self, id: &PaymentReference, call: Call, key: &str) -> Result<Intent, GatewayError> {
        tokio::time::sleep(LATENCY).await;
        let turn = self.calls.lock().await;
        let intent = self.intent(id).await?;
        let mut intent = intent.ok_or_else(|| GatewayError::Rejected(format!("there is no payment {id}")))?;
        let is_new = !intent.answers.contains_key(key);
        let answer = intent.take(call, key, self.guard);
        self.write(&intent).await?;
        drop(turn);
        match answer {
            StoredAnswer::Done if is_new && intent.card == Card::Slow && matches!(call, Call::Capture(_)) => {
                tokio::time::sleep(CALL_TIMEOUT).await;
                Err(GatewayError::Unanswered("the card's bank took too long".to_owned()))
            }
            StoredAnswer::Done => Ok(intent),
            StoredAnswer::Declined => Err(GatewayError::Declined("card_declined".to_owned())),
            StoredAnswer::Rejected => {
                let status: &str = intent.status.into();
                Err(GatewayError::Rejected(format!("the payment is {status}")))
            }
        }
    }

    async fn write(&self, intent: &Intent) -> Result<(), GatewayError> {
        let item = json!({ "id": { "S": intent.id }, "payment": { "S": json!(intent).to_string() } });
        let put = json!({ "TableName": TABLE, "Item": item });
        self.ask("PutItem", &put).await.map(drop)
    }

    async fn ask(&self, operation: &str, body: &Value) -> Result<Value, GatewayError> {
        let answer = self.store.call(operation, body.to_string().as_bytes()).await;
        if answer.status.is_success() {
            Ok(answer.json())
        } else {
            Err(GatewayError::Failed(answer.json().to_string()))
        }
    }
}

impl Gateway for LocalGateway {
    fn payment<'a>(&'a self, id: &'a PaymentReference) -> Answer<'a, Option<Payment>> {
        Box::pin(async move {
            tokio::time::sleep(LATENCY).await;
            Ok(self.intent(id).await?.map(|intent| intent.payment()))
        })
    }

    fn capture<'a>(
        &'a self,
        id: &'a PaymentReference,
        amount_minor: i64,
        _currency: &'a str,
        key: &'a str,
    ) -> Answer<'a, Payment> {
        Box::pin(async move { Ok(self.call(id, Call::Capture(amount_minor), key).await?.payment()) })
    }

    fn cancel<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.call(id, Call::Cancel, key).await.map(drop) })
    }

    fn refund<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.call(id, Call::Refund, key).await.map(drop) })
    }
}
