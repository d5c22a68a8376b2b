//! What the HTTP functions share: requests, answers, problem documents, the order as clients see it.
//!
//! | module | knows |
//! |---|---|
//! | [`access`] | who a request is from, and what they may do |
//! | [`answer`] | which HTTP answer an order record gives |
//! | [`body`] | the body of a request |
//! | [`conditional`] | whether a client has this version already, and whether it means this one |
//! | [`idempotency`] | the idempotency key of a request |
//! | [`parameters`] | the parameters of a path and a query |
//! | [`problem`] | the problem documents ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) |
//! | [`seal`] | cursors: a place in a list, as a text |
//! | [`view`] | the JSON of an order, and of what else clients see |
//! | [`gateway`] | serving a handler behind API Gateway |

pub mod access;
pub mod answer;
pub mod body;
pub mod conditional;
pub mod gateway;
pub mod idempotency;
pub mod parameters;
pub mod problem;
pub mod seal;
pub mod view;

pub use access::{Client, Clients, Scope};
pub use answer::{Answer, accepted, placed, queued, stored, stored_unless_known, version};
pub use conditional::Precondition;
pub use gateway::{Handler, headers, serve};
pub use parameters::Parameters;
pub use problem::{Kind, Problem};
pub use view::{Amount, OrderView, StockView, Time};
