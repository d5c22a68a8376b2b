//! GET /orders/{orderId}
