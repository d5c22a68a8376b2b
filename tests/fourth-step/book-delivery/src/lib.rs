//! The delivery step: book, cancel and dispatch.
//!
//! | item | key `pk` | attributes |
//! |---|---|---|
//! | route | `ROUTE#<county>` | `booked`, how many deliveries are booked on it |
//! | delivery | `ORDER#<order id>` | a fence whose effect is a [`Delivery`] |

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use order::{EpochMs, Order, OrderId};
use saga::{Item, Refusal, Step, Unavailable};
use serde::{Deserialize, Serialize};

/// The most deliveries that can be booked on a route.
const ROUTE_CAPACITY: u32 = 1_000;

/// The county that no van drives to.
const ISLAND: &str = "island";

/// A booked delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The route that it is on: the order's county.
    pub route: String,
}

/// Why the delivery service refuses an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum DeliveryRefusal {
    /// The route is full, or no van drives it.
    #[error("there is no delivery to {route}")]
    NoDelivery {
        /// The route.
        route: String,
    },
}

impl Refusal for DeliveryRefusal {
    fn name(&self) -> &'static str {
        self.into()
    }
}

/// The delivery step.
#[derive(Debug, Clone)]
pub struct BookDelivery {
    table: String,
}

impl BookDelivery {
    /// The step, with its deliveries in `table`.
    pub fn new(table: impl Into<String>) -> Self {
        Self { table: table.into() }
    }

    fn change(&self, route: &str, by: i64, condition: &str, bound: u32) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(format!("ROUTE#{route}"))))
            .update_expression("ADD booked :by")
            .condition_expression(condition)
            .expression_attribute_values(":by", AttributeValue::N(by.to_string()))
            .expression_attribute_values(":bound", AttributeValue::N(bound.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("an update with a table, a key and an expression is complete");
        TransactWriteItem::builder().update(update).build()
    }
}

fn key(pk: String) -> Item {
    Item::from([("pk".to_owned(), AttributeValue::S(pk))])
}

impl Step for BookDelivery {
    type Prepared = ();
    type Effect = Delivery;
    type Refusal = DeliveryRefusal;

    const CANCELLED_FENCE_EXPIRES: bool = true;

    fn fence_key(&self, order_id: &OrderId) -> Item {
        key(format!("ORDER#{order_id}"))
    }

    fn effect(&self, order: &Order) -> Delivery {
        Delivery { route: order.county_id.as_ref().map_or("home", |county| county.as_str()).to_owned() }
    }

    async fn prepare(&self, _order: &Order) -> Result<(), Unavailable> {
        Ok(())
    }

    fn apply(&self, order: &Order, (): &(), _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        let Delivery { route } = self.effect(order);
        // No route takes more than its vans can carry, and the island has none.
        vec![match route.as_str() {
            ISLAND => self.change(&route, 1, "booked < :bound", 0),
            _ => self.change(&route, 1, "attribute_not_exists(booked) OR booked < :bound", ROUTE_CAPACITY),
        }]
    }

    fn refusal(&self, order: &Order, failed: &[(usize, Option<&Item>)]) -> Option<DeliveryRefusal> {
        failed.first().map(|_| DeliveryRefusal::NoDelivery { route: self.effect(order).route })
    }

    fn undo(&self, _order_id: &OrderId, delivery: &Delivery, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        // The fence says that the delivery is booked. If the route says otherwise, an operator must look.
        vec![self.change(&delivery.route, -1, "booked > :bound", 0)]
    }

    fn consume(&self, _order_id: &OrderId, delivery: &Delivery, _now_ms: EpochMs) -> Vec<TransactWriteItem> {
        vec![self.change(&delivery.route, -1, "booked > :bound", 0)]
    }
}
