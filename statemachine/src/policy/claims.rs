//! What no execution of the order saga may contradict, beyond what holds for every saga.

use order::Status;
use serde_json::Value;
use engine::Status::Succeeded;
use engine::lint::{Answered, Performance, Verdict};

use super::{REFUSED, TRANSIENT};

/// What this execution contradicts.
pub(super) fn judge(performance: &Performance<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    judge_outcome(performance, &mut verdicts);
    let mut record: Option<&str> = None;
    for (index, answered) in performance.answers.iter().enumerate() {
        let mut contradicts = |claim: &str| {
            verdicts.push(Verdict { state: answered.state.to_string(), claim: claim.to_owned() });
        };
        // The model of the protocol shows what comes of it otherwise.
        if is_compensation(answered) && record != Some(Status::Cancelling.into()) {
            contradicts("a step is undone only for an order whose record says CANCELLING");
        }
        if record == Some(Status::Confirmed.into()) {
            contradicts("nothing is called for an order that was found confirmed");
        }
        if is_fulfilment(answered) != (record == Some(Status::Fulfilling.into())) {
            contradicts("an order is fulfilled, and nothing else is done to it, if its record says FULFILLING");
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

/// What is reported is what the record said last.
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
        _ => contradicts("what is not decided is not reported as a success"),
    }
}

fn action(answered: &Answered) -> Option<&str> {
    answered.call.as_ref().map(|call| call.action.as_str())
}

fn is_compensation(answered: &Answered) -> bool {
    matches!(action(answered), Some("reverse" | "release"))
}

fn is_fulfilment(answered: &Answered) -> bool {
    matches!(action(answered), Some("consume" | "complete"))
}

/// The status of the record that the state was answered with.
fn status(answered: &Answered) -> Option<&str> {
    answered.answer.as_ref().ok().and_then(|payload| payload.get("status")).and_then(Value::as_str)
}

fn failure(answered: &Answered) -> Option<&str> {
    answered.answer.as_ref().err().map(String::as_str)
}

fn is_refusal(error: &str) -> bool {
    REFUSED.contains(&error)
}

fn is_unknown_failure(answered: &Answered) -> bool {
    let is_known = |error: &str| {
        is_refusal(error) || TRANSIENT.contains(&error) || engine::lint::TRANSIENT_LAMBDA_ERRORS.contains(&error)
    };
    failure(answered).is_some_and(|error| !is_known(error))
}

#[cfg(test)]
mod tests {
    use engine::StateMachine;
    use engine::lint;

    use crate::policy::policy;
    use crate::stack::{DEFINITION, fill};

    /// The claims that the shipped definition contradicts once `from` is replaced by `to`.
    async fn contradicted(from: &str, to: &str) -> Vec<String> {
        assert!(DEFINITION.contains(from), "{from}");
        let definition = fill(&DEFINITION.replacen(from, to, 1)).unwrap();
        let machine = StateMachine::load(&definition).unwrap();
        let findings = lint::check(&machine, &policy()).await.findings;
        let claims = findings.into_iter().filter_map(|finding| match finding.rule {
            lint::Rule::Contradicts { claim, .. } => Some(format!("{}: {claim}", finding.state.unwrap())),
            _ => None,
        });
        claims.collect()
    }

    const STATUS: &str = r#""status": "{% $states.result.Payload.status %}""#;

    #[tokio::test]
    async fn an_outcome_that_the_record_does_not_have_is_found() {
        assert_eq!(
            contradicted(STATUS, r#""status": "CONFIRMED""#).await,
            [
                "OrderConfirmed: what is not decided is not reported as a success",
                "OrderConfirmed: the end is named after the outcome that it reports",
            ]
        );
    }

    #[tokio::test]
    async fn a_roll_back_of_an_order_that_is_not_cancelling_is_found() {
        assert_eq!(
            contradicted(STATUS, r#""status": "CANCELLING""#).await,
            [
                "ReverseAccounting: a step is undone only for an order whose record says CANCELLING",
                "ReleaseInventory: a step is undone only for an order whose record says CANCELLING",
                "ReverseAccounting: nothing is called for an order that was found confirmed",
                "ReleaseInventory: nothing is called for an order that was found confirmed",
                "CloseOrder: nothing is called for an order that was found confirmed",
                "ReverseAccounting: an order is fulfilled, and nothing else is done to it, if its record says FULFILLING",
                "ReleaseInventory: an order is fulfilled, and nothing else is done to it, if its record says FULFILLING",
                "CloseOrder: an order is fulfilled, and nothing else is done to it, if its record says FULFILLING",
            ]
        );
    }

    #[tokio::test]
    async fn a_hand_over_of_an_order_that_is_not_fulfilling_is_found() {
        assert_eq!(
            contradicted(r#""Next": "OrderConfirmed""#, r#""Next": "ConsumeInventory""#).await,
            [
                "ConsumeInventory: nothing is called for an order that was found confirmed",
                "ConsumeInventory: an order is fulfilled, and nothing else is done to it, if its record says FULFILLING",
                "CompleteOrder: nothing is called for an order that was found confirmed",
                "CompleteOrder: an order is fulfilled, and nothing else is done to it, if its record says FULFILLING",
            ]
        );
    }

    #[tokio::test]
    async fn a_failure_to_persist_that_nobody_decides_on_is_found() {
        assert_eq!(
            contradicted(r#""Next": "CancelOrder""#, r#""Next": "OrderUnfinished""#).await,
            ["PersistOrder: an order that could not be persisted is decided against"]
        );
    }
}
