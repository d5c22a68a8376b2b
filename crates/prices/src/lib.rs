//! The price list: what an article costs in a store. Intake compares orders with it, if the deployment wants that.
//!
//! | module | knows |
//! |---|---|
//! | [`table`] | the items, reading them and setting one |
//! | [`check`] | what is wrong with an order's prices |
//! | [`settings`] | whether orders are compared |

pub mod check;
pub mod settings;
pub mod table;

pub use check::violations;
pub use table::{Price, Prices, SettingPrice};
