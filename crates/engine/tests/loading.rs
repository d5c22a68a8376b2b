//! Why a definition is refused, each time with the state and the field.
//!
//! Sections are those of <https://states-language.net/spec.html>; `dg` is the Step Functions
//! developer guide, <https://docs.aws.amazon.com/step-functions/latest/dg/>.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod support;

use engine::{LoadError, Rule, StateMachine};
use serde_json::{Value, json};
use support::{assert_refused, faults, load, machine, merge, task};

fn pass(fields: Value) -> Value {
    let mut state = json!({"Type": "Pass", "End": true});
    merge(&mut state, fields);
    state
}

fn end() -> Value {
    json!({"Type": "Succeed"})
}

/// A machine of one Task `T` with these fields, and a state `Other` to lead to.
fn with_task(fields: Value) -> Value {
    let mut state = task(json!({"Next": "Other"}));
    merge(&mut state, fields);
    machine(json!({"T": state, "Other": end()}))
}

fn unknown(owner: &str) -> Rule {
    Rule::UnknownField { owner: owner.to_owned() }
}

fn out_of_range(expected: &'static str, found: &str) -> Rule {
    Rule::OutOfRange { expected, found: found.to_owned() }
}

/// State Types.
#[test]
fn an_unknown_state_type_is_refused() {
    let definition = machine(json!({"A": {"Type": "Loop", "End": true}}));
    let rule = Rule::UnknownStateType { found: "Loop".to_owned() };
    assert_refused(&definition, Some("A"), "Type", &rule);
}

#[test]
fn a_state_without_a_type_is_refused() {
    assert_refused(&machine(json!({"A": {"End": true}})), Some("A"), "Type", &Rule::Missing);
}

/// Task State: "the `HeartbeatSeconds` interval MUST be smaller than the `TimeoutSeconds` value".
#[test]
fn a_heartbeat_is_shorter_than_the_timeout() {
    load(&with_task(json!({"HeartbeatSeconds": 5, "TimeoutSeconds": 6})));
    load(&with_task(json!({"HeartbeatSeconds": "{% $states.input.h %}", "TimeoutSeconds": 6})));
    let definition = with_task(json!({"HeartbeatSeconds": 6, "TimeoutSeconds": 6}));
    assert_refused(&definition, Some("T"), "HeartbeatSeconds", &out_of_range("less than TimeoutSeconds", "6"));
}

/// dg/concepts-access-cross-acct-resources.html: `Credentials` holds a `RoleArn`.
#[test]
fn credentials_are_a_role() {
    load(&with_task(json!({"Credentials": {"RoleArn": "{% $states.input.role %}"}})));
    let missing = with_task(json!({"Credentials": {}}));
    assert_refused(&missing, Some("T"), "Credentials/RoleArn", &Rule::Missing);
    let other = with_task(json!({"Credentials": {"RoleArn": "r", "Role": "r"}}));
    assert_refused(&other, Some("T"), "Credentials/Role", &unknown("Credentials"));
}

/// State type fields: each type has its own.
#[test]
fn a_field_that_the_type_does_not_have_is_refused() {
    for (state, field, owner) in [
        (pass(json!({"Resource": "r"})), "Resource", "a Pass state"),
        (pass(json!({"Retry": []})), "Retry", "a Pass state"),
        (pass(json!({"Arguments": 1})), "Arguments", "a Pass state"),
        (json!({"Type": "Succeed", "Assign": {}}), "Assign", "a Succeed state"),
        (json!({"Type": "Succeed", "End": true}), "End", "a Succeed state"),
        (json!({"Type": "Fail", "Output": 1}), "Output", "a Fail state"),
        (json!({"Type": "Wait", "Seconds": 1, "End": true, "Catch": []}), "Catch", "a Wait state"),
        (task(json!({"End": true, "timeoutSeconds": 1})), "timeoutSeconds", "a Task state"),
    ] {
        assert_refused(&machine(json!({"A": state})), Some("A"), field, &unknown(owner));
    }
}

#[test]
fn an_unknown_field_of_the_machine_a_branch_a_rule_a_retrier_or_a_catcher_is_refused() {
    let mut definition = machine(json!({"A": end()}));
    definition["Timeout"] = json!(1);
    assert_refused(&definition, None, "Timeout", &unknown("a state machine"));

    let branch = json!({"StartAt": "B", "States": {"B": end()}, "TimeoutSeconds": 1});
    let parallel = machine(json!({"A": {"Type": "Parallel", "Branches": [branch], "End": true}}));
    assert_refused(&parallel, Some("A"), "Branches/0/TimeoutSeconds", &unknown("a branch"));

    let rule = json!({"Condition": true, "Next": "B", "And": []});
    let choice = json!({"Type": "Choice", "Choices": [rule], "Default": "B"});
    let choice = machine(json!({"A": choice, "B": end()}));
    assert_refused(&choice, Some("A"), "Choices/0/And", &unknown("a choice rule"));

    let retry = with_task(json!({"Retry": [{"ErrorEquals": ["E"], "Backoff": 2}]}));
    assert_refused(&retry, Some("T"), "Retry/0/Backoff", &unknown("a retrier"));

    let catch = with_task(json!({"Catch": [{"ErrorEquals": ["E"], "Next": "Other", "End": true}]}));
    assert_refused(&catch, Some("T"), "Catch/0/End", &unknown("a catcher"));
}

/// dg/transforming-data.html: the fields of `JSONPath` and their replacements.
#[test]
fn a_field_of_the_jsonpath_dialect_is_refused() {
    for field in [
        "InputPath",
        "OutputPath",
        "ResultPath",
        "ResultSelector",
        "Parameters",
        "TimeoutSecondsPath",
        "HeartbeatSecondsPath",
    ] {
        assert_refused(&with_task(json!({field: "$"})), Some("T"), field, &Rule::JsonPathField);
    }
    let result = machine(json!({"A": pass(json!({"Result": 1}))}));
    assert_refused(&result, Some("A"), "Result", &Rule::JsonPathField);
    let wait = json!({"Type": "Wait", "Seconds": 1, "SecondsPath": "$.s", "End": true});
    assert_refused(&machine(json!({"A": wait})), Some("A"), "SecondsPath", &Rule::JsonPathField);
    let fail = json!({"Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.c"});
    let found = faults(&machine(json!({"A": fail})));
    assert_eq!(found.iter().map(|fault| fault.field.as_str()).collect::<Vec<_>>(), ["ErrorPath", "CausePath"]);
    let catch = with_task(json!({"Catch": [{"ErrorEquals": ["E"], "Next": "Other", "ResultPath": "$.e"}]}));
    assert_refused(&catch, Some("T"), "Catch/0/ResultPath", &Rule::JsonPathField);
    let rule = json!({"Condition": true, "Next": "B", "Variable": "$.a"});
    let choice = machine(json!({"A": {"Type": "Choice", "Choices": [rule], "Default": "B"}, "B": end()}));
    assert_refused(&choice, Some("A"), "Choices/0/Variable", &Rule::JsonPathField);
}

/// dg/transforming-data.html: no `.$` on the names of members.
#[test]
fn a_member_name_of_the_jsonpath_dialect_is_refused() {
    let definition = with_task(json!({"Arguments": {"Payload": [{"id.$": "$.id"}]}}));
    assert_refused(&definition, Some("T"), "Arguments/Payload[0]/id.$", &Rule::JsonPathField);
}

#[test]
fn a_machine_or_state_in_another_query_language_is_refused() {
    let mut definition = machine(json!({"A": end()}));
    definition["QueryLanguage"] = json!("JSONPath");
    assert_refused(&definition, None, "QueryLanguage", &Rule::NotJsonata);
    merge(&mut definition, json!({"QueryLanguage": null}));
    assert_refused(&definition, None, "QueryLanguage", &Rule::NotJsonata);
    let state = machine(json!({"A": {"Type": "Succeed", "QueryLanguage": "JSONPath"}}));
    assert_refused(&state, Some("A"), "QueryLanguage", &Rule::NotJsonata);
}

/// Top-level fields.
#[test]
fn a_machine_needs_states_and_a_start_among_them() {
    let mut definition = machine(json!({"A": end()}));
    merge(&mut definition, json!({"StartAt": null}));
    assert_refused(&definition, None, "StartAt", &Rule::Missing);
    definition["StartAt"] = json!("B");
    let dangling = Rule::DanglingTransition { target: "B".to_owned() };
    assert_refused(&definition, None, "StartAt", &dangling);
    definition["States"] = json!({});
    assert_refused(&definition, None, "States", &Rule::Empty);
    merge(&mut definition, json!({"States": null}));
    assert_refused(&definition, None, "States", &Rule::Missing);
}

/// Transitions.
#[test]
fn a_transition_that_dangles_is_refused_wherever_it_stands() {
    let dangling = Rule::DanglingTransition { target: "Nowhere".to_owned() };
    let next = machine(json!({"A": pass(json!({"End": null, "Next": "Nowhere"}))}));
    assert!(faults(&next).iter().any(|fault| fault.field == "Next" && fault.rule == dangling));
    let catch = with_task(json!({"Catch": [{"ErrorEquals": ["E"], "Next": "Nowhere"}]}));
    assert_refused(&catch, Some("T"), "Catch/0/Next", &dangling);
    let rule = json!({"Condition": true, "Next": "Nowhere"});
    let choice = machine(json!({"A": {"Type": "Choice", "Choices": [rule], "Default": "B"}, "B": end()}));
    assert_refused(&choice, Some("A"), "Choices/0/Next", &dangling);
    let choice = json!({"Type": "Choice", "Choices": [{"Condition": true, "Next": "B"}], "Default": "Nowhere"});
    assert_refused(&machine(json!({"A": choice, "B": end()})), Some("A"), "Default", &dangling);
}

/// Transitions: a branch's states lead to states of the same branch only.
#[test]
fn a_transition_out_of_its_branch_is_refused() {
    let branch = json!({"StartAt": "B", "States": {"B": pass(json!({"End": null, "Next": "Out"})), "C": end()}});
    let parallel = json!({"Type": "Parallel", "Branches": [branch], "Next": "Out"});
    let found = faults(&machine(json!({"A": parallel, "Out": end()})));
    let dangling = Rule::DanglingTransition { target: "Out".to_owned() };
    assert!(found.iter().any(|fault| fault.state.as_deref() == Some("B") && fault.rule == dangling));
}

#[test]
fn a_state_with_both_next_and_end_or_neither_is_refused() {
    let both = machine(json!({"A": pass(json!({"Next": "B"})), "B": end()}));
    assert_refused(&both, Some("A"), "Next", &Rule::NextOrEnd);
    let neither = machine(json!({"A": end(), "B": pass(json!({"End": null}))}));
    assert!(faults(&neither).iter().any(|fault| fault.state.as_deref() == Some("B") && fault.rule == Rule::NextOrEnd));
    let untrue = machine(json!({"A": pass(json!({"End": false}))}));
    assert_refused(&untrue, Some("A"), "End", &Rule::EndNotTrue);
}

#[test]
fn an_unreachable_state_is_refused() {
    assert_refused(&machine(json!({"A": end(), "B": end()})), Some("B"), "", &Rule::Unreachable);
}

/// floci's pull request 2786 measured AWS: `MISSING_END_STATE`, which hides states that nothing leads to.
#[test]
fn states_without_an_end_are_refused() {
    let next = |target: &str| pass(json!({"End": null, "Next": target}));
    let endless = machine(json!({"A": next("B"), "B": next("A"), "C": next("A")}));
    assert_refused(&endless, Some("A"), "", &Rule::Endless);
    let unreachable = machine(json!({"A": next("B"), "B": next("A"), "C": end()}));
    assert_refused(&unreachable, Some("C"), "", &Rule::Unreachable);
}

/// Choice State: "a Choice State MAY have a `Default` field".
#[test]
fn a_choice_needs_no_default() {
    let choice = json!({"Type": "Choice", "Choices": [{"Condition": true, "Next": "B"}]});
    load(&machine(json!({"A": choice, "B": end()})));
}

#[test]
fn a_choice_without_rules_is_refused() {
    let choice = json!({"Type": "Choice", "Choices": [], "Default": "B"});
    assert_refused(&machine(json!({"A": choice, "B": end()})), Some("A"), "Choices", &Rule::Empty);
}

/// Errors: "`States.ALL` MUST appear alone in the array, and MUST appear in the last".
#[test]
fn states_all_that_is_not_alone_is_refused() {
    let retry = with_task(json!({"Retry": [{"ErrorEquals": ["E", "States.ALL"]}]}));
    assert_refused(&retry, Some("T"), "Retry/0/ErrorEquals", &Rule::StatesAllNotAlone);
    let catch = with_task(json!({"Catch": [{"ErrorEquals": ["States.ALL", "E"], "Next": "Other"}]}));
    assert_refused(&catch, Some("T"), "Catch/0/ErrorEquals", &Rule::StatesAllNotAlone);
}

#[test]
fn states_all_that_is_not_last_is_refused() {
    let retry = with_task(json!({"Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["E"]}]}));
    assert_refused(&retry, Some("T"), "Retry/0/ErrorEquals", &Rule::StatesAllNotLast);
    let catch = json!([{"ErrorEquals": ["States.ALL"], "Next": "Other"}, {"ErrorEquals": ["E"], "Next": "Other"}]);
    assert_refused(&with_task(json!({"Catch": catch})), Some("T"), "Catch/0/ErrorEquals", &Rule::StatesAllNotLast);
}

/// Errors: names that begin with `States.` are reserved (Appendix A lists them).
#[test]
fn an_error_name_that_is_not_reserved_may_not_begin_with_states() {
    let retry = with_task(json!({"Retry": [{"ErrorEquals": ["States.Timedout"]}]}));
    let rule = Rule::UnknownErrorName { name: "States.Timedout".to_owned() };
    assert_refused(&retry, Some("T"), "Retry/0/ErrorEquals/0", &rule);
    load(&with_task(json!({"Retry": [{"ErrorEquals": ["States.Timeout", "States.TaskFailed", "Lambda.Unknown"]}]})));
}

#[test]
fn error_equals_must_be_a_list_of_names() {
    let empty = with_task(json!({"Retry": [{"ErrorEquals": []}]}));
    assert_refused(&empty, Some("T"), "Retry/0/ErrorEquals", &Rule::Empty);
    let missing = with_task(json!({"Catch": [{"Next": "Other"}]}));
    assert_refused(&missing, Some("T"), "Catch/0/ErrorEquals", &Rule::Missing);
}

/// dg/choosing-workflow-type.html: Express has request-response integrations only.
#[test]
fn what_express_cannot_call_is_refused() {
    for resource in [
        "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "arn:aws:states:::ecs:runTask.sync",
        "arn:aws:states:::states:startExecution.sync:2",
        "arn:aws:states:us-east-1:123456789012:activity:a",
    ] {
        let found = faults(&with_task(json!({"Resource": resource})));
        assert_eq!(found.len(), 1, "{resource}");
        assert_eq!((found[0].state.as_deref(), found[0].field.as_str()), (Some("T"), "Resource"));
        assert!(matches!(found[0].rule, Rule::NotExpress { .. }), "{resource}");
    }
}

/// `JSONata`: a string between `{%` and `%}` must be an expression.
#[test]
fn an_unparsable_expression_is_refused() {
    for (field, value) in [
        ("Arguments", json!({"Payload": ["{% $states. %}"]})),
        ("Output", json!("{% ( %}")),
        ("TimeoutSeconds", json!("{% 1 + %}")),
        ("Assign", json!({"a": "{%  %}"})),
    ] {
        let found = faults(&with_task(json!({field: value})));
        assert!(found[0].field.starts_with(field), "{found:?}");
        assert!(matches!(found[0].rule, Rule::Unparsable { .. }), "{found:?}");
    }
}

/// dg/transforming-data.html: no blanks before `{%` or after `%}`.
#[test]
fn a_half_expression_is_refused() {
    for half in [" {% 1 %}", "{% 1 %} ", "{% 1", "1 %}", "{%}"] {
        let definition = with_task(json!({"Output": half}));
        assert_refused(&definition, Some("T"), "Output", &Rule::HalfExpression);
    }
}

/// Reserved variable `$states`: access to what a field does not have is found at creation.
#[test]
fn the_result_and_the_error_output_are_refused_where_they_do_not_exist() {
    let result = Rule::NotAvailable { member: "result" };
    let error_output = Rule::NotAvailable { member: "errorOutput" };
    for (fields, field, rule) in [
        (json!({"Arguments": "{% $states.result %}"}), "Arguments", &result),
        (json!({"Output": "{% $states.errorOutput %}"}), "Output", &error_output),
        (json!({"TimeoutSeconds": "{% $states.result.t %}"}), "TimeoutSeconds", &result),
        (
            json!({"Catch": [{"ErrorEquals": ["E"], "Next": "Other", "Output": "{% $states.result %}"}]}),
            "Catch/0/Output",
            &result,
        ),
    ] {
        assert_refused(&with_task(fields), Some("T"), field, rule);
    }
    let in_pass = machine(json!({"A": pass(json!({"Assign": {"a": "{% [1, {'x': $states.result.b}] %}"}}))}));
    assert_refused(&in_pass, Some("A"), "Assign/a", &result);
}

/// Measured against AWS by the floci project: `UNSUPPORTED_JSONATA_EXPRESSION`.
#[test]
fn an_expression_may_not_read_the_context_item() {
    for (expression, name) in [("{% phone %}", "phone"), ("{% $.phone %}", "$"), ("{% $$.phone %}", "$$")] {
        let rule = Rule::TopLevelReference { name: name.to_owned() };
        assert_refused(&with_task(json!({"Output": expression})), Some("T"), "Output", &rule);
    }
}

/// dg/transforming-data.html: `$eval` is not available.
#[test]
fn eval_is_refused() {
    let definition = with_task(json!({"Output": "{% $eval('1') %}"}));
    assert_refused(&definition, Some("T"), "Output", &Rule::Eval);
}

/// State names are unique in the whole machine.
#[test]
fn a_state_name_of_another_scope_is_refused() {
    let branch = json!({"StartAt": "A", "States": {"A": end()}});
    let parallel = json!({"Type": "Parallel", "Branches": [branch], "End": true});
    assert_refused(&machine(json!({"A": parallel})), Some("A"), "", &Rule::DuplicateState);
}

#[test]
fn a_repeated_member_is_refused() {
    let text = r#"{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Succeed"},"A":{"Type":"Fail"}}}"#;
    let error = StateMachine::load(text).unwrap_err();
    let [fault] = error.faults() else { panic!("{error}") };
    assert_eq!((fault.state.as_deref(), &fault.rule), (Some("A"), &Rule::RepeatedMember));
}

#[test]
fn a_text_that_is_not_json_is_refused() {
    assert!(matches!(StateMachine::load("{"), Err(LoadError::Json(_))));
    assert_refused(&json!([]), None, "", &Rule::WrongType { expected: "an object" });
}

/// State names: at most 80 characters.
#[test]
fn a_state_name_beyond_80_characters_is_refused() {
    let name = "ü".repeat(81);
    let rule = Rule::NameLength { max: 80, found: 81 };
    assert_refused(&machine(json!({&name: end()})), Some(&name), "", &rule);
    load(&machine(json!({"ü".repeat(80): end()})));
}

/// Timeouts: "a positive, non-zero integer".
#[test]
fn a_timeout_must_be_a_positive_whole_number() {
    let expected = "a whole number from 1 to 99999999";
    for (timeout, found) in [(json!(0), "0"), (json!(-1), "-1"), (json!(1.5), "1.5"), (json!(100_000_000), "100000000")]
    {
        let rule = out_of_range(expected, found);
        assert_refused(&with_task(json!({"TimeoutSeconds": timeout})), Some("T"), "TimeoutSeconds", &rule);
        let mut definition = machine(json!({"A": end()}));
        definition["TimeoutSeconds"] = timeout;
        assert_refused(&definition, None, "TimeoutSeconds", &rule);
    }
    let text = with_task(json!({"TimeoutSeconds": "8"}));
    assert_refused(&text, Some("T"), "TimeoutSeconds", &Rule::NotAnExpression);
    let flag = with_task(json!({"TimeoutSeconds": true}));
    assert_refused(&flag, Some("T"), "TimeoutSeconds", &Rule::WrongType { expected });
}

/// dg/concepts-error-handling.html: the fields of a retrier and their ranges.
#[test]
fn a_retrier_with_a_number_out_of_range_is_refused() {
    for (field, value, expected) in [
        ("IntervalSeconds", json!(0), "a whole number from 1 to 99999999"),
        ("MaxAttempts", json!(-1), "a whole number from 0 to 99999999"),
        ("MaxAttempts", json!(100_000_000), "a whole number from 0 to 99999999"),
        ("BackoffRate", json!(0.99), "a number of at least 1"),
        ("MaxDelaySeconds", json!(31_622_400), "a whole number from 1 to 31622399"),
    ] {
        let definition = with_task(json!({"Retry": [{"ErrorEquals": ["E"], field: value}]}));
        let rule = out_of_range(expected, &value.to_string());
        assert_refused(&definition, Some("T"), &format!("Retry/0/{field}"), &rule);
    }
    let least =
        json!({"ErrorEquals": ["E"], "IntervalSeconds": 1, "MaxAttempts": 0, "BackoffRate": 1.0, "MaxDelaySeconds": 2});
    load(&with_task(json!({"Retry": [least]})));
}

#[test]
fn an_unknown_jitter_strategy_is_refused() {
    let definition = with_task(json!({"Retry": [{"ErrorEquals": ["E"], "JitterStrategy": "HALF"}]}));
    let rule = Rule::NotOneOf { expected: "FULL or NONE", found: "HALF".to_owned() };
    assert_refused(&definition, Some("T"), "Retry/0/JitterStrategy", &rule);
}

/// dg/workflow-variables.html: identifiers of at most 80 characters; `states` is reserved.
#[test]
fn a_name_that_cannot_be_a_variable_is_refused() {
    for name in ["states", "1st", "a-b", "", "a b"] {
        let definition = machine(json!({"A": pass(json!({"Assign": {name: 1}}))}));
        let rule = Rule::VariableName { name: name.to_owned() };
        assert_refused(&definition, Some("A"), &format!("Assign/{name}"), &rule);
    }
    load(&machine(json!({"A": pass(json!({"Assign": {"größe_1": 1}}))})));
}

#[test]
fn an_assign_that_is_no_object_is_refused() {
    let definition = machine(json!({"A": pass(json!({"Assign": "{% {'a': 1} %}"}))}));
    assert_refused(&definition, Some("A"), "Assign", &Rule::WrongType { expected: "an object" });
}

/// dg/workflow-variables.html, scope: an inner scope cannot assign to a variable of an outer one.
#[test]
fn an_inner_scope_may_not_assign_a_name_of_an_outer_one() {
    let inner = pass(json!({"Assign": {"a": 1, "own": 2}}));
    let branch = json!({"StartAt": "B", "States": {"B": inner}});
    let parallel = json!({"Type": "Parallel", "Branches": [branch], "Next": "C"});
    // The outer scope assigns it after the inner one, and in a catcher: it is still the same name.
    let outer = task(json!({"End": true, "Catch": [{"ErrorEquals": ["E"], "Assign": {"a": 0}, "Next": "D"}]}));
    let definition = machine(json!({"A": parallel, "C": outer, "D": end()}));
    assert_refused(&definition, Some("B"), "Assign/a", &Rule::OuterVariable { name: "a".to_owned() });
}

#[test]
fn sibling_scopes_may_assign_the_same_name() {
    let branch = |name: &str| json!({"StartAt": name, "States": {name: pass(json!({"Assign": {"a": 1}}))}});
    load(&machine(json!({"A": {"Type": "Parallel", "Branches": [branch("B"), branch("C")], "End": true}})));
}

/// Wait State: exactly one of Seconds and Timestamp.
#[test]
fn a_wait_takes_seconds_or_a_timestamp() {
    let wait = |fields: Value| {
        let mut state = json!({"Type": "Wait", "End": true});
        merge(&mut state, fields);
        machine(json!({"A": state}))
    };
    let rule = Rule::ExactlyOneOf { fields: "Seconds and Timestamp" };
    assert_refused(&wait(json!({})), Some("A"), "", &rule);
    let both = wait(json!({"Seconds": 1, "Timestamp": "2026-03-14T01:59:00Z"}));
    assert_refused(&both, Some("A"), "", &rule);
    let rule = out_of_range("a whole number from 0 to 99999999", "-1");
    assert_refused(&wait(json!({"Seconds": -1})), Some("A"), "Seconds", &rule);
}

/// Timestamps: RFC 3339 with a capital T, and a capital Z where there is no offset.
#[test]
fn a_timestamp_must_follow_the_profile() {
    for text in
        ["2026-03-14", "2026-03-14 01:59:00Z", "2026-03-14t01:59:00Z", "2026-03-14T01:59:00z", "2026-03-14T01:59:00"]
    {
        let wait = machine(json!({"A": {"Type": "Wait", "Timestamp": text, "End": true}}));
        assert_refused(&wait, Some("A"), "Timestamp", &Rule::Timestamp);
    }
    load(&machine(json!({"A": {"Type": "Wait", "Timestamp": "2026-03-14T01:59:00.5+02:00", "End": true}})));
}

#[test]
fn a_condition_must_be_a_boolean_or_an_expression() {
    let choice = |condition: Value| {
        let rule = json!({"Condition": condition, "Next": "B"});
        machine(json!({"A": {"Type": "Choice", "Choices": [rule], "Default": "B"}, "B": end()}))
    };
    assert_refused(&choice(json!("true")), Some("A"), "Choices/0/Condition", &Rule::NotAnExpression);
    let expected = "a boolean or a JSONata expression";
    assert_refused(&choice(json!(1)), Some("A"), "Choices/0/Condition", &Rule::WrongType { expected });
}

#[test]
fn a_task_needs_a_resource_that_is_an_arn() {
    assert_refused(&with_task(json!({"Resource": null})), Some("T"), "Resource", &Rule::Missing);
    let rule = Rule::WrongType { expected: "an ARN" };
    assert_refused(&with_task(json!({"Resource": "lambda"})), Some("T"), "Resource", &rule);
}

#[test]
fn an_error_or_cause_must_be_a_string() {
    let fail = machine(json!({"A": {"Type": "Fail", "Error": 1, "Cause": {}}}));
    let found = faults(&fail);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|fault| fault.rule == Rule::WrongType { expected: "a string" }));
}

#[test]
fn a_parallel_needs_branches() {
    let parallel = |branches: Value| machine(json!({"A": {"Type": "Parallel", "Branches": branches, "End": true}}));
    assert_refused(&parallel(json!([])), Some("A"), "Branches", &Rule::Empty);
    let expected = Rule::WrongType { expected: "an object" };
    assert_refused(&parallel(json!([1])), Some("A"), "Branches/0", &expected);
}

#[test]
fn all_faults_are_reported_at_once_with_line_state_field_and_rule() {
    let definition = machine(json!({
        "A": pass(json!({"InputPath": "$", "Output": "{% ( %}"})),
        "B": {"Type": "Loop"},
    }));
    let error = StateMachine::load(&serde_json::to_string_pretty(&definition).unwrap()).unwrap_err();
    assert_eq!(error.faults().iter().map(|fault| fault.line).collect::<Vec<_>>(), [8, 9, 11, 12]);
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "the definition has 4 faults");
    assert_eq!(
        lines[1],
        r#"  line 8: state "A", InputPath: belongs to the JSONPath dialect; this machine is written in JSONata"#
    );
    assert!(lines[2].starts_with(r#"  line 9: state "A", Output: cannot parse the expression "(": "#), "{}", lines[2]);
    assert_eq!(lines[3], r#"  line 11: state "B": no state leads here"#);
    assert_eq!(lines[4], r#"  line 12: state "B", Type: "Loop" is not a state type"#);
}
