//! Recovery: takes up open orders and the overflow queue
