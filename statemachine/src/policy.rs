//! The rules for the definition of the order saga.
//!
//! Everything that is declared comes from the declarations: the functions' errors and time limits, the steps and
//! their compensations. Whether a function accepts a state's payload is checked with its handler.

mod claims;
mod largest;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use declarations::{Function, Kind};
use engine::lint::{self, Answers, Call, Policy, Recovery, Rehearsal, Step, Won};
use order::{PaymentTerms, Status};
use orders::RECOVER_AFTER_MS;
use saga::function::{EXTERNAL_FINAL_ERRORS, FINAL_ERRORS};
use saga::task::SERVING_ERRORS;
use serde_json::{Value, json};
use strum::VariantArray;

pub use largest::{largest_order, largest_record};

/// How far the clocks of two functions may differ. Clocks on AWS differ by milliseconds; the rest covers
/// the time from when recovery counts an attempt until its execution starts.
pub const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// The time limit of the longest path: the machine's `TimeoutSeconds`. With two steps the longest path takes
/// 189 s, and each further step adds up to 36 s.
const MAX_PATH: Duration = Duration::from_secs(270);

/// The names of errors that pass by themselves.
const TRANSIENT: [&str; 1] = ["Unavailable"];

/// The function that keeps the order record.
const RECORD: &str = "persist-order";

/// Whether the function with this name would take a payload. The error says why not, in the words that the
/// lint prints.
pub type TakesPayload = dyn Fn(&str, &Value) -> Result<(), String> + Send + Sync;

/// The rules for the definition of the order saga.
pub fn policy(takes: Arc<TakesPayload>) -> Policy {
    let steps = declarations::steps().iter().map(|(function, step)| Step {
        action: Call::new(&function.name, &step.action.name),
        compensation: Call::new(&function.name, &step.compensation.name),
        only_if: step.condition(),
    });
    Policy {
        functions: tasks().map(lint_function).collect(),
        transient: names(TRANSIENT),
        refused: refused().map(str::to_owned).collect(),
        steps: steps.collect(),
        repeatable: repeatable(),
        decide: Call::new(RECORD, "cancel"),
        won: Won { variable: "status".to_owned(), value: Status::Cancelling.to_string() },
        cancelled_ends: names(["OrderCancelled"]),
        recovery: Recovery { after: Duration::from_millis(RECOVER_AFTER_MS.unsigned_abs()), clock_skew: CLOCK_SKEW },
        max_path: MAX_PATH,
        max_payload_bytes: engine::MAX_PAYLOAD_BYTES,
        rehearsal: Rehearsal { inputs: inputs(), answers: answers(takes), judge: Box::new(claims::judge) },
    }
}

/// The calls on the way forward. The fences and the record's condition make them safe to repeat.
fn repeatable() -> BTreeSet<Call> {
    let actions = declarations::steps().iter().map(|(function, step)| Call::new(&function.name, &step.action.name));
    actions.chain([Call::new(RECORD, "persist")]).collect()
}

fn tasks() -> impl Iterator<Item = &'static Function> {
    declarations::functions().iter().filter(|function| function.is_task())
}

/// The errors that refuse a request before there is anything to roll back.
fn refused() -> impl Iterator<Item = &'static str> {
    tasks().filter_map(|function| function.record.as_ref()).flat_map(|record| &record.refusals).map(String::as_str)
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

fn lint_function(function: &Function) -> lint::Function {
    let of_record = function.record.iter().flat_map(|record| &record.refusals);
    let of_step = function.step.iter().flat_map(|step| step.refusals.keys());
    let of_every_step = FINAL_ERRORS.iter().filter(|_| function.kind == Kind::Step);
    let is_external = function.step.as_ref().is_some_and(|step| step.external.is_some());
    let of_external = EXTERNAL_FINAL_ERRORS.iter().filter(|_| is_external);
    let mut errors: BTreeSet<String> = of_record.chain(of_step).cloned().collect();
    errors.extend(of_every_step.chain(of_external).chain(&SERVING_ERRORS).map(ToString::to_string));
    lint::Function {
        name: function.name.clone(),
        timeout: Duration::from_secs(function.timeout.seconds.into()),
        errors,
    }
}

/// The payment terms that the definition treats differently: one for each step that is not for every order, and those of
/// an order that has none of these steps.
fn terms() -> impl Iterator<Item = PaymentTerms> {
    let is_named = |terms: &PaymentTerms| {
        let of = |step: &declarations::Step| step.only_for.as_ref().is_some_and(|_| step.is_for((*terms).into()));
        declarations::steps().iter().any(|(_, step)| of(step))
    };
    let named = PaymentTerms::VARIANTS.iter().copied().filter(is_named);
    [PaymentTerms::default()].into_iter().chain(named)
}

/// Intake sends the order; recovery, cancellation and fulfilment send only the id.
fn inputs() -> Vec<Value> {
    let with_order = terms().map(|terms| {
        let order = largest_order(terms);
        json!({ "order_id": order.order_id(), "order": order })
    });
    let id_alone = json!({ "order_id": largest_order(PaymentTerms::default()).order_id() });
    with_order.chain([id_alone]).collect()
}

/// Every answer that a called function can give, or why it would reject the payload.
fn answers(takes: Arc<TakesPayload>) -> Answers {
    // Made once, because every rehearsal uses them.
    let all = Status::VARIANTS.iter().flat_map(|status| terms().map(move |terms| (*status, terms)));
    let record = |(status, terms)| (status, terms, Arc::new(json!(largest_record(status, terms))));
    let records: Vec<(Status, PaymentTerms, Arc<Value>)> = all.map(record).collect();
    let receipt = Arc::new(json!(largest::receipt()));
    Box::new(move |call, payload| {
        takes(&call.function, payload)?;
        let function = declarations::function(&call.function).ok_or("there is no such function")?;
        Ok(if function.kind == Kind::Step {
            vec![Arc::clone(&receipt)]
        } else {
            let is_possible = |status| match call.action.as_str() {
                "persist" => true,
                "close" => status == Status::Cancelled,
                "complete" => status == Status::Fulfilled,
                "park" => matches!(status, Status::Cancelling | Status::Fulfilling),
                // `confirm` and `cancel` return the current record, no matter who decided.
                _ => status != Status::Pending,
            };
            // The record's order is the one that the payload is about, as far as it says.
            let terms = [&payload["payment_terms"], &payload["order"]["payment_terms"]];
            let terms = terms.into_iter().find_map(Value::as_str);
            let is_of = |of: PaymentTerms| terms.is_none_or(|terms| terms == <&str>::from(of));
            let possible = records.iter().filter(|(status, terms, _)| is_possible(*status) && is_of(*terms));
            possible.map(|(_, _, record)| Arc::clone(record)).collect()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_in_the_policy_are_error_names_of_the_functions() {
        let policy = policy(Arc::new(|_, _| Ok(())));
        let errors: BTreeSet<&String> = policy.functions.iter().flat_map(|function| &function.errors).collect();
        for name in policy.transient.iter().chain(&policy.refused) {
            assert!(errors.contains(name), "{name}");
        }
    }
}
