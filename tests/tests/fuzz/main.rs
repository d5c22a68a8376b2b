//! Requests that nobody would write by hand: real ones, changed byte by byte and field by field.
//!
//! Each test tries a few thousand cases, in seconds; `PROPTEST_CASES=1000000 cargo test --test fuzz` sets their
//! number. A failure prints the smallest failing case, and the seed that reproduces it.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

mod bodies;
mod forged;
mod lists;
mod mutate;
mod operations;
mod world;
