//! Wrong tasks: functions, times, retries and catches.

use serde_json::json;

use crate::saga::Saga;

#[test]
fn a_task_needs_a_timeout() {
    let saga = Saga::shipped().without("/States/ReserveInventory/TimeoutSeconds");
    saga.is_refused_for(&[r#"state "ReserveInventory", TimeoutSeconds: must be there, and a number"#]);
}

#[test]
fn a_timeout_has_to_be_a_number() {
    let saga = Saga::shipped().with("/States/CancelOrder/TimeoutSeconds", json!("{% 4 + 4 %}"));
    saga.is_refused_for(&[r#"state "CancelOrder", TimeoutSeconds: must be there, and a number"#]);
}

#[test]
fn a_task_must_wait_longer_than_its_function_may_take() {
    let saga = Saga::shipped().with("/States/RollBack/Branches/0/States/ReverseAccounting/TimeoutSeconds", json!(6));
    saga.is_refused_for(&[
        r#"state "ReverseAccounting", TimeoutSeconds: must be more than the 6 s that post-accounting may take, and is 6"#,
    ]);
}

#[test]
fn a_function_has_to_be_one_of_the_projects() {
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:ship-order";
    let saga = Saga::shipped().with("/States/PostAccounting/Arguments/FunctionName", json!(arn));
    saga.is_refused_for(&[
        "state machine, States: no state calls post-accounting post",
        r#"state "PostAccounting", Arguments: the function does not take it: it is none of the project's functions"#,
        r#"state "PostAccounting", Arguments/FunctionName: must name one of the functions persist-order, reserve-inventory, post-accounting"#,
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
        r#"state "CloseOrder", Arguments: persist-order shut does not take it: there is no action "shut""#,
    ]);
}

#[test]
fn every_transient_error_is_retried() {
    let saga = Saga::shipped().without("/States/PostAccounting/Retry/0/ErrorEquals/5");
    saga.is_refused_for(&[r#"state "PostAccounting", Retry: must retry Lambda.TooManyRequestsException"#]);
    let saga = Saga::shipped().with("/States/PostAccounting/Retry/0/MaxAttempts", json!(0));
    saga.is_refused_for(&["state \"PostAccounting\", Retry: must retry Lambda.ClientExecutionTimeoutException, \
         Lambda.ServiceException, Lambda.AWSLambdaException, Lambda.SdkClientException, \
         Lambda.TooManyRequestsException, Unavailable"]);
}

#[test]
fn a_final_error_is_not_retried() {
    let saga = Saga::shipped().with("/States/ReserveInventory/Retry/0/ErrorEquals/0", json!("OutOfStock"));
    saga.is_refused_for(&[
        r#"state "ReserveInventory", Retry: must retry Unavailable"#,
        r#"state "ReserveInventory", Retry/0/ErrorEquals/0: must not retry OutOfStock, which is not transient"#,
    ]);
}

#[test]
fn a_wildcard_and_a_timeout_are_not_retried() {
    let saga = Saga::shipped().with("/States/ConfirmOrder/Retry/0/ErrorEquals", json!(["States.ALL"]));
    saga.is_refused_for(&[
        r#"state "ConfirmOrder", Retry/0/ErrorEquals/0: must not retry States.ALL, which is not transient"#,
    ]);
    let saga = Saga::shipped().with("/States/ConfirmOrder/Retry/0/ErrorEquals/0", json!("States.Timeout"));
    saga.is_refused_for(&[
        r#"state "ConfirmOrder", Retry: must retry Unavailable"#,
        r#"state "ConfirmOrder", Retry/0/ErrorEquals/0: must not retry States.Timeout, which is not transient"#,
    ]);
}

#[test]
fn retries_back_off_have_a_cap_and_are_spread() {
    let saga = Saga::shipped()
        .with("/States/CloseOrder/Retry/0/BackoffRate", json!(1))
        .without("/States/CloseOrder/Retry/0/MaxDelaySeconds")
        .with("/States/CloseOrder/Retry/0/JitterStrategy", json!("NONE"));
    saga.is_refused_for(&[
        r#"state "CloseOrder", Retry/0/BackoffRate: must be more than 1, so that retries back off"#,
        r#"state "CloseOrder", Retry/0/MaxDelaySeconds: must be there, so that the delay has a bound"#,
        r#"state "CloseOrder", Retry/0/JitterStrategy: must be "FULL", so that executions that failed together do not retry together"#,
    ]);
}

#[test]
fn a_task_and_a_parallel_catch_everything() {
    let saga = Saga::shipped().with("/States/ConfirmOrder/Catch/0/ErrorEquals", json!(["Unavailable"]));
    saga.is_refused_for(&[
        r#"state "ConfirmOrder", Catch: must catch IdempotencyConflict, InvalidOrder, which the function can return"#,
        r#"state "ConfirmOrder", Catch: the last catcher must catch States.ALL, alone"#,
        r#"state "ConfirmOrder", Catch: ends the execution with States.Timeout on the path PersistOrder → JoinSaga → ReserveInventory → PostAccounting → ConfirmOrder"#,
        r#"state "ConfirmOrder", Catch: ends the execution with Lambda.ClientExecutionTimeoutException on the path PersistOrder → JoinSaga → ReserveInventory → PostAccounting → ConfirmOrder"#,
        r#"state "ConfirmOrder", Catch: ends the execution with IdempotencyConflict on the path PersistOrder → JoinSaga → ReserveInventory → PostAccounting → ConfirmOrder"#,
    ]);
    let saga = Saga::shipped().without("/States/RollBack/Catch");
    saga.is_refused_for(&[r#"state "RollBack", Catch: the last catcher must catch States.ALL, alone"#]);
}

#[test]
fn an_error_name_has_to_be_one_that_the_function_returns() {
    // Of another function, and misspelt.
    let names = json!(["OutOfStock", "CreditLimitExceded"]);
    let saga = Saga::shipped().with("/States/PostAccounting/Catch/0/ErrorEquals", names);
    saga.is_refused_for(&[
        r#"state "PostAccounting", Catch/0/ErrorEquals/0: OutOfStock is neither an error of AWS's nor one that post-accounting can return"#,
        r#"state "PostAccounting", Catch/0/ErrorEquals/1: CreditLimitExceded is neither an error of AWS's nor one that post-accounting can return"#,
        r#"state "PostAccounting", Catch: Lambda.ClientExecutionTimeoutException is transient and must leave the saga open, but cancels it on the path PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CancelOrder → FollowDecision → RollBack → ReverseAccounting → ReleaseInventory → CheckRollBack → CloseOrder → OrderCancelled"#,
    ]);
}

#[test]
fn what_cannot_be_caught_is_not_named() {
    let saga = Saga::shipped().with("/States/ReserveInventory/Catch/0/ErrorEquals/1", json!("States.Runtime"));
    let path = "PersistOrder → JoinSaga → ReserveInventory → CancelOrder → FollowDecision → RollBack → \
                ReverseAccounting → ReleaseInventory → CheckRollBack → CloseOrder → OrderCancelled";
    saga.is_refused_for(&[
        r#"state "ReserveInventory", Catch/0/ErrorEquals/1: States.Runtime ends an execution, whatever is written"#,
        &format!(
            "state \"ReserveInventory\", Catch: Lambda.ClientExecutionTimeoutException is transient and must leave \
             the saga open, but cancels it on the path {path}"
        ),
    ]);
}
