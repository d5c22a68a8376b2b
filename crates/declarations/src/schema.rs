//! The form of a declaration.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use serde::Deserialize;

/// A Lambda function, except for its logic: `functions/NAME/function.json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its name, which is the folder's.
    #[serde(skip)]
    pub name: String,
    /// What it does, in a sentence.
    pub description: String,
    /// What calls it.
    pub kind: Kind,
    /// How much memory it has.
    pub memory: Memory,
    /// Its time limit.
    pub timeout: Timeout,
    /// What it has access to.
    #[serde(default)]
    pub uses: Uses,
    /// The actions of a function of kind `record`.
    #[serde(default)]
    pub record: Option<Record>,
    /// The step of a function of kind `step`.
    #[serde(default)]
    pub step: Option<Step>,
    /// The requests that a function of kind `api` answers, by method and path:
    /// `POST /orders/{orderId}/cancel`.
    #[serde(default)]
    pub routes: BTreeMap<String, Route>,
    /// The queues that it processes.
    #[serde(default)]
    pub receives: BTreeMap<String, Receives>,
    /// Its schedule.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// The queues that it owns.
    #[serde(default)]
    pub queues: BTreeMap<String, Queue>,
}

/// What calls a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The state machine, to keep the order's record.
    Record,
    /// The state machine, for a step of the saga.
    Step,
    /// API Gateway, to answer requests.
    Api,
    /// API Gateway, to find out who sends a request.
    Authorizer,
    /// A schedule, a queue or an operator.
    Worker,
}

/// A function's memory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// In MB; Lambda gives processor time in proportion.
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

/// What a function has access to. Its policy and its environment follow from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uses {
    /// The tables, by name.
    #[serde(default)]
    pub tables: BTreeMap<String, TableUse>,
    /// The operations on queues, by queue name.
    #[serde(default)]
    pub queues: BTreeMap<String, BTreeSet<String>>,
    /// The operations on the saga's state machine.
    #[serde(default)]
    pub workflow: BTreeSet<String>,
    /// The secrets that it reads.
    #[serde(default)]
    pub secrets: BTreeSet<String>,
    /// The deployment's settings that it reads.
    #[serde(default)]
    pub settings: BTreeSet<String>,
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
    /// The actions that its input may name.
    pub actions: BTreeSet<String>,
    /// The errors that refuse a request before there is anything to roll back.
    pub refusals: BTreeSet<String>,
}

/// A step of the saga.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its place among the steps, which run from the lowest to the highest. Gaps leave room for new steps
    /// in between.
    pub position: u32,
    /// The orders that it is for; all of them by default. For any other order, the state machine passes it by.
    #[serde(default)]
    pub only_for: Option<OnlyFor>,
    /// The service of somebody else that has its effect, if it isn't in the step's own table.
    #[serde(default)]
    pub external: Option<String>,
    /// What it does.
    pub action: Action,
    /// What takes its effect back.
    pub compensation: Action,
    /// What uses its effect up once the order is handed over, if anything does.
    #[serde(default)]
    pub consumption: Option<Action>,
    /// Where its fences are.
    pub fence: Fence,
    /// Its refusals, by error name.
    #[serde(default)]
    pub refusals: BTreeMap<String, Refusal>,
}

/// The orders that a step is for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnlyFor {
    /// Those with these payment terms.
    pub payment_terms: String,
}

/// An action of a step.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The `action` of the function's input.
    pub name: String,
    /// The event in the order's timeline after it took effect.
    pub timeline: String,
}

/// Where a step's fences are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fence {
    /// The table.
    pub table: String,
    /// The key, where `{order_id}` stands for the order's id.
    pub key: BTreeMap<String, String>,
}

/// How a step refuses an order.
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
    /// The caller needs one of these scopes.
    pub scopes: BTreeSet<String>,
    /// The headers that it reads, besides those of every request.
    #[serde(default)]
    pub headers: BTreeSet<String>,
    /// The query parameters that it accepts.
    #[serde(default)]
    pub query: BTreeSet<String>,
}

/// How a function processes a queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receives {
    /// The most messages per call.
    pub batch: u32,
    /// The reason.
    pub why: String,
}

/// A function's schedule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The minutes between two runs.
    pub every_minutes: NonZeroU32,
    /// The input of each run.
    pub input: serde_json::Value,
    /// The reason for the period.
    pub why: String,
    /// The queue for runs that could not be started, or that failed.
    pub failures: String,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// What it holds, in a sentence.
    pub description: String,
    /// How long a received message is hidden from other receivers.
    pub visibility_seconds: u32,
    /// How long a message is kept.
    pub retention_days: u32,
    /// Where messages go that cannot be processed.
    #[serde(default)]
    pub redrive: Option<Redrive>,
    /// The reason for these numbers.
    pub why: String,
}

/// Where messages go that cannot be processed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redrive {
    /// The queue.
    pub to: String,
    /// How many times a message is received before it goes there.
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
    /// The types of the key attributes of the table and its indexes: `S` or `N`.
    pub attributes: BTreeMap<String, AttributeType>,
    /// Its indexes. They project only keys: changes of other attributes then do not rewrite them, and a
    /// page reads its items by key.
    #[serde(default)]
    pub indexes: BTreeMap<String, IndexKey>,
    /// The attribute with the time, in epoch seconds, after which DynamoDB may delete an item.
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
    /// The sort key, if the table has one.
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
