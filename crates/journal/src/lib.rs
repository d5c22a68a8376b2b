//! The journal table: the orders' entries, and the customers' accounts.
//!
//! | module | knows |
//! |---|---|
//! | [`table`] | the items and their keys |
//! | [`entries`] | reading the entries of an order |
//! | [`account`] | an account as stored |
//! | [`terms`] | reading an account, and setting its terms |
//!
//! The step posts orders and reverses them: `functions/post-accounting`.

pub mod account;
pub mod entries;
pub mod table;
pub mod terms;

pub use account::{Account, AccountTerms};
pub use table::{Entry, EntryLine, Journal, Reversal, absent_key, account_key, posting_key, reversal_key};
