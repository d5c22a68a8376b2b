//! The fault explorer: injects every fault at every point of an order, on the shipped definition and the
//! shipped handlers.
//!
//! A run is an order of some [kind](kinds::OrderKind) on a paused clock. Each place in it where something can
//! go wrong is a [point](fault::Point), numbered in the order in which the run reaches it. A schedule says
//! which [fault](fault::Fault) happens at which point. Runs are deterministic, so a schedule is also the code
//! that replays it. When everything, recovery included, has come to rest, the invariants are
//! [checked](check).
//!
//! Landings and events are placed before a point. Nothing changes any record between two points, so no place
//! in between could make a difference.

pub mod check;
pub mod fault;
pub mod invocation;
pub mod kinds;
pub mod live;
pub mod payment;
pub mod run;
pub mod search;
pub mod store;
pub mod trace;
pub mod world;

pub use fault::{Fault, FaultKind, Point};
pub use kinds::{OrderKind, UnknownKind};
pub use run::{Ground, Run, RunError, Wiring};
pub use search::{Counts, Failure, Search};
