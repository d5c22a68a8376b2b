//! The explorer finds nothing in what is shipped, and finds each protection that is switched off.

mod mutants;
mod shipped;
