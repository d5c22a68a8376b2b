//! A step and what is known about it, for the tests of them all.

use std::sync::Arc;
use std::time::Duration;

use local_audit::Books;
use local_stack::config;
use local_stack::lambda::{Function, Functions, Invoked};
use order::{Order, OrderId, PaymentTerms};
use saga::fence::FenceState;
use serde_json::{Value, json};
use system_tests::orders::{OrderBuilder, order};
use system_tests::shops::Shop;

use Standing::{Consumed, Done, Tombstone, Undone, Untouched};

/// A step: its function, its two actions and an order for it.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub function: Function,
    pub action: &'static str,
    pub undo: &'static str,
    pub order: fn(&str) -> OrderBuilder,
}

pub const INVENTORY: Step = Step {
    function: Function::ReserveInventory,
    action: "reserve",
    undo: "release",
    order: |key| order(key).of("LAPTOP001", 2),
};

pub const PREPAID: Step = Step {
    function: Function::PostAccounting,
    action: "post",
    undo: "reverse",
    order: |key| order(key).of("LAPTOP001", 2),
};

pub const INVOICE: Step = Step { order: |key| order(key).of("LAPTOP001", 2).on_invoice(), ..PREPAID };

pub const STEPS: [Step; 3] = [INVENTORY, PREPAID, INVOICE];

/// What a step says of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Untouched,
    Done,
    Undone,
    Tombstone,
    Consumed,
}

impl Step {
    pub fn is_invoice(self) -> bool {
        (self.order)("any").placed().payment_terms == PaymentTerms::Invoice
    }

    /// An order that is on record, as every order is before its steps run.
    pub async fn order(self, shop: &Shop, key: &str) -> Order {
        let order = (self.order)(key).placed();
        persist(shop, &order).await.unwrap();
        order
    }

    pub async fn run(self, shop: &Shop, order: &Order) -> Invoked {
        self.run_on(&shop.functions, order).await
    }

    pub async fn run_on(self, functions: &Functions, order: &Order) -> Invoked {
        functions.invoke(self.function, json!({"action": self.action, "order": order})).await
    }

    pub async fn undo(self, shop: &Shop, order: &Order) -> Invoked {
        self.undo_on(&shop.functions, order).await
    }

    pub async fn undo_on(self, functions: &Functions, order: &Order) -> Invoked {
        functions.invoke(self.function, json!({"action": self.undo, "order_id": order.order_id()})).await
    }

    /// Where the order stands by the step's fence; its effect has to be there, or not, accordingly.
    pub fn standing(self, shop: &Shop, order: &Order) -> Standing {
        let books = shop.audit();
        let id = order.order_id();
        let (fence, effect_minor) = match self.function {
            Function::ReserveInventory => {
                let fence = books.reservations.get(id).map(|fence| (fence.state, fence.effect.is_some()));
                (fence, reserved(&books, id))
            }
            _ => (books.postings.get(id).map(|fence| (fence.state, fence.effect.is_some())), books.net_minor(id)),
        };
        let (standing, expected) = match fence {
            None => (Untouched, 0),
            Some((FenceState::Applied, true)) => {
                (Done, if self.function == Function::ReserveInventory { 2 } else { 20_00 })
            }
            Some((FenceState::Cancelled, true)) => (Undone, 0),
            Some((FenceState::Cancelled, false)) => (Tombstone, 0),
            Some((FenceState::Consumed, true)) => (Consumed, 0),
            Some((FenceState::Applied | FenceState::Consumed, false)) => panic!("an effect without content"),
        };
        assert_eq!(effect_minor, expected, "the effect of {order:?} as {standing:?}");
        standing
    }
}

/// How many pieces an order holds. The audit compares this with the stock.
pub fn reserved(books: &Books, order_id: &OrderId) -> i64 {
    let open = books.reservations.get(order_id).filter(|fence| fence.state == FenceState::Applied);
    open.and_then(|fence| fence.effect.as_ref())
        .map_or(0, |held| held.lines.iter().map(|line| i64::from(line.quantity)).sum())
}

pub async fn persist(shop: &Shop, order: &Order) -> Invoked {
    let payload = json!({"action": "persist", "order_id": order.order_id(), "order": order});
    shop.functions.invoke(Function::PersistOrder, payload).await
}

/// The name by which Step Functions sees a failure.
pub fn error_of(invoked: Invoked) -> String {
    invoked.expect_err("it fails").error
}

pub fn receipt(at_ms: i64, effect: &str) -> Value {
    json!({"at_ms": at_ms, "effect": effect})
}

pub const SECOND: Duration = Duration::from_secs(1);

/// Every caller has clients of its own, as every function instance has.
pub fn instances(shop: &Shop, count: usize) -> Vec<Arc<Functions>> {
    let instance = || Functions::new(&config(&shop.services), &shop.tables, shop.clock);
    (0..count).map(|_| Arc::new(instance())).collect()
}
