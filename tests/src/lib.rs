//! The whole system, from outside
