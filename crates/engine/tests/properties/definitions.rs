//! Valid definitions, with mocks for all of their Tasks.

use engine::mock::{Mocks, Response};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

#[derive(Debug, Clone)]
pub struct Generated {
    pub definition: Value,
    pub mocks: Mocks,
    pub input: Value,
}

/// A scope before its states have names: any number of states, each leading to the next.
#[derive(Debug, Clone)]
struct Scope(Vec<State>);

#[derive(Debug, Clone)]
struct State {
    kind: Kind,
    assign: Option<Value>,
    output: Option<Value>,
    retry: Vec<Value>,
    /// The errors that are caught; the catcher leads to a later state.
    catch: Vec<&'static str>,
    /// Where a Choice rule or a catcher leads: an index into the later states, modulo their number.
    jump: usize,
    responses: Vec<Response>,
}

#[derive(Debug, Clone)]
enum Kind {
    Pass,
    Wait(Value),
    /// A condition; `back` lets its rule lead to the scope's first state.
    Choice {
        condition: Value,
        back: bool,
        default: bool,
    },
    Task {
        arguments: Value,
        timeout: Option<Value>,
        direct: bool,
    },
    Parallel(Vec<Scope>),
    Map {
        items: Option<Value>,
        selector: Option<Value>,
        most: Option<Value>,
        processor: Scope,
    },
    Succeed,
    Fail(Value),
}

/// Values for fields. Some of them fail, each in a different way.
fn value() -> impl Strategy<Value = Value> {
    select(vec![
        json!(1),
        json!(null),
        json!({"a": [1, "{% $states.input %}"]}),
        json!("{% $states.input %}"),
        json!("{% $states.input.x %}"),
        json!("{% $exists($v) ? $v : 'none' %}"),
        json!("{% $v %}"),
        json!("{% $states.context.State.Name %}"),
        json!("{% $states.context.Map.Item.Index %}"),
        json!("{% [1..3] %}"),
        json!("{% $range(1, 9, 2) %}"),
        json!("{% 1 / 0 %}"),
        json!("{% $uuid() %}"),
        json!("{% $random() < 0.5 %}"),
        json!("{% $pad('', 90000, 'x') %}"),
        json!({"x": "{% $states.context.State.RetryCount %}"}),
    ])
}

/// Numbers of seconds or iterations, and values that should be one.
fn number() -> impl Strategy<Value = Value> {
    select(vec![
        json!(0),
        json!(1),
        json!(7),
        json!(400),
        json!("{% 2 %}"),
        json!("{% $states.input.x %}"),
        json!("{% -1 %}"),
        json!("{% 'soon' %}"),
    ])
}

fn condition() -> impl Strategy<Value = Value> {
    select(vec![
        json!(true),
        json!(false),
        json!("{% $states.input.x = 1 %}"),
        json!("{% $exists($v) %}"),
        json!("{% $random() < 0.7 %}"),
        json!("{% $states.input %}"),
    ])
}

const ERRORS: [&str; 7] = [
    "E",
    "F",
    "States.Timeout",
    "States.TaskFailed",
    "States.QueryEvaluationError",
    "States.DataLimitExceeded",
    "States.NoChoiceMatched",
];

fn response() -> impl Strategy<Value = Response> {
    let errors = [&ERRORS[..], &["States.Runtime", ""]].concat();
    prop_oneof![
        value().prop_map(Response::payload),
        value().prop_map(Response::returned),
        select(errors).prop_map(|error| Response::throw(error, "by chance")),
    ]
    .prop_flat_map(|response| (1..4_usize).prop_map(move |times| response.clone().times(times)))
}

fn retrier() -> impl Strategy<Value = Value> {
    (select(&ERRORS[..]), 1..90_u32, 0..2_u32, 10..40_u32, proptest::option::of(1..120_u32), any::<bool>()).prop_map(
        |(error, interval, attempts, tenths, cap, jitter)| {
            let mut retrier = json!({
                "ErrorEquals": [error],
                "IntervalSeconds": interval,
                "MaxAttempts": attempts,
                "BackoffRate": f64::from(tenths) / 10.0,
                "JitterStrategy": if jitter { "FULL" } else { "NONE" },
            });
            if let Some(cap) = cap {
                retrier["MaxDelaySeconds"] = cap.into();
            }
            retrier
        },
    )
}

fn kind(inner: impl Strategy<Value = Scope> + Clone + 'static) -> impl Strategy<Value = Kind> {
    prop_oneof![
        3 => Just(Kind::Pass),
        2 => number().prop_map(Kind::Wait),
        2 => (condition(), prop::bool::weighted(0.2), prop::bool::weighted(0.9))
            .prop_map(|(condition, back, default)| Kind::Choice { condition, back, default }),
        4 => (value(), proptest::option::of(number()), any::<bool>())
            .prop_map(|(arguments, timeout, direct)| Kind::Task { arguments, timeout, direct }),
        2 => vec(inner.clone(), 1..3).prop_map(Kind::Parallel),
        2 => (proptest::option::of(value()), proptest::option::of(value()), proptest::option::of(number()), inner)
            .prop_map(|(items, selector, most, processor)| Kind::Map { items, selector, most, processor }),
        1 => Just(Kind::Succeed),
        1 => value().prop_map(Kind::Fail),
    ]
}

fn state(inner: impl Strategy<Value = Scope> + Clone + 'static) -> impl Strategy<Value = State> {
    (
        kind(inner),
        proptest::option::of(value()),
        proptest::option::of(value()),
        vec(retrier(), 0..2),
        vec(select([&ERRORS[..], &["States.ALL"]].concat()), 0..3),
        0..8_usize,
        vec(response(), 0..4),
    )
        .prop_map(|(kind, assign, output, retry, catch, jump, responses)| State {
            kind,
            assign,
            output,
            retry,
            catch,
            jump,
            responses,
        })
}

/// A scope without inner ones, for the innermost.
fn leaf() -> BoxedStrategy<Scope> {
    let nothing = Just(Scope(Vec::new())).boxed();
    vec(state(nothing), 1..3).prop_map(Scope).boxed()
}

pub fn generated() -> impl Strategy<Value = Generated> {
    let scope = vec(state(vec(state(leaf()), 1..3).prop_map(Scope).boxed()), 1..6).prop_map(Scope);
    // Mostly a limit that is reached; sometimes none, or one above that of Express.
    let limit_s = prop_oneof![8 => (1..100_u32).prop_map(Some), 1 => Just(Some(1000)), 1 => Just(None)];
    (scope, limit_s, value(), proptest::num::u64::ANY).prop_map(|(scope, limit_s, input, seed)| {
        let mut build = Build { mocks: Mocks::new().starting_at(0).seeded(seed), states: 0 };
        let mut definition = build.scope(&scope, 0);
        definition["QueryLanguage"] = "JSONata".into();
        if let Some(limit_s) = limit_s {
            definition["TimeoutSeconds"] = limit_s.into();
        }
        Generated { definition, mocks: build.mocks, input }
    })
}

/// Stands for the way back to the scope's first state.
const AGAIN: &str = "Again";

struct Build {
    mocks: Mocks,
    /// How many states have a name.
    states: usize,
}

impl Build {
    fn scope(&mut self, scope: &Scope, depth: usize) -> Value {
        // The innermost Parallels and Maps get an empty scope.
        let mut states = if scope.0.is_empty() { vec![of_kind(Kind::Pass)] } else { scope.0.clone() };
        // The last one must not lead on: it could only lead to itself, which takes no time.
        if states.last().is_some_and(|last| matches!(last.kind, Kind::Choice { .. }) || !last.catch.is_empty()) {
            states.push(of_kind(Kind::Succeed));
        }
        let names: Vec<String> = (0..states.len())
            .map(|index| {
                self.states += 1;
                format!("{}{}", name_of(&states[index].kind), self.states)
            })
            .collect();
        let mut built = Map::new();
        for (index, state) in states.iter().enumerate() {
            built.insert(names[index].clone(), self.state(state, index, &names, depth));
        }
        self.loop_back(&mut built, &names[0]);
        // States after an end in the middle are cut off from it: another way has to lead there.
        let last = self.join(&mut built, &states, &names);
        json!({"StartAt": last, "States": built})
    }

    /// Lets the rules that lead back do so by a Wait, so that the time limit ends their loops soon.
    fn loop_back(&mut self, built: &mut Map<String, Value>, first: &str) {
        self.states += 1;
        let name = format!("Again{}", self.states);
        let mut is_used = false;
        for state in built.values_mut() {
            if let Some(next) = state.pointer_mut("/Choices/0/Next").filter(|next| **next == AGAIN) {
                *next = name.clone().into();
                is_used = true;
            }
        }
        if is_used {
            built.insert(name, json!({"Type": "Wait", "Seconds": 20, "Next": first}));
        }
    }

    /// Puts a Choice in front that leads to every state that follows an end, and returns the start.
    fn join(&mut self, built: &mut Map<String, Value>, states: &[State], names: &[String]) -> String {
        let cut: Vec<&String> =
            (1..states.len()).filter(|index| is_end(&states[index - 1].kind)).map(|index| &names[index]).collect();
        if cut.is_empty() {
            return names[0].clone();
        }
        self.states += 1;
        let name = format!("Join{}", self.states);
        let rules: Vec<Value> =
            cut.iter().map(|next| json!({"Condition": "{% $random() < 0.3 %}", "Next": next})).collect();
        built.insert(name.clone(), json!({"Type": "Choice", "Choices": rules, "Default": names[0]}));
        name
    }

    fn state(&mut self, state: &State, index: usize, names: &[String], depth: usize) -> Value {
        let later = &names[(index + 1).min(names.len() - 1)..];
        let jump = later[state.jump % later.len()].clone();
        let is_last = index + 1 == names.len();
        let mut built = match &state.kind {
            Kind::Pass => json!({"Type": "Pass"}),
            Kind::Wait(seconds) => json!({"Type": "Wait", "Seconds": seconds}),
            Kind::Choice { condition, back, default } => {
                let target = if *back { AGAIN.to_owned() } else { jump.clone() };
                let mut choice = json!({"Type": "Choice", "Choices": [{"Condition": condition, "Next": target}]});
                if is_last || *default {
                    choice["Default"] = names[(index + 1).min(names.len() - 1)].clone().into();
                } else {
                    choice["Choices"][0]["Next"] = later[0].clone().into();
                }
                choice
            }
            Kind::Task { arguments, timeout, direct } => {
                self.mocks = self.mocks.clone().on(names[index].clone(), state.responses.clone());
                let resource = if *direct { "arn:aws:lambda:eu-west-1:1:function:f" } else { "arn:aws:states:::x:y" };
                let mut task = json!({"Type": "Task", "Resource": resource, "Arguments": arguments});
                if let Some(timeout) = timeout.as_ref().filter(|timeout| **timeout != json!(0)) {
                    task["TimeoutSeconds"] = timeout.clone();
                }
                task
            }
            Kind::Parallel(branches) => {
                let branches: Vec<Value> = branches.iter().map(|branch| self.scope(branch, depth + 1)).collect();
                json!({"Type": "Parallel", "Branches": branches})
            }
            Kind::Map { items, selector, most, processor } => {
                let mut map = json!({"Type": "Map", "ItemProcessor": self.scope(processor, depth + 1)});
                let is_items = |items: &&Value| items.is_array() || items.is_string();
                for (field, value) in [
                    ("Items", items.as_ref().filter(is_items)),
                    ("ItemSelector", selector.as_ref()),
                    ("MaxConcurrency", most.as_ref()),
                ] {
                    if let Some(value) = value {
                        map[field] = value.clone();
                    }
                }
                map
            }
            Kind::Succeed => json!({"Type": "Succeed"}),
            Kind::Fail(value) => {
                let text = if value.is_string() { value.clone() } else { json!("E") };
                json!({"Type": "Fail", "Error": text})
            }
        };
        let kind = &state.kind;
        if matches!(kind, Kind::Task { .. } | Kind::Parallel(_) | Kind::Map { .. }) {
            built["Retry"] = state.retry.clone().into();
            let last = state.catch.len().saturating_sub(1);
            let catchers = state.catch.iter().enumerate().filter(|(at, error)| **error != "States.ALL" || *at == last);
            let catchers = catchers.map(|(_, error)| json!({"ErrorEquals": [error], "Next": jump}));
            built["Catch"] = catchers.collect::<Vec<_>>().into();
        }
        if let Some(output) = state.output.as_ref().filter(|_| !matches!(kind, Kind::Fail(_))) {
            built["Output"] = output.clone();
        }
        // One name for each depth: an inner scope may not assign a name of an outer one.
        if let Some(value) = state.assign.as_ref().filter(|_| !is_end(kind)) {
            built["Assign"] = json!({ (["v", "w", "u"][depth.min(2)]): value });
        }
        if !is_end(kind) && !matches!(kind, Kind::Choice { .. }) {
            if is_last {
                built["End"] = true.into();
            } else {
                built["Next"] = names[index + 1].clone().into();
            }
        }
        built
    }
}

fn of_kind(kind: Kind) -> State {
    State { kind, assign: None, output: None, retry: Vec::new(), catch: Vec::new(), jump: 0, responses: Vec::new() }
}

fn is_end(kind: &Kind) -> bool {
    matches!(kind, Kind::Succeed | Kind::Fail(_))
}

fn name_of(kind: &Kind) -> &'static str {
    match kind {
        Kind::Pass => "Pass",
        Kind::Wait(_) => "Wait",
        Kind::Choice { .. } => "Choice",
        Kind::Task { .. } => "Task",
        Kind::Parallel(_) => "Parallel",
        Kind::Map { .. } => "Map",
        Kind::Succeed => "Succeed",
        Kind::Fail(_) => "Fail",
    }
}
