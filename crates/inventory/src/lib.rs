//! The inventory table: stock, reservations and adjustments.
