//! The form of a declaration.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use serde::Deserialize;

/// A Lambda function: everything about it but its logic. `functions/NAME/function.json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its name: the folder's.
    #[serde(skip)]
    pub name: String,
    /// What it does, in a sentence.
    pub description: String,
    /// What calls it.
    pub kind: Kind,
    /// How much memory it has.
    pub memory: Memory,
    /// How long it may run.
    pub timeout: Timeout,
    /// What it may touch.
    #[serde(default)]
    pub uses: Uses,
    /// Of a function of kind `record`: its actions.
    #[serde(default)]
    pub record: Option<Record>,
    /// Of a function of kind `step`: the step.
    #[serde(default)]
    pub step: Option<Step>,
    /// Of a function of kind `api`: the requests that it answers, by method and path:
    /// `POST /orders/{orderId}/cancel`.
    #[serde(default)]
    pub routes: BTreeMap<String, Route>,
    /// The queues that it works off.
    #[serde(default)]
    pub receives: BTreeMap<String, Receives>,
    /// When it runs by itself.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// The queues that exist because of it.
    #[serde(default)]
    pub queues: BTreeMap<String, Queue>,
}

/// What calls a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The state machine, which keeps the order's record with it.
    Record,
    /// The state machine, for a step of the saga.
    Step,
    /// API Gateway.
    Api,
    /// A schedule, a queue or an operator.
    Worker,
}

/// A function's memory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// In MB; Lambda gives processor time by it.
    pub mb: u32,
    /// The reason.
    pub why: String,
}

/// A function's time limit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeout {
    /// In seconds.
    pub seconds: u32,
    /// The reason.
    pub why: String,
}

/// What a function may touch. Its policy and its environment follow from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uses {
    /// The tables, by name.
    #[serde(default)]
    pub tables: BTreeMap<String, TableUse>,
    /// The queues that it sends to, with the operations.
    #[serde(default)]
    pub queues: BTreeMap<String, BTreeSet<String>>,
    /// The operations on the saga's state machine.
    #[serde(default)]
    pub workflow: BTreeSet<String>,
}

/// What a function does with a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableUse {
    /// The operations on the table. The writes of a transaction count as themselves.
    pub operations: BTreeSet<String>,
    /// The operations on its indexes.
    #[serde(default)]
    pub indexes: BTreeMap<String, BTreeSet<String>>,
}

/// The function that keeps the order record for the state machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The actions of its input.
    pub actions: BTreeSet<String>,
    /// The errors by which it refuses a request that there is nothing to roll back of.
    pub refusals: BTreeSet<String>,
}

/// A step of the saga.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its place among the steps: they run from the lowest to the highest. Gaps leave room for a step in
    /// between.
    pub position: u32,
    /// What it does.
    pub action: Action,
    /// What takes that back.
    pub compensation: Action,
    /// What uses it up once the order is handed over, if anything does.
    #[serde(default)]
    pub consumption: Option<Action>,
    /// Where its fences are.
    pub fence: Fence,
    /// How it says no to an order, by the error's name.
    #[serde(default)]
    pub refusals: BTreeMap<String, Refusal>,
}

/// An action of a step.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The `action` of the function's input.
    pub name: String,
    /// The event in the order's timeline, once it has had its effect.
    pub timeline: String,
}

/// Where a step's fences are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fence {
    /// The table.
    pub table: String,
    /// The key, with `{order_id}` for the order's id.
    pub key: BTreeMap<String, String>,
}

/// How a step says no to an order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The order's `reason`, part of the API.
    pub reason: String,
    /// The last part of the problem's `type`, part of the API.
    pub problem: String,
    /// The problem's `title`.
    pub title: String,
}

/// A request that a function answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// A caller needs one of these scopes.
    pub scopes: BTreeSet<String>,
    /// The headers that it knows, besides those of every request.
    #[serde(default)]
    pub headers: BTreeSet<String>,
    /// The query parameters that it knows.
    #[serde(default)]
    pub query: BTreeSet<String>,
}

/// How a function works off a queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receives {
    /// The most messages of one call.
    pub batch: u32,
    /// The reason.
    pub why: String,
}

/// When a function runs by itself.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// How many minutes lie between two runs.
    pub every_minutes: NonZeroU32,
    /// What it is invoked with.
    pub input: serde_json::Value,
    /// The reason for the period.
    pub why: String,
    /// The queue that runs end in which could not be started, or failed.
    pub failures: String,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// What is in it, in a sentence.
    pub description: String,
    /// How long a received message is hidden from other receivers.
    pub visibility_seconds: u32,
    /// How long a message is kept.
    pub retention_days: u32,
    /// Where messages go that nobody can work off.
    #[serde(default)]
    pub redrive: Option<Redrive>,
    /// The reason for these numbers.
    pub why: String,
}

/// Where messages go that nobody can work off.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redrive {
    /// The queue.
    pub to: String,
    /// How many times a message is received before.
    pub max_receives: u32,
}

/// A table, declared by its owner. `crates/OWNER/table.json` or `functions/NAME/table.json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: Key,
    /// The types of the attributes that are keys, of the table or of an index: `S` or `N`.
    pub attributes: BTreeMap<String, AttributeType>,
    /// Its indexes. Only keys are projected: a change of status then rewrites no index, and a page reads
    /// what it shows by key.
    #[serde(default)]
    pub indexes: BTreeMap<String, IndexKey>,
    /// The attribute with the time, in epoch seconds, after which DynamoDB may drop an item.
    #[serde(default)]
    pub ttl: Option<String>,
}

/// The type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum AttributeType {
    /// A string.
    S,
    /// A number.
    N,
}

/// A table's key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The partition key.
    pub partition: String,
    /// The sort key, if there is one.
    #[serde(default)]
    pub sort: Option<String>,
}

/// An index's key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexKey {
    /// The partition key.
    pub partition: String,
    /// The sort key.
    pub sort: String,
}
