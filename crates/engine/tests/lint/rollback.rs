//! Wrong roll-backs.

use engine::lint::Policy;
use serde_json::json;

use crate::saga::{Saga, policy, policy_on_terms};

const RESERVE_FAILED: &str = "PersistOrder → JoinSaga → ReserveInventory → CancelOrder → FollowDecision → RollBack → \
                              ReverseAccounting → ReleaseInventory → CheckRefund → NoRefund";

#[test]
fn a_step_without_its_compensation_is_refused() {
    let saga = Saga::shipped().without("/States/RollBack/Branches/1");
    let saga = saga.with("/States/RollBack/Assign", json!({"undone": true, "refused": false, "undoReceipts": {}}));
    let path = "RollBack → CheckRollBack → CloseOrder → OrderCancelled";
    saga.is_refused_for(&[
        "state machine, States: no state calls reserve-inventory release",
        &format!(
            "state \"JoinSaga\", Choices/3/Next: must not succeed without reserve-inventory release, as on the path {path}"
        ),
        &format!(
            "state \"FollowDecision\", Choices/2/Next: must not succeed without reserve-inventory release, as on the path {path}"
        ),
        "state \"ReverseAccounting\", Catch: States.Timeout must keep the execution from succeeding, but does not on \
         the path PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder → \
         FollowDecision → RollBack → ReverseAccounting → LeaveAccounting → CheckRefund → NoRefund → CheckRollBack → \
         CloseOrder → OrderCancelled",
    ]);
}

#[test]
fn a_won_cancellation_cannot_bypass_the_compensations() {
    let saga = Saga::shipped().with("/States/JoinSaga/Choices/3/Next", json!("OrderCancelled"));
    saga.is_refused_for(&[
        r#"state "JoinSaga", Choices/3/Next: must not succeed without reserve-inventory release, as on the path OrderCancelled"#,
        r#"state "JoinSaga", Choices/3/Next: must not succeed without post-accounting reverse, as on the path OrderCancelled"#,
        r#"state "JoinSaga", Choices/3/Next: must not succeed without capture-payment refund, as on the path OrderCancelled"#,
    ]);
}

/// The catcher of an incomplete roll-back may have skipped any part of it.
#[test]
fn a_roll_back_that_failed_is_no_success() {
    let saga = Saga::shipped().with("/States/RollBack/Catch/0/Next", json!("OrderCancelled"));
    let rule = |state: &str, choice: u8, compensation: &str| {
        format!(
            "state {state:?}, Choices/{choice}/Next: must not succeed without {compensation}, \
             as on the path RollBack → OrderCancelled"
        )
    };
    saga.is_refused_for(&[
        &rule("JoinSaga", 3, "reserve-inventory release"),
        &rule("JoinSaga", 3, "post-accounting reverse"),
        &rule("JoinSaga", 3, "capture-payment refund"),
        &rule("FollowDecision", 2, "reserve-inventory release"),
        &rule("FollowDecision", 2, "post-accounting reverse"),
        &rule("FollowDecision", 2, "capture-payment refund"),
    ]);
}

#[test]
fn a_compensation_that_calls_the_action_compensates_nothing() {
    let pointer = "/States/RollBack/Branches/1/States/ReleaseInventory/Arguments/Payload/action";
    let saga = Saga::shipped().with(pointer, json!("reserve"));
    let path = "RollBack → CheckRollBack → CloseOrder → OrderCancelled";
    let rule = |state: &str, choice: u8| {
        format!(
            "state {state:?}, Choices/{choice}/Next: must not succeed without reserve-inventory release, \
             as on the path {path}"
        )
    };
    saga.is_refused_for(&[
        "state machine, States: no state calls reserve-inventory release",
        &rule("JoinSaga", 3),
        &rule("FollowDecision", 2),
        "state \"ReleaseInventory\", Retry: must retry States.Timeout, Lambda.Unknown, Runtime.ExitError, \
         Runtime.Unknown, Sandbox.Timedout with States.ALL, because reserve-inventory reserve is safe to repeat",
        "state \"ReleaseInventory\", Catch: States.Timeout must lead to persist-order cancel, but does not on the path \
         PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder → FollowDecision → \
         RollBack → ReverseAccounting → ReleaseInventory → LeaveInventory → CheckRefund → NoRefund → CheckRollBack → \
         OrderUnfinished",
    ]);
}

#[test]
fn no_compensation_runs_before_cancelling_is_decided() {
    let saga = Saga::shipped().with("/States/PostAccounting/Catch/1/Next", json!("RollBack"));
    let path = "PersistOrder → JoinSaga → ReserveInventory → PostAccounting → RollBack";
    saga.is_refused_for(&[
        &format!("state \"ReleaseInventory\": must not run before cancelling is decided, as on the path {path}"),
        &format!("state \"ReverseAccounting\": must not run before cancelling is decided, as on the path {path}"),
        &format!("state \"RefundPayment\": must not run before cancelling is decided, as on the path {path}"),
        &format!(
            "state \"PostAccounting\", Catch: States.Timeout must lead to persist-order cancel, but does not on the \
             path {path} → ReverseAccounting → ReleaseInventory → CheckRefund → NoRefund → CheckRollBack → \
             CloseOrder → OrderCancelled"
        ),
    ]);
}

/// The choice has to read the status, not something that merely looks like a decision.
#[test]
fn a_guess_is_not_a_decision() {
    let condition = json!("{% $status != 'CONFIRMED' %}");
    let saga = Saga::shipped().with("/States/FollowDecision/Choices/2/Condition", condition);
    let path = "PersistOrder → CancelOrder → FollowDecision → RollBack";
    saga.is_refused_for(&[
        &format!("state \"ReleaseInventory\": must not run before cancelling is decided, as on the path {path}"),
        &format!("state \"ReverseAccounting\": must not run before cancelling is decided, as on the path {path}"),
        &format!("state \"RefundPayment\": must not run before cancelling is decided, as on the path {path}"),
    ]);
}

#[test]
fn what_was_undone_is_never_confirmed() {
    let saga = Saga::shipped().with("/States/CheckRollBack/Default", json!("OrderConfirmed"));
    let undone =
        "must lead to a cancelled end once it ran, but does not on the path RollBack → CheckRollBack → OrderConfirmed";
    let ignored = |leave: &str| {
        format!(
            "States.Timeout must keep the execution from succeeding, but does not on the path PersistOrder → \
             JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder → FollowDecision → RollBack → \
             {leave} → CheckRefund → NoRefund → CheckRollBack → OrderConfirmed"
        )
    };
    saga.is_refused_for(&[
        &format!("state \"ReleaseInventory\": {undone}"),
        &format!("state \"ReverseAccounting\": {undone}"),
        &format!("state \"RefundPayment\": {undone}"),
        &format!(
            "state \"ReleaseInventory\", Catch: {}",
            ignored("ReverseAccounting → ReleaseInventory → LeaveInventory")
        ),
        &format!(
            "state \"ReverseAccounting\", Catch: {}",
            ignored("ReverseAccounting → LeaveAccounting → ReleaseInventory")
        ),
    ]);
}

/// No graph shows it: the path is right, but the expression makes a success of it.
#[test]
fn an_ignored_failure_of_a_compensation_is_refused() {
    let undone = json!("{% $exists($states.result[0].receipt) %}");
    let saga = Saga::shipped().with("/States/RollBack/Assign/undone", undone);
    saga.is_refused_for(&[
        "state \"ReleaseInventory\", Catch: States.Timeout must keep the execution from succeeding, but does not on \
         the path PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CheckPayment → ConfirmOrder → \
         FollowDecision → RollBack → ReverseAccounting → ReleaseInventory → LeaveInventory → CheckRefund → NoRefund → \
         CheckRollBack → CloseOrder → OrderCancelled",
    ]);
}

#[test]
fn a_compensation_without_a_catch_stops_the_other() {
    let saga = Saga::shipped().without("/States/RollBack/Branches/0/States/ReverseAccounting/Catch");
    let saga = saga.without("/States/RollBack/Branches/0/States/LeaveAccounting");
    saga.is_refused_for(&[
        r#"state "ReverseAccounting", Catch: the last catcher must catch States.ALL and nothing else"#,
        "state \"ReverseAccounting\", Catch: must catch AccountOnHold, AlreadyConsumed, CreditLimitExceeded, \
         CurrencyMismatch, InvalidOrder, InvalidOutput, NotApplied, OtherContent, SagaCancelled, Unavailable, \
         UnknownAccount, which the function can return",
        r#"state "ReverseAccounting", Catch: can fail its branch, which stops the other compensations: its errors are not all caught"#,
    ]);
}

#[test]
fn a_fail_state_in_a_branch_stops_the_other() {
    let fail = json!({"Type": "Fail", "Error": "NotReleased"});
    let saga = Saga::shipped().with("/States/RollBack/Branches/1/States/LeaveInventory", fail);
    saga.is_refused_for(&[
        r#"state "LeaveInventory", Type: can fail its branch, which stops the other compensations: a Fail state"#,
    ]);
}

#[test]
fn an_expression_that_may_fail_outside_of_any_catch_stops_the_other() {
    let cause = json!("{% $parse($states.errorOutput.Cause) %}");
    let saga = Saga::shipped()
        .with("/States/RollBack/Branches/1/States/ReleaseInventory/Catch/0/Output", cause)
        .with("/States/RollBack/Branches/0/States/LeaveAccounting/Output", json!("{% $states.input.receipt.at_ms %}"));
    saga.is_refused_for(&[
        "state \"ReleaseInventory\", Catch/0/Output: can fail its branch, which stops the other compensations: \
         nothing catches errors in a catcher, and this expression may fail",
        "state \"LeaveAccounting\", Output: can fail its branch, which stops the other compensations: \
         nothing catches errors here, and this expression may fail",
    ]);
}

#[test]
fn a_transient_error_leaves_the_saga_open() {
    let saga = Saga::shipped().without("/States/ReserveInventory/Catch/0");
    saga.is_refused_for(&[&format!(
        "state \"ReserveInventory\", Catch: Lambda.ClientExecutionTimeoutException is transient and must leave the saga \
         open, but cancels it on the path {RESERVE_FAILED} → CheckRollBack → CloseOrder → OrderCancelled"
    )]);
}

#[test]
fn a_final_error_of_a_step_is_decided_on() {
    let saga = Saga::shipped().with("/States/ReserveInventory/Catch/1/Next", json!("OrderUnfinished"));
    saga.is_refused_for(&[
        "state \"ReserveInventory\", Catch: States.Timeout must lead to persist-order cancel, but does not on the path \
         PersistOrder → JoinSaga → ReserveInventory → OrderUnfinished",
    ]);
}

#[test]
fn a_renamed_status_is_found_by_the_policy() {
    let mut policy = policy();
    "CANCELING".clone_into(&mut policy.won.value);
    let path = "PersistOrder → JoinSaga → RollBack";
    Saga::shipped().is_refused_under(
        &policy,
        &[
            &format!("state \"ReleaseInventory\": must not run before cancelling is decided, as on the path {path}"),
            &format!("state \"ReverseAccounting\": must not run before cancelling is decided, as on the path {path}"),
            &format!("state \"RefundPayment\": must not run before cancelling is decided, as on the path {path}"),
        ],
    );
}

/// An order that is handed over can no longer be rolled back.
#[test]
fn an_order_that_is_handed_over_is_never_compensated() {
    let saga = Saga::shipped().with("/States/JoinSaga/Choices/4/Next", json!("RollBack"));
    let rule = |state: &str| {
        format!(
            "state {state:?}: must not run before cancelling is decided, as on the path PersistOrder → JoinSaga → RollBack"
        )
    };
    saga.is_refused_for(&[&rule("ReleaseInventory"), &rule("ReverseAccounting"), &rule("RefundPayment")]);
}

/// Neither what catches everything in it, nor what looks at its branches, nor the completion after it.
#[test]
fn nothing_that_fails_in_a_hand_over_leads_to_a_cancellation() {
    let caught = |state: &str| {
        let saga = Saga::shipped().with(&format!("/States/{state}/Catch/0/Next"), json!("CancelOrder"));
        let assigned = json!({"failure": "{% $states.errorOutput %}", "failedState": "any"});
        saga.with(&format!("/States/{state}/Catch/0/Assign"), assigned)
    };
    let unused = Saga::shipped().with("/States/CheckHandOver/Default", json!("CancelOrder"));
    let unused = unused.with("/States/CheckHandOver/Assign", json!({"failure": {}, "failedState": ""}));
    for (saga, path) in [
        (caught("HandOver"), "HandOver"),
        (unused, "HandOver → CheckHandOver"),
        (caught("CompleteOrder"), "HandOver → CheckHandOver → CompleteOrder"),
    ] {
        saga.is_refused_for(&[&format!(
            "state \"CancelOrder\", Next: must not form a loop: FollowDecision → {path} → CancelOrder → FollowDecision"
        )]);
    }
}

/// Asserts that it is refused because a roll-back can end without this compensation, and for nothing else. The graph
/// shows it, without a rehearsal.
#[track_caller]
fn is_incomplete(saga: &Saga, mut policy: Policy, compensation: &str) {
    policy.rehearsal.inputs.clear();
    let found = [("JoinSaga", 3), ("FollowDecision", 2)].map(|(state, choice)| {
        format!(
            "state {state:?}, Choices/{choice}/Next: must not succeed without {compensation}, \
             as on the path RollBack → CheckRollBack → CloseOrder → OrderCancelled"
        )
    });
    saga.is_refused_under(&policy, &found.each_ref().map(String::as_str));
}

const CHECK_REFUND: &str = "/States/RollBack/Branches/2/States/CheckRefund";

/// The same definition passes if the policy says for whom the step is.
#[test]
fn a_step_for_everyone_is_not_passed_by() {
    let mut policy = policy();
    policy.steps[2].only_if = None;
    is_incomplete(&Saga::shipped(), policy, "capture-payment refund");
}

#[test]
fn a_step_is_passed_by_on_no_condition_but_its_own() {
    for condition in [
        "{% $order.payment_terms = 'INVOICE' %}",
        "{% $order.payment_terms != 'AUTHORIZED' %}",
        "{% $order.payment_terms = 'AUTHORIZED' and $status = 'CONFIRMED' %}",
        "{% false %}",
    ] {
        let saga = Saga::shipped().with(&format!("{CHECK_REFUND}/Choices/0/Condition"), json!(condition));
        is_incomplete(&saga, policy(), "capture-payment refund");
    }
    let mut policy = policy();
    policy.steps[2].only_if = Some("$order.payment_terms = 'INVOICE'".to_owned());
    is_incomplete(&Saga::shipped(), policy, "capture-payment refund");
}

/// An earlier rule may choose for an order that needs the step, so it has to be the only one.
#[test]
fn a_step_is_passed_by_only_by_the_default_of_its_only_rule() {
    let rule = |condition: &str, next: &str| json!({"Condition": condition, "Next": next});
    let needed = "{% $order.payment_terms = 'AUTHORIZED' %}";
    let swapped = Saga::shipped()
        .with(&format!("{CHECK_REFUND}/Choices"), json!([rule(needed, "NoRefund")]))
        .with(&format!("{CHECK_REFUND}/Default"), json!("RefundPayment"));
    is_incomplete(&swapped, policy(), "capture-payment refund");
    let other = rule("{% $order.store_id = 'main' %}", "NoRefund");
    for rules in [json!([other, rule(needed, "RefundPayment")]), json!([rule(needed, "RefundPayment"), other])] {
        let saga = Saga::shipped().with(&format!("{CHECK_REFUND}/Choices"), rules);
        is_incomplete(&saga, policy(), "capture-payment refund");
    }
}

#[test]
fn the_condition_of_a_step_passes_no_other_step_by() {
    const BRANCH: &str = "/States/RollBack/Branches/1";
    let needed = json!({"Condition": "{% $order.payment_terms = 'AUTHORIZED' %}", "Next": "ReleaseInventory"});
    let no_release = json!({"Type": "Pass", "Output": {"notNeeded": "reserve-inventory"}, "End": true});
    let saga = Saga::shipped()
        .with(
            &format!("{BRANCH}/States/CheckRelease"),
            json!({"Type": "Choice", "Choices": [needed], "Default": "NoRelease"}),
        )
        .with(&format!("{BRANCH}/States/NoRelease"), no_release)
        .with(&format!("{BRANCH}/StartAt"), json!("CheckRelease"));
    is_incomplete(&saga, policy(), "reserve-inventory release");
}

/// A failed compensation is not one that is not needed. Only orders that need it show that.
#[test]
fn a_failure_of_a_conditional_compensation_is_not_ignored() {
    let pointer = "/States/RollBack/Branches/2/States/RefundPayment/Catch/1/Output";
    let saga = Saga::shipped().with(pointer, json!({"notNeeded": "capture-payment"}));
    saga.is_refused_under(
        &policy_on_terms("AUTHORIZED"),
        &["state \"RefundPayment\", Catch: States.Timeout must keep the execution from succeeding, but does not on the \
           path PersistOrder → JoinSaga → ReserveInventory → PostAccounting → CheckPayment → CapturePayment → \
           ConfirmOrder → FollowDecision → RollBack → ReverseAccounting → ReleaseInventory → CheckRefund → \
           RefundPayment → LeavePayment → CheckRollBack → CloseOrder → OrderCancelled"],
    );
}
