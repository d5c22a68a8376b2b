//! The order saga's definition, a policy for these tests, and edits that break rules.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use engine::lint::{self, Call, Function, Policy, Recovery, Rehearsal, Report, Step, Won};
use engine::{StateMachine, fill};
use serde_json::{Value, json};

const DEFINITION: &str = include_str!("../../../../statemachine/order-saga.asl.json");

/// The shipped definition, with edits.
#[derive(Debug, Clone)]
pub struct Saga(Value);

impl Saga {
    pub fn shipped() -> Self {
        let functions = |placeholder: &str| {
            let name = match placeholder {
                "PersistOrderFunctionArn" => "persist-order",
                "ReserveInventoryFunctionArn" => "reserve-inventory",
                "PostAccountingFunctionArn" => "post-accounting",
                "CapturePaymentFunctionArn" => "capture-payment",
                _ => return None,
            };
            Some(format!("arn:aws:lambda:us-east-1:000000000000:function:{name}"))
        };
        Self(serde_json::from_str(&fill(DEFINITION, functions).unwrap()).unwrap())
    }

    /// With another value at a JSON pointer to a member, which may be new.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = self.0.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent}"));
        match parent {
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
            parent => parent[name] = value,
        }
        self
    }

    /// The value at a JSON pointer.
    pub fn at(&self, pointer: &str) -> Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("there is no {pointer}")).clone()
    }

    /// Without the value at a JSON pointer.
    pub fn without(mut self, pointer: &str) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let removed = match self.0.pointer_mut(parent) {
            Some(Value::Object(members)) => members.remove(name),
            Some(Value::Array(items)) => Some(items.remove(name.parse().unwrap())),
            _ => None,
        };
        assert!(removed.is_some(), "there is no {pointer}");
        self
    }

    pub async fn check(&self, policy: &Policy) -> Report {
        let machine = StateMachine::load(&self.0.to_string()).unwrap_or_else(|error| panic!("{error}"));
        lint::check(&machine, policy).await
    }

    /// Asserts that it is refused with exactly these findings, in any order.
    #[track_caller]
    pub fn is_refused_for(&self, expected: &[&str]) {
        self.is_refused_under(&policy(), expected);
    }

    #[track_caller]
    pub fn is_refused_under(&self, policy: &Policy, expected: &[&str]) {
        let found = self.found(policy);
        let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "\nfound:\n{}\n", found.iter().cloned().collect::<Vec<_>>().join("\n"));
        assert!(!found.is_empty());
    }

    /// The findings that it is refused with.
    pub fn found(&self, policy: &Policy) -> BTreeSet<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let report = runtime.block_on(self.check(policy));
        assert_eq!(report.passes(), report.findings.is_empty());
        report.findings.iter().map(ToString::to_string).collect()
    }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

/// The errors of every function that serves tasks.
const SERVING_ERRORS: [&str; 3] = ["InvalidOrder", "InvalidOutput", "Unavailable"];

/// The errors of every step, besides its own refusals.
const STEP_ERRORS: [&str; 4] = ["AlreadyConsumed", "NotApplied", "OtherContent", "SagaCancelled"];

fn function(name: &str, errors: &[&str]) -> Function {
    let errors = names(&[errors, &SERVING_ERRORS].concat());
    Function { name: name.to_owned(), timeout: Duration::from_secs(6), errors }
}

fn step_function(name: &str, refusals: &[&str]) -> Function {
    function(name, &[refusals, &STEP_ERRORS].concat())
}

/// The policy, with orders that need every step but the conditional one.
pub fn policy() -> Policy {
    policy_on_terms("PREPAID")
}

/// The policy, with orders on these payment terms. `AUTHORIZED` ones need every step.
pub fn policy_on_terms(payment_terms: &'static str) -> Policy {
    Policy {
        functions: vec![
            function("persist-order", &["IdempotencyConflict"]),
            step_function("reserve-inventory", &["OutOfStock", "UnknownSku"]),
            step_function(
                "post-accounting",
                &["AccountOnHold", "CreditLimitExceeded", "CurrencyMismatch", "UnknownAccount"],
            ),
            step_function(
                "capture-payment",
                &["PaymentDeclined", "PaymentMismatch", "PaymentNotAuthorized", "UndoRefused"],
            ),
        ],
        transient: names(&["Unavailable"]),
        refused: names(&["IdempotencyConflict", "InvalidOrder"]),
        steps: vec![
            Step {
                action: Call::new("reserve-inventory", "reserve"),
                compensation: Call::new("reserve-inventory", "release"),
                only_if: None,
            },
            Step {
                action: Call::new("post-accounting", "post"),
                compensation: Call::new("post-accounting", "reverse"),
                only_if: None,
            },
            Step {
                action: Call::new("capture-payment", "capture"),
                compensation: Call::new("capture-payment", "refund"),
                only_if: Some("$order.payment_terms = 'AUTHORIZED'".to_owned()),
            },
        ],
        repeatable: BTreeSet::from([
            Call::new("persist-order", "persist"),
            Call::new("reserve-inventory", "reserve"),
            Call::new("post-accounting", "post"),
            Call::new("capture-payment", "capture"),
        ]),
        decide: Call::new("persist-order", "cancel"),
        won: Won { variable: "status".to_owned(), value: "CANCELLING".to_owned() },
        cancelled_ends: names(&["OrderCancelled"]),
        recovery: Recovery { after: Duration::from_mins(5), clock_skew: Duration::from_secs(30) },
        max_path: Duration::from_mins(4),
        max_payload_bytes: 128 * 1024,
        rehearsal: Rehearsal {
            inputs: vec![json!({"order_id": "o-1", "order": {"lines": []}}), json!({"order_id": "o-1"})],
            answers: Box::new(move |call, _| answers(call, payment_terms)),
            judge: Box::new(|_| Vec::new()),
        },
    }
}

fn answers(call: &Call, terms: &str) -> Result<Vec<Arc<Value>>, String> {
    let records = |statuses: &[&str]| {
        let order = json!({"order_id": "o-1", "store_id": "main", "payment_terms": terms, "lines": []});
        let with_status = |status: &&str| {
            let mut record = order.clone();
            record["status"] = json!(status);
            Arc::new(record)
        };
        Ok(statuses.iter().map(with_status).collect())
    };
    match (call.function.as_str(), call.action.as_str()) {
        ("persist-order", "persist") => {
            records(&["PENDING", "CONFIRMED", "CANCELLING", "CANCELLED", "FULFILLING", "FULFILLED"])
        }
        ("persist-order", "confirm") => records(&["CONFIRMED", "CANCELLING", "CANCELLED", "FULFILLING", "FULFILLED"]),
        ("persist-order", "cancel") => records(&["CANCELLING", "CONFIRMED", "CANCELLED", "FULFILLING", "FULFILLED"]),
        ("persist-order", "close") => records(&["CANCELLED"]),
        ("persist-order", "complete") => records(&["FULFILLED"]),
        ("persist-order", "park") => records(&["CANCELLING", "FULFILLING"]),
        ("reserve-inventory", "reserve" | "release" | "consume")
        | ("post-accounting", "post" | "reverse")
        | ("capture-payment", "capture" | "refund" | "collect") => {
            Ok(vec![Arc::new(json!({"at_ms": 1, "effect": "APPLIED"}))])
        }
        _ => Err(format!("there is no action {:?}", call.action)),
    }
}
