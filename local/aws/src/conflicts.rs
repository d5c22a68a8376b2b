//! Transactions that take time and therefore conflict, as on AWS.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::dynamodb::DynamoDb;
use super::layer::{Call, Layer, Next, Outcome};
use super::service::{Api, BoxFuture};
use super::wire_error::{CancellationReason, WireError};

/// A [`Layer`] in which a `TransactWriteItems` takes a while. Any other call for one of its items in that
/// time meets a conflict, as in DynamoDB:
/// - another transaction, reading or writing, is cancelled, with `TransactionConflict` for the items in
///   conflict and, for the others, the result of their own conditions;
/// - a single write is refused with `TransactionConflictException`;
/// - a single read, a query or a scan sees the items as they were before.
///
/// Without it there are no conflicts, because dynoxide applies one transaction after the other. A
/// `BatchWriteItem` is not affected; none of our functions sends one.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling>
#[derive(Debug)]
pub struct ConflictingTransactions {
    store: DynamoDb,
    shortest: Duration,
    longest: Duration,
    claimed: Arc<Mutex<HashSet<ItemKey>>>,
    key_attributes: Mutex<HashMap<String, Vec<String>>>,
}

/// An item, by its table and the JSON of its key attributes.
type ItemKey = (String, Vec<String>);

impl ConflictingTransactions {
    /// Transactions take `window` on tokio's clock. `store` provides the tables' keys.
    pub fn new(store: DynamoDb, window: Duration) -> Self {
        Self::between(store, window, window)
    }

    /// Each transaction takes some time from `shortest` to `longest`, always the same in the same run.
    pub fn between(store: DynamoDb, shortest: Duration, longest: Duration) -> Self {
        Self { store, shortest, longest, claimed: Arc::default(), key_attributes: Mutex::default() }
    }

    /// Spread evenly over the calls' numbers.
    fn window(&self, call: &Call) -> Duration {
        let share = u32::try_from(call.number.wrapping_mul(7919) % 1001).unwrap_or_default();
        self.shortest + self.longest.saturating_sub(self.shortest) * share / 1000
    }

    async fn write_transaction(&self, call: Call, next: Next<'_>) -> Outcome {
        let actions = actions(&call);
        let keys: Vec<Option<ItemKey>> = actions.iter().map(|(_, a)| self.item_key(a)).collect();
        let claim = match Claim::take(&self.claimed, &keys) {
            Ok(claim) => claim,
            Err(conflicts) => return self.cancel(&call, &actions, &conflicts, next).await,
        };
        tokio::time::sleep(self.window(&call)).await;
        let outcome = next.apply(&call).await;
        drop(claim);
        outcome
    }

    /// Cancels a transaction of which some items are in conflict. A transaction of condition checks alone,
    /// which changes nothing, finds out what the other actions' conditions say.
    async fn cancel(&self, call: &Call, actions: &[(String, Value)], conflicts: &[bool], next: Next<'_>) -> Outcome {
        let mut reasons: Vec<_> = conflicts.iter().copied().map(conflict_or_none).collect();
        let (places, checks): (Vec<usize>, Vec<Value>) = actions
            .iter()
            .enumerate()
            .filter(|(place, _)| !conflicts[*place])
            .filter_map(|(place, (_, action))| Some((place, self.condition_check(action)?)))
            .unzip();
        if !checks.is_empty() {
            let mut probe = call.clone();
            probe.body = json!({ "TransactItems": checks });
            let answer = next.apply(&probe).await?;
            if !answer.is_success() {
                let found = answer.json()["CancellationReasons"].take();
                let Ok(found) = serde_json::from_value::<Vec<CancellationReason>>(found) else {
                    // Something else is wrong with it, and that takes precedence over a conflict.
                    return Ok(answer);
                };
                for (place, reason) in places.into_iter().zip(found) {
                    reasons[place] = reason;
                }
            }
        }
        Ok(WireError::transaction_canceled(&reasons).into())
    }

    async fn read_transaction(&self, call: Call, next: Next<'_>) -> Outcome {
        let conflicts: Vec<bool> = actions(&call).iter().map(|(_, action)| self.is_claimed(action)).collect();
        if !conflicts.contains(&true) {
            return next.apply(&call).await;
        }
        let reasons: Vec<_> = conflicts.into_iter().map(conflict_or_none).collect();
        Ok(WireError::transaction_canceled(&reasons).into())
    }

    async fn single_write(&self, call: Call, next: Next<'_>) -> Outcome {
        if self.is_claimed(&call.body) {
            return Ok(WireError::transaction_conflict().into());
        }
        next.apply(&call).await
    }

    fn is_claimed(&self, action: &Value) -> bool {
        self.item_key(action).is_some_and(|key| lock(&self.claimed).contains(&key))
    }

    /// The item that an action or a single write is about; `None` if its table or key is missing, which the
    /// store reports better than we can.
    fn item_key(&self, action: &Value) -> Option<ItemKey> {
        let table = action["TableName"].as_str()?;
        let key = key_of(action, &self.key_attributes(table))?;
        let values = key.into_iter().map(|(_, value)| value.to_string());
        Some((table.to_owned(), values.collect()))
    }

    /// The action's condition as a `ConditionCheck`; `None` if it has none.
    fn condition_check(&self, action: &Value) -> Option<Value> {
        let table = action["TableName"].as_str()?;
        let condition = action["ConditionExpression"].as_str()?;
        let mut check = json!({
            "TableName": table,
            "Key": key_of(action, &self.key_attributes(table))?,
            "ConditionExpression": condition,
        });
        // DynamoDB rejects names and values that no expression uses, such as those of an update expression.
        for members in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
            let used: Map<String, Value> = action[members]
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(placeholder, _)| mentions(condition, placeholder))
                .map(|(placeholder, value)| (placeholder.clone(), value.clone()))
                .collect();
            if !used.is_empty() {
                check[members] = used.into();
            }
        }
        let on_failure = "ReturnValuesOnConditionCheckFailure";
        if let Some(wanted) = action.get(on_failure) {
            check[on_failure] = wanted.clone();
        }
        Some(json!({ "ConditionCheck": check }))
    }

    fn key_attributes(&self, table: &str) -> Vec<String> {
        if let Some(known) = lock(&self.key_attributes).get(table) {
            return known.clone();
        }
        let attributes = self.store.key_attributes(table);
        if !attributes.is_empty() {
            lock(&self.key_attributes).insert(table.to_owned(), attributes.clone());
        }
        attributes
    }
}

impl Layer for ConflictingTransactions {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        match (call.api, call.operation.as_str()) {
            (Api::DynamoDb, "TransactWriteItems") => Box::pin(self.write_transaction(call, next)),
            (Api::DynamoDb, "TransactGetItems") => Box::pin(self.read_transaction(call, next)),
            (Api::DynamoDb, "PutItem" | "UpdateItem" | "DeleteItem") => Box::pin(self.single_write(call, next)),
            _ => next.apply(&call),
        }
    }
}

/// The items that one transaction in flight holds. Dropping it releases them, even if the caller has given
/// up.
struct Claim {
    claimed: Arc<Mutex<HashSet<ItemKey>>>,
    keys: Vec<ItemKey>,
}

impl Claim {
    /// Takes all keys or none, and returns those that are already taken.
    fn take(claimed: &Arc<Mutex<HashSet<ItemKey>>>, keys: &[Option<ItemKey>]) -> Result<Self, Vec<bool>> {
        let mut taken = lock(claimed);
        let conflicts: Vec<bool> = keys.iter().map(|key| key.as_ref().is_some_and(|key| taken.contains(key))).collect();
        if conflicts.contains(&true) {
            return Err(conflicts);
        }
        let keys: Vec<ItemKey> = keys.iter().flatten().cloned().collect();
        taken.extend(keys.iter().cloned());
        Ok(Self { claimed: Arc::clone(claimed), keys })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = lock(&self.claimed);
        for key in &self.keys {
            claimed.remove(key);
        }
    }
}

/// A transaction's actions in order: the kind (`Put`, `Update`, …) and its parameters.
fn actions(call: &Call) -> Vec<(String, Value)> {
    let items = call.body["TransactItems"].as_array();
    let items = items.into_iter().flatten();
    items
        .map(|item| {
            let action = item.as_object().and_then(|item| item.iter().next());
            action.map_or_else(Default::default, |(kind, action)| (kind.clone(), action.clone()))
        })
        .collect()
}

const fn conflict_or_none(conflict: bool) -> CancellationReason {
    if conflict { CancellationReason::transaction_conflict() } else { CancellationReason::none() }
}

/// The key of an action's item: its `Key`, or the key attributes of its `Item`.
fn key_of(action: &Value, attributes: &[String]) -> Option<Map<String, Value>> {
    let of = action.get("Key").or_else(|| action.get("Item"))?;
    if attributes.is_empty() {
        return None;
    }
    attributes.iter().map(|name| Some((name.clone(), of.get(name)?.clone()))).collect()
}

/// Whether an expression uses a placeholder (`#name` or `:value`), rather than one that only starts with the
/// same letters.
fn mentions(expression: &str, placeholder: &str) -> bool {
    expression.match_indices(placeholder).any(|(at, _)| {
        let after = expression[at + placeholder.len()..].chars().next();
        !after.is_some_and(|next| next.is_alphanumeric() || next == '_')
    })
}

/// Nothing is left half done under these locks, so a poisoned one is still usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
