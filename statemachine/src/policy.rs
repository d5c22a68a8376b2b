//! What is particular to the order saga, for the checks of its definition.
//!
//! Nothing here is kept by hand that the code can tell: a function's errors are its enum's variants,
//! its time limit is the one that it is deployed with, and whether it takes what a state sends is
//! asked of its own input type.

mod claims;
mod largest;

use std::collections::BTreeSet;
use std::time::Duration;

use order::Status;
use persist_order::PersistError;
use persist_order::orders::RECOVER_AFTER_MS;
use post_accounting::PostError;
use reserve_inventory::ReserveError;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use engine::lint::{self, Answers, Call, Policy, Recovery, Rehearsal, Step, Won};
use strum::{VariantArray, VariantNames};

use crate::stack::lambda::{FUNCTION_TIMEOUT, Function};

pub use largest::{largest_order, largest_record};

/// How far the clocks of two functions may differ. Those of AWS differ by milliseconds; the rest is
/// the time between an attempt that recovery counts and the start of its execution.
pub const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// The most bytes of a payload, see
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>.
const PAYLOAD_LIMIT_BYTES: usize = 256 * 1024;

/// The errors of serving a task, whatever the task: those of `saga::task::TaskFailure`.
const SERVING_ERRORS: [&str; 3] = ["InvalidOrder", "InvalidOutput", "Unavailable"];

/// The error names that pass by themselves.
const TRANSIENT: [&str; 1] = ["Unavailable"];

/// The error names of a request that there is nothing to roll back of.
const REFUSED: [&str; 2] = ["IdempotencyConflict", "InvalidOrder"];

/// What the definition of the order saga is held to.
pub fn policy() -> Policy {
    let step = |function: Function, action: &str, compensation: &str| Step {
        action: call(function, action),
        compensation: call(function, compensation),
    };
    Policy {
        functions: Function::VARIANTS.iter().copied().map(function).collect(),
        transient: names(&TRANSIENT),
        refused: names(&REFUSED),
        steps: vec![
            step(Function::ReserveInventory, "reserve", "release"),
            step(Function::PostAccounting, "post", "reverse"),
        ],
        decide: call(Function::PersistOrder, "cancel"),
        won: Won { variable: "status".to_owned(), value: Status::Cancelling.to_string() },
        cancelled_ends: names(&["OrderCancelled"]),
        recovery: Recovery { after: Duration::from_millis(RECOVER_AFTER_MS.unsigned_abs()), clock_skew: CLOCK_SKEW },
        payload_limit_bytes: PAYLOAD_LIMIT_BYTES,
        rehearsal: Rehearsal { inputs: inputs(), answers: answers(), judge: Box::new(claims::judge) },
    }
}

fn call(function: Function, action: &str) -> Call {
    Call::new(function.to_string(), action)
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

fn function(function: Function) -> lint::Function {
    let own = match function {
        Function::PersistOrder => PersistError::VARIANTS,
        Function::ReserveInventory => ReserveError::VARIANTS,
        Function::PostAccounting => PostError::VARIANTS,
    };
    lint::Function {
        name: function.to_string(),
        timeout: FUNCTION_TIMEOUT,
        errors: names(&[own, &SERVING_ERRORS].concat()),
    }
}

/// Intake sends the order; recovery and cancellation send the id alone.
fn inputs() -> Vec<Value> {
    let order = largest_order();
    vec![json!({ "order_id": order.order_id(), "order": order }), json!({ "order_id": order.order_id() })]
}

fn answers() -> Answers {
    // Made once: every rehearsal is answered with them.
    let records: Vec<(Status, Value)> =
        Status::VARIANTS.iter().map(|status| (*status, json!(largest_record(*status)))).collect();
    Box::new(move |call, payload| answer(call, payload, &records))
}

/// Every answer that the called function can give, or why it would not take the payload.
fn answer(call: &Call, payload: &Value, records: &[(Status, Value)]) -> Result<Vec<Value>, String> {
    let function: Function = call.function.parse().map_err(|_| "there is no such function".to_owned())?;
    Ok(match function {
        Function::PersistOrder => {
            use persist_order::Input;
            let with = |is_possible: fn(Status) -> bool| {
                let possible = records.iter().filter(|(status, _)| is_possible(*status));
                possible.map(|(_, record)| record.clone()).collect()
            };
            match read(payload)? {
                Input::Persist { .. } => with(|_| true),
                // Both answer with the record as it stands afterwards, whoever decided.
                Input::Confirm { .. } | Input::Cancel { .. } => with(|status| status != Status::Pending),
                Input::Close { .. } => with(|status| status == Status::Cancelled),
                Input::Complete { .. } => with(|status| status == Status::Fulfilled),
            }
        }
        Function::ReserveInventory => match read(payload)? {
            reserve_inventory::Input::Reserve { .. }
            | reserve_inventory::Input::Release { .. }
            | reserve_inventory::Input::Consume { .. } => receipt(),
        },
        Function::PostAccounting => match read(payload)? {
            post_accounting::Input::Post { .. } | post_accounting::Input::Reverse { .. } => receipt(),
        },
    })
}

fn read<T: DeserializeOwned>(payload: &Value) -> Result<T, String> {
    T::deserialize(payload).map_err(|error| error.to_string())
}

fn receipt() -> Vec<Value> {
    vec![json!(largest::receipt())]
}

#[cfg(test)]
mod tests {
    use order::{Order, PaymentTerms};
    use saga::TaskError;
    use saga::task::TaskFailure;
    use engine::lint::largest_payload;

    use super::*;
    use crate::seed::Seed;
    use crate::stack::{Options, Stack, config};

    /// A new variant does not compile here before it is in the list.
    #[test]
    fn the_errors_of_serving_a_task_are_all_listed() {
        fn is_listed<E: TaskError>(failure: &TaskFailure<E>) -> bool {
            match failure {
                TaskFailure::InvalidOrder(_)
                | TaskFailure::InvalidOutput(_)
                | TaskFailure::Failed(_)
                | TaskFailure::Unavailable(_) => SERVING_ERRORS.contains(&failure.name()),
            }
        }
        let not_json = || serde_json::from_str::<Value>("").unwrap_err();
        assert!(is_listed::<PersistError>(&TaskFailure::InvalidOrder(not_json())));
        assert!(is_listed::<PersistError>(&TaskFailure::InvalidOutput(not_json())));
        let slow = saga::Unavailable::TooSlow { limit_ms: 1 };
        assert!(is_listed::<PersistError>(&TaskFailure::Unavailable(slow)));
    }

    #[test]
    fn the_names_in_the_policy_are_error_names_of_the_functions() {
        let policy = policy();
        let errors: BTreeSet<&String> = policy.functions.iter().flat_map(|function| &function.errors).collect();
        for name in policy.transient.iter().chain(&policy.refused) {
            assert!(errors.contains(name), "{name}");
        }
    }

    async fn run(order: &Order) -> (usize, order::OrderRecord) {
        let stack = Stack::open(Options::in_memory().unwrap()).unwrap();
        let on_hand: Vec<Value> = order
            .lines
            .iter()
            .map(|line| json!({ "storeId": order.store_id, "sku": line.sku, "onHand": line.quantity }))
            .collect();
        let seed = Seed::parse(&json!({ "stock": on_hand }).to_string()).unwrap();
        let client = aws_sdk_dynamodb::Client::new(&config(&stack.services));
        seed.store(&client, &stack.tables).await.unwrap();
        let ended = stack.workflow.run(order.order_id(), Some(order)).await.unwrap();
        let intake::workflow::Ended::Decided(record) = ended else { panic!("{ended:?}") };
        let largest = largest_payload(&stack.executions.all()[0].history).unwrap();
        (largest.bytes, *record)
    }

    /// The largest order, run for real: nothing is larger than what the rehearsals answer with.
    #[tokio::test(start_paused = true)]
    async fn no_real_record_is_larger_than_the_rehearsed_one() {
        let prepaid = largest_order();
        let mut invoiced = json!(prepaid);
        invoiced["payment_terms"] = json!(PaymentTerms::Invoice);
        let invoiced: Order = serde_json::from_value(invoiced).unwrap();
        for (order, status) in [(prepaid, Status::Confirmed), (invoiced, Status::Cancelled)] {
            let (largest_bytes, record) = run(&order).await;
            assert_eq!(record.status, status);
            let rehearsed_bytes = json!(largest_record(status)).to_string().len();
            let record_bytes = json!(record).to_string().len();
            // No order has both what a confirmed one and what a refused one has.
            assert!((rehearsed_bytes / 3..=rehearsed_bytes).contains(&record_bytes), "{record_bytes}");
            // A result is the record and what Lambda puts around it.
            assert!(largest_bytes < 2 * rehearsed_bytes, "{largest_bytes}");
        }
    }
}
