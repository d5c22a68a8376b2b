//! What the HTTP functions share: requests, answers, problem documents, the order as clients see it.
//!
//! | module | knows |
//! |---|---|
//! | [`authorization`] | who a request is from, and what they may do |
//! | [`answer`] | the HTTP answers, and which one follows from an order record |
//! | [`body`] | the body of a request |
//! | [`cursor`] | a place in a list, as a text |
//! | [`etag`] | whether a client already has this version, and whether it means to change this one |
//! | [`handler`] | serving a handler behind API Gateway, by its declared routes |
//! | [`idempotency`] | the idempotency key of a request |
//! | [`parameters`] | the parameters of a path and a query |
//! | [`problem`] | the problem documents ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) |
//! | [`view`] | the JSON of orders and stock, as clients see them |

pub mod answer;
pub mod authorization;
pub mod body;
pub mod correlation;
pub mod cursor;
pub mod etag;
pub mod handler;
pub mod idempotency;
pub mod parameters;
pub mod problem;
pub mod view;

pub use answer::{Answer, accepted, placed, queued, stored, stored_unless_known, version};
pub use authorization::{Caller, Callers, Scope};
pub use etag::Precondition;
pub use handler::{Handler, Request, headers, serve};
pub use parameters::Parameters;
pub use problem::{Kind, Problem};
pub use view::{ActorView, Amount, OrderView, StockView, Time};
