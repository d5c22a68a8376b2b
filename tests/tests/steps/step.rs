//! A step and what is known about it, for the tests of all steps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use journal::table::SALES;
use local_audit::Books;
use local_aws::Item;
use local_stack::config;
use local_stack::functions::{Invoked, tasks};
use local_stack::lambda::Functions;
use order::{Effect, Order, OrderId, PaymentTerms, Receipt, StepReceipts};
use saga::fence::FenceState;
use serde_json::{Value, json};
use system_tests::orders::{OrderBuilder, order};
use system_tests::shops::{OPENED_MS, Shop, shop};

use Standing::{Consumed, Done, Tombstone, Undone, Untouched};

const RESERVE_INVENTORY: &str = "reserve-inventory";
const POST_ACCOUNTING: &str = "post-accounting";

/// A step: its function, its two actions, and an order for it.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub function: &'static str,
    pub action: &'static str,
    pub undo: &'static str,
    pub order: fn(&str) -> OrderBuilder,
}

const PREPAID_ORDER: fn(&str) -> OrderBuilder = |key| order(key).of("LAPTOP001", 2);
const INVOICED_ORDER: fn(&str) -> OrderBuilder = |key| order(key).of("LAPTOP001", 2).on_invoice();

pub const INVENTORY: Step =
    Step { function: RESERVE_INVENTORY, action: "reserve", undo: "release", order: PREPAID_ORDER };

pub const PREPAID: Step = Step { function: POST_ACCOUNTING, action: "post", undo: "reverse", order: PREPAID_ORDER };

pub const INVOICE: Step = Step { order: INVOICED_ORDER, ..PREPAID };

/// The declared steps with their effect in a table of ours, each with a prepaid order.
pub fn with_prepaid_orders() -> impl Iterator<Item = Step> {
    declared(PREPAID_ORDER)
}

/// The same steps, each with an order on invoice.
pub fn with_invoiced_orders() -> impl Iterator<Item = Step> {
    declared(INVOICED_ORDER)
}

fn declared(order: fn(&str) -> OrderBuilder) -> impl Iterator<Item = Step> {
    // Steps with a remote effect have a protocol of their own, and tests of their own: `payments`.
    let local = declarations::steps().iter().filter(|(_, step)| step.external.is_none());
    local.map(move |(function, step)| Step {
        function: &function.name,
        action: &step.action.name,
        undo: &step.compensation.name,
        order,
    })
}

/// What a step reports for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Untouched,
    Done,
    Undone,
    Tombstone,
    Consumed,
}

impl Step {
    /// How many DynamoDB requests its action makes for an order that is new to it.
    pub async fn requests(self) -> usize {
        let shop = shop().open().await;
        let order = self.order(&shop, "counted").await;
        let before = shop.services.calls();
        self.run(&shop, &order).await.unwrap();
        usize::try_from(shop.services.calls() - before).unwrap()
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

    /// Asserts the state of the order's fence, and that its effect is there or not accordingly.
    pub fn standing(self, shop: &Shop, order: &Order) -> Standing {
        let books = shop.audit();
        let fence = books.fence(self.function, order.order_id());
        let standing = match fence.map(|fence| (fence.state, fence.effect.is_some())) {
            None => Untouched,
            Some((FenceState::Applied, true)) => Done,
            Some((FenceState::Cancelled, true)) => Undone,
            Some((FenceState::Cancelled, false)) => Tombstone,
            Some((FenceState::Consumed, true)) => Consumed,
            Some((FenceState::Applied | FenceState::Consumed, false)) => panic!("an effect without content"),
            Some((FenceState::Intended | FenceState::Cancelling, _)) => panic!("a state of a remote effect"),
        };
        if let Some((effect, of_order)) = self.effect(&books, order.order_id()) {
            let expected = if standing == Done { of_order } else { 0 };
            assert_eq!(effect, expected, "the effect of {order:?} as {standing:?}");
        }
        standing
    }

    /// What exists of the effect, and what exists of it once the action is done; `None` for a step of which only the
    /// fence is known.
    fn effect(self, books: &Books, order_id: &OrderId) -> Option<(i64, i64)> {
        match self.function {
            RESERVE_INVENTORY => Some((reserved(books, order_id), 2)),
            POST_ACCOUNTING => Some((-books.net_minor(order_id).get(SALES).copied().unwrap_or_default(), 20_00)),
            _ => None,
        }
    }

    /// Whether an undone effect's fence may expire; `None` for a step of which this is not known.
    pub fn undone_expires(self) -> Option<bool> {
        match self.function {
            // A released reservation says nothing that the record does not.
            RESERVE_INVENTORY => Some(true),
            // A journal is kept forever.
            POST_ACCOUNTING => Some(false),
            _ => None,
        }
    }

    /// The order's fence, where the step declares that it is stored.
    pub fn fence(self, shop: &Shop, order: &Order) -> Item {
        let step = declarations::function(self.function).and_then(|function| function.step.as_ref()).unwrap();
        let key: BTreeMap<&str, String> = step
            .fence
            .key
            .iter()
            .map(|(name, value)| (&**name, value.replace("{order_id}", order.order_id().as_str())))
            .collect();
        let is_fence = |item: &Item| {
            key.iter().all(|(name, value)| item.get(*name).is_some_and(|found| found.as_s().ok() == Some(value)))
        };
        shop.items().remove(&step.fence.table).unwrap().into_iter().find(is_fence).unwrap()
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
    shop.functions.invoke("persist-order", payload).await
}

/// The name under which Step Functions sees a failure.
pub fn error_of(invoked: Invoked) -> String {
    invoked.expect_err("it fails").error
}

pub fn receipt(at_ms: i64, effect: &str) -> Value {
    json!({"at_ms": at_ms, "effect": effect})
}

/// A receipt of every step of a prepaid order, as the workflow passes them to confirm or to close.
pub fn receipts(effect: Effect) -> StepReceipts {
    let receipt = Receipt::new(OPENED_MS, effect);
    let steps = declarations::steps().iter().filter(|(_, step)| step.is_for(PaymentTerms::Prepaid.into()));
    steps.map(|(function, _)| (function.name.clone(), receipt)).collect()
}

/// A receipt of every step that has a consumption, as the workflow passes them to complete.
pub fn consumption_receipts() -> StepReceipts {
    let mut receipts = receipts(Effect::Consumed);
    let consumes = |name: &str| {
        declarations::steps().iter().any(|(function, step)| function.name == name && step.consumption.is_some())
    };
    receipts.retain(|name, _| consumes(name));
    receipts
}

pub const SECOND: Duration = Duration::from_secs(1);

/// Each caller has its own clients, as each function instance has.
pub fn instances(shop: &Shop, count: usize) -> Vec<Arc<Functions>> {
    let instance = || Functions::new(tasks(&config(&shop.services), &shop.provider, shop.clock));
    (0..count).map(|_| Arc::new(instance())).collect()
}
