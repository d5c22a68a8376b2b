//! Wrong wholes: loops, variables, time and payloads.

use std::time::Duration;

use engine::lint::Verdict;
use serde_json::json;

use crate::saga::{Saga, policy};

#[test]
fn a_loop_is_refused() {
    let saga = Saga::shipped().with("/States/FollowDecision/Default", json!("CancelOrder"));
    let saga = saga.with("/States/FollowDecision/Assign", json!({"failure": {}}));
    saga.is_refused_for(&[
        r#"state "CancelOrder", Next: must not lead back: FollowDecision → CancelOrder → FollowDecision"#,
    ]);
}

/// The others on the way to `CancelOrder` assign it, this catcher does not.
#[test]
fn a_variable_is_assigned_on_every_path_before_it_is_read() {
    let saga = Saga::shipped().without("/States/PersistOrder/Catch/2/Assign/orderId");
    let handed_over = "PersistOrder → CancelOrder → FollowDecision";
    let path = "PersistOrder → CancelOrder → FollowDecision → RollBack";
    let rule = |state: &str, field: &str, path: &str| {
        format!("state {state:?}, {field}: $orderId is not assigned on the path {path}")
    };
    saga.is_refused_for(&[
        &rule("CancelOrder", "Arguments/Payload/order_id", "PersistOrder → CancelOrder"),
        &rule("ConsumeInventory", "Arguments/Payload/order_id", &format!("{handed_over} → ConsumeInventory")),
        &rule(
            "CompleteOrder",
            "Arguments/Payload/order_id",
            &format!("{handed_over} → ConsumeInventory → CompleteOrder"),
        ),
        &rule("CloseOrder", "Arguments/Payload/order_id", &format!("{path} → CheckRollBack → CloseOrder")),
        &rule("OrderRefused", "Output/order_id", "PersistOrder → CancelOrder → OrderRefused"),
        // In a branch the path is the branch's own.
        &rule("ReverseAccounting", "Arguments/Payload/order_id", "ReverseAccounting"),
        &rule("ReleaseInventory", "Arguments/Payload/order_id", "ReleaseInventory"),
    ]);
}

/// What a state assigns is there in the next one, not in its own catcher nor in itself.
#[test]
fn a_catch_sees_only_what_was_assigned_before() {
    let saga = Saga::shipped().with("/States/PostAccounting/Catch/1/Assign/order", json!("{% $posting %}"));
    let rule = "$posting is not assigned on the path PersistOrder → JoinSaga → ReserveInventory → PostAccounting";
    let path = "PersistOrder → JoinSaga → ReserveInventory → PostAccounting";
    saga.is_refused_for(&[
        &format!("state \"PostAccounting\", Catch/1/Assign/order: {rule}"),
        &format!(
            "state \"PostAccounting\", Catch/1/Assign/order: ends the execution with States.QueryEvaluationError on the path {path}"
        ),
        &format!(
            "state \"PostAccounting\", Catch: States.Timeout must lead to persist-order cancel, and does not on the path {path}"
        ),
    ]);
}

/// What a branch assigns stays in it.
#[test]
fn a_variable_of_a_branch_is_not_there_after_it() {
    let saga = Saga::shipped()
        .with("/States/RollBack/Branches/0/States/ReverseAccounting/Assign", json!({"reversed": true}))
        .with("/States/CheckRollBack/Choices/0/Condition", json!("{% $undone and $reversed %}"));
    saga.is_refused_for(&["state \"CheckRollBack\", Choices/0/Condition: $reversed is not assigned on the path \
         PersistOrder → JoinSaga → RollBack → CheckRollBack"]);
}

#[test]
fn the_longest_path_stays_under_the_time_limit() {
    let saga = Saga::shipped().with("/TimeoutSeconds", json!(234));
    saga.is_refused_for(&[
        "state machine, TimeoutSeconds: must be more than the 234 s that the path PersistOrder → JoinSaga → \
         ReserveInventory → PostAccounting → CancelOrder → FollowDecision → RollBack → CheckRollBack → CloseOrder → \
         OrderCancelled can take, and is 234",
    ]);
}

/// Two retriers can both be used up in one visit.
#[test]
fn the_attempts_of_all_retriers_count() {
    let retrier = |errors: &[&str]| {
        json!({"ErrorEquals": errors, "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 3,
               "MaxDelaySeconds": 4, "JitterStrategy": "FULL"})
    };
    let aws = [
        "ClientExecutionTimeoutException",
        "ServiceException",
        "AWSLambdaException",
        "SdkClientException",
        "TooManyRequestsException",
    ]
    .map(|name| format!("Lambda.{name}"));
    let aws: Vec<&str> = aws.iter().map(String::as_str).collect();
    let retry = json!([retrier(&["Unavailable"]), retrier(&aws)]);
    let saga = Saga::shipped()
        .with("/States/CloseOrder/Retry", retry.clone())
        .with("/States/RollBack/Branches/1/States/ReleaseInventory/Retry", retry);
    saga.is_refused_for(&[
        // Four times 39 s, and twice 7 × 8 s + 14 s.
        "state machine, TimeoutSeconds: must be more than the 296 s that the path PersistOrder → JoinSaga → \
         ReserveInventory → PostAccounting → CancelOrder → FollowDecision → RollBack → CheckRollBack → CloseOrder → \
         OrderCancelled can take, and is 270",
    ]);
}

#[test]
fn the_machine_has_a_time_limit_below_that_of_express() {
    Saga::shipped().without("/TimeoutSeconds").is_refused_for(&[
        "state machine, TimeoutSeconds: must be there, so that recovery knows when the execution is over",
    ]);
    let mut policy = policy();
    policy.recovery.after = Duration::from_mins(6);
    Saga::shipped().with("/TimeoutSeconds", json!(300)).is_refused_under(
        &policy,
        &["state machine, TimeoutSeconds: must be less than the 300 s that Express has, and is 300"],
    );
}

#[test]
fn recovery_does_not_come_before_the_execution_is_over() {
    Saga::shipped().with("/TimeoutSeconds", json!(271)).is_refused_for(&[
        "state machine, TimeoutSeconds: is 271; with 30 s for clocks that differ that is past the 300 s after which recovery acts",
    ]);
}

#[test]
fn a_wait_has_a_bound() {
    let wait = json!({"Type": "Wait", "Seconds": "{% $order.delay_s %}", "Next": "CloseOrder"});
    let saga =
        Saga::shipped().with("/States/CoolDown", wait).with("/States/CheckRollBack/Choices/0/Next", json!("CoolDown"));
    saga.is_refused_for(&[r#"state "CoolDown", Seconds: must be a number, so that the wait has a bound"#]);
    let wait = json!({"Type": "Wait", "Seconds": 36, "Next": "CloseOrder"});
    saga.with("/States/CoolDown", wait).is_refused_for(&[
        "state machine, TimeoutSeconds: must be more than the 270 s that the path PersistOrder → JoinSaga → \
         ReserveInventory → PostAccounting → CancelOrder → FollowDecision → RollBack → CheckRollBack → CoolDown → \
         CloseOrder → OrderCancelled can take, and is 270",
    ]);
}

/// The loader takes it, for the language does. The rehearsals come upon it as well.
#[test]
fn a_choice_has_a_default() {
    let saga = Saga::shipped().without("/States/CheckRollBack/Default");
    saga.is_refused_for(&[
        r#"state "CheckRollBack", Default: must be there, so that the Choice cannot fail for want of a match"#,
        "state \"ReleaseInventory\", Catch: ends the execution with States.NoChoiceMatched on the path PersistOrder → \
         JoinSaga → ReserveInventory → PostAccounting → ConfirmOrder → FollowDecision → RollBack → ReverseAccounting → \
         ReleaseInventory → LeaveInventory → CheckRollBack",
        "state \"ReverseAccounting\", Catch: ends the execution with States.NoChoiceMatched on the path PersistOrder → \
         JoinSaga → ReserveInventory → PostAccounting → ConfirmOrder → FollowDecision → RollBack → ReverseAccounting → \
         LeaveAccounting → ReleaseInventory → CheckRollBack",
    ]);
}

#[test]
fn a_map_has_no_bound() {
    let processor = json!({"StartAt": "Nothing", "States": {"Nothing": {"Type": "Succeed"}}});
    let map = json!({
        "Type": "Map",
        "Items": [1],
        "ItemProcessor": processor,
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "CloseOrder"}],
        "Next": "CloseOrder",
    });
    let saga = Saga::shipped().with("/States/Each", map).with("/States/CheckRollBack/Choices/0/Next", json!("Each"));
    saga.is_refused_for(&[
        r#"state "Each", Type: must not be a Map, whose iterations have no bound that the definition shows"#,
    ]);
}

#[test]
fn payloads_stay_under_the_limit_of_step_functions() {
    let both = json!({"first": "{% $states.result %}", "again": "{% $states.result %}"});
    let saga = Saga::shipped().with("/States/RollBack/Output", both);
    saga.is_refused_for(&[
        "state \"RollBack\", Output: its output can be 393593 bytes, of 262144 allowed, on the path PersistOrder → \
         JoinSaga → ReserveInventory → PostAccounting → ConfirmOrder → FollowDecision → RollBack → ReverseAccounting → \
         LeaveAccounting → ReleaseInventory → LeaveInventory",
    ]);
}

#[test]
fn payloads_stay_under_the_limit_of_the_policy() {
    let mut policy = policy();
    policy.payload_limit_bytes = 98_500;
    Saga::shipped().is_refused_under(
        &policy,
        &[
            "state \"CancelOrder\", Arguments: its arguments can be 98553 bytes, of 98500 allowed, on the path \
             PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CancelOrder",
            "state \"RollBack\", Output: its output can be 196787 bytes, of 98500 allowed, on the path PersistOrder → \
             JoinSaga → ReserveInventory → PostAccounting → ConfirmOrder → FollowDecision → RollBack → \
             ReverseAccounting → LeaveAccounting → ReleaseInventory → LeaveInventory",
        ],
    );
}

#[test]
fn an_expression_that_fails_where_nothing_catches_it_is_found() {
    let saga = Saga::shipped().with("/States/RollBack/Assign/undone", json!("{% 'yes' %}"));
    saga.is_refused_for(&[
        "state \"CheckRollBack\", Choices/0/Condition: ends the execution with States.QueryEvaluationError on the path \
         PersistOrder → JoinSaga → ReserveInventory → PostAccounting → ConfirmOrder → FollowDecision → RollBack → \
         ReverseAccounting → ReleaseInventory → CheckRollBack",
    ]);
}

#[test]
fn the_projects_own_claims_are_checked_on_every_execution() {
    let mut policy = policy();
    policy.rehearsal.judge = Box::new(|performance| {
        let end = performance.path.last().cloned().unwrap_or_default();
        let claim = "every order is confirmed".to_owned();
        if end == "OrderConfirmed" { Vec::new() } else { vec![Verdict { state: end, claim }] }
    });
    let claim = |end: &str, path: &str| format!("state {end:?}: every order is confirmed, but not on the path {path}");
    Saga::shipped().is_refused_under(
        &policy,
        &[
            &claim(
                "OrderCancelled",
                "PersistOrder → JoinSaga → ReserveInventory → PostAccounting → ConfirmOrder → FollowDecision → RollBack → \
                 ReverseAccounting → ReleaseInventory → CheckRollBack → CloseOrder → OrderCancelled",
            ),
            &claim(
                "OrderFulfilled",
                "PersistOrder → JoinSaga → ReserveInventory → PostAccounting → ConfirmOrder → FollowDecision → \
                 ConsumeInventory → CompleteOrder → OrderFulfilled",
            ),
            &claim(
                "OrderUnfinished",
                "PersistOrder → JoinSaga → ReserveInventory → PostAccounting → ConfirmOrder → FollowDecision → RollBack → \
                 ReverseAccounting → ReleaseInventory → CheckRollBack → CloseOrder → OrderUnfinished",
            ),
            &claim("OrderRefused", "PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CancelOrder → OrderRefused"),
        ],
    );
}
