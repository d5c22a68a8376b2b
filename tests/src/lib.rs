//! The whole system, from outside.

pub mod client;
pub mod collector;
pub mod deployed;
pub mod faults;
pub mod issuer;
pub mod openapi;
pub mod operations;
pub mod orders;
pub mod process;
pub mod runtime_api;
pub mod shops;
