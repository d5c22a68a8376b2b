//! The explorer finds nothing in what is shipped, and finds each protection that is switched off.

// Clippy knows the tests here by their attribute only, and not the functions that they share.
#![allow(clippy::unwrap_used)]

mod mutants;
mod shipped;
