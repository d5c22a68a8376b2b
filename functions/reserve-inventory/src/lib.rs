//! The inventory step: reserve, release and consume.
//!
//! A reservation moves stock from `available` to `reserved`, for every line of the order or for
//! none, and is itself the order's fence. Releasing it moves the stock back. Consuming it takes the
//! stock off the books: the goods have left the store.
//!
//! | module | knows |
//! |---|---|
//! | [`stock`] | the table, and the step |
//! | [`keeping`] | reading stock, and setting it |
//! | [`adjustment`] | changing it by a difference |
//! | [`listing`] | a store's stock, page by page |

pub mod adjustment;
pub mod keeping;
pub mod listing;
pub mod stock;

use order::{Order, OrderId, Receipt, Shortage, Sku, StoreId};
use saga::{ActionError, CancelError, Clock, ConsumeError, Fences, Task, TaskError, Unavailable};
use serde::Deserialize;

pub use adjustment::{Adjustment, AdjustmentReason, AdjustmentRecord};
pub use keeping::Stocks;
pub use stock::{Inventory, Reservation, ReservedLine, Stock};

/// What the function is asked to do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Input {
    /// Hold the order's stock.
    Reserve {
        /// The order.
        order: Box<Order>,
    },
    /// Give it back, or see to it that it can no longer be held.
    Release {
        /// The order's id: the fence knows the rest.
        order_id: OrderId,
    },
    /// Take it off the books, for it was handed over.
    Consume {
        /// The order's id: the fence knows the rest.
        order_id: OrderId,
    },
}

/// Why the inventory step fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The store has less than was ordered.
    #[error("{store_id} has {available} of {sku}, and {quantity} were ordered")]
    OutOfStock {
        /// The store.
        store_id: StoreId,
        /// The article.
        sku: Sku,
        /// How many were ordered.
        quantity: u32,
        /// How many can still be reserved.
        available: i64,
        /// Every article that the store cannot serve, this one included.
        shortages: Vec<Shortage>,
    },
    /// The store does not know the article.
    #[error("{store_id} does not keep {sku}")]
    UnknownSku {
        /// The store.
        store_id: StoreId,
        /// The article.
        sku: Sku,
        /// Every article that the store cannot serve, this one included.
        shortages: Vec<Shortage>,
    },
}

/// The errors of the function, by the names that the state machine matches.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum ReserveError {
    /// See [`Refusal::OutOfStock`]. Final.
    #[error(transparent)]
    OutOfStock(Refusal),
    /// See [`Refusal::UnknownSku`]. Final.
    #[error(transparent)]
    UnknownSku(Refusal),
    /// The order was released before it was reserved. Final.
    #[error("the order was released before it was reserved")]
    SagaCancelled,
    /// The order's reservation holds other lines. Final.
    #[error("the order's reservation holds other lines")]
    OtherContent,
    /// The order's stock was handed over before it was released: nothing was given back. Final.
    #[error("the order's stock was handed over before it was released")]
    AlreadyConsumed,
    /// The order that is handed over holds no stock. Final.
    #[error("the order is handed over and holds no stock")]
    NotReserved,
    /// Nothing is decided.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl TaskError for ReserveError {
    fn name(&self) -> &'static str {
        self.into()
    }

    fn shortages(&self) -> &[Shortage] {
        match self {
            Self::OutOfStock(Refusal::OutOfStock { shortages, .. })
            | Self::UnknownSku(Refusal::UnknownSku { shortages, .. }) => shortages,
            _ => &[],
        }
    }
}

impl From<ActionError<Refusal>> for ReserveError {
    fn from(error: ActionError<Refusal>) -> Self {
        match error {
            ActionError::Refused(refusal @ Refusal::OutOfStock { .. }) => Self::OutOfStock(refusal),
            ActionError::Refused(refusal @ Refusal::UnknownSku { .. }) => Self::UnknownSku(refusal),
            ActionError::Cancelled => Self::SagaCancelled,
            ActionError::OtherContent => Self::OtherContent,
            ActionError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

impl From<CancelError> for ReserveError {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::Consumed => Self::AlreadyConsumed,
            CancelError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

impl From<ConsumeError> for ReserveError {
    fn from(error: ConsumeError) -> Self {
        match error {
            ConsumeError::NotApplied => Self::NotReserved,
            ConsumeError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

/// The function's handler.
#[derive(Debug, Clone)]
pub struct ReserveInventory {
    inventory: Inventory,
    fences: Fences,
    clock: Clock,
}

impl ReserveInventory {
    /// A handler on the inventory in `table`.
    pub fn new(client: aws_sdk_dynamodb::Client, table: &str, clock: Clock) -> Self {
        Self { inventory: Inventory::new(table), fences: Fences::new(client, table), clock }
    }
}

impl Task for ReserveInventory {
    type Input = Input;
    type Output = Receipt;
    type Error = ReserveError;

    async fn run(&self, input: Input) -> Result<Receipt, ReserveError> {
        let now_ms = self.clock.now_ms();
        match input {
            Input::Reserve { order } => {
                Ok(self.fences.apply(&self.inventory, order.order_id(), &order, now_ms).await?)
            }
            Input::Release { order_id } => Ok(self.fences.cancel(&self.inventory, &order_id, now_ms).await?),
            Input::Consume { order_id } => Ok(self.fences.consume(&self.inventory, &order_id, now_ms).await?),
        }
    }
}
