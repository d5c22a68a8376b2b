//! The saga protocol as a model, explored exhaustively by [stateright](https://docs.rs/stateright): every
//! interleaving in a small world, whereas the fault explorer runs the real handlers through selected ones.
//!
//! ```text
//! cargo test -p saga-model                                    # what holds, and what breaks without what
//! cargo test -p saga-model -- --nocapture --test-threads 1    # the same, with counts and stories
//! ```
//!
//! # What is modelled
//!
//! One order id, and around it:
//!
//! - up to two executions at a time, each following `order-saga.asl.json` ([`execution`]);
//! - the task functions, request by request ([`task`]). What the real function writes in one conditional request is
//!   one step. A compensation reads its fence, and then writes on the condition that it has not changed;
//!   `CancelOrder` updates, puts and updates again. Anything else may happen between any two steps;
//! - requests and answers as messages. A request waits, works in steps, and is answered. The answer says what was
//!   true when it was written, and is read later or never. A request may be delivered twice. A task that times out,
//!   or whose execution dies, may have happened, may never happen, or may continue as a zombie that lands at any
//!   later time;
//! - recovery: `due_ms`, the attempts and their limit, concurrent runs that act on what they read earlier, the two
//!   steps of parking, an operator who restarts parked orders (`recovery`);
//! - intake, for callers who wait and callers who do not: the start, the deadline, reading the record, its own put,
//!   the overflow queue, and what each caller is told (`intake`);
//! - another body under the same key; a customer who cancels; a store that hands the order over; steps
//!   that refuse; stock that arrives.
//!
//! A [`Budget`] limits what can go wrong: at most so many timeouts, deaths and so on, each at any place. Everything
//! else is unlimited. The only assumption about speed is that `due_ms` does not pass before the executions that were
//! alive when it was set are over.
//!
//! [`properties`] says what must hold: the invariants I1 to I7 of the design, in every state and not only at the end,
//! and four more of its points. I1 is about the states that nothing leads out of; a separate search for cycles shows
//! that every path ends in one. Each configuration also names what must be able to occur in it ([`Sight`]), so that
//! nothing holds just because it never occurs.
//!
//! [`Protection`] lists what can be disabled. A mutant is a sound configuration without one of them; the test prints
//! a shortest path on which it breaks.
//!
//! # What is left out
//!
//! - Time: delays, backoff and time limits are checked on the definition. A transient error is retried once, or until
//!   its retries run out.
//! - What is inside a request. Of DynamoDB's cancellation reasons only one question is modelled: whether the fence is
//!   read before a refusal. That reasons which decide nothing come before a refusal is left to the fault explorer. So
//!   are several lines, the fence's content (`OtherContent`), terms of accounts, and the JSON between the parts.
//! - Intake's own death: a caller without an answer was promised nothing.
//! - The dead-letter queue, and the retention of messages and fences.
//! - More than one order. A neighbour holds stock all the time, so that giving back too much is noticed.

pub mod action;
pub mod check;
pub mod execution;
mod intake;
pub mod properties;
pub mod protection;
mod recovery;
pub mod saga;
pub mod state;
mod story;
pub mod task;

pub use check::{Broken, Explored, explore, has_cycles, shortest_break};
pub use properties::Sight;
pub use protection::Protection;
pub use saga::{Kind, Saga};
pub use state::{Budget, Content, Mode, Step};
