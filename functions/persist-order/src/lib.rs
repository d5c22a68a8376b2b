//! The order record: persist, confirm, cancel, close, complete, park.
//!
//! The record is the saga's one source of truth. Each action is one conditional write on it. It answers
//! with the record as it is afterwards, no matter who wrote it, and the workflow follows the record's
//! status.

pub mod counts;

use clock::WallClock;
use declarations::{Function, Step};
use order::{
    EpochMs, InvalidOrder, Order, OrderId, OrderRecord, PaymentTerms, Reason, Shortage, Status, StepReceipts, StoreId,
};
use orders::table::MAX_DETAIL_CHARS;
use orders::{Canceller, Closing, Orders, RECOVER_AFTER_MS, Written};
use saga::task::ErrorMessage;
use saga::{NamedError, Task, Unavailable};
use serde::Deserialize;

/// What the function is asked to do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Input {
    /// Write the order as `PENDING`, or read the existing one.
    Persist {
        /// The order's id.
        order_id: OrderId,
        /// The order as its client sent it. Recovery and cancellation send none: the stored order
        /// is used, and nothing is compared.
        #[serde(default)]
        order: Option<Order>,
    },
    /// `PENDING` becomes `CONFIRMED`.
    Confirm {
        /// The order's id.
        order_id: OrderId,
        /// The order's store, which picks it from now on.
        store_id: StoreId,
        /// The order's payment terms: some steps are only for orders with certain terms.
        #[serde(default)]
        payment_terms: PaymentTerms,
        /// What all the steps did.
        #[serde(deserialize_with = "order::record::step_receipts")]
        receipts: StepReceipts,
    },
    /// `PENDING`, or nothing at all, becomes `CANCELLING`.
    Cancel {
        /// The order's id.
        order_id: OrderId,
        /// The order, if this execution knows it.
        #[serde(default)]
        order: Option<Order>,
        /// What stopped the saga.
        failure: Failure,
        /// The state that it stopped in.
        #[serde(default)]
        failed_state: Option<String>,
    },
    /// `CANCELLING` becomes `CANCELLED`.
    Close {
        /// The order's id.
        order_id: OrderId,
        /// The order's payment terms.
        #[serde(default)]
        payment_terms: PaymentTerms,
        /// What all the compensations did: only a complete roll-back is closed.
        #[serde(deserialize_with = "order::record::step_receipts")]
        receipts: StepReceipts,
    },
    /// `FULFILLING` becomes `FULFILLED`.
    Complete {
        /// The order's id.
        order_id: OrderId,
        /// The order's payment terms.
        #[serde(default)]
        payment_terms: PaymentTerms,
        /// What all the consumptions did: only a complete fulfilment is recorded as one.
        #[serde(deserialize_with = "order::record::step_receipts")]
        receipts: StepReceipts,
    },
    /// A `CANCELLING` or `FULFILLING` order cannot be finished: it has no attempts left.
    Park {
        /// The order's id.
        order_id: OrderId,
    },
}

/// The actions that an [`Input`] can ask for.
pub fn actions() -> Vec<&'static str> {
    let function = declarations::function(env!("CARGO_PKG_NAME"));
    let record = function.and_then(|function| function.record.as_ref());
    record.expect("function.json declares the record's actions").actions.iter().map(String::as_str).collect()
}

impl Input {
    /// Checks that there is a receipt of every step that is for such an order, and no other. Without this, an order could be recorded as
    /// confirmed, cancelled or fulfilled while a step knows nothing of it.
    ///
    /// # Errors
    /// [`PersistError::InvalidOrder`], which names the steps.
    pub fn check(&self) -> Result<(), PersistError> {
        match self {
            Self::Persist { .. } | Self::Cancel { .. } | Self::Park { .. } => Ok(()),
            Self::Confirm { payment_terms, receipts, .. } => {
                check_receipts("an action", *payment_terms, receipts, |_| true)
            }
            Self::Close { payment_terms, receipts, .. } => {
                check_receipts("a compensation", *payment_terms, receipts, |_| true)
            }
            Self::Complete { payment_terms, receipts, .. } => {
                check_receipts("a consumption", *payment_terms, receipts, |step| step.consumption.is_some())
            }
        }
    }
}

fn check_receipts(
    what: &str,
    payment_terms: PaymentTerms,
    receipts: &StepReceipts,
    has_one: fn(&Step) -> bool,
) -> Result<(), PersistError> {
    let is_expected = |step: &Step| step.is_for(payment_terms.into()) && has_one(step);
    let steps = declarations::steps().iter().filter(|(_, step)| is_expected(step));
    let expected: Vec<&str> = steps.map(|(Function { name, .. }, _)| name.as_str()).collect();
    let missing: Vec<&str> = expected.iter().copied().filter(|name| !receipts.contains_key(*name)).collect();
    let unknown: Vec<&str> = receipts.keys().map(String::as_str).filter(|name| !expected.contains(name)).collect();
    if missing.is_empty() && unknown.is_empty() {
        return Ok(());
    }
    let list = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let (missing, unknown) = (list(&missing), list(&unknown));
    Err(PersistError::InvalidOrder(format!(
        "the receipts must be those of every step with {what}; missing: {missing}; unknown: {unknown}"
    )))
}

/// A failed task as a Catch sees it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Failure {
    /// The error's name.
    pub error: String,
    /// For a function's error, JSON with its type and message; for any other error, any text.
    #[serde(default)]
    pub cause: String,
}

impl Failure {
    /// The reason behind the error. The steps declare the names of their refusals; any other error says
    /// nothing about the order.
    fn reason(&self) -> Reason {
        let refusal = declarations::refusals().find(|(name, _)| *name == self.error);
        refusal.map_or(Reason::StepFailed, |(_, refusal)| Reason::Refused(refusal.reason.clone()))
    }

    /// A refusal's own message, which the client may read, and its data. The message of a crash is only for
    /// the log.
    fn message(&self) -> Option<ErrorMessage> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct LambdaError {
            error_message: String,
        }

        if !self.reason().is_refusal() {
            return None;
        }
        let error: LambdaError = serde_json::from_str(&self.cause).ok()?;
        Some(ErrorMessage::read(error.error_message))
    }

    /// How the resulting cancellation is recorded.
    fn closing(&self, now_ms: EpochMs) -> Closing {
        let (detail, shortages) = match self.message() {
            Some(ErrorMessage { message, details }) => {
                (Some(message.chars().take(MAX_DETAIL_CHARS).collect()), shortages(&details))
            }
            None => (None, Vec::new()),
        };
        Closing { reason: self.reason(), detail, shortages, now_ms }
    }
}

/// The shortages in a refusal's data, if it has any.
fn shortages(details: &serde_json::Map<String, serde_json::Value>) -> Vec<Shortage> {
    let shortages = details.get("shortages").and_then(|shortages| Vec::deserialize(shortages).ok());
    shortages.unwrap_or_default()
}

/// Why an action on the record fails.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum PersistError {
    /// The order id is in use for other content. Nothing was written.
    #[error("the order {order_id} exists with other content")]
    IdempotencyConflict {
        /// The order.
        order_id: OrderId,
    },
    /// The request is invalid, or does not fit the order's record. Nothing was written.
    #[error("{0}")]
    InvalidOrder(String),
    /// Nothing is decided.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl NamedError for PersistError {
    fn name(&self) -> &'static str {
        self.into()
    }
}

impl From<InvalidOrder> for PersistError {
    fn from(rule: InvalidOrder) -> Self {
        Self::InvalidOrder(rule.to_string())
    }
}

/// The function's handler.
#[derive(Debug, Clone)]
pub struct PersistOrder {
    orders: Orders,
    clock: WallClock,
}

impl PersistOrder {
    /// A handler on the given records.
    pub fn new(orders: Orders, clock: WallClock) -> Self {
        Self { orders, clock }
    }

    async fn persist(&self, order_id: OrderId, order: Option<Order>) -> Result<OrderRecord, PersistError> {
        let Some(order) = order else {
            return self.orders.read(&order_id).await?.ok_or_else(|| unknown(&order_id));
        };
        is_about(&order_id, &order)?;
        let now_ms = self.clock.now_ms();
        let record = match self.orders.put_pending(&order, now_ms, now_ms + RECOVER_AFTER_MS).await? {
            Written::Now(record) | Written::Before(record) => record,
        };
        same_content(record, &order)
    }

    async fn confirm(
        &self,
        order_id: &OrderId,
        store_id: &StoreId,
        receipts: &StepReceipts,
    ) -> Result<OrderRecord, PersistError> {
        let now_ms = self.clock.now_ms();
        let record = self.orders.confirm(order_id, store_id, receipts, now_ms).await?;
        let record = record.ok_or_else(|| unknown(order_id))?;
        counts::confirmed(&record, now_ms);
        Ok(record)
    }

    async fn cancel(
        &self,
        order_id: &OrderId,
        order: Option<&Order>,
        closing: &Closing,
    ) -> Result<OrderRecord, PersistError> {
        let Some(order) = order else {
            return self
                .orders
                .cancel(order_id, Canceller::Saga(None), closing)
                .await?
                .ok_or_else(|| unknown(order_id));
        };
        is_about(order_id, order)?;
        let canceller = Canceller::Saga(Some(order.fingerprint()));
        if let Some(record) = self.orders.cancel(order_id, canceller, closing).await? {
            return same_content(record, order);
        }
        // Persisting failed for good. The full record is written anyway: the caller is answered with
        // it, and a late persist loses to it.
        match self.orders.put_cancelling(order, closing).await? {
            Written::Now(record) => Ok(record),
            // A late persist was faster, so there is a record to decide on after all.
            Written::Before(record) => {
                let record = same_content(record, order)?;
                let decided = self.orders.cancel(order_id, canceller, closing).await?;
                Ok(decided.unwrap_or(record))
            }
        }
    }

    async fn close(&self, order_id: &OrderId, receipts: &StepReceipts) -> Result<OrderRecord, PersistError> {
        let now_ms = self.clock.now_ms();
        let record = self.orders.close(order_id, receipts, now_ms).await?;
        let record = record.ok_or_else(|| unknown(order_id))?;
        counts::closed(&record, now_ms);
        match record.status {
            Status::Cancelled => Ok(record),
            status => Err(PersistError::InvalidOrder(format!("the order {order_id} is {status}, not CANCELLING"))),
        }
    }

    async fn complete(&self, order_id: &OrderId, receipts: &StepReceipts) -> Result<OrderRecord, PersistError> {
        let record = self.orders.complete(order_id, receipts, self.clock.now_ms()).await?;
        let record = record.ok_or_else(|| unknown(order_id))?;
        match record.status {
            Status::Fulfilled => Ok(record),
            status => Err(PersistError::InvalidOrder(format!("the order {order_id} is {status}, not FULFILLING"))),
        }
    }
}

impl Task for PersistOrder {
    type Input = Input;
    type Output = OrderRecord;
    type Error = PersistError;

    fn actions(&self) -> Vec<&str> {
        actions()
    }

    async fn run(&self, input: Input) -> Result<OrderRecord, PersistError> {
        input.check()?;
        match input {
            Input::Persist { order_id, order } => self.persist(order_id, order).await,
            Input::Confirm { order_id, store_id, receipts, .. } => self.confirm(&order_id, &store_id, &receipts).await,
            Input::Cancel { order_id, order, failure, failed_state } => {
                let closing = failure.closing(self.clock.now_ms());
                let record = self.cancel(&order_id, order.as_ref(), &closing).await?;
                counts::cancelled(&record, failed_state.as_deref(), closing.now_ms);
                Ok(record)
            }
            Input::Close { order_id, receipts, .. } => self.close(&order_id, &receipts).await,
            Input::Complete { order_id, receipts, .. } => self.complete(&order_id, &receipts).await,
            Input::Park { order_id } => {
                let record = self.orders.use_up_attempts(&order_id, self.clock.now_ms()).await?;
                record.ok_or_else(|| unknown(&order_id))
            }
        }
    }
}

fn unknown(order_id: &OrderId) -> PersistError {
    PersistError::InvalidOrder(format!("there is no order {order_id}"))
}

fn is_about(order_id: &OrderId, order: &Order) -> Result<(), PersistError> {
    if order.order_id() == order_id {
        Ok(())
    } else {
        Err(PersistError::InvalidOrder(format!("the order's id is {}, but order_id is {order_id}", order.order_id())))
    }
}

/// The record, unless its order id is in use for other content.
fn same_content(record: OrderRecord, order: &Order) -> Result<OrderRecord, PersistError> {
    if record.order.fingerprint() == order.fingerprint() {
        Ok(record)
    } else {
        Err(PersistError::IdempotencyConflict { order_id: order.order_id().clone() })
    }
}
