//! The order domain: pure data and rules, no I/O and no clock.
//!
//! | module | knows |
//! |---|---|
//! | [`request`] | the request body, and every rule it can break |
//! | [`validation`] | reading the fields of a JSON object, and noting what is wrong |
//! | [`placed`] | the order as the saga passes it on, and its fingerprint |
//! | [`money`] | exact amounts in a currency's minor unit |
//! | [`id`] | the identifiers, and how an order id follows from an idempotency key |
//! | [`reach`] | which orders a caller may see and cancel |
//! | [`actor`] | who made a change by hand |
//! | [`status`] | where an order stands, and why it was cancelled |
//! | [`record`] | the order record, the one source of truth about an order |
//! | [`violation`] | a broken rule, and where it is broken |
//!
//! Raw JSON becomes one of these types once, at the edge. After that, these types cannot represent an
//! order without lines, a wrong total, or an amount that a JSON number cannot carry exactly.

pub mod actor;
pub mod id;
pub mod money;
pub mod placed;
pub mod reach;
pub mod record;
pub mod request;
pub mod status;
pub mod validation;
pub mod violation;

pub use actor::Actor;
pub use id::{
    AdjustmentId, CorrelationId, CountyId, CustomerId, IdempotencyKey, Note, OrderId, PaymentReference, Sku, StoreId,
    Tenant,
};
pub use money::{Currency, MAX_AMOUNT_MINOR};
pub use placed::{Draft, Fingerprint, InvalidOrder, MAX_LINES, MAX_QUANTITY, Order, OrderLine, PaymentTerms};
pub use reach::Reach;
pub use record::{Effect, OrderRecord, Receipt, Receipts, Shortage, StepReceipts};
pub use status::{Reason, Status};
pub use violation::{Place, Violation};

/// Milliseconds since the Unix epoch, UTC.
pub type EpochMs = i64;
