//! A client for the order API. It places, reads, cancels, hands over and lists orders, and retries where that is
//! safe.
//!
//! ```no_run
//! use order_client::{Client, Decision, NewOrder};
//!
//! # async fn buy() -> Result<(), order_client::Error> {
//! let client = Client::new("https://api.example.com/v1")?.with_api_key("…")?;
//! let order = NewOrder::by("demo123").item("LAPTOP001", 1, "1299.99".parse().expect("a valid amount"));
//! match client.place(&order).await?.decision {
//!     Decision::Confirmed(order) => println!("{} is confirmed", order.order_id),
//!     Decision::Cancelled { order, .. } => println!("cancelled: {:?} {:?}", order.reason, order.detail),
//!     Decision::Undecided => println!("not decided yet: place it again or read it later"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **Retries.** The client retries a 429, any 5xx, a failed connection and a missing answer. It waits a random
//! delay up to a bound that doubles each time, and never less than `Retry-After`. Every attempt for an order
//! carries the same idempotency key, so it is one order no matter how many times it arrives. Any other refusal is
//! final. [`Retries`] limits the attempts and the total time.
//!
//! **Waiting.** A 202 means that the order is accepted but not decided. [`Client::place`] then polls `Location`,
//! with `If-None-Match`, until the order is decided or the time is up.
//!
//! **Tokens.** [`Client::with_tokens`] takes a source of tokens. The client renews a token before it expires, and also when
//! the API answers 401.
//!
//! **Money** is a [`Decimal`], read from the digits of the JSON number. No amount is ever a float.
//!
//! The crate needs a Tokio runtime and nothing else from this repository.

mod amount;
mod answer;
mod client;
mod error;
mod list;
mod order;
mod problem;
mod retry;
mod token;
mod transport;

pub use client::{Client, Decision, Placed, Read};
pub use error::{Error, Lost};
pub use list::{List, Walk};
pub use order::{Actor, Item, Moment, NewOrder, Order, PaymentTerms, Reason, Shortage, Status};
pub use problem::{Problem, ProblemKind, Violation};
pub use retry::Retries;
pub use rust_decimal::Decimal;
pub use token::Token;
