//! The accounting step: post and reverse.
//!
//! Every order is posted once, in double entry, and an order on invoice terms raises its customer's
//! receivable in the same transaction. Nothing is ever edited: reversing adds an entry that cancels
//! the first one out.
//!
//! | module | knows |
//! |---|---|
//! | [`journal`] | the table, and the step |
//! | [`account`] | what an invoice does to its customer's account |
//! | [`terms`] | reading an account, and setting its terms |
//! | [`entries`] | the entries of an order |

pub mod account;
pub mod entries;
pub mod journal;
pub mod terms;

use order::{Order, OrderId, PaymentTerms, Receipt};
use saga::{ActionError, CancelError, Clock, Fences, Task, TaskError, Unavailable};
use serde::Deserialize;

pub use account::{Account, AccountTerms, Refusal};
pub use journal::{Entry, EntryLine, Journal, Posting};

/// What the function is asked to do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Input {
    /// Post the order.
    Post {
        /// The order.
        order: Box<Order>,
    },
    /// Reverse its posting, or see to it that it can no longer be posted.
    Reverse {
        /// The order's id: the fence knows the rest.
        order_id: OrderId,
    },
}

/// The errors of the function, by the names that the state machine matches.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum PostError {
    /// See [`Refusal::CreditLimitExceeded`]. Final.
    #[error(transparent)]
    CreditLimitExceeded(Refusal),
    /// See [`Refusal::AccountOnHold`]. Final.
    #[error(transparent)]
    AccountOnHold(Refusal),
    /// See [`Refusal::UnknownAccount`]. Final.
    #[error(transparent)]
    UnknownAccount(Refusal),
    /// See [`Refusal::CurrencyMismatch`]. Final.
    #[error(transparent)]
    CurrencyMismatch(Refusal),
    /// The order was reversed before it was posted. Final.
    #[error("the order was reversed before it was posted")]
    SagaCancelled,
    /// The order's posting says something else. Final.
    #[error("the order was posted with other content")]
    OtherContent,
    /// Nothing is decided.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl TaskError for PostError {
    fn name(&self) -> &'static str {
        self.into()
    }
}

impl From<ActionError<Refusal>> for PostError {
    fn from(error: ActionError<Refusal>) -> Self {
        match error {
            ActionError::Refused(refusal) => match refusal {
                Refusal::CreditLimitExceeded { .. } => Self::CreditLimitExceeded(refusal),
                Refusal::AccountOnHold { .. } => Self::AccountOnHold(refusal),
                Refusal::UnknownAccount { .. } => Self::UnknownAccount(refusal),
                Refusal::CurrencyMismatch { .. } => Self::CurrencyMismatch(refusal),
            },
            ActionError::Cancelled => Self::SagaCancelled,
            ActionError::OtherContent => Self::OtherContent,
            ActionError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

impl From<CancelError> for PostError {
    fn from(error: CancelError) -> Self {
        match error {
            // Nothing consumes a posting: whatever says so is not what this step wrote.
            CancelError::Consumed => Self::OtherContent,
            CancelError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

/// The function's handler.
#[derive(Debug, Clone)]
pub struct PostAccounting {
    journal: Journal,
    fences: Fences,
    clock: Clock,
}

impl PostAccounting {
    /// A handler on the journal in `table`.
    pub fn new(client: aws_sdk_dynamodb::Client, table: &str, clock: Clock) -> Self {
        Self { journal: Journal::new(client.clone(), table), fences: Fences::new(client, table), clock }
    }

    async fn post(&self, order: Order) -> Result<Receipt, PostError> {
        let now_ms = self.clock.now_ms();
        let terms = match order.payment_terms {
            PaymentTerms::Prepaid => None,
            PaymentTerms::Invoice => Some(self.journal.read_terms(&order.customer_id).await?),
        };
        let posting = Posting { order, terms };
        Ok(self.fences.apply(&self.journal, posting.order.order_id(), &posting, now_ms).await?)
    }
}

impl Task for PostAccounting {
    type Input = Input;
    type Output = Receipt;
    type Error = PostError;

    async fn run(&self, input: Input) -> Result<Receipt, PostError> {
        match input {
            Input::Post { order } => self.post(*order).await,
            Input::Reverse { order_id } => {
                Ok(self.fences.cancel(&self.journal, &order_id, self.clock.now_ms()).await?)
            }
        }
    }
}
