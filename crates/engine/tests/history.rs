//! The events of an execution, as Step Functions logs them.
//!
//! `dg` is the Step Functions developer guide, <https://docs.aws.amazon.com/step-functions/latest/dg/>.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod support;

use std::time::Duration;

use engine::{History, Random, Start, TokioClock};
use serde_json::json;
use support::{EPOCH_MS, Script, error, execute, load, machine, payload, task};

/// dg/cw-logs.html: ids count up, times are strings of epoch milliseconds, payloads are JSON text.
#[tokio::test(start_paused = true)]
async fn an_event_serialises_as_a_line_of_the_express_log() {
    let definition = machine(json!({"T": task(json!({
        "TimeoutSeconds": 8,
        "Assign": {"v": "{% $states.result.Payload %}"},
        "Output": "{% $states.result.Payload %}",
        "End": true,
    }))}));
    let script = Script::new().on("T", [payload(json!({"x": 1})).after_s(2)]);
    let ended = execute(&definition, json!({"n": 7}), &script).await;
    let lines: Vec<_> = ended.history.events().iter().map(|event| serde_json::to_value(event).unwrap()).collect();
    assert_eq!(
        lines[0],
        json!({
            "id": "1",
            "type": "ExecutionStarted",
            "details": {"input": "{\"n\":7}", "inputDetails": {"truncated": false}},
            "previous_event_id": "0",
            "event_timestamp": "1773453540000",
        }),
    );
    assert_eq!(
        lines[2]["details"],
        json!({"resourceType": "lambda", "resource": "invoke", "parameters": "{\"FunctionName\":\"f\"}", "timeoutInSeconds": 8}),
    );
    assert_eq!(
        lines[5],
        json!({
            "id": "6",
            "type": "TaskStateExited",
            "details": {
                "name": "T",
                "output": "{\"x\":1}",
                "outputDetails": {"truncated": false},
                "assignedVariables": {"v": "{\"x\":1}"},
                "assignedVariablesDetails": {"truncated": false},
            },
            "previous_event_id": "5",
            "event_timestamp": "1773453542000",
        }),
    );
}

/// Each attempt is scheduled separately within one visit of the state.
#[tokio::test(start_paused = true)]
async fn every_attempt_is_logged_under_one_entry() {
    let definition = machine(json!({
        "T": task(json!({"Retry": [{"ErrorEquals": ["E"]}], "Next": "C"})),
        "C": {"Type": "Choice", "Choices": [{"Condition": false, "Next": "F"}], "Default": "S"},
        "S": {"Type": "Succeed"},
        "F": {"Type": "Fail"},
    }));
    let script = Script::new().on("T", [error("E"), payload(json!(1))]);
    let ended = execute(&definition, json!({}), &script).await;
    assert_eq!(
        ended.types(),
        [
            "ExecutionStarted",
            "TaskStateEntered",
            "TaskScheduled",
            "TaskStarted",
            "TaskFailed",
            "TaskScheduled",
            "TaskStarted",
            "TaskSucceeded",
            "TaskStateExited",
            "ChoiceStateEntered",
            "ChoiceStateExited",
            "SucceedStateEntered",
            "SucceedStateExited",
            "ExecutionSucceeded",
        ],
    );
    let times: Vec<i64> = ended.history.events().iter().map(|event| event.timestamp_ms - EPOCH_MS).collect();
    assert_eq!(times[4..6], [0, 1_000]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_execution_ends_with_the_error() {
    let definition = machine(json!({"F": {"Type": "Fail", "Error": "E", "Cause": "C"}}));
    let ended = execute(&definition, json!({}), &Script::new()).await;
    assert_eq!(ended.types(), ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"]);
    assert_eq!(ended.history.events()[2].kind.details(), json!({"error": "E", "cause": "C"}));
}

/// In a branch, an event follows the branch's own last event.
#[tokio::test(start_paused = true)]
async fn the_events_of_branches_hang_on_their_own_chain() {
    let branch = |name: &str| json!({"StartAt": name, "States": {name: {"Type": "Wait", "Seconds": 1, "End": true}}});
    let definition = machine(json!({"P": {"Type": "Parallel", "Branches": [branch("A"), branch("B")], "End": true}}));
    let ended = execute(&definition, json!({}), &Script::new()).await;
    let chain: Vec<(String, u64, u64)> = ended
        .history
        .events()
        .iter()
        .map(|event| (event.kind.type_name(), event.id, event.previous_event_id))
        .collect();
    let expected = [
        ("ExecutionStarted", 1, 0),
        ("ParallelStateEntered", 2, 0),
        ("ParallelStateStarted", 3, 2),
        ("WaitStateEntered", 4, 3),
        ("WaitStateEntered", 5, 3),
        ("WaitStateExited", 6, 4),
        ("WaitStateExited", 7, 5),
        ("ParallelStateSucceeded", 8, 7),
        ("ParallelStateExited", 9, 7),
        ("ExecutionSucceeded", 10, 9),
    ];
    assert_eq!(chain, expected.map(|(name, id, previous)| (name.to_owned(), id, previous)));
}

/// Dropping the future kills the execution. The events until then can still be read.
#[tokio::test(start_paused = true)]
async fn the_history_of_a_dropped_execution_stays_readable() {
    let machine = load(&machine(json!({"A": {"Type": "Wait", "Seconds": 100, "Next": "B"}, "B": {"Type": "Succeed"}})));
    let (history, random, script) = (History::new(), Random::seeded(1), Script::new());
    let clock = TokioClock::starting_at(EPOCH_MS);
    let execution = machine.execute(Start::new("dropped", json!({})), &script, &clock, &history, &random);
    assert!(tokio::time::timeout(Duration::from_secs(10), execution).await.is_err());
    let states: Vec<_> = history.events().iter().map(|event| event.kind.state().map(str::to_owned)).collect();
    assert_eq!(states, [None, Some("A".to_owned())]);
}
