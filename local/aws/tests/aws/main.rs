//! The AWS services of the local stack, as the real SDK clients see them.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

mod conflicts;
mod endpoint;
mod faults;
mod queues;
mod snapshot;
mod stack;
mod store;
mod tables;
mod tally;
