//! The local stack and the order-saga command
