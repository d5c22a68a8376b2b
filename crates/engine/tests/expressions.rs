//! What expressions see, return and may not return.
//!
//! `dg` is the Step Functions developer guide, <https://docs.aws.amazon.com/step-functions/latest/dg/>.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod support;

use engine::{EventKind, Random, Status};
use serde_json::{Value, json};
use support::{Script, error, execute, execute_with, machine, output_of, payload, result, task};

const EVALUATION_ERROR: &str = "States.QueryEvaluationError";

/// dg/transforming-data.html: "a string is an expression only between `{%` and `%}`".
#[tokio::test(start_paused = true)]
async fn only_a_string_between_the_delimiters_is_an_expression() {
    let output = json!({"a": "{% $states.input.x %}", "b": "$states.input.x", "c": ["{%1+1%}", 7], "d": "{ % 1 %}!"});
    let ended = output_of(output, json!({"x": 5})).await;
    assert_eq!(ended.output(), json!({"a": 5, "b": "$states.input.x", "c": [2, 7], "d": "{ % 1 %}!"}));
}

/// dg/transforming-data.html: JSON cannot represent undefined, so it is an error.
#[tokio::test(start_paused = true)]
async fn an_undefined_result_is_an_error_and_null_is_not() {
    let ended = output_of(json!({"a": "{% $states.input.missing %}"}), json!({"x": null})).await;
    assert_eq!((ended.outcome.status, ended.error()), (Status::Failed, EVALUATION_ERROR));
    assert_eq!(
        ended.cause(),
        "An error occurred while executing the state 'Only' (entered at the event id #2). The JSONata expression \
         '$states.input.missing' specified for the field 'Output/a' returned nothing (undefined).",
    );
    assert_eq!(ended.types()[2..], ["EvaluationFailed", "ExecutionFailed"]);
    assert!(
        matches!(&ended.history.events()[2].kind, EventKind::EvaluationFailed { location, .. } if location == "Output/a")
    );
    assert_eq!(output_of(json!("{% $states.input.x %}"), json!({"x": null})).await.output(), json!(null));
}

/// `JSONata` 2.0.6, object constructor: a member without a value is left out.
#[tokio::test(start_paused = true)]
async fn an_undefined_member_of_a_constructed_object_is_dropped() {
    let ended =
        output_of(json!("{% {'a': $states.input.missing, 'b': null, 'c': [$states.input.missing, 1]} %}"), json!({}))
            .await;
    assert_eq!(ended.output(), json!({"b": null, "c": [1]}));
}

/// A path over arrays maps over them, as in `JSONata`.
#[tokio::test(start_paused = true)]
async fn a_path_through_an_array_gives_a_sequence() {
    let input = json!({"lines": [{"sku": "A", "n": 1}, {"sku": "B", "n": 2}], "one": [{"sku": "C"}], "none": []});
    for (expression, expected) in [
        ("{% $states.input.lines.sku %}", json!(["A", "B"])),
        ("{% $states.input.one.sku %}", json!("C")),
        ("{% $states.input.one %}", json!([{"sku": "C"}])),
        ("{% $states.input.none %}", json!([])),
        ("{% $states.input.lines[1].sku %}", json!("B")),
        ("{% $sum($states.input.lines.n) %}", json!(3)),
    ] {
        assert_eq!(output_of(json!(expression), input.clone()).await.output(), expected, "{expression}");
    }
    assert_eq!(output_of(json!("{% $states.input.none.sku %}"), input).await.error(), EVALUATION_ERROR);
}

#[tokio::test(start_paused = true)]
async fn whole_numbers_stay_whole_up_to_two_to_the_53() {
    let input = json!({"n": 9_007_199_254_740_991_i64, "f": 1299.0, "half": 0.5});
    let ended =
        output_of(json!("{% [$states.input.n + 0, $states.input.f, $states.input.half] %}"), input.clone()).await;
    assert_eq!(ended.output(), json!([9_007_199_254_740_991_i64, 1299, 0.5]));
    assert_eq!(output_of(json!("{% $states.input.f %}"), input).await.output(), json!(1299));
}

#[tokio::test(start_paused = true)]
async fn what_json_does_not_have_is_an_error() {
    for expression in ["{% $sum %}", "{% function($x) { $x } %}", "{% {'f': $sum} %}", "{% /a/ %}", "{% 1/0 %}"] {
        assert_eq!(output_of(json!(expression), json!({})).await.error(), EVALUATION_ERROR, "{expression}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_expression_that_throws_says_why() {
    let ended = output_of(json!("{% $error('no stock') %}"), json!({})).await;
    assert_eq!(ended.error(), EVALUATION_ERROR);
    assert!(ended.cause().ends_with("threw an error during evaluation. D3137: no stock"), "{}", ended.cause());
    assert_eq!(output_of(json!("{% 'a' + 1 %}"), json!({})).await.error(), EVALUATION_ERROR);
}

/// dg/workflow-variables.html: evaluation order in an assign field.
#[tokio::test(start_paused = true)]
async fn assign_and_output_both_see_the_values_from_the_states_entry() {
    let definition = machine(json!({
        "A": {"Type": "Pass", "Assign": {"x": 3, "a": 6}, "Next": "B"},
        "B": {"Type": "Pass", "Assign": {"x": "{% $a %}", "nextX": "{% $x %}"}, "Output": "{% $x %}", "Next": "C"},
        "C": {"Type": "Pass", "Output": {"fromB": "{% $states.input %}", "x": "{% $x %}", "nextX": "{% $nextX %}"}, "End": true},
    }));
    let ended = execute(&definition, json!({}), &Script::new()).await;
    assert_eq!(ended.output(), json!({"fromB": 3, "x": 6, "nextX": 3}));
}

/// dg/workflow-variables.html: a variable is available from the next state on.
#[tokio::test(start_paused = true)]
async fn a_variable_is_not_seen_in_the_state_that_assigns_it() {
    let definition = machine(json!({
        "A": {"Type": "Pass", "Assign": {"x": 1, "y": "{% $exists($x) %}"}, "Next": "B"},
        "B": {"Type": "Pass", "Output": "{% [$x, $y] %}", "End": true},
    }));
    assert_eq!(execute(&definition, json!({}), &Script::new()).await.output(), json!([1, false]));
}

/// dg/workflow-variables.html: if one expression fails, no variable is assigned.
#[tokio::test(start_paused = true)]
async fn assign_is_all_or_nothing() {
    let failing = task(json!({
        "Assign": {"good": "new", "bad": "{% $states.result.missing %}"},
        "Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "C"}],
        "Next": "C",
    }));
    let definition = machine(json!({
        "A": {"Type": "Pass", "Assign": {"good": "old"}, "Next": "B"},
        "B": failing,
        "C": {"Type": "Pass", "Output": "{% $good %}", "End": true},
    }));
    let script = Script::new().on("B", [result(json!({}))]);
    assert_eq!(execute(&definition, json!({}), &script).await.output(), json!("old"));
}

/// dg/transforming-data.html: `$states.input` is the state's own input in every field.
#[tokio::test(start_paused = true)]
async fn the_input_and_result_of_a_task_are_seen_together() {
    let definition = machine(json!({"T": task(json!({
        "Arguments": {"Payload": "{% $states.input %}"},
        "Output": {"in": "{% $states.input.n %}", "out": "{% $states.result.Payload %}", "all": "{% $count($keys($states)) %}"},
        "End": true,
    }))}));
    let script = Script::new().on("T", [payload(json!(8))]);
    let ended = execute(&definition, json!({"n": 7}), &script).await;
    assert_eq!(ended.output(), json!({"in": 7, "out": 8, "all": 3}));
    assert_eq!(script.arguments("T"), json!({"Payload": {"n": 7}}));
}

/// Task State: without Arguments the task gets the state's input, without Output its result is put out.
#[tokio::test(start_paused = true)]
async fn a_task_passes_its_input_and_result_by_default() {
    let definition = machine(json!({"T": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}}));
    let script = Script::new().on("T", [result(json!([1]))]);
    assert_eq!(execute(&definition, json!({"n": 7}), &script).await.output(), json!([1]));
    assert_eq!(script.arguments("T"), json!({"n": 7}));
}

/// dg/input-output-contextobject.html
#[tokio::test(start_paused = true)]
async fn the_context_object_describes_execution_state_and_machine() {
    let definition = machine(json!({
        "Pause": {"Type": "Wait", "Seconds": 2, "Next": "T"},
        "T": task(json!({
            "Arguments": {"Payload": "{% $states.context %}"},
            "Retry": [{"ErrorEquals": ["E"], "IntervalSeconds": 1}],
            "End": true,
        })),
    }));
    let script = Script::new().on("T", [error("E"), payload(json!(1))]);
    execute(&definition, json!({"n": 7}), &script).await;
    let mut context = script.arguments("T")["Payload"].clone();
    assert_eq!(
        context["Execution"].as_object_mut().unwrap().remove("Id").unwrap(),
        "arn:aws:states:us-east-1:000000000000:express:local:test-1:test-1"
    );
    assert_eq!(
        context,
        json!({
            "Execution": {"Input": {"n": 7}, "Name": "test-1", "RoleArn": "arn:aws:iam::000000000000:role/local", "StartTime": "2026-03-14T01:59:00.000Z"},
            "State": {"EnteredTime": "2026-03-14T01:59:02.000Z", "Name": "T", "RetryCount": 1},
            "StateMachine": {"Id": "arn:aws:states:us-east-1:000000000000:stateMachine:local", "Name": "local"},
        }),
    );
}

/// dg/transforming-data.html, `JSONata` functions provided by Step Functions.
#[tokio::test(start_paused = true)]
async fn the_functions_of_step_functions_are_there() {
    for (expression, expected) in [
        ("$parse('{\"a\":[1,null]}')", json!({"a": [1, null]})),
        ("$partition([1,2,3,4,5], 2)", json!([[1, 2], [3, 4], [5]])),
        ("$range(0, 10, 5)", json!([0, 5, 10])),
        ("$range(3, 1, -1)", json!([3, 2, 1])),
        ("$random(7) = $random(7)", json!(true)),
        ("$random() < 1", json!(true)),
        ("$length($uuid())", json!(36)),
        ("$map(['1','[2]'], $parse)", json!([1, [2]])),
    ] {
        let definition =
            machine(json!({"A": {"Type": "Pass", "Output": format!("{{% {expression} %}}"), "End": true}}));
        let ended = execute_with(&definition, json!({}), &Script::new(), &Random::seeded(3)).await;
        assert_eq!(ended.output(), expected, "{expression}");
    }
    for wrong in [
        "$parse('{')",
        "$parse(1)",
        "$partition([1], 0)",
        "$partition([1], 0.4)",
        "$range(1, 2, 0)",
        "$range(1, 5000, 1)",
        "$range(1, 2)",
    ] {
        assert_eq!(output_of(json!(format!("{{% {wrong} %}}")), json!({})).await.error(), EVALUATION_ERROR, "{wrong}");
    }
}

/// Time comes from the execution's clock, so that a paused one replays.
#[tokio::test(start_paused = true)]
async fn now_and_millis_follow_the_executions_clock() {
    let definition = machine(json!({
        "Pause": {"Type": "Wait", "Seconds": 3, "Next": "A"},
        "A": {"Type": "Pass", "Output": "{% [$now(), $string($millis()), $now('[Y0001]')] %}", "End": true},
    }));
    let ended = execute(&definition, json!({}), &Script::new()).await;
    assert_eq!(ended.output(), json!(["2026-03-14T01:59:03.000Z", "1773453543000", "2026"]));
}

#[tokio::test(start_paused = true)]
async fn one_seed_replays_an_execution() {
    let definition = machine(json!({"A": {"Type": "Pass", "Output": "{% [$uuid(), $random()] %}", "End": true}}));
    let run = async |seed| execute_with(&definition, json!({}), &Script::new(), &Random::seeded(seed)).await.output();
    assert_eq!(run(5).await, run(5).await);
    assert_ne!(run(5).await, run(6).await);
}

const LIMIT: usize = 262_144;

fn text(bytes: usize) -> Value {
    // Two bytes each in UTF-8, and the quotes.
    json!("ü".repeat((bytes - 2) / 2))
}

/// dg/service-quotas.html: 256 KiB of UTF-8, and not of characters.
#[tokio::test(start_paused = true)]
async fn a_payload_beyond_256_kib_of_utf_8_is_too_large() {
    let echo = machine(json!({"T": task(json!({"End": true}))}));
    let fits = Script::new().on("T", [result(text(LIMIT))]);
    assert_eq!(execute(&echo, json!({}), &fits).await.output(), text(LIMIT));
    let too_large = Script::new().on("T", [result(text(LIMIT + 2))]);
    assert_eq!(execute(&echo, json!({}), &too_large).await.error(), "States.DataLimitExceeded");

    let ended = execute(&echo, text(LIMIT + 2), &fits).await;
    assert_eq!(ended.error(), "States.DataLimitExceeded");
}

#[tokio::test(start_paused = true)]
async fn arguments_outputs_and_assignments_are_limited_too() {
    let double = "{% [$states.input, $states.input] %}";
    let half = text(LIMIT / 2 + 2);
    for state in [
        json!({"Type": "Pass", "Output": double, "End": true}),
        json!({"Type": "Succeed", "Output": double}),
        json!({"Type": "Pass", "Assign": {"a": "{% $states.input %}", "b": "{% $states.input %}"}, "End": true}),
        task(json!({"Arguments": double, "End": true})),
    ] {
        let script = Script::new().on("A", [result(json!(1))]);
        let ended = execute(&machine(json!({"A": state})), half.clone(), &script).await;
        assert_eq!(ended.error(), "States.DataLimitExceeded", "{state}");
    }
}

/// dg/concepts-error-handling.html: `States.ALL` does not catch it; its own name does.
#[tokio::test(start_paused = true)]
async fn data_limit_exceeded_is_caught_by_name_only() {
    for (names, status) in
        [(json!(["States.ALL"]), Status::Failed), (json!(["States.DataLimitExceeded"]), Status::Succeeded)]
    {
        let catch = json!([{"ErrorEquals": names, "Output": "caught", "Next": "End"}]);
        let definition =
            machine(json!({"T": task(json!({"Catch": catch, "Next": "End"})), "End": {"Type": "Succeed"}}));
        let script = Script::new().on("T", [result(text(LIMIT + 2))]);
        assert_eq!(execute(&definition, json!({}), &script).await.outcome.status, status, "{names}");
    }
}
