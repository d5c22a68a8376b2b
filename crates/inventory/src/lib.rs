//! The inventory table: stock by store and article, the orders' reservations, and the adjustments.
//!
//! | module | knows |
//! |---|---|
//! | [`table`] | the items and their keys |
//! | [`stock`] | reading stock and setting it |
//! | [`adjustment`] | changing stock by a difference |
//! | [`listing`] | a store's stock, page by page |
//!
//! The step reserves and releases stock for orders: `functions/reserve-inventory`.

pub mod adjustment;
pub mod listing;
pub mod stock;
pub mod table;

pub use adjustment::{Adjustment, AdjustmentReason, AdjustmentRecord};
pub use stock::Stocks;
pub use table::{Reservation, ReservedLine, Stock, absent_key, reservation_key, stock_key};
