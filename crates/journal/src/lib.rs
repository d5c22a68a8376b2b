//! The journal table: entries, and the accounts of customers.
