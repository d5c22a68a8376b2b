//! Pass, Choice, Wait, Succeed and Fail.
//!
//! Sections are those of <https://states-language.net/spec.html>; `dg` is the Step Functions
//! developer guide, <https://docs.aws.amazon.com/step-functions/latest/dg/>.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod support;

use std::time::Duration;

use engine::{History, Random, Start, StateMachine, Status, TokioClock};
use serde_json::{Value, json};
use support::{EPOCH_MS, Script, error, execute, machine, payload, task};

const EVALUATION_ERROR: &str = "States.QueryEvaluationError";

async fn run(states: Value, input: Value) -> support::Ended {
    execute(&machine(states), input, &Script::new()).await
}

/// Pass State: "passes its input to its output, performing no work".
#[tokio::test(start_paused = true)]
async fn a_pass_passes_its_input_on() {
    let ended = run(json!({"A": {"Type": "Pass", "End": true}}), json!({"a": [1.0, null]})).await;
    assert_eq!(ended.output(), json!({"a": [1.0, null]}));
    assert_eq!(ended.outcome.status, Status::Succeeded);
}

fn choice(fields: Value) -> Value {
    let mut state = json!({"Type": "Choice", "Default": "Other"});
    support::merge(&mut state, fields);
    json!({"A": state, "One": {"Type": "Succeed"}, "Two": {"Type": "Succeed"}, "Other": {"Type": "Succeed"}})
}

/// Choice State: the rules are tried in order, and the first that holds decides.
#[tokio::test(start_paused = true)]
async fn the_first_rule_that_holds_decides() {
    let states = choice(json!({"Choices": [
        {"Condition": "{% $states.input.n > 10 %}", "Next": "One"},
        {"Condition": "{% $states.input.n > 5 %}", "Next": "Two"},
        {"Condition": false, "Next": "One"},
    ]}));
    for (n, end) in [(11, "One"), (6, "Two"), (1, "Other")] {
        assert_eq!(run(states.clone(), json!({"n": n})).await.path(), ["A", end]);
    }
}

/// Choice State: a rule's Assign and Output apply if it is chosen, the state's own with the Default.
#[tokio::test(start_paused = true)]
async fn the_chosen_rules_assign_and_output_apply() {
    let states = json!({
        "A": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input.n = 1 %}", "Assign": {"v": "rule"}, "Output": {"by": "rule"}, "Next": "B"}],
            "Assign": {"v": "default"},
            "Output": {"by": "default"},
            "Default": "B",
        },
        "B": {"Type": "Succeed", "Output": "{% [$states.input.by, $v] %}"},
    });
    assert_eq!(run(states.clone(), json!({"n": 1})).await.output(), json!(["rule", "rule"]));
    assert_eq!(run(states, json!({"n": 2})).await.output(), json!(["default", "default"]));
}

/// Choice State: a Condition's value is a boolean; nothing is coerced, and nothing can catch it.
#[tokio::test(start_paused = true)]
async fn a_condition_that_is_no_boolean_fails_the_execution() {
    for condition in ["{% 1 %}", "{% 'true' %}", "{% null %}", "{% $states.input.missing %}", "{% $unknown %}"] {
        let ended = run(
            choice(json!({"Choices": [{"Condition": condition, "Next": "One"}, {"Condition": true, "Next": "Two"}]})),
            json!({}),
        )
        .await;
        assert_eq!(ended.error(), EVALUATION_ERROR, "{condition}");
        assert_eq!(ended.path(), ["A"]);
    }
}

/// Choice State: rules after the one that holds are not evaluated.
#[tokio::test(start_paused = true)]
async fn a_rule_after_the_chosen_one_is_not_evaluated() {
    let rules = json!([{"Condition": true, "Next": "One"}, {"Condition": "{% $error('evaluated') %}", "Next": "Two"}]);
    assert_eq!(run(choice(json!({"Choices": rules})), json!({})).await.path(), ["A", "One"]);
}

fn wait(fields: Value) -> Value {
    let mut state = json!({"Type": "Wait", "Next": "B"});
    support::merge(&mut state, fields);
    json!({"A": state, "B": {"Type": "Succeed"}})
}

/// Wait State: Seconds, constant or by an expression.
#[tokio::test(start_paused = true)]
async fn a_wait_lasts_its_seconds() {
    for (seconds, expected_ms) in [(json!(10), 10_000), (json!(0), 0), (json!("{% $states.input.s * 2 %}"), 30_000)] {
        let ended = run(wait(json!({"Seconds": seconds})), json!({"s": 15})).await;
        assert_eq!((ended.output(), ended.elapsed_ms()), (json!({"s": 15}), expected_ms));
    }
}

/// dg/state-wait.html: a whole number from 0 to 99999999.
#[tokio::test(start_paused = true)]
async fn seconds_of_another_type_or_range_fail_the_execution() {
    for seconds in ["{% '5' %}", "{% 1.5 %}", "{% -1 %}", "{% 100000000 %}", "{% null %}"] {
        let ended = run(wait(json!({"Seconds": seconds})), json!({})).await;
        assert_eq!((ended.error(), ended.elapsed_ms()), (EVALUATION_ERROR, 0), "{seconds}");
    }
}

/// Wait State: Timestamp; one that is over does not wait.
#[tokio::test(start_paused = true)]
async fn a_wait_lasts_until_its_timestamp() {
    for (timestamp, expected_ms) in [
        ("2026-03-14T02:00:00Z", 60_000),
        ("2026-03-14T04:00:00.250+02:00", 60_250),
        ("{% $states.input.at %}", 1_000),
        ("2016-03-14T01:59:00Z", 0),
    ] {
        let ended = run(wait(json!({"Timestamp": timestamp})), json!({"at": "2026-03-14T01:59:01Z"})).await;
        assert_eq!((ended.outcome.status, ended.elapsed_ms()), (Status::Succeeded, expected_ms), "{timestamp}");
    }
    for wrong in ["{% 'tomorrow' %}", "{% 5 %}", "{% '2026-03-14' %}"] {
        assert_eq!(run(wait(json!({"Timestamp": wrong})), json!({})).await.error(), EVALUATION_ERROR, "{wrong}");
    }
}

/// Wait State: Assign and Output are evaluated before the wait.
#[tokio::test(start_paused = true)]
async fn a_wait_assigns_and_puts_out() {
    let states = json!({
        "A": {"Type": "Wait", "Seconds": 1, "Assign": {"v": 1}, "Output": 2, "Next": "B"},
        "B": {"Type": "Succeed", "Output": "{% [$states.input, $v] %}"},
    });
    assert_eq!(run(states, json!({})).await.output(), json!([2, 1]));
}

/// Succeed State: ends the execution, with its input or its Output.
#[tokio::test(start_paused = true)]
async fn a_succeed_ends_the_execution() {
    assert_eq!(run(json!({"A": {"Type": "Succeed"}}), json!([1])).await.output(), json!([1]));
    let ended = run(json!({"A": {"Type": "Succeed", "Output": {"n": "{% $states.input[0] %}"}}}), json!([1])).await;
    assert_eq!(ended.output(), json!({"n": 1}));
    assert_eq!(
        run(json!({"A": {"Type": "Succeed", "Output": "{% $missing %}"}}), json!(1)).await.error(),
        EVALUATION_ERROR
    );
}

/// Fail State: ends the execution as failed; Error and Cause are optional and may be expressions.
#[tokio::test(start_paused = true)]
async fn a_fail_ends_the_execution_with_its_error_and_cause() {
    let ended = run(
        json!({"A": {"Type": "Fail", "Error": "Late", "Cause": "{% 'after ' & $states.input.s & ' s' %}"}}),
        json!({"s": 5}),
    )
    .await;
    assert_eq!((ended.outcome.status, ended.error(), ended.cause()), (Status::Failed, "Late", "after 5 s"));
    let bare = run(json!({"A": {"Type": "Fail"}}), json!({})).await.outcome;
    assert_eq!((bare.status, bare.error, bare.cause), (Status::Failed, None, None));
}

#[tokio::test(start_paused = true)]
async fn an_error_or_cause_that_is_no_string_is_an_evaluation_error() {
    for fields in [json!({"Error": "{% 5 %}"}), json!({"Cause": "{% null %}"}), json!({"Error": "{% $missing %}"})] {
        let mut state = json!({"Type": "Fail"});
        support::merge(&mut state, fields.clone());
        assert_eq!(run(json!({"A": state}), json!({})).await.error(), EVALUATION_ERROR, "{fields}");
    }
}

/// Timeouts, top level: "if the execution runs longer, it fails with `States.Timeout`".
#[tokio::test(start_paused = true)]
async fn a_machine_that_takes_too_long_is_timed_out() {
    let mut definition = machine(wait(json!({"Seconds": 10})));
    definition["TimeoutSeconds"] = json!(5);
    let ended = execute(&definition, json!({}), &Script::new()).await;
    assert_eq!((ended.outcome.status, ended.error(), ended.elapsed_ms()), (Status::TimedOut, "States.Timeout", 5_000));
    assert_eq!(ended.types().last().unwrap(), "ExecutionTimedOut");
    definition["TimeoutSeconds"] = json!(10);
    assert_eq!(execute(&definition, json!({}), &Script::new()).await.outcome.status, Status::Succeeded);
}

/// The smallest limit counts: the machine's, that of Express, or the start's own.
#[tokio::test(start_paused = true)]
async fn a_start_can_limit_the_time_further_but_not_extend_it() {
    for (machine_s, start_s, ends_s) in
        [(None, 60, 60), (Some(50), 60, 50), (Some(900), 60, 60), (None, 600, 300), (Some(200), 600, 200)]
    {
        let mut definition = machine(wait(json!({"Seconds": 1000})));
        if let Some(machine_s) = machine_s {
            definition["TimeoutSeconds"] = json!(machine_s);
        }
        let mut start = Start::new("test-1", json!({}));
        start.time_limit = Some(Duration::from_secs(start_s));
        let clock = TokioClock::starting_at(EPOCH_MS);
        let machine = StateMachine::load(&definition.to_string()).unwrap();
        let outcome = machine.execute(start, &Script::new(), &clock, &History::off(), &Random::seeded(1)).await;
        let elapsed_ms = outcome.stopped_ms - outcome.started_ms;
        assert_eq!((outcome.status, elapsed_ms), (Status::TimedOut, ends_s * 1000), "{machine_s:?} {start_s}");
    }
}

/// dg/service-quotas.html: five minutes for an Express execution. No Catch runs, and nothing continues.
#[tokio::test(start_paused = true)]
async fn express_stops_a_running_task() {
    let states = json!({
        "T": task(json!({"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}], "Next": "U"})),
        "U": task(json!({"End": true})),
        "C": task(json!({"End": true})),
    });
    let script = Script::new().on("T", [payload(json!(1)).after_s(400)]).on("U", []).on("C", []);
    let ended = execute(&machine(states), json!({}), &script).await;
    assert_eq!(
        (ended.outcome.status, ended.error(), ended.elapsed_ms()),
        (Status::TimedOut, "States.Timeout", 300_000)
    );
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert_eq!((script.requests().len(), ended.path()), (1, vec!["T".to_owned()]));
    assert_eq!(ended.types().last().unwrap(), "ExecutionTimedOut");
}

/// Each wait is short, and so is each attempt; together they are too long.
#[tokio::test(start_paused = true)]
async fn express_stops_retries_that_add_up() {
    let retry = json!([{"ErrorEquals": ["Busy"], "IntervalSeconds": 60, "BackoffRate": 1, "MaxAttempts": 99}]);
    let catch = json!([{"ErrorEquals": ["States.ALL"], "Next": "C"}]);
    let states = json!({
        "T": task(json!({"TimeoutSeconds": 30, "Retry": retry, "Catch": catch, "End": true})),
        "C": {"Type": "Succeed"},
    });
    let script = Script::new().on("T", [error("Busy").after_s(10)]);
    let ended = execute(&machine(states), json!({}), &script).await;
    // Attempts begin every 70 s: the fifth at 280 s.
    assert_eq!((ended.outcome.status, ended.elapsed_ms()), (Status::TimedOut, 300_000));
    assert_eq!((script.attempts("T"), ended.path()), (5, vec!["T".to_owned()]));
}

/// Three iterations of 120 s, one after another, of which the last is stopped half-way.
#[tokio::test(start_paused = true)]
async fn express_stops_a_map_with_all_its_iterations() {
    let processor = json!({"StartAt": "T", "States": {"T": task(json!({"End": true}))}});
    let map =
        json!({"Type": "Map", "Items": [1, 2, 3, 4], "MaxConcurrency": 1, "ItemProcessor": processor, "End": true});
    let script = Script::new().on("T", [payload(json!(1)).after_s(120)]);
    let ended = execute(&machine(json!({"M": map})), json!({}), &script).await;
    assert_eq!((ended.outcome.status, ended.elapsed_ms()), (Status::TimedOut, 300_000));
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert_eq!(script.attempts("T"), 3);
    let succeeded = ended.types().iter().filter(|kind| *kind == "MapIterationSucceeded").count();
    assert_eq!(succeeded, 2);
}

fn endless_loop() -> Value {
    let next = |target: &str| json!({"Type": "Pass", "Next": target});
    let choice = json!({"Type": "Choice", "Choices": [{"Condition": "{% $states.input.stop %}", "Next": "Stop"}], "Default": "B"});
    machine(json!({"A": choice, "B": next("A"), "Stop": {"Type": "Succeed"}}))
}

/// A loop that takes no time ends by the time limit, as it would in Step Functions.
#[tokio::test(start_paused = true)]
async fn a_loop_that_takes_no_time_ends() {
    let mut definition = endless_loop();
    let ended = execute(&definition, json!({"stop": false}), &Script::new()).await;
    assert_eq!((ended.outcome.status, ended.elapsed_ms()), (Status::TimedOut, 300_000));
    definition["TimeoutSeconds"] = json!(60);
    let ended = execute(&definition, json!({"stop": false}), &Script::new()).await;
    assert_eq!((ended.outcome.status, ended.elapsed_ms()), (Status::TimedOut, 60_000));
}

#[test]
fn the_names_of_all_states_are_listed() {
    let branch = json!({"StartAt": "C", "States": {"C": {"Type": "Succeed"}}});
    let definition =
        machine(json!({"A": {"Type": "Parallel", "Branches": [branch], "Next": "B"}, "B": {"Type": "Succeed"}}));
    assert_eq!(support::load(&definition).state_names(), ["A", "C", "B"]);
}
