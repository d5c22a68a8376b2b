//! How many more steps a saga has room for, in the time of an execution and in its largest payload.

use serde::Serialize;

use super::call::Call;
use super::graph;
use super::payload::Part;
use super::policy::{Policy, Step};
use super::rehearsal::Rehearsed;
use super::time::{Way, leg};
use crate::definition::{MAX_PAYLOAD_BYTES, Machine, State};
use crate::outcome::EXPRESS_TIME_LIMIT;

/// How many more steps fit before an execution could reach its own limits or those of AWS. A policy's
/// `max_path` and `max_payload_bytes` ask for a decision before that.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Room {
    /// How many more steps fit, one after another, into the machine's `TimeoutSeconds` and the 300 s of
    /// Express.
    pub steps_in_time: u32,
    /// How much longer one more step makes the longest path: the time of its action with all retries,
    /// assumed to be as slow as the slowest today. Its compensation runs in parallel to the others and is
    /// assumed to be no slower.
    pub step_s: f64,
    /// How many more steps fit into the largest payload.
    pub steps_in_bytes: usize,
    /// How much one more step adds to the largest payload. This is an estimate from the rehearsals, and
    /// rather too high: the bytes that today's largest step adds to all payloads together. Those are the
    /// output of its branch of the roll-back and, in the record, the receipts of its action and of its
    /// compensation under its name.
    pub step_bytes: usize,
}

/// A step takes at least a second, and Express has 300.
const MAX_STEPS: u32 = 300;

/// `None` if there are no steps, or nothing was rehearsed.
pub(super) fn check(machine: &Machine, policy: &Policy, ways: &[Way], rehearsed: &Rehearsed) -> Option<Room> {
    let (longest_s, step_s) = (forward_s(machine, policy, ways)?, slowest_action_s(machine, policy)?);
    let largest_bytes = rehearsed.largest.overall()?.bytes;
    let step_bytes = policy.steps.iter().map(|step| bytes(step, machine, policy, rehearsed)).max()?;
    Some(Room {
        steps_in_time: steps_in_time(longest_s, step_s, limit_s(machine)),
        step_s,
        steps_in_bytes: MAX_PAYLOAD_BYTES.saturating_sub(largest_bytes).checked_div(step_bytes)?,
        step_bytes,
    })
}

fn limit_s(machine: &Machine) -> f64 {
    let express_s = EXPRESS_TIME_LIMIT.as_secs_f64();
    machine.timeout_s.map_or(express_s, |limit_s| f64::from(limit_s).min(express_s))
}

/// An execution has to end before its limit, not at it.
fn steps_in_time(longest_s: f64, step_s: f64, limit_s: f64) -> u32 {
    let fits = |steps: &u32| longest_s + f64::from(*steps) * step_s < limit_s;
    (1..=MAX_STEPS).take_while(fits).last().unwrap_or(0)
}

/// The longest path with a step's action: another step would lengthen it.
fn forward_s(machine: &Machine, policy: &Policy, ways: &[Way]) -> Option<f64> {
    let acts = |state: &State| graph::with_inner(state).into_iter().any(|state| is_action(state, policy));
    let forward: Vec<&str> =
        machine.scope.states.iter().filter(|state| acts(state)).map(|state| &*state.name).collect();
    let is_forward = |way: &&Way| way.legs.iter().any(|leg| forward.contains(&leg.state.as_str()));
    ways.iter().filter(is_forward).map(|way| way.total_s).max_by(f64::total_cmp)
}

fn slowest_action_s(machine: &Machine, policy: &Policy) -> Option<f64> {
    let actions = graph::states(machine).into_iter().filter(|state| is_action(state, policy));
    actions.filter_map(|state| Some(leg(state)?.total_s)).max_by(f64::total_cmp)
}

fn is_action(state: &State, policy: &Policy) -> bool {
    policy.steps.iter().any(|step| step.action.is_made_by(state, policy))
}

fn bytes(step: &Step, machine: &Machine, policy: &Policy, rehearsed: &Rehearsed) -> usize {
    // `"name":receipt,`
    let around = |name: &str| name.len() + 4;
    let receipt = |call: &Call| rehearsed.answers.get(call).map_or(0, |bytes| bytes + around(&call.function));
    let output = branch_output_bytes(&step.compensation, machine, policy, rehearsed);
    receipt(&step.action) + receipt(&step.compensation) + output
}

/// The largest output of the branch that compensates a step; 0 if it is not in a branch.
fn branch_output_bytes(compensation: &Call, machine: &Machine, policy: &Policy, rehearsed: &Rehearsed) -> usize {
    let branches = graph::states(machine).into_iter().flat_map(|state| state.kind.branches());
    let compensating =
        branches.filter(|branch| branch.states.iter().any(|state| compensation.is_made_by(state, policy)));
    let ends = compensating.flat_map(|branch| &branch.states).filter(|state| graph::ends(state, |_, _| true));
    let outputs = ends.filter_map(|state| rehearsed.largest.bytes(&state.name, Part::Output));
    outputs.max().map_or(0, |bytes| bytes + ",".len())
}
