//! The fault explorer: every fault at every point of an order, on the shipped definition and the
//! shipped handlers.
//!
//! A run is an order of some [kind](kinds::OrderKind) on a paused clock. Wherever the world can go
//! wrong in it is a [point](fault::Point), numbered in the order in which the run reaches it, and a
//! schedule says which [fault](fault::Fault) happens at which point. A run is deterministic, so a
//! schedule is also the code by which it is replayed. When everything has come to rest (recovery
//! included) the invariants are [checked](check).
//!
//! Landings and events are placed before every point. Between two points nothing changes any record,
//! so there is no later or earlier place in between that could make a difference.

pub mod check;
pub mod fault;
pub mod kinds;
pub mod run;
pub mod search;
pub mod store;
pub mod trace;
pub mod world;

pub use fault::{Fault, FaultKind, Point};
pub use kinds::{OrderKind, UnknownKind};
pub use run::{Ground, Run, RunError, Wiring};
pub use search::{Counts, Failure, Search};
