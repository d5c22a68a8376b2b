//! Every Choice has a Default. A Choice has no Catch, so an order that no rule matches would be left open.

use super::finding::{Findings, Rule};
use super::graph;
use crate::definition::{Kind, Machine};

pub(super) fn check(machine: &Machine, findings: &mut Findings) {
    for state in graph::states(machine) {
        if matches!(&state.kind, Kind::Choice(choice) if choice.default.is_none()) {
            findings.at_state(&state.name, "Default", Rule::NoDefault);
        }
    }
}
