//! Requests that nobody would write by hand: real ones, changed byte by byte and field by field.
//!
//! Each test tries some thousand cases, in seconds; `PROPTEST_CASES=1000000 cargo test --test fuzz`
//! tries as many as it says. A failure prints the smallest case that it was found with, and the seed that
//! finds it again.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

mod bodies;
mod forged;
mod lists;
mod mutate;
mod operations;
mod world;
