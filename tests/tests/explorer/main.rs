//! The explorer finds nothing wrong with the shipped system, and notices each protection that is disabled.

// Clippy recognises tests here only by their attribute, not the functions that they share.
#![allow(clippy::unwrap_used)]

mod mutants;
mod payment_mutants;
mod shipped;
