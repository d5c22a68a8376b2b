//! Parallel states.
//!
//! Section "Parallel State" of <https://states-language.net/spec.html>; `dg` is the Step Functions
//! developer guide, <https://docs.aws.amazon.com/step-functions/latest/dg/>.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod support;

use engine::Status;
use serde_json::{Value, json};
use support::{Ended, Script, error, execute, machine, payload, result, task};

fn branch(name: &str, state: Value) -> Value {
    json!({"StartAt": name, "States": {name: state}})
}

/// A Parallel `P` of two Tasks, `A` and `B`, that leads to `Done`; its catchers may lead to `Caught`.
fn definition(fields: Value, a: Value) -> Value {
    let mut parallel = json!({
        "Type": "Parallel",
        "Branches": [branch("A", task(a)), branch("B", task(json!({"End": true})))],
        "Next": "Done",
    });
    support::merge(&mut parallel, fields);
    let mut states = json!({"P": parallel, "Done": {"Type": "Succeed"}});
    if states["P"]["Catch"].is_array() {
        states["Caught"] = json!({"Type": "Succeed"});
    }
    machine(states)
}

async fn run(fields: Value, script: &Script) -> Ended {
    execute(&definition(fields, json!({"End": true})), json!({"n": 7}), script).await
}

fn both() -> Script {
    Script::new().on("A", [result(json!("a")).after_s(3)]).on("B", [result(json!("b")).after_s(2)])
}

/// "Its result is an array with one element for each branch", in the order of the branches.
#[tokio::test(start_paused = true)]
async fn the_result_has_the_outputs_in_the_order_of_the_branches() {
    let ended = run(json!({}), &both()).await;
    assert_eq!((ended.output(), ended.elapsed_ms()), (json!(["a", "b"]), 3_000));
    let ended = run(json!({"Output": "{% $states.result[1] & $states.input.n %}"}), &both()).await;
    assert_eq!(ended.output(), json!("b7"));
}

/// Each branch gets the Parallel's input, or its Arguments.
#[tokio::test(start_paused = true)]
async fn a_branch_gets_the_input_or_the_arguments() {
    for (fields, expected) in
        [(json!({}), json!({"n": 7})), (json!({"Arguments": {"m": "{% $states.input.n + 1 %}"}}), json!({"m": 8}))]
    {
        let script = both();
        let a = json!({"Arguments": {"Payload": "{% $states.input %}"}, "End": true});
        execute(&definition(fields, a), json!({"n": 7}), &script).await;
        assert_eq!(script.arguments("A")["Payload"], expected);
    }
}

/// "If any branch fails, the whole state is considered to have failed and all branches are stopped".
#[tokio::test(start_paused = true)]
async fn a_branch_that_fails_stops_the_others_under_its_own_error_name() {
    let script = Script::new().on("A", [result(json!(1)).after_s(60)]).on("B", [error("OutOfStock").after_s(2)]);
    let ended = run(json!({}), &script).await;
    assert_eq!((ended.outcome.status, ended.error(), ended.elapsed_ms()), (Status::Failed, "OutOfStock", 2_000));
    assert_eq!(ended.types()[ended.types().len() - 2..], ["ParallelStateFailed", "ExecutionFailed"]);
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_waits_for_a_retry_is_stopped_too() {
    let script = Script::new().on("A", [error("Unavailable")]).on("B", [error("OutOfStock").after_s(2)]);
    let a = json!({"Retry": [{"ErrorEquals": ["Unavailable"], "IntervalSeconds": 50}], "End": true});
    let fields = json!({"Catch": [{"ErrorEquals": ["OutOfStock"], "Next": "Pause"}]});
    let mut definition = definition(fields, a);
    definition["States"]["Pause"] = json!({"Type": "Wait", "Seconds": 100, "Next": "Caught"});
    let ended = execute(&definition, json!({}), &script).await;
    assert_eq!((ended.outcome.status, ended.elapsed_ms()), (Status::Succeeded, 102_000));
    // After 50 s it would have been retried.
    assert_eq!(script.attempts("A"), 1);
}

/// Retry and Catch of the Parallel see the branch's error; a retry runs every branch again.
#[tokio::test(start_paused = true)]
async fn a_retry_runs_every_branch_again() {
    let script = Script::new().on("A", [result(json!("a"))]).on("B", [error("Unavailable"), result(json!("b"))]);
    let ended = run(json!({"Retry": [{"ErrorEquals": ["Unavailable"]}]}), &script).await;
    assert_eq!((ended.output(), ended.elapsed_ms()), (json!(["a", "b"]), 1_000));
    assert_eq!((script.attempts("A"), script.attempts("B")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_catch_takes_the_branchs_error() {
    let script = Script::new().on("A", [result(json!("a"))]).on("B", [error("OutOfStock")]);
    let fields = json!({"Catch": [{"ErrorEquals": ["OutOfStock"], "Output": "{% $states.errorOutput.Cause %}", "Next": "Caught"}]});
    assert_eq!(run(fields, &script).await.output(), json!("OutOfStock happened"));
}

#[tokio::test(start_paused = true)]
async fn a_failing_expression_reaches_the_parallels_own_catch() {
    for fields in [
        json!({"Arguments": "{% $missing %}"}),
        json!({"Output": "{% $states.result[5] %}"}),
        json!({"Assign": {"v": "{% $states.result.x %}"}}),
    ] {
        let mut all = json!({"Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "Caught"}]});
        support::merge(&mut all, fields.clone());
        assert_eq!(run(all, &both()).await.path().last().unwrap(), "Caught", "{fields}");
    }
}

/// A Fail state in a branch fails the Parallel under the Fail's error.
#[tokio::test(start_paused = true)]
async fn a_fail_in_a_branch_is_the_parallels_error() {
    let fail = json!({"Type": "Fail", "Error": "Rejected", "Cause": "by hand"});
    let parallel = json!({"Type": "Parallel", "Branches": [branch("F", fail)], "Catch": [{"ErrorEquals": ["Rejected"], "Next": "Done"}], "Next": "Done"});
    let definition = machine(json!({"P": parallel, "Done": {"Type": "Succeed"}}));
    let ended = execute(&definition, json!({}), &Script::new()).await;
    assert_eq!(ended.output(), json!({"Error": "Rejected", "Cause": "by hand"}));
}

/// dg/workflow-variables.html, scope: a branch sees the outer variables and keeps its own.
#[tokio::test(start_paused = true)]
async fn a_branch_sees_outer_variables_and_keeps_its_own() {
    let inner = json!({
        "StartAt": "In",
        "States": {
            "In": {"Type": "Pass", "Assign": {"own": "{% $outer + 1 %}"}, "Next": "Out"},
            "Out": {"Type": "Pass", "Output": "{% [$outer, $own] %}", "End": true},
        },
    });
    let other = branch("Sibling", json!({"Type": "Pass", "Output": "{% $exists($own) %}", "End": true}));
    let definition = machine(json!({
        "Set": {"Type": "Pass", "Assign": {"outer": 1}, "Next": "P"},
        "P": {"Type": "Parallel", "Branches": [inner, other], "Next": "After"},
        "After": {"Type": "Pass", "Output": "{% $append($states.input, [$exists($own)]) %}", "End": true},
    }));
    let ended = execute(&definition, json!({}), &Script::new()).await;
    assert_eq!(ended.output(), json!([[1, 2], false, false]));
}

#[tokio::test(start_paused = true)]
async fn parallels_nest() {
    let inner = json!({"Type": "Parallel", "Branches": [branch("C", task(json!({"Output": "{% $states.result.Payload %}", "End": true})))], "End": true});
    let definition = machine(json!({"P": {"Type": "Parallel", "Branches": [branch("Q", inner)], "End": true}}));
    let script = Script::new().on("C", [payload(json!(1))]);
    assert_eq!(execute(&definition, json!({}), &script).await.output(), json!([[1]]));
}
