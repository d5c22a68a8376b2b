//! Retry and Catch: what is retried and how, that everything is caught, and that the names are real.

use std::collections::BTreeSet;

use super::call::function_name;
use super::finding::{Findings, Rule};
use super::graph;
use super::policy::{Function, Policy};
use crate::definition::{Handling, Jitter, Kind, Machine, Retrier, State};
use crate::failure::{ALL, Failure, RUNTIME, is_reserved};

/// The errors of Lambda itself that pass: those that the Step Functions guide tells to retry, and
/// throttling.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html>, "Handling
/// transient Lambda service exceptions".
pub const TRANSIENT_LAMBDA_ERRORS: [&str; 5] = [
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
];

/// The other names that an invocation can fail by without the function's doing: what Lambda says of
/// a function that crashed or took too long, and the errors of its Invoke call, behind `Lambda.`.
///
/// See <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>, "Errors".
const OTHER_LAMBDA_ERRORS: [&str; 32] = [
    "Lambda.Unknown",
    "Lambda.EC2AccessDeniedException",
    "Lambda.EC2ThrottledException",
    "Lambda.EC2UnexpectedException",
    "Lambda.EFSIOException",
    "Lambda.EFSMountConnectivityException",
    "Lambda.EFSMountFailureException",
    "Lambda.EFSMountTimeoutException",
    "Lambda.ENILimitReachedException",
    "Lambda.InvalidParameterValueException",
    "Lambda.InvalidRequestContentException",
    "Lambda.InvalidRuntimeException",
    "Lambda.InvalidSecurityGroupIDException",
    "Lambda.InvalidSubnetIDException",
    "Lambda.InvalidZipFileException",
    "Lambda.KMSAccessDeniedException",
    "Lambda.KMSDisabledException",
    "Lambda.KMSInvalidStateException",
    "Lambda.KMSNotFoundException",
    "Lambda.RecursiveInvocationException",
    "Lambda.RequestTooLargeException",
    "Lambda.ResourceConflictException",
    "Lambda.ResourceNotFoundException",
    "Lambda.ResourceNotReadyException",
    "Lambda.SnapStartException",
    "Lambda.SnapStartNotReadyException",
    "Lambda.SnapStartTimeoutException",
    "Lambda.SubnetIPAddressLimitReachedException",
    "Lambda.UnsupportedMediaTypeException",
    "Runtime.ExitError",
    "Runtime.Unknown",
    "Sandbox.Timedout",
];

pub(super) fn check(machine: &Machine, policy: &Policy, findings: &mut Findings) {
    for state in graph::states(machine) {
        let Some(handling) = graph::handling(state) else { continue };
        let functions = functions(state, policy);
        if let Some(functions) = &functions {
            check_names(state, handling, functions, findings);
        }
        let last = handling.catchers.last();
        if last.is_none_or(|catcher| catcher.error_equals != [ALL]) {
            findings.at_state(&state.name, "Catch", Rule::NoCatchAll);
        }
        if matches!(state.kind, Kind::Task(_)) {
            check_retries(state, handling, policy, findings);
            check_caught(state, handling, &functions.unwrap_or_default(), findings);
        }
    }
}

/// The functions that a state invokes, in its branches too; none if one of them is not known, which
/// is a finding of its own.
fn functions<'a>(state: &State, policy: &'a Policy) -> Option<Vec<&'a Function>> {
    let invoked = graph::with_inner(state).into_iter().filter_map(|state| match &state.kind {
        Kind::Task(task) => Some(function_name(task).and_then(|name| policy.function(name))),
        _ => None,
    });
    invoked.collect()
}

fn check_names(state: &State, handling: &Handling, functions: &[&Function], findings: &mut Findings) {
    let retried = handling.retriers.iter().map(|retrier| &retrier.error_equals);
    let caught = handling.catchers.iter().map(|catcher| &catcher.error_equals);
    let entries =
        retried.enumerate().map(|entry| ("Retry", entry)).chain(caught.enumerate().map(|entry| ("Catch", entry)));
    for (list, (index, names)) in entries {
        for (position, error) in names.iter().enumerate() {
            let field = format!("{list}/{index}/ErrorEquals/{position}");
            let error = error.clone();
            if error == RUNTIME {
                findings.at_state(&state.name, field, Rule::NeverCaught { error });
            } else if !is_known(&error, functions) {
                let names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
                findings.at_state(&state.name, field, Rule::UnknownError { error, functions: names.join(", ") });
            }
        }
    }
}

fn is_known(error: &str, functions: &[&Function]) -> bool {
    is_reserved(error)
        || TRANSIENT_LAMBDA_ERRORS.contains(&error)
        || OTHER_LAMBDA_ERRORS.contains(&error)
        || functions.iter().any(|function| function.errors.contains(error))
}

fn check_retries(state: &State, handling: &Handling, policy: &Policy, findings: &mut Findings) {
    let transient = TRANSIENT_LAMBDA_ERRORS.into_iter().chain(policy.transient.iter().map(String::as_str));
    let errors: Vec<String> = transient.filter(|error| !is_retried(error, handling)).map(str::to_owned).collect();
    if !errors.is_empty() {
        findings.at_state(&state.name, "Retry", Rule::NotRetried { errors });
    }
    for (index, retrier) in handling.retriers.iter().enumerate() {
        let field = |name: &str| format!("Retry/{index}/{name}");
        for (position, error) in retrier.error_equals.iter().enumerate() {
            // Wildcards match final errors too. And a task that timed out may still run: a second
            // one beside it is no cure.
            if !policy.is_transient(error) {
                let rule = Rule::RetriesFinal { error: error.clone() };
                findings.at_state(&state.name, field(&format!("ErrorEquals/{position}")), rule);
            }
        }
        check_pace(state, retrier, field, findings);
    }
}

/// The first retrier that matches decides, also if it allows no attempt.
fn is_retried(error: &str, handling: &Handling) -> bool {
    let failure = Failure::new(error, "");
    let first = handling.retriers.iter().find(|retrier| failure.matches(&retrier.error_equals));
    first.is_some_and(|retrier| retrier.max_attempts > 0)
}

fn check_pace(state: &State, retrier: &Retrier, field: impl Fn(&str) -> String, findings: &mut Findings) {
    if retrier.backoff_rate <= 1.0 {
        findings.at_state(&state.name, field("BackoffRate"), Rule::NoBackoff);
    }
    if retrier.max_delay_s.is_none() {
        findings.at_state(&state.name, field("MaxDelaySeconds"), Rule::NoMaxDelay);
    }
    if retrier.jitter != Jitter::Full {
        findings.at_state(&state.name, field("JitterStrategy"), Rule::NoJitter);
    }
}

fn check_caught(state: &State, handling: &Handling, functions: &[&Function], findings: &mut Findings) {
    let returned: BTreeSet<&String> = functions.iter().flat_map(|function| &function.errors).collect();
    let is_caught = |error: &str| {
        let failure = Failure::new(error, "");
        handling.catchers.iter().any(|catcher| failure.matches(&catcher.error_equals))
    };
    let errors: Vec<String> = returned.into_iter().filter(|error| !is_caught(error)).cloned().collect();
    if !errors.is_empty() {
        findings.at_state(&state.name, "Catch", Rule::Uncaught { errors });
    }
}
