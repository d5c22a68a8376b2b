//! Each Task on its own: the function that it calls, and how long it waits for the answer.

use super::call::{INVOKE, function_name};
use super::finding::{Findings, Rule};
use super::graph;
use super::policy::Policy;
use crate::definition::{Kind, Machine, Task, Whole};

pub(super) fn check(machine: &Machine, policy: &Policy, findings: &mut Findings) {
    for state in graph::states(machine) {
        if let Kind::Task(task) = &state.kind {
            check_task(&state.name, task, policy, findings);
        }
    }
}

fn check_task(state: &str, task: &Task, policy: &Policy, findings: &mut Findings) {
    if &*task.resource != INVOKE {
        findings.at_state(state, "Resource", Rule::NotInvoke);
    }
    let function = function_name(task).and_then(|name| policy.function(name));
    if function.is_none() {
        let known: Vec<&str> = policy.functions.iter().map(|function| function.name.as_str()).collect();
        findings.at_state(state, "Arguments/FunctionName", Rule::UnknownFunction { known: known.join(", ") });
    }
    let Some(Whole::Constant(timeout_s)) = task.timeout else {
        findings.at_state(state, "TimeoutSeconds", Rule::NoTimeout);
        return;
    };
    if let Some(function) = function
        && u128::from(timeout_s) * 1000 <= function.timeout.as_millis()
    {
        let rule = Rule::TimeoutTooShort {
            function: function.name.clone(),
            function_s: function.timeout.as_secs(),
            timeout_s,
        };
        findings.at_state(state, "TimeoutSeconds", rule);
    }
}
