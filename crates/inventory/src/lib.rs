//! The inventory table: stock by store and article, the orders' reservations, and the adjustments.
//!
//! | module | knows |
//! |---|---|
//! | [`table`] | the items and their keys |
//! | [`stock`] | reading stock and setting it |
//! | [`adjustment`] | changing stock by a difference |
//! | [`pool`] | stock that is spread over shards, for a hot article |
//! | [`settings`] | whether hot articles are spread by themselves |
//! | [`listing`] | a store's stock, page by page |
//!
//! The step reserves and releases stock for orders: `functions/reserve-inventory`.

pub mod adjustment;
pub mod listing;
pub mod pool;
pub mod settings;
pub mod stock;
pub mod table;

pub use adjustment::{Adjustment, AdjustmentReason, AdjustmentRecord};
pub use stock::Stocks;
pub use table::{Place, Reservation, ReservedLine, Stock, absent_key, reservation_key, stock_key};
