//! Faults of the whole definition: loops, variables, time and payloads.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::lint::{Policy, TRANSIENT_LAMBDA_ERRORS, Verdict};
use serde_json::json;

use crate::saga::{Saga, policy};

/// The longest path.
const LONGEST: &str = "PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CheckPayment → CapturePayment → \
                       CancelOrder → FollowDecision → RollBack → CheckRollBack → CloseOrder → OrderCancelled";

#[test]
fn a_loop_is_refused() {
    let saga = Saga::shipped().with("/States/FollowDecision/Default", json!("CancelOrder"));
    let saga = saga.with("/States/FollowDecision/Assign", json!({"failure": {}, "failedState": ""}));
    saga.is_refused_for(&[
        r#"state "CancelOrder", Next: must not form a loop: FollowDecision → CancelOrder → FollowDecision"#,
    ]);
}

/// The other ways to `CancelOrder` assign it; this catcher does not.
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
        &rule(
            "CompleteOrder",
            "Arguments/Payload/order_id",
            &format!("{handed_over} → HandOver → CheckHandOver → CompleteOrder"),
        ),
        &rule("CloseOrder", "Arguments/Payload/order_id", &format!("{path} → CheckRollBack → CloseOrder")),
        &rule("ParkOrder", "Arguments/Payload/order_id", &format!("{path} → CheckRollBack → ParkOrder")),
        &rule("OrderRefused", "Output/order_id", "PersistOrder → CancelOrder → OrderRefused"),
        // In a branch the path is the branch's own.
        &rule("ReverseAccounting", "Arguments/Payload/order_id", "ReverseAccounting"),
        &rule("ReleaseInventory", "Arguments/Payload/order_id", "ReleaseInventory"),
        &rule("RefundPayment", "Arguments/Payload/order_id", "CheckRefund → RefundPayment"),
        &rule("ConsumeInventory", "Arguments/Payload/order_id", "ConsumeInventory"),
        &rule("CollectPayment", "Arguments/Payload/order_id", "CheckCollection → CollectPayment"),
    ]);
}

/// What a state assigns is available in the next state, not in its own catcher or in the state itself.
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
            "state \"PostAccounting\", Catch: States.Timeout must lead to persist-order cancel, but does not on the path {path}"
        ),
    ]);
}

/// What a branch assigns stays in it.
#[test]
fn a_variable_of_a_branch_is_not_available_after_it() {
    let saga = Saga::shipped()
        .with("/States/RollBack/Branches/0/States/ReverseAccounting/Assign", json!({"reversed": true}))
        .with("/States/CheckRollBack/Choices/0/Condition", json!("{% $undone and $reversed %}"));
    saga.is_refused_for(&["state \"CheckRollBack\", Choices/0/Condition: $reversed is not assigned on the path \
         PersistOrder → JoinSaga → RollBack → CheckRollBack"]);
}

#[test]
fn the_longest_path_stays_under_the_time_limit() {
    let saga = Saga::shipped().with("/TimeoutSeconds", json!(225));
    saga.is_refused_for(&[&format!(
        "state machine, TimeoutSeconds: must be more than the 225 s that the path {LONGEST} can take, but is 225"
    )]);
}

/// The policy keeps room below the time limit.
#[test]
fn the_longest_path_takes_no_longer_than_the_policy_allows() {
    let with = |max_s| Policy { max_path: Duration::from_secs(max_s), ..policy() };
    assert_eq!(Saga::shipped().found(&with(225)), BTreeSet::new());
    Saga::shipped().is_refused_under(
        &with(224),
        &[&format!("state machine, States: the path {LONGEST} can take 225 s; 224 s are allowed")],
    );
}

/// Two retriers can both be used up in one visit.
#[test]
fn the_attempts_of_all_retriers_count() {
    let retrier = |errors: &[&str]| {
        json!({"ErrorEquals": errors, "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 3,
               "MaxDelaySeconds": 4, "JitterStrategy": "FULL"})
    };
    let retry = json!([retrier(&["Unavailable"]), retrier(&TRANSIENT_LAMBDA_ERRORS)]);
    let saga = Saga::shipped()
        .with("/States/CloseOrder/Retry", retry.clone())
        .with("/States/RollBack/Branches/1/States/ReleaseInventory/Retry", retry);
    saga.is_refused_for(&[
        // Four times 36 s, 27 s, and twice 7 × 8 s + 14 s.
        &format!(
            "state machine, TimeoutSeconds: must be more than the 311 s that the path {LONGEST} can take, but is 270"
        ),
        &format!("state machine, States: the path {LONGEST} can take 311 s; 240 s are allowed"),
    ]);
}

#[test]
fn the_machine_has_a_time_limit_below_that_of_express() {
    Saga::shipped().without("/TimeoutSeconds").is_refused_for(&[
        "state machine, TimeoutSeconds: is required, so that recovery knows when the execution is over",
    ]);
    let mut policy = policy();
    policy.recovery.after = Duration::from_mins(6);
    Saga::shipped().with("/TimeoutSeconds", json!(300)).is_refused_under(
        &policy,
        &["state machine, TimeoutSeconds: must be less than the 300 s limit of Express, but is 300"],
    );
}

#[test]
fn recovery_does_not_come_before_the_execution_is_over() {
    Saga::shipped().with("/TimeoutSeconds", json!(271)).is_refused_for(&[
        "state machine, TimeoutSeconds: is 271; with 30 s for clock differences, it exceeds the 300 s after which recovery acts",
    ]);
}

#[test]
fn a_wait_has_a_bound() {
    let wait = json!({"Type": "Wait", "Seconds": "{% $order.delay_s %}", "Next": "CloseOrder"});
    let saga =
        Saga::shipped().with("/States/CoolDown", wait).with("/States/CheckRollBack/Choices/0/Next", json!("CoolDown"));
    saga.is_refused_for(&[r#"state "CoolDown", Seconds: must be a number, so that the wait has a bound"#]);
    let wait = json!({"Type": "Wait", "Seconds": 16, "Next": "CloseOrder"});
    saga.with("/States/CoolDown", wait).is_refused_for(&[
        "state machine, States: the path PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CheckPayment → \
         CapturePayment → CancelOrder → FollowDecision → RollBack → CheckRollBack → CoolDown → CloseOrder → \
         OrderCancelled can take 241 s; 240 s are allowed",
    ]);
}

/// The rehearsals, in which no time passes, end there too.
#[test]
fn a_wait_that_outlasts_the_execution_is_found() {
    let wait = json!({"Type": "Wait", "Seconds": 270, "Next": "CloseOrder"});
    let saga =
        Saga::shipped().with("/States/CoolDown", wait).with("/States/CheckRollBack/Choices/0/Next", json!("CoolDown"));
    let policy = Policy { max_path: Duration::from_secs(500), ..policy() };
    saga.is_refused_under(
        &policy,
        &[
            "state machine, TimeoutSeconds: must be more than the 495 s that the path PersistOrder → JoinSaga → \
         ReserveInventory → PostAccounting → CheckPayment → CapturePayment → CancelOrder → FollowDecision → RollBack → \
         CheckRollBack → CoolDown → CloseOrder → OrderCancelled can take, but is 270",
            "state \"CoolDown\": ends the execution with States.Timeout on the path PersistOrder → JoinSaga → \
         ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder → FollowDecision → RollBack → \
         ReverseAccounting → ReleaseInventory → CheckRefund → NoRefund → CheckRollBack → CoolDown",
        ],
    );
}

/// The loader accepts it, because the language does. The rehearsals find it too.
#[test]
fn a_choice_has_a_default() {
    let saga = Saga::shipped().without("/States/CheckRollBack/Default");
    saga.is_refused_for(&[
        r#"state "CheckRollBack", Default: is required, so that the Choice cannot fail without a match"#,
        "state \"ReleaseInventory\", Catch: ends the execution with States.NoChoiceMatched on the path PersistOrder → \
         JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder → FollowDecision → RollBack → \
         ReverseAccounting → ReleaseInventory → LeaveInventory → CheckRefund → NoRefund → CheckRollBack",
        "state \"ReverseAccounting\", Catch: ends the execution with States.NoChoiceMatched on the path PersistOrder → \
         JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder → FollowDecision → RollBack → \
         ReverseAccounting → LeaveAccounting → ReleaseInventory → CheckRefund → NoRefund → CheckRollBack",
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
    saga.is_refused_for(&[r#"state "Each", Type: must not be a Map: the definition does not bound its iterations"#]);
}

/// Even if the policy allows more.
#[test]
fn payloads_stay_under_the_limit_of_step_functions() {
    let saga = Saga::shipped().with("/States/CancelOrder/Arguments/Payload/again", json!("{% [$failure, $failure] %}"));
    let policy = Policy { max_payload_bytes: 1024 * 1024, ..policy() };
    saga.is_refused_under(
        &policy,
        &["state \"CancelOrder\", Arguments: its arguments can be 295375 bytes, with 262144 allowed, on the path \
           PersistOrder → JoinSaga → ReserveInventory → CancelOrder"],
    );
}

#[test]
fn payloads_stay_under_the_limit_of_the_policy() {
    let policy = Policy { max_payload_bytes: 98_500, ..policy() };
    Saga::shipped().is_refused_under(
        &policy,
        &["state \"CancelOrder\", Arguments: its arguments can be 98681 bytes, with 98500 allowed, on the path \
           PersistOrder → JoinSaga → ReserveInventory → CancelOrder"],
    );
}

/// Two such causes in one payload are too many for the policy, and three would be too many for Step Functions.
#[test]
fn the_cause_of_a_failed_compensation_is_not_carried_on() {
    let carried = json!("{% {'step': 'any', 'failure': $states.errorOutput} %}");
    let saga = Saga::shipped()
        .with("/States/RollBack/Branches/0/States/ReverseAccounting/Catch/0/Output", carried.clone())
        .with("/States/RollBack/Branches/1/States/ReleaseInventory/Catch/0/Output", carried);
    saga.is_refused_for(&[
        "state \"RollBack\", Output: its output can be 196815 bytes, with 131072 allowed, on the path PersistOrder → \
         JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder → FollowDecision → RollBack → \
         ReverseAccounting → LeaveAccounting → ReleaseInventory → LeaveInventory → CheckRefund → NoRefund",
    ]);
}

/// The smaller limit counts: the machine's or that of Express.
#[tokio::test]
async fn a_slower_step_leaves_less_room() {
    let slow = |saga: Saga| saga.with("/States/PostAccounting/TimeoutSeconds", json!(12));
    let report = slow(Saga::shipped()).check(&policy()).await;
    let room = report.room.unwrap();
    // 225 s, of which 36 s became 52 s; another such step ends after 293 s.
    assert_eq!((report.ways[0].total_s, room.step_s, room.steps_in_time), (241.0, 52.0, 0));
    for (limit_s, steps) in [(225, 0), (261, 0), (262, 1), (270, 1), (297, 1), (298, 2), (300, 2), (900, 2)] {
        let report = Saga::shipped().with("/TimeoutSeconds", json!(limit_s)).check(&policy()).await;
        assert_eq!(report.room.unwrap().steps_in_time, steps, "{limit_s}");
    }
    let report = Saga::shipped().without("/TimeoutSeconds").check(&policy()).await;
    assert_eq!(report.room.unwrap().steps_in_time, 2);
}

#[tokio::test]
async fn larger_receipts_leave_less_room() {
    let mut policy = policy();
    let answers = policy.rehearsal.answers;
    policy.rehearsal.answers = Box::new(move |call, payload| {
        if call.function == "post-accounting" {
            return Ok(vec![json!({"note": "x".repeat(5_000)}).into()]);
        }
        answers(call, payload)
    });
    let report = Saga::shipped().check(&policy).await;
    let (room, largest) = (report.room.unwrap(), report.largest_payload.unwrap());
    // The receipts of its action and of its compensation, and the one in its branch's output.
    assert!((15_000..15_200).contains(&room.step_bytes), "{}", room.step_bytes);
    assert_eq!(room.steps_in_bytes, (262_144 - largest.bytes) / room.step_bytes);
}

#[tokio::test]
async fn a_definition_without_a_bound_has_no_room() {
    let saga = Saga::shipped().without("/States/ReserveInventory/TimeoutSeconds");
    assert_eq!(saga.check(&policy()).await.room, None);
    let no_steps = Policy { steps: Vec::new(), ..policy() };
    assert_eq!(Saga::shipped().check(&no_steps).await.room, None);
}

#[test]
fn an_expression_that_fails_where_nothing_catches_it_is_found() {
    let saga = Saga::shipped().with("/States/RollBack/Assign/undone", json!("{% 'yes' %}"));
    saga.is_refused_for(&[
        "state \"CheckRollBack\", Choices/0/Condition: ends the execution with States.QueryEvaluationError on the path \
         PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder → FollowDecision → \
         RollBack → ReverseAccounting → ReleaseInventory → CheckRefund → NoRefund → CheckRollBack",
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
                "PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder → \
                 FollowDecision → RollBack → ReverseAccounting → ReleaseInventory → CheckRefund → NoRefund → \
                 CheckRollBack → CloseOrder → OrderCancelled",
            ),
            &claim(
                "OrderFulfilled",
                "PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder → \
                 FollowDecision → HandOver → ConsumeInventory → CheckCollection → NoCollection → CheckHandOver → \
                 CompleteOrder → OrderFulfilled",
            ),
            &claim(
                "OrderUnfinished",
                "PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder → \
                 FollowDecision → RollBack → ReverseAccounting → ReleaseInventory → CheckRefund → NoRefund → \
                 CheckRollBack → CloseOrder → OrderUnfinished",
            ),
            &claim(
                "OrderRefused",
                "PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CancelOrder → OrderRefused",
            ),
        ],
    );
}
