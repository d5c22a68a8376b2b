//! What the HTTP functions share: answers, problem documents, the order as clients see it.
//!
//! | module | knows |
//! |---|---|
//! | [`access`] | who a request is from, and what they may do |
//! | [`answer`] | which HTTP answer an order record gives |
//! | [`conditional`] | whether a client has this version already |
//! | [`problem`] | the problem documents ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) |
//! | [`view`] | the JSON of an order |
//! | [`gateway`] | serving a handler behind API Gateway |

pub mod access;
pub mod answer;
pub mod conditional;
pub mod gateway;
pub mod problem;
pub mod view;

pub use access::{Client, Clients, Scope};
pub use answer::{Answer, accepted, placed, queued, stored, stored_unless_known};
pub use gateway::{Handler, headers, serve};
pub use problem::{Kind, Problem};
pub use view::OrderView;
