//! Wrong tasks: functions, times, retries and catches.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::lint::{Call, Policy, TRANSIENT_LAMBDA_ERRORS};
use serde_json::json;

use crate::saga::{Saga, policy};

#[test]
fn a_task_needs_a_timeout() {
    let saga = Saga::shipped().without("/States/ReserveInventory/TimeoutSeconds");
    saga.is_refused_for(&[r#"state "ReserveInventory", TimeoutSeconds: is required, and must be a number"#]);
}

#[test]
fn a_timeout_has_to_be_a_number() {
    let saga = Saga::shipped().with("/States/CancelOrder/TimeoutSeconds", json!("{% 4 + 4 %}"));
    saga.is_refused_for(&[r#"state "CancelOrder", TimeoutSeconds: is required, and must be a number"#]);
}

#[test]
fn a_task_must_wait_longer_than_its_function_may_take() {
    let saga = Saga::shipped().with("/States/RollBack/Branches/0/States/ReverseAccounting/TimeoutSeconds", json!(6));
    saga.is_refused_for(&[
        r#"state "ReverseAccounting", TimeoutSeconds: must be more than the 6 s that post-accounting may take, but is 6"#,
    ]);
}

#[test]
fn a_function_has_to_be_one_of_the_projects() {
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:ship-order";
    let saga = Saga::shipped().with("/States/PostAccounting/Arguments/FunctionName", json!(arn));
    saga.is_refused_for(&[
        "state machine, States: no state calls post-accounting post",
        r#"state "PostAccounting", Arguments: the function rejects the payload: it is not one of the project's functions"#,
        r#"state "PostAccounting", Arguments/FunctionName: must name one of the functions persist-order, reserve-inventory, post-accounting, capture-payment"#,
        // Nobody knows whether it is safe to repeat.
        r#"state "PostAccounting", Retry/2/ErrorEquals/0: must not retry States.ALL, which is not transient"#,
    ]);
}

#[test]
fn a_function_is_invoked_by_the_optimised_integration() {
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:persist-order";
    let saga = Saga::shipped().with("/States/ConfirmOrder/Resource", json!(arn));
    saga.is_refused_for(&[r#"state "ConfirmOrder", Resource: must be "arn:aws:states:::lambda:invoke""#]);
}

#[test]
fn an_action_that_the_function_does_not_have_is_refused() {
    let saga = Saga::shipped().with("/States/CloseOrder/Arguments/Payload/action", json!("shut"));
    saga.is_refused_for(&[
        r#"state "CloseOrder", Arguments: persist-order shut rejects the payload: there is no action "shut""#,
    ]);
}

/// The retrier of transient errors, on the way forward and elsewhere.
const FORWARD: &str = "/States/PostAccounting/Retry/1";
const ELSEWHERE: &str = "/States/CloseOrder/Retry/0";

/// Even where a later wildcard would allow one attempt.
#[test]
fn every_transient_error_is_retried() {
    for (retrier, state) in [(FORWARD, "PostAccounting"), (ELSEWHERE, "CloseOrder")] {
        let saga = Saga::shipped().without(&format!("{retrier}/ErrorEquals/5"));
        saga.is_refused_for(&[&format!("state {state:?}, Retry: must retry Lambda.TooManyRequestsException")]);
        let saga = Saga::shipped().with(&format!("{retrier}/MaxAttempts"), json!(0));
        let errors = [TRANSIENT_LAMBDA_ERRORS.as_slice(), &["Unavailable"]].concat().join(", ");
        saga.is_refused_for(&[&format!("state {state:?}, Retry: must retry {errors}")]);
    }
}

#[test]
fn a_final_error_is_not_retried() {
    let saga = Saga::shipped().with("/States/ReserveInventory/Retry/1/ErrorEquals/0", json!("OutOfStock"));
    let saga = saga.without("/States/ReserveInventory/Retry/0/ErrorEquals/0");
    saga.is_refused_for(&[
        r#"state "ReserveInventory", Retry: must retry Unavailable"#,
        r#"state "ReserveInventory", Retry/1/ErrorEquals/0: must not retry OutOfStock, which is not transient"#,
    ]);
    // One attempt is one too many.
    let saga = Saga::shipped()
        .with("/States/PersistOrder/Retry/0/MaxAttempts", json!(1))
        .with("/States/PersistOrder/Retry/0/JitterStrategy", json!("FULL"));
    let rule = |position: u8, error: &str| {
        format!(
            "state \"PersistOrder\", Retry/0/ErrorEquals/{position}: must not retry {error}, which is not transient"
        )
    };
    saga.is_refused_under(
        &Policy { max_path: Duration::from_secs(270), ..policy() },
        &[&rule(0, "IdempotencyConflict"), &rule(1, "InvalidOrder"), &rule(2, "InvalidOutput")],
    );
}

#[test]
fn a_wildcard_does_not_repeat_a_refusal() {
    let rule = |retrier: u8, errors: &str| {
        format!(
            "state \"ReserveInventory\", Retry/{retrier}/ErrorEquals: must come after a retrier with MaxAttempts 0 that \
             names {errors}, or it repeats these refusals"
        )
    };
    let saga = Saga::shipped().without("/States/ReserveInventory/Retry/0/ErrorEquals/0");
    saga.is_refused_for(&[&rule(2, "OutOfStock")]);
    let saga = Saga::shipped().without("/States/ReserveInventory/Retry/0");
    saga.is_refused_for(&[&rule(
        1,
        "AlreadyConsumed, InvalidOrder, InvalidOutput, NotApplied, OtherContent, OutOfStock, SagaCancelled, UnknownSku",
    )]);
}

/// The first retrier that matches decides, so a retrier after a wildcard keeps nothing from it.
#[test]
fn the_retrier_of_refusals_comes_before_the_wildcard() {
    let path = "/States/PersistOrder/Retry";
    let finals = json!({"ErrorEquals": ["IdempotencyConflict", "InvalidOrder", "InvalidOutput"], "MaxAttempts": 0});
    let failed = json!({"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 1, "JitterStrategy": "FULL"});
    let transient = Saga::shipped().at(&format!("{path}/1"));
    let unknown = Saga::shipped().at(&format!("{path}/2"));
    let saga = Saga::shipped().with(path, json!([transient, failed, finals, unknown]));
    saga.is_refused_under(
        &Policy { max_path: Duration::from_secs(270), ..policy() },
        &[
            "state \"PersistOrder\", Retry/1/ErrorEquals/0: must not retry States.TaskFailed, which is not transient",
            "state \"PersistOrder\", Retry/1/ErrorEquals: must come after a retrier with MaxAttempts 0 that names \
             IdempotencyConflict, InvalidOrder, InvalidOutput, or it repeats these refusals",
            "state \"PersistOrder\", Retry: must retry Lambda.Unknown, Runtime.ExitError, \
             Runtime.Unknown, Sandbox.Timedout with States.ALL, because persist-order persist is safe to repeat",
        ],
    );
}

#[test]
fn a_call_that_is_safe_to_repeat_is_retried_once_after_an_unknown_failure() {
    const CALLS: [(&str, &str); 4] = [
        ("PersistOrder", "persist-order persist"),
        ("ReserveInventory", "reserve-inventory reserve"),
        ("PostAccounting", "post-accounting post"),
        ("CapturePayment", "capture-payment capture"),
    ];
    for (state, call) in CALLS {
        let saga = Saga::shipped().without(&format!("/States/{state}/Retry/2"));
        saga.is_refused_for(&[&format!(
            "state {state:?}, Retry: must retry States.Timeout, Lambda.Unknown, Runtime.ExitError, \
             Runtime.Unknown, Sandbox.Timedout with States.ALL, because {call} is safe to repeat"
        )]);
        // An earlier retrier keeps it from the wildcard.
        let saga = Saga::shipped().with(&format!("/States/{state}/Retry/0/ErrorEquals/0"), json!("States.Timeout"));
        let found = saga.found(&policy());
        let rule = format!(
            "state {state:?}, Retry: must retry States.Timeout with States.ALL, because {call} is safe to repeat"
        );
        assert!(found.contains(&rule), "{found:?}");
    }
}

#[test]
fn an_unknown_failure_is_retried_exactly_once() {
    let attempts = "/States/PostAccounting/Retry/2/MaxAttempts";
    let rule = |found: u8| {
        format!(
            "state \"PostAccounting\", Retry/2/MaxAttempts: must be 1 but is {found}: an unknown failure is retried exactly once"
        )
    };
    Saga::shipped().with(attempts, json!(0)).is_refused_for(&[&rule(0)]);
    Saga::shipped()
        .with(attempts, json!(2))
        .with("/States/PostAccounting/Retry/2/MaxDelaySeconds", json!(4))
        .is_refused_under(&Policy { max_path: Duration::from_secs(270), ..policy() }, &[&rule(2)]);
}

/// A policy with a wrong call would check nothing.
#[test]
fn a_repeatable_call_has_to_be_made() {
    let mut policy = policy();
    policy.repeatable.insert(Call::new("persist-order", "store"));
    Saga::shipped().is_refused_under(&policy, &["state machine, States: no state calls persist-order store"]);
}

/// The call may still run, or may have been refused.
#[test]
fn nothing_but_a_repeatable_call_is_retried_after_an_unknown_failure() {
    let saga = Saga::shipped().with("/States/ConfirmOrder/Retry/0/ErrorEquals", json!(["States.ALL"]));
    saga.is_refused_for(&[
        r#"state "ConfirmOrder", Retry/0/ErrorEquals/0: must not retry States.ALL, which is not transient"#,
        "state \"ConfirmOrder\", Retry/0/ErrorEquals: must come after a retrier with MaxAttempts 0 that names \
         IdempotencyConflict, InvalidOrder, InvalidOutput, or it repeats these refusals",
    ]);
    for unknown in ["States.Timeout", "Lambda.Unknown", "Sandbox.Timedout", "Lambda.InvalidRequestContentException"] {
        let saga = Saga::shipped().with("/States/ConfirmOrder/Retry/0/ErrorEquals/0", json!(unknown));
        saga.is_refused_for(&[
            r#"state "ConfirmOrder", Retry: must retry Unavailable"#,
            &format!("state \"ConfirmOrder\", Retry/0/ErrorEquals/0: must not retry {unknown}, which is not transient"),
        ]);
    }
}

#[test]
fn retries_back_off_have_a_cap_and_are_spread() {
    let saga = Saga::shipped()
        .with("/States/CloseOrder/Retry/0/BackoffRate", json!(1))
        .without("/States/CloseOrder/Retry/0/MaxDelaySeconds")
        .with("/States/CloseOrder/Retry/0/JitterStrategy", json!("NONE"));
    saga.is_refused_for(&[
        r#"state "CloseOrder", Retry/0/BackoffRate: must be more than 1, so that retries back off"#,
        r#"state "CloseOrder", Retry/0/MaxDelaySeconds: is required, so that the delay has a bound"#,
        r#"state "CloseOrder", Retry/0/JitterStrategy: must be "FULL", so that executions that failed together do not retry together"#,
    ]);
}

/// The shipped definition gives it neither a rate nor a cap, and retriers without attempts no jitter.
#[test]
fn a_single_retry_has_nothing_to_back_off_from_and_is_spread() {
    let saga = Saga::shipped().with("/States/PostAccounting/Retry/2/BackoffRate", json!(1));
    assert_eq!(saga.found(&policy()), BTreeSet::new());
    saga.without("/States/PostAccounting/Retry/2/JitterStrategy").is_refused_for(&[
        r#"state "PostAccounting", Retry/2/JitterStrategy: must be "FULL", so that executions that failed together do not retry together"#,
    ]);
}

#[test]
fn a_task_and_a_parallel_catch_everything() {
    let saga = Saga::shipped().with("/States/ConfirmOrder/Catch/0/ErrorEquals", json!(["Unavailable"]));
    saga.is_refused_for(&[
        r#"state "ConfirmOrder", Catch: must catch IdempotencyConflict, InvalidOrder, InvalidOutput, which the function can return"#,
        r#"state "ConfirmOrder", Catch: the last catcher must catch States.ALL and nothing else"#,
        r#"state "ConfirmOrder", Catch: ends the execution with States.Timeout on the path PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder"#,
        r#"state "ConfirmOrder", Catch: ends the execution with Lambda.ClientExecutionTimeoutException on the path PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder"#,
        r#"state "ConfirmOrder", Catch: ends the execution with IdempotencyConflict on the path PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder"#,
    ]);
    let saga = Saga::shipped().without("/States/RollBack/Catch");
    saga.is_refused_for(&[r#"state "RollBack", Catch: the last catcher must catch States.ALL and nothing else"#]);
}

#[test]
fn an_error_name_has_to_be_one_that_the_function_returns() {
    // Of another function, and misspelt.
    let names = json!(["OutOfStock", "CreditLimitExceded"]);
    let saga = Saga::shipped().with("/States/PostAccounting/Catch/0/ErrorEquals", names);
    saga.is_refused_for(&[
        r#"state "PostAccounting", Catch/0/ErrorEquals/0: OutOfStock is neither an AWS error nor one that post-accounting can return"#,
        r#"state "PostAccounting", Catch/0/ErrorEquals/1: CreditLimitExceded is neither an AWS error nor one that post-accounting can return"#,
        r#"state "PostAccounting", Catch: Lambda.ClientExecutionTimeoutException is transient and must leave the saga open, but cancels it on the path PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CancelOrder → FollowDecision → RollBack → ReverseAccounting → ReleaseInventory → CheckRefund → NoRefund → CheckRollBack → CloseOrder → OrderCancelled"#,
    ]);
}

#[test]
fn an_error_that_cannot_be_caught_is_not_named() {
    let saga = Saga::shipped().with("/States/ReserveInventory/Catch/0/ErrorEquals/1", json!("States.Runtime"));
    let path = "PersistOrder → JoinSaga → ReserveInventory → CancelOrder → FollowDecision → RollBack → \
                ReverseAccounting → ReleaseInventory → CheckRefund → NoRefund → CheckRollBack → CloseOrder → \
                OrderCancelled";
    saga.is_refused_for(&[
        r#"state "ReserveInventory", Catch/0/ErrorEquals/1: States.Runtime always ends the execution: it is never retried or caught"#,
        &format!(
            "state \"ReserveInventory\", Catch: Lambda.ClientExecutionTimeoutException is transient and must leave \
             the saga open, but cancels it on the path {path}"
        ),
    ]);
}
