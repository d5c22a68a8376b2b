//! The declarations of every function, table, queue, route and step.
//!
//! A function's folder holds its `function.json`, and a table's owner its `table.json`. Terraform reads the
//! same files. Code that needs a list of functions, steps, tables, queues or routes takes it from here, so a
//! new function is just a new folder.
//!
//! The files are embedded when this crate is built, and an invalid file fails the build. [`problems`] finds
//! contradictions between files, and a test checks that there are none.

mod check;
mod schema;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::de::DeserializeOwned;

pub use check::problems;
pub use schema::{
    Action, AttributeType, Fence, Function, IndexKey, Key, Kind, Memory, OnlyFor, Queue, Receives, Record, Redrive,
    Refusal, Route, Schedule, Step, Table, TableUse, Timeout, Uses,
};

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// All functions, by name.
pub fn functions() -> &'static [Function] {
    static ALL: LazyLock<Vec<Function>> = LazyLock::new(|| {
        let named = FUNCTIONS.iter().map(|(name, text)| {
            let mut function: Function = parse(text);
            (*name).clone_into(&mut function.name);
            for (queue_name, queue) in &mut function.queues {
                queue.name.clone_from(queue_name);
            }
            function
        });
        named.collect()
    });
    &ALL
}

/// The function with this name.
pub fn function(name: &str) -> Option<&'static Function> {
    functions().iter().find(|function| function.name == name)
}

/// All steps, each with its function, in the order in which they run.
pub fn steps() -> &'static [(&'static Function, &'static Step)] {
    static ALL: LazyLock<Vec<(&Function, &Step)>> = LazyLock::new(|| {
        let steps = functions().iter().filter_map(|function| Some((function, function.step.as_ref()?)));
        let mut steps: Vec<_> = steps.collect();
        steps.sort_by_key(|(_, step)| step.position);
        steps
    });
    &ALL
}

/// All refusals of all steps, by error name.
pub fn refusals() -> impl Iterator<Item = (&'static str, &'static Refusal)> {
    steps().iter().flat_map(|(_, step)| &step.refusals).map(|(name, refusal)| (name.as_str(), refusal))
}

/// All tables, by name.
pub fn tables() -> &'static BTreeMap<String, Table> {
    static ALL: LazyLock<BTreeMap<String, Table>> = LazyLock::new(|| {
        let tables = TABLES.iter().map(|(_, text)| parse::<Table>(text));
        tables.map(|table| (table.name.clone(), table)).collect()
    });
    &ALL
}

/// All queues, by name.
pub fn queues() -> impl Iterator<Item = &'static Queue> {
    functions().iter().flat_map(|function| function.queues.values())
}

/// All routes, each with its function.
pub fn routes() -> impl Iterator<Item = (&'static Function, &'static str, &'static Route)> {
    functions()
        .iter()
        .flat_map(|function| function.routes.iter().map(move |(name, route)| (function, name.as_str(), route)))
}

impl Function {
    /// The placeholder of its ARN in the definition: `PersistOrderFunctionArn` for `persist-order`.
    pub fn placeholder(&self) -> String {
        let words = self.name.split('-').map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + rest
        });
        words.collect::<String>() + "FunctionArn"
    }

    /// Whether the state machine calls it.
    pub fn is_task(&self) -> bool {
        matches!(self.kind, Kind::Record | Kind::Step)
    }
}

impl Step {
    /// Whether it is for orders with these payment terms.
    pub fn is_for(&self, payment_terms: &str) -> bool {
        self.only_for.as_ref().is_none_or(|only_for| only_for.payment_terms == payment_terms)
    }

    /// The condition of the definition's choices that pass it by; `None` if it is for every order.
    pub fn condition(&self) -> Option<String> {
        let OnlyFor { payment_terms } = self.only_for.as_ref()?;
        Some(format!("$order.payment_terms = '{payment_terms}'"))
    }

    /// All its actions: the action itself, its compensation and its consumption, if it has one.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        [&self.action, &self.compensation].into_iter().chain(&self.consumption)
    }
}

/// The environment variable with a table's name.
pub fn table_variable(table: &str) -> String {
    format!("{}_TABLE", variable(table))
}

/// The environment variable with a queue's URL.
pub fn queue_variable(queue: &str) -> String {
    format!("{}_QUEUE_URL", variable(queue))
}

/// The environment variable with a secret's ARN.
pub fn secret_variable(secret: &str) -> String {
    format!("{}_SECRET_ARN", variable(secret))
}

/// The environment variable with a setting of the deployment.
pub fn setting_variable(setting: &str) -> String {
    variable(setting)
}

/// The environment variable with the state machine's ARN.
pub const WORKFLOW_VARIABLE: &str = "STATE_MACHINE_ARN";

/// The environment variable with the API's callers.
pub const CALLERS_VARIABLE: &str = "API_CLIENTS";

fn variable(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

fn parse<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("the build has checked every declaration")
}
