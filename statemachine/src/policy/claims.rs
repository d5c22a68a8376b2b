//! Claims that every execution of the order saga must satisfy, besides those for every saga.

use engine::Status::Succeeded;
use engine::lint::{Answered, Performance, Verdict};
use order::Status;
use serde_json::Value;

use super::{TRANSIENT, refused};

/// The claims that this execution contradicts.
pub(super) fn judge(performance: &Performance<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    judge_outcome(performance, &mut verdicts);
    judge_order_of_steps(performance, &mut verdicts);
    let mut record: Option<&str> = None;
    for (index, answered) in performance.answers.iter().enumerate() {
        let mut contradicts = |claim: &str| {
            verdicts.push(Verdict { state: answered.state.to_string(), claim: claim.to_owned() });
        };
        // The model of the protocol (`tests/model`) shows what happens otherwise.
        if is_compensation(answered) && record != Some(Status::Cancelling.into()) {
            contradicts("a step is undone only for an order whose record says CANCELLING");
        }
        if record == Some(Status::Confirmed.into()) {
            contradicts("nothing is called for an order that was found confirmed");
        }
        let is_parking = action(answered) == Some("park");
        if !is_parking && is_fulfilment(answered) != (record == Some(Status::Fulfilling.into())) {
            contradicts("an order is fulfilled, and nothing else is done to it, if its record says FULFILLING");
        }
        let has_begun = record == Some(Status::Cancelling.into()) || record == Some(Status::Fulfilling.into());
        if is_parking && !has_begun {
            contradicts("only an order that is being cancelled or handed over is parked");
        }
        let is_persist = action(answered) == Some("persist");
        let is_decided_later = performance.answers[index..].iter().any(|later| action(later) == Some("cancel"));
        if is_persist && is_unknown_failure(answered) && !is_decided_later {
            contradicts("an order that could not be persisted is decided against");
        }
        record = status(answered).or(record);
    }
    verdicts
}

/// Steps run in the order of their declared positions, which lists and timelines also use.
fn judge_order_of_steps(performance: &Performance<'_>, verdicts: &mut Vec<Verdict>) {
    let mut latest = 0;
    for answered in performance.answers {
        let steps = declarations::steps().iter();
        let step = steps.into_iter().find(|(function, step)| calls(answered, &function.name, &step.action.name));
        let Some((function, step)) = step else { continue };
        if step.position < latest {
            let claim =
                format!("steps run in the order of their position, see functions/{}/function.json", function.name);
            verdicts.push(Verdict { state: answered.state.to_string(), claim });
        }
        latest = latest.max(step.position);
    }
}

/// The reported outcome is the record's last status.
fn judge_outcome(performance: &Performance<'_>, verdicts: &mut Vec<Verdict>) {
    let Some(end) = performance.path.last() else { return };
    let mut contradicts = |claim: &str| verdicts.push(Verdict { state: end.clone(), claim: claim.to_owned() });
    if performance.outcome.status != Succeeded {
        if performance.outcome.error.as_deref() != Some("OrderUnfinished") {
            contradicts("an execution that fails says OrderUnfinished");
        }
        return;
    }
    let reported = performance.outcome.output.as_deref().and_then(|output| output.get("status")?.as_str());
    let record = performance.answers.iter().rev().find_map(status);
    let ends = [
        (Status::Confirmed, "OrderConfirmed"),
        (Status::Cancelled, "OrderCancelled"),
        (Status::Fulfilled, "OrderFulfilled"),
    ];
    let named = |reported: &str| ends.iter().find(|(status, _)| reported == <&str>::from(status)).map(|(_, end)| *end);
    match reported {
        Some("REFUSED") => {
            let refused = performance.answers.iter().any(|answered| failure(answered).is_some_and(is_refusal));
            if !refused {
                contradicts("an order is refused only if a function refused it");
            }
        }
        Some(status) if named(status).is_some() => {
            if record != Some(status) {
                contradicts("an outcome is reported only if the record says so");
            }
            if named(status) != Some(end) {
                contradicts("the end is named after the outcome that it reports");
            }
        }
        _ => contradicts("an undecided order is not reported as a success"),
    }
}

fn action(answered: &Answered) -> Option<&str> {
    answered.call.as_ref().map(|call| call.action.as_str())
}

fn is_compensation(answered: &Answered) -> bool {
    declarations::steps().iter().any(|(function, step)| calls(answered, &function.name, &step.compensation.name))
}

fn is_fulfilment(answered: &Answered) -> bool {
    let is_consumption = declarations::steps().iter().any(|(function, step)| {
        step.consumption.as_ref().is_some_and(|consumption| calls(answered, &function.name, &consumption.name))
    });
    is_consumption || action(answered) == Some("complete")
}

fn calls(answered: &Answered, function: &str, action: &str) -> bool {
    answered.call.as_ref().is_some_and(|call| call.function == function && call.action == action)
}

/// The status of the record in the state's answer.
fn status(answered: &Answered) -> Option<&str> {
    answered.answer.as_ref().ok().and_then(|payload| payload.get("status")).and_then(Value::as_str)
}

fn failure(answered: &Answered) -> Option<&str> {
    answered.answer.as_ref().err().map(String::as_str)
}

fn is_refusal(error: &str) -> bool {
    refused().any(|name| name == error)
}

fn is_unknown_failure(answered: &Answered) -> bool {
    let is_known = |error: &str| {
        is_refusal(error) || TRANSIENT.contains(&error) || engine::lint::TRANSIENT_LAMBDA_ERRORS.contains(&error)
    };
    failure(answered).is_some_and(|error| !is_known(error))
}
