//! Retry, Catch and timeouts.
//!
//! Sections are those of <https://states-language.net/spec.html>; `dg` is the Step Functions
//! developer guide, <https://docs.aws.amazon.com/step-functions/latest/dg/>.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod support;

use engine::{Random, Status};
use serde_json::{Value, json};
use support::{Ended, Script, error, execute, execute_with, machine, payload, result, task};

/// A Task `T` with these fields that leads to `Done`, and whose catchers may lead to `Caught`.
fn definition(fields: Value) -> Value {
    let mut state = task(json!({"Next": "Done"}));
    support::merge(&mut state, fields);
    let mut states = json!({"T": state, "Done": {"Type": "Succeed"}});
    if states["T"]["Catch"].is_array() {
        states["Caught"] = json!({"Type": "Succeed"});
    }
    machine(states)
}

async fn run(fields: Value, script: &Script) -> Ended {
    execute(&definition(fields), json!({"n": 7}), script).await
}

fn failing(name: &str) -> Script {
    Script::new().on("T", [error(name)])
}

/// Errors: "Retrying after error": the defaults of a retrier.
#[tokio::test(start_paused = true)]
async fn a_retrier_retries_three_times_after_1_2_and_4_seconds_by_default() {
    let script = failing("E");
    let ended = run(json!({"Retry": [{"ErrorEquals": ["E"]}]}), &script).await;
    assert_eq!((script.attempts("T"), ended.elapsed_ms(), ended.error()), (4, 7_000, "E"));
    assert_eq!(ended.cause(), "E happened");
    let attempts: Vec<u32> = script.requests().iter().map(|request| request.attempt).collect();
    assert_eq!(attempts, [0, 1, 2, 3]);
}

/// Errors: `IntervalSeconds`, `BackoffRate`, `MaxAttempts`, `MaxDelaySeconds`.
#[tokio::test(start_paused = true)]
async fn interval_backoff_and_cap_make_the_delays() {
    let script = failing("E");
    let retrier =
        json!({"ErrorEquals": ["E"], "IntervalSeconds": 3, "BackoffRate": 1.5, "MaxAttempts": 4, "MaxDelaySeconds": 5});
    // 3, 4.5, then 6.75 and 10.125 capped at 5.
    let ended = run(json!({"Retry": [retrier]}), &script).await;
    assert_eq!((script.attempts("T"), ended.elapsed_ms()), (5, 17_500));
}

/// dg/concepts-error-handling.html: `JitterStrategy`.
#[tokio::test(start_paused = true)]
async fn full_jitter_shortens_the_delays_and_none_does_not() {
    for (strategy, expected_ms) in [("FULL", 3_500), ("NONE", 7_000)] {
        let fields = json!({"Retry": [{"ErrorEquals": ["E"], "JitterStrategy": strategy}]});
        let ended = execute_with(&definition(fields), json!({}), &failing("E"), &Random::fixed(0.5)).await;
        assert_eq!(ended.elapsed_ms(), expected_ms, "{strategy}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_successful_retry_the_execution_continues() {
    let script = Script::new().on("T", [error("E"), payload(json!(1))]);
    let ended =
        run(json!({"Retry": [{"ErrorEquals": ["E"]}], "Output": "{% $states.result.Payload %}"}), &script).await;
    assert_eq!((ended.output(), ended.elapsed_ms()), (json!(1), 1_000));
}

/// Errors: "the retriers are scanned in order", and the first that matches decides.
#[tokio::test(start_paused = true)]
async fn the_first_matching_retrier_decides_even_with_zero_attempts() {
    let script = failing("E");
    let retry = json!([{"ErrorEquals": ["E"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"], "MaxAttempts": 5}]);
    let ended = run(json!({"Retry": retry}), &script).await;
    assert_eq!((script.attempts("T"), ended.elapsed_ms()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_retrier_that_is_used_up_does_not_pass_the_error_on_to_the_next() {
    let script = failing("E");
    let retry = json!([{"ErrorEquals": ["E"], "MaxAttempts": 1}, {"ErrorEquals": ["States.ALL"], "MaxAttempts": 5}]);
    run(json!({"Retry": retry}), &script).await;
    assert_eq!(script.attempts("T"), 2);
}

/// Errors: "Complex retry scenarios": each retrier has its own count and its own growing delay.
#[tokio::test(start_paused = true)]
async fn retriers_count_separately() {
    let script = Script::new().on("T", [error("A"), error("B"), error("A"), error("B"), error("A")]);
    let retry = json!([{"ErrorEquals": ["A"], "IntervalSeconds": 1, "MaxAttempts": 2}, {"ErrorEquals": ["B"], "IntervalSeconds": 10, "MaxAttempts": 2}]);
    let ended = run(json!({"Retry": retry}), &script).await;
    // A after 1 and 2 s, B after 10 and 20 s; the third A is one too many.
    assert_eq!((script.attempts("T"), ended.elapsed_ms(), ended.error()), (5, 33_000, "A"));
}

/// Errors: "a retrier's attempts are counted within one visit of the state".
#[tokio::test(start_paused = true)]
async fn counters_start_over_when_the_state_is_entered_again() {
    let looping = machine(json!({
        "T": task(json!({
            "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": 1}],
            "Catch": [{"ErrorEquals": ["E"], "Output": "{% $states.input + 1 %}", "Next": "Again"}],
            "End": true,
        })),
        "Again": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input < 3 %}", "Next": "T"}], "Default": "Stop"},
        "Stop": {"Type": "Succeed"},
    }));
    let script = failing("E");
    let ended = execute(&looping, json!(0), &script).await;
    assert_eq!((ended.output(), script.attempts("T"), ended.elapsed_ms()), (json!(3), 6, 3_000));
    let attempts: Vec<u32> = script.requests().iter().map(|request| request.attempt).collect();
    assert_eq!(attempts, [0, 1, 0, 1, 0, 1]);
}

/// Errors: "Fallback states": the first catcher that matches, after the retries.
#[tokio::test(start_paused = true)]
async fn the_first_matching_catcher_takes_the_error_after_the_retries() {
    let catch = json!([
        {"ErrorEquals": ["Other"], "Output": "other", "Next": "Caught"},
        {"ErrorEquals": ["E", "F"], "Output": "second", "Next": "Caught"},
        {"ErrorEquals": ["States.ALL"], "Output": "third", "Next": "Caught"},
    ]);
    let script = failing("E");
    let ended = run(json!({"Retry": [{"ErrorEquals": ["E"], "MaxAttempts": 1}], "Catch": catch}), &script).await;
    assert_eq!((ended.output(), script.attempts("T")), (json!("second"), 2));
    assert_eq!(ended.path(), ["T", "Caught"]);
}

/// `JSONata`: the default output of a catcher is the error output.
#[tokio::test(start_paused = true)]
async fn a_catcher_puts_the_error_output_out_by_default() {
    let ended = run(json!({"Catch": [{"ErrorEquals": ["E"], "Next": "Caught"}]}), &failing("E")).await;
    assert_eq!(ended.output(), json!({"Error": "E", "Cause": "E happened"}));
}

/// `JSONata`: a catcher's Assign and Output see `$states.errorOutput` and `$states.input`.
#[tokio::test(start_paused = true)]
async fn a_catcher_assigns_and_puts_out() {
    let catch = json!([{
        "ErrorEquals": ["States.ALL"],
        "Assign": {"why": "{% $states.errorOutput.Error %}"},
        "Output": "{% $merge([$states.input, $states.errorOutput]) %}",
        "Next": "Caught",
    }]);
    let mut definition = definition(json!({"Catch": catch, "Assign": {"unseen": 1}}));
    definition["States"]["Caught"]["Output"] = json!("{% [$states.input, $why, $exists($unseen)] %}");
    let ended = execute(&definition, json!({"n": 7}), &failing("E")).await;
    assert_eq!(ended.output(), json!([{"n": 7, "Error": "E", "Cause": "E happened"}, "E", false]));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_nothing_catches_fails_the_execution() {
    let ended = run(json!({"Catch": [{"ErrorEquals": ["Other"], "Next": "Caught"}]}), &failing("E")).await;
    assert_eq!((ended.outcome.status, ended.error(), ended.cause()), (Status::Failed, "E", "E happened"));
    assert_eq!(ended.path(), ["T"]);
}

/// Timeouts: a Task that runs longer fails with `States.Timeout`, which Retry and Catch see.
#[tokio::test(start_paused = true)]
async fn a_task_that_takes_too_long_times_out() {
    let script = Script::new().on("T", [payload(json!(1)).after_s(60)]);
    let fields = json!({
        "TimeoutSeconds": 5,
        "Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["States.Timeout"], "Output": "{% $states.errorOutput.Error %}", "Next": "Caught"}],
    });
    let ended = run(fields, &script).await;
    assert_eq!((ended.output(), ended.elapsed_ms(), script.attempts("T")), (json!("States.Timeout"), 11_000, 2));
    assert_eq!(ended.types().iter().filter(|name| *name == "TaskTimedOut").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_exactly_at_its_timeout_is_in_time() {
    let script = Script::new().on("T", [result(json!(1)).after_s(5)]);
    assert_eq!(run(json!({"TimeoutSeconds": 5}), &script).await.output(), json!(1));
}

/// `JSONata`: `TimeoutSeconds` may be an expression; its value is checked like the constant.
#[tokio::test(start_paused = true)]
async fn a_timeout_may_be_an_expression() {
    let script = Script::new().on("T", [payload(json!(1)).after_s(60)]);
    let ended = run(json!({"TimeoutSeconds": "{% $states.input.n + 1 %}"}), &script).await;
    assert_eq!((ended.error(), ended.elapsed_ms()), ("States.Timeout", 8_000));
    for wrong in ["{% 0 %}", "{% '5' %}", "{% 1.5 %}", "{% $states.input.missing %}"] {
        let catch = json!([{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "Caught"}]);
        let ended = run(json!({"TimeoutSeconds": wrong, "Catch": catch}), &Script::new()).await;
        assert_eq!(ended.path(), ["T", "Caught"], "{wrong}");
    }
}

/// dg/concepts-error-handling.html: `States.TaskFailed` "matches any known error name except for `States.Timeout`".
#[tokio::test(start_paused = true)]
async fn task_failed_catches_task_errors_but_no_timeout() {
    let fields = json!({"TimeoutSeconds": 5, "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "Caught"}]});
    assert_eq!(run(fields.clone(), &failing("Lambda.Unknown")).await.path(), ["T", "Caught"]);
    let slow = Script::new().on("T", [payload(json!(1)).after_s(60)]);
    assert_eq!(run(fields, &slow).await.error(), "States.Timeout");
}

/// dg/concepts-error-handling.html: `States.ALL` does not catch `States.Runtime`.
#[tokio::test(start_paused = true)]
async fn a_runtime_error_is_neither_retried_nor_caught() {
    let fields = json!({"Retry": [{"ErrorEquals": ["States.ALL"]}], "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]});
    let script = failing("States.Runtime");
    assert_eq!((run(fields, &script).await.error(), script.attempts("T")), ("States.Runtime", 1));
}

/// dg/transforming-data.html: a failing expression of a Task reaches the Task's own Retry and Catch.
#[tokio::test(start_paused = true)]
async fn a_failing_expression_reaches_the_states_own_catch() {
    for fields in [
        json!({"Arguments": "{% $states.input.missing %}"}),
        json!({"Output": "{% $states.result.missing %}"}),
        json!({"Assign": {"a": "{% $states.result.missing %}"}}),
    ] {
        let mut all = json!({"Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "Caught"}]});
        support::merge(&mut all, fields.clone());
        let ended = run(all, &Script::new().on("T", [payload(json!(1))])).await;
        assert_eq!(ended.path(), ["T", "Caught"], "{fields}");
        assert!(ended.types().contains(&"EvaluationFailed".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_output_is_retried_with_the_whole_task() {
    let script = Script::new().on("T", [result(json!({})), result(json!({"ok": 1}))]);
    let fields =
        json!({"Output": "{% $states.result.ok %}", "Retry": [{"ErrorEquals": ["States.QueryEvaluationError"]}]});
    let ended = run(fields, &script).await;
    assert_eq!((ended.output(), script.attempts("T"), ended.elapsed_ms()), (json!(1), 2, 1_000));
}

#[tokio::test(start_paused = true)]
async fn an_error_in_a_catcher_is_not_caught_by_another_one() {
    let catch = json!([
        {"ErrorEquals": ["E"], "Output": "{% $states.input.missing %}", "Next": "Caught"},
        {"ErrorEquals": ["States.ALL"], "Next": "Caught"},
    ]);
    assert_eq!(run(json!({"Catch": catch}), &failing("E")).await.error(), "States.QueryEvaluationError");
}

/// No Catch runs when the execution itself times out, and a waiting backoff ends with it.
#[tokio::test(start_paused = true)]
async fn the_machines_timeout_beats_retry_and_catch() {
    let mut definition = definition(json!({
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 100}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
    }));
    definition["TimeoutSeconds"] = json!(30);
    let ended = execute(&definition, json!({}), &failing("E")).await;
    assert_eq!((ended.outcome.status, ended.elapsed_ms()), (Status::TimedOut, 30_000));
    assert_eq!(ended.path(), ["T"]);
    assert_eq!(ended.outcome.error.as_deref(), Some("States.Timeout"));
}
