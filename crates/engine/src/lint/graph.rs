//! The states as a graph: the ways out of each state, and paths through a scope.

use std::collections::VecDeque;

use crate::definition::{Condition, Exit, Handling, Kind, Machine, Scope, State, Text, Transition, Until, Whole};
use crate::expression::Expression;
use crate::template::Template;

/// One way out of a state.
pub(super) struct Leave<'a> {
    /// The field that says where it leads: `Next`, `End`, `Catch/0/Next`, `Choices/1/Next`, `Default`.
    pub(super) field: String,
    pub(super) how: How,
    /// What is assigned and output on the way; `None` for a Succeed state.
    pub(super) exit: Option<&'a Exit>,
    /// The index of the next state; `None` at an end of the scope.
    pub(super) to: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// The state succeeded.
    Done,
    /// By this catcher.
    Caught,
    /// By this choice rule.
    Chosen(usize),
    /// By a Choice's default.
    Otherwise,
}

/// The ways out of a state; none for a Fail state.
pub(super) fn leaves(state: &State) -> Vec<Leave<'_>> {
    let done = |exit| Leave::by("Next".to_owned(), How::Done, exit);
    match &state.kind {
        Kind::Task(task) => with_catchers(done(&task.exit), &task.handling),
        Kind::Parallel(parallel) => with_catchers(done(&parallel.exit), &parallel.handling),
        Kind::Map(map) => with_catchers(done(&map.exit), &map.handling),
        Kind::Pass(exit) => vec![done(exit)],
        Kind::Wait(wait) => vec![done(&wait.exit)],
        Kind::Choice(choice) => {
            let rules = choice.rules.iter().enumerate();
            rules
                .map(|(index, rule)| Leave::by(format!("Choices/{index}/Next"), How::Chosen(index), &rule.exit))
                .chain(choice.default.iter().map(|exit| Leave::by("Default".to_owned(), How::Otherwise, exit)))
                .collect()
        }
        Kind::Succeed { .. } => vec![Leave { field: "Type".to_owned(), how: How::Done, exit: None, to: None }],
        Kind::Fail(_) => Vec::new(),
    }
}

fn with_catchers<'a>(done: Leave<'a>, handling: &'a Handling) -> Vec<Leave<'a>> {
    let catchers = handling.catchers.iter().enumerate();
    let caught = catchers.map(|(index, catcher)| Leave::by(format!("Catch/{index}/Next"), How::Caught, &catcher.exit));
    [done].into_iter().chain(caught).collect()
}

impl<'a> Leave<'a> {
    fn by(field: String, how: How, exit: &'a Exit) -> Self {
        match exit.to {
            Transition::Next(next) => Self { field, how, exit: Some(exit), to: Some(next) },
            Transition::End => Self { field: "End".to_owned(), how, exit: Some(exit), to: None },
        }
    }
}

/// The Retry and Catch of a state that can have them.
pub(super) fn handling(state: &State) -> Option<&Handling> {
    match &state.kind {
        Kind::Task(task) => Some(&task.handling),
        Kind::Parallel(parallel) => Some(&parallel.handling),
        Kind::Map(map) => Some(&map.handling),
        _ => None,
    }
}

/// Every state. The states of branches follow the state that contains them.
pub(super) fn states(machine: &Machine) -> Vec<&State> {
    let mut found = Vec::new();
    collect(&machine.scope, &mut found);
    found
}

/// A state and all states inside it.
pub(super) fn with_inner(state: &State) -> Vec<&State> {
    let mut found = vec![state];
    state.kind.branches().iter().for_each(|branch| collect(branch, &mut found));
    found
}

fn collect<'a>(scope: &'a Scope, found: &mut Vec<&'a State>) {
    for state in &scope.states {
        found.push(state);
        state.kind.branches().iter().for_each(|branch| collect(branch, found));
    }
}

/// The names of the states on a shortest path from the state `from` to a `goal`, through ways that are
/// `open`.
pub(super) fn path(
    scope: &Scope,
    from: usize,
    open: impl Fn(&State, &Leave<'_>) -> bool,
    goal: impl Fn(&State) -> bool,
) -> Option<Vec<String>> {
    let mut came_from: Vec<Option<usize>> = vec![None; scope.states.len()];
    let mut seen = vec![false; scope.states.len()];
    let mut next = VecDeque::from([from]);
    seen[from] = true;
    while let Some(at) = next.pop_front() {
        let state = &scope.states[at];
        if goal(state) {
            let mut names: Vec<String> = std::iter::successors(Some(at), |at| came_from[*at])
                .map(|at| scope.states[at].name.to_string())
                .collect();
            names.reverse();
            return Some(names);
        }
        for to in leaves(state).iter().filter(|leave| open(state, leave)).filter_map(|leave| leave.to) {
            if !seen[to] {
                seen[to] = true;
                came_from[to] = Some(at);
                next.push_back(to);
            }
        }
    }
    None
}

/// Whether an `open` way leads from `state` out of its scope.
pub(super) fn ends(state: &State, open: impl Fn(&State, &Leave<'_>) -> bool) -> bool {
    leaves(state).iter().any(|leave| leave.to.is_none() && open(state, leave))
}

/// Every expression of the state itself, without those of its branches. They all see the variables as
/// they are when the state is entered.
pub(super) fn expressions(state: &State) -> Vec<&Expression> {
    let mut found = Vec::new();
    match &state.kind {
        Kind::Task(task) => {
            found.extend(task.arguments.iter().chain(&task.credentials).flat_map(of_template));
            found.extend([&task.timeout, &task.heartbeat].into_iter().filter_map(|whole| of_whole(whole.as_ref())));
        }
        Kind::Parallel(parallel) => found.extend(parallel.arguments.iter().flat_map(of_template)),
        Kind::Map(map) => {
            found.extend(map.items.iter().chain(&map.selector).flat_map(of_template));
            found.extend(of_whole(map.max_concurrency.as_ref()));
        }
        Kind::Choice(choice) => found.extend(choice.rules.iter().filter_map(|rule| match &rule.condition {
            Condition::Expression(expression) => Some(&**expression),
            Condition::Constant(_) => None,
        })),
        Kind::Wait(wait) => match &wait.until {
            Until::Seconds(Whole::Expression(expression)) | Until::MomentOf(expression) => found.push(expression),
            Until::Seconds(Whole::Constant(_)) | Until::Moment(_) => {}
        },
        Kind::Succeed { output } => found.extend(output.iter().flat_map(of_template)),
        Kind::Fail(fail) => {
            found.extend([&fail.error, &fail.cause].into_iter().filter_map(|text| match text {
                Some(Text::Expression(expression)) => Some(&**expression),
                _ => None,
            }));
        }
        Kind::Pass(_) => {}
    }
    for exit in leaves(state).iter().filter_map(|leave| leave.exit) {
        found.extend(of_exit(exit));
    }
    found
}

/// The expressions that are evaluated on a way out.
pub(super) fn of_exit(exit: &Exit) -> Vec<&Expression> {
    let templates = exit.assign.iter().map(|(_, template)| template).chain(&exit.output);
    templates.flat_map(of_template).collect()
}

fn of_template(template: &Template) -> Vec<&Expression> {
    match template {
        Template::Constant(_) => Vec::new(),
        Template::Expression(expression) => vec![expression],
        Template::Array(items) => items.iter().flat_map(of_template).collect(),
        Template::Object(members) => members.iter().flat_map(|(_, member)| of_template(member)).collect(),
    }
}

fn of_whole(whole: Option<&Whole>) -> Option<&Expression> {
    match whole {
        Some(Whole::Expression(expression)) => Some(expression),
        Some(Whole::Constant(_)) | None => None,
    }
}
