//! The saga protocol as a model, explored exhaustively by
//! [stateright](https://docs.rs/stateright): every interleaving of a small world, where the fault
//! explorer runs the real handlers through chosen ones.
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
//! - up to two executions at a time, each going the way of `order-saga.asl.json` ([`execution`]);
//! - the task functions, request by request ([`task`]). What the real function writes in one
//!   conditional request is one step. A compensation reads its fence, and then writes on the
//!   condition that it is still so; `CancelOrder` updates, puts and updates again. Between any two
//!   steps anything else may happen;
//! - requests and answers as messages. A request waits, works in steps, and is answered; the answer
//!   says what was so when it was written and is read later, or never. A request may be delivered
//!   twice. A task that times out, or whose execution dies, may have happened, may not happen at all,
//!   or may run on as a zombie that lands at any later time;
//! - recovery: `due_ms`, the attempts and their limit, runs that overlap and hold what they have read
//!   meanwhile, the two steps of parking, an operator who takes up again (`recovery`);
//! - intake, for callers who wait and callers who do not: the start, the deadline, the look at the
//!   record, its own put, the overflow queue, and what each caller is told (`intake`);
//! - another body under the same key; a customer who cancels; a store that hands the order over; steps
//!   that refuse; stock that arrives.
//!
//! What can go wrong is bounded by a [`Budget`]: never more than so many timeouts, deaths and so on,
//! each at any place. All else is free: nothing is assumed about how fast anything is, but that
//! `due_ms` does not pass before the executions that were alive when it was set are over.
//!
//! [`properties`] says what must hold: the invariants I1 to I7 of the design, in every state and not
//! only at the end, and four more of its points. I1 speaks of the states that nothing leads out of;
//! that every way ends in one is shown by itself, by looking for circles. Each configuration also
//! names what it must be able to show ([`Sight`]), so that nothing holds for lack of an occasion.
//!
//! [`Protection`] lists what can be switched off. A mutant is a configuration that holds, without
//! one of them; the test prints a shortest way in which it breaks.
//!
//! # What is left out
//!
//! - Time: delays, backoff and time limits are left to the definition's checks. A transient error is
//!   retried once, or until its retries ran out.
//! - What is inside a request: DynamoDB's cancellation reasons appear only as the one question of
//!   whether the fence is read before a refusal; that reasons which decide nothing come before a
//!   refusal is for the fault explorer. So are several lines, the fence's content (`OtherContent`),
//!   terms of accounts, and the JSON on the way.
//! - Intake's own death: whoever was not answered was not promised anything.
//! - The dead-letter queue, and the retention of messages and fences.
//! - More than one order. A neighbour holds stock all the time, so that giving back too much shows.

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

pub use check::{Broken, Explored, explore, runs_in_circles, shortest_break};
pub use properties::Sight;
pub use protection::Protection;
pub use saga::{Kind, Saga};
pub use state::{Budget, Content, Mode, Step};
