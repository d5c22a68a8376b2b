//! Recovery: retries open orders on a schedule, and processes the overflow queue.
//!
//! Anything that dies half-way (an execution that hits its time limit, a function, a whole region for a
//! while) leaves an open order, and every open order is in the work index. For each one that is due,
//! recovery counts an attempt and starts the saga with the id alone. That is safe at any time: if the
//! saga is still running, the steps' fences make the duplicate harmless.
//!
//! | module | knows |
//! |---|---|
//! | [`due`] | one order: its attempts, their limit, and what happens after them |
//! | [`run`] | one run over all due orders, within its time |
//! | [`overflow`] | the orders that wait in the overflow queue |
//! | [`metrics`] | what alarms watch |

pub mod due;
pub mod metrics;
pub mod overflow;
pub mod run;

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use clock::WallClock;
use order::{Actor, EpochMs, OrderId};
use orders::Orders;
use payments::Lapsing;
use queue::Queue;
use serde::{Deserialize, Serialize};
use workflow::Workflow;

pub use due::RecoveryOutcome;
pub use orders::work::MAX_ATTEMPTS;
pub use overflow::Batch;
pub use run::Report;

/// After this time, a run takes no further order. Those that it has begun end within four calls to AWS, each with its time
/// limit, and counting has a limit, too. All together is below the function's limit.
pub const RUN_TIME: Duration = Duration::from_secs(40);

/// What the function is invoked with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// Orders from the overflow queue.
    Overflow(SqsEvent),
    /// From the schedule, or from an operator.
    Command(Command),
}

/// A command from the schedule or from an operator.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Command {
    /// Take up every order that is due.
    Recover,
    /// Take up this order, whether it is due or not, parked or not.
    TakeUp {
        /// The order.
        order_id: OrderId,
        /// Who the operator is, for the order's record.
        #[serde(default = "operator")]
        by: String,
    },
}

/// An operator who does not say their name.
fn operator() -> String {
    "operator".to_owned()
}

/// What the function answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Output {
    /// For the overflow queue.
    Overflow(Batch),
    /// For the schedule.
    Recover(Report),
    /// For an operator.
    TakeUp(RecoveryOutcome),
}

/// The function's handler.
#[derive(Debug, Clone)]
pub struct RecoverOrders {
    orders: Orders,
    workflow: Workflow,
    parked: Queue,
    /// The claimed payments, if there is a payment provider.
    payments: Option<Lapsing>,
    clock: WallClock,
}

impl RecoverOrders {
    /// A handler on these services.
    pub fn new(orders: Orders, workflow: Workflow, parked: Queue, payments: Option<Lapsing>, clock: WallClock) -> Self {
        Self { orders, workflow, parked, payments, clock }
    }

    /// Does what the event asks for. `request_id` is the invocation's.
    pub async fn handle(&self, event: Event, request_id: &str) -> Output {
        match event {
            Event::Overflow(event) => Output::Overflow(self.work_off(event).await),
            Event::Command(Command::Recover) => {
                let by = Actor::new("recovery", request_id);
                Output::Recover(self.run(&by, self.now_ms(), RUN_TIME).await)
            }
            Event::Command(Command::TakeUp { order_id, by }) => {
                Output::TakeUp(self.take_up(&order_id, &Actor::new(&by, request_id)).await)
            }
        }
    }

    fn now_ms(&self) -> EpochMs {
        self.clock.now_ms()
    }
}
