//! The journal table: the orders' entries, and the customers' accounts.
//!
//! | module | knows |
//! |---|---|
//! | [`table`] | the items and their keys |
//! | [`entries`] | reading the entries of an order |
//! | [`settlement`] | the entries of a captured payment |
//! | [`account`] | an account as stored |
//! | [`terms`] | reading an account, and setting its terms |
//! | [`history`] | the changes of an account's terms |
//!
//! The step posts orders and reverses them: `functions/post-accounting`.

pub mod account;
pub mod entries;
pub mod history;
pub mod settlement;
pub mod table;
pub mod terms;

pub use account::{Account, AccountTerms};
pub use history::TermsChange;
pub use table::{Entry, EntryLine, Journal, Reversal, Settlement, absent_key, account_key, posting_key, reversal_key};
