//! Each step, driven through its real handler: once, twice, undone, undone twice, undone then done, late, and
//! concurrently with itself and with its compensation, at every interleaving of their requests.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]
#![allow(clippy::large_futures, reason = "a test may use the memory it needs")]
#![allow(clippy::inconsistent_digit_grouping, reason = "amounts are grouped as dollars and cents")]

mod consumption;
mod errors;
mod every_step;
mod handover;
mod inventory;
mod invoice;
mod names;
mod record;
mod step;
