//! The mock configuration, and executions that it answers.
//!
//! The format is <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-mock-cfg-file.html>.

#![allow(clippy::unwrap_used)]

use engine::mock::{MockCaseError, MockConfig, MockConfigError, Mocks, NotMocked, Response};
use engine::{StateMachine, Status};
use serde_json::{Value, json};

/// The example of the guide.
fn guide() -> Value {
    json!({
        "StateMachines": {
            "LambdaSQSIntegration": {"TestCases": {
                "HappyPath": {"LambdaState": "MockedLambdaSuccess", "SQSState": "MockedSQSSuccess"},
                "RetryPath": {"LambdaState": "MockedLambdaRetry", "SQSState": "MockedSQSSuccess"},
                "HybridPath": {"LambdaState": "MockedLambdaSuccess"},
            }},
            "Other": {"TestCases": {"HybridPath": {}, "OnlyHere": {"LambdaState": "Nowhere"}}},
        },
        "MockedResponses": {
            "MockedLambdaSuccess": {"0": {"Return": {"StatusCode": 200, "Payload": {"body": "Hello from Lambda!"}}}},
            "MockedSQSSuccess": {"0": {"Return": {"MessageId": "3bcb6e8e"}}},
            "MockedLambdaRetry": {
                "0": {"Throw": {"Error": "Lambda.ResourceNotReadyException", "Cause": "Lambda resource is not ready."}},
                "1-2": {"Throw": {"Error": "Lambda.TimeoutException", "Cause": "Lambda timed out."}},
                "3": {"Return": {"StatusCode": 200, "Payload": {"body": "Hello from Lambda!"}}},
            },
        },
    })
}

fn machine() -> StateMachine {
    let definition = json!({
        "QueryLanguage": "JSONata",
        "StartAt": "LambdaState",
        "States": {
            "LambdaState": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": {"FunctionName": "HelloWorldFunction", "Payload": "{% $states.input %}"},
                "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 3, "BackoffRate": 2}],
                "Output": "{% $states.result.Payload %}",
                "Next": "SQSState",
            },
            "SQSState": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sqs:sendMessage",
                "Arguments": {"QueueUrl": "q", "MessageBody": "{% $states.input %}"},
                "End": true,
            },
        },
    });
    StateMachine::load(&definition.to_string()).unwrap()
}

fn case(name: &str) -> Mocks {
    MockConfig::parse(&guide().to_string()).unwrap().case(name, Some("LambdaSQSIntegration")).unwrap()
}

#[test]
fn the_happy_path_of_the_guide_succeeds() {
    let execution = case("HappyPath").execute(&machine(), json!({})).unwrap();
    assert_eq!((execution.status(), execution.output()), (Status::Succeeded, Some(&json!({"MessageId": "3bcb6e8e"}))));
    assert_eq!(execution.arguments("SQSState")[0]["MessageBody"], json!({"body": "Hello from Lambda!"}));
}

#[test]
fn the_retry_path_of_the_guide_takes_its_delays() {
    let execution = case("RetryPath").execute(&machine(), json!({})).unwrap();
    assert_eq!((execution.attempts("LambdaState"), execution.elapsed().as_secs()), (4, 2 + 4 + 8));
}

#[test]
fn a_state_that_is_not_mocked_is_named() {
    let not_mocked = case("HybridPath").execute(&machine(), json!({})).unwrap_err();
    let expected = NotMocked { state: "SQSState".to_owned(), resource: "arn:aws:states:::sqs:sendMessage".to_owned() };
    assert_eq!(not_mocked, expected);
}

#[test]
fn a_test_case_is_found_by_its_name_if_only_one_machine_has_it() {
    let config = MockConfig::parse(&guide().to_string()).unwrap();
    assert!(config.case("RetryPath", None).is_ok());
    assert!(matches!(config.case("HybridPath", None), Err(MockCaseError::Ambiguous { .. })));
    assert!(config.case("HybridPath", Some("Other")).is_ok());
    assert!(matches!(config.case("RetryPath", Some("Other")), Err(MockCaseError::Case { .. })));
    assert!(matches!(config.case("RetryPath", Some("Third")), Err(MockCaseError::Machine { .. })));
    assert!(matches!(config.case("OnlyHere", None), Err(MockCaseError::Response { .. })));
}

#[test]
fn a_configuration_in_another_format_is_refused() {
    let with = |responses: Value| MockConfig::parse(&json!({"MockedResponses": {"R": responses}}).to_string());
    assert!(with(json!({"0": {"Return": null}, "1-3": {"Throw": {"Error": "E"}}})).is_ok());
    for key in ["first", "-1", "3-1", "1-", ""] {
        assert!(matches!(with(json!({key: {"Return": 1}})), Err(MockConfigError::Key { .. })), "{key}");
    }
    let overlap = with(json!({"0-2": {"Return": 1}, "2": {"Return": 2}}));
    assert!(matches!(overlap, Err(MockConfigError::Overlap { invocation: 2, .. })));
    for response in
        [json!({}), json!({"Return": 1, "Throw": {"Error": "E"}}), json!({"Answer": 1}), json!({"Throw": {}})]
    {
        assert!(matches!(with(json!({"0": response})), Err(MockConfigError::Json(_))), "{response}");
    }
    assert!(matches!(MockConfig::parse(r#"{"StateMachine": {}}"#), Err(MockConfigError::Json(_))));
}

/// An execution may be started inside a runtime, and takes none of its time.
#[tokio::test]
async fn a_mocked_execution_runs_inside_a_runtime() {
    let mocks = Mocks::new()
        .on("LambdaState", [Response::throw("E", "c").times(3), Response::payload(json!(1))])
        .on("SQSState", [Response::returned(json!(2))]);
    let begun = std::time::Instant::now();
    let execution = mocks.execute(&machine(), json!({})).unwrap();
    assert_eq!(execution.elapsed().as_secs(), 14);
    assert!(begun.elapsed() < execution.elapsed());
}

#[test]
fn a_seed_decides_the_jitter() {
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "T", "States": {"T": {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Retry": [{"ErrorEquals": ["E"], "IntervalSeconds": 30, "JitterStrategy": "FULL"}],
        "End": true,
    }}});
    let machine = StateMachine::load(&definition.to_string()).unwrap();
    let mocks = Mocks::new().on("T", [Response::throw("E", "").times(4)]);
    let elapsed = |mocks: Mocks| mocks.execute(&machine, json!({})).unwrap().elapsed();
    assert_eq!(elapsed(mocks.clone().seeded(1)), elapsed(mocks.clone().seeded(1)));
    assert_ne!(elapsed(mocks.clone().seeded(1)), elapsed(mocks.seeded(2)));
}
