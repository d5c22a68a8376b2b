//! Which orders a caller may see and cancel.

use crate::{CustomerId, Order, Tenant};

/// The orders that a caller may see and cancel. Any other order does not exist for that caller: the
/// answer is the same as for one that was never placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach<'a> {
    /// Every tenant's: for the staff of the shop's stores.
    All,
    /// One tenant's.
    Tenant(&'a Tenant),
    /// Those that one tenant placed for one customer.
    Customer(&'a Tenant, &'a CustomerId),
}

impl Reach<'_> {
    /// Whether this order is among them.
    pub fn has(self, order: &Order) -> bool {
        match self {
            Self::All => true,
            Self::Tenant(tenant) => order.tenant() == tenant,
            Self::Customer(tenant, customer_id) => order.tenant() == tenant && order.customer_id == *customer_id,
        }
    }
}
