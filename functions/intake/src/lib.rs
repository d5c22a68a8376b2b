//! POST /orders: take an order, start its saga, answer
