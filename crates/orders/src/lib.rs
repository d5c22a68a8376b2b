//! The orders table: the saga's one source of truth.
//!
//! | module | knows |
//! |---|---|
//! | [`table`] | the items, their keys, and the compare-and-sets that decide an order |
//! | [`handover`] | the decision to hand an order over, and its completion |
//! | [`on_record`] | making sure that an order is on record |
//! | [`pagination`] | lists of orders, a page at a time |
//! | [`work`] | which orders are open, due, parked, or waiting to be picked |

pub mod handover;
pub mod on_record;
pub mod pagination;
pub mod table;
pub mod work;

pub use on_record::OnRecord;
pub use pagination::{Listing, Position};
pub use table::{Canceller, Closing, Orders, RECOVER_AFTER_MS, Written};
pub use work::OpenOrder;
