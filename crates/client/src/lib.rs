//! A client of the order API: it places orders, reads, cancels, hands over and lists them, and tries again where
//! that is right.
//!
//! ```no_run
//! use order_client::{Client, Decision, NewOrder};
//!
//! # async fn buy() -> Result<(), order_client::Error> {
//! let client = Client::new("https://api.example.com/v1")?.with_api_key("…")?;
//! let order = NewOrder::by("demo123").item("LAPTOP001", 1, "1299.99".parse().expect("it is a number"));
//! match client.place(&order).await?.decision {
//!     Decision::Confirmed(order) => println!("{} is confirmed", order.order_id),
//!     Decision::Cancelled { order, .. } => println!("cancelled: {:?} {:?}", order.reason, order.detail),
//!     Decision::Undecided => println!("not decided yet; place it again, or read it later"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **Trying again.** A 429, any 5xx, a connection that fails and an answer that does not come are tried
//! again, after a random delay up to a bound that doubles each time, and never before `Retry-After`. An
//! order goes out under one idempotency key on every try, so however often it arrives it is one order.
//! Anything else that the API refuses is final. [`Retries`] bounds the attempts and the whole time.
//!
//! **Waiting.** A 202 is no decision. [`Client::place`] then reads `Location`, with `If-None-Match`, until
//! the order is decided or the time is over.
//!
//! **Money** is a [`Decimal`], read from the JSON number's own digits: no amount is ever a float.
//!
//! The crate needs Tokio, and nothing else of this repository.

mod amount;
mod answer;
mod client;
mod error;
mod list;
mod order;
mod problem;
mod retry;
mod transport;

pub use client::{Client, Decision, Placed, Read};
pub use error::{Error, Lost};
pub use list::{List, Walk};
pub use order::{Item, Moment, NewOrder, Order, PaymentTerms, Reason, Shortage, Status};
pub use problem::{Problem, ProblemKind, Violation};
pub use retry::Retries;
pub use rust_decimal::Decimal;
