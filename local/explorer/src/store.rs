//! Faults of DynamoDB, Step Functions and SQS.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fault::{FaultKind, Point};
use super::world::World;
use local_aws::{Api, BoxFuture, Call, CancellationReason, DynamoDb, Layer, Next, Outcome, Unanswered, WireError};

/// The layer in front of the services that injects the faults.
#[derive(Debug)]
pub struct Faults {
    world: Arc<World>,
    store: DynamoDb,
}

impl Faults {
    /// The layer of a world. It reads from `store` the items that failed conditions return.
    pub fn new(world: Arc<World>, store: DynamoDb) -> Self {
        Self { world, store }
    }

    async fn store_call(&self, call: Call, next: Next<'_>) -> Outcome {
        let tables = tables(&call);
        if tables.iter().any(|table| self.world.is_out(table)) {
            return Ok(WireError::provisioned_throughput_exceeded().into());
        }
        let table = tables.first().cloned().unwrap_or_default();
        let point = Point::Store { operation: call.operation.clone(), table: table.clone() };
        let Some(fault) = self.world.arrive(point).await else { return next.apply(&call).await };
        match fault.kind {
            FaultKind::StoreThrottled => Ok(WireError::provisioned_throughput_exceeded().into()),
            FaultKind::StoreConflict => Ok(WireError::transaction_conflict().into()),
            FaultKind::StoreInProgress => Ok(WireError::transaction_in_progress().into()),
            FaultKind::StoreTimedOut => std::future::pending().await,
            FaultKind::StoreAnswerLost => {
                let _ = next.apply(&call).await;
                Err(Unanswered::ConnectionLost)
            }
            FaultKind::MixedFirst => Ok(WireError::transaction_canceled(&self.mixed_first(&call)).into()),
            FaultKind::MixedLast => Ok(WireError::transaction_canceled(&mixed_last(&call)).into()),
            kind @ (FaultKind::Outage | FaultKind::LongOutage) => {
                self.world.start_outage(&table, kind);
                Ok(WireError::provisioned_throughput_exceeded().into())
            }
            _ => next.apply(&call).await,
        }
    }

    async fn service_call(&self, call: Call, next: Next<'_>) -> Outcome {
        let point = Point::Service { api: call.api, operation: call.operation.clone() };
        match self.world.arrive(point).await.map(|fault| fault.kind) {
            Some(FaultKind::CallFailed) => Ok(WireError::throttling(call.api).into()),
            Some(FaultKind::CallAnswerLost) => {
                let _ = next.apply(&call).await;
                Err(Unanswered::ConnectionLost)
            }
            _ => next.apply(&call).await,
        }
    }

    /// A conflict on the fence, and failed conditions on the other items, because another writer holds
    /// everything there is for the moment. This says nothing about the order.
    fn mixed_first(&self, call: &Call) -> Vec<CancellationReason> {
        let mut reasons = vec![CancellationReason::transaction_conflict()];
        reasons.extend(actions(call).skip(1).map(|action| {
            let mut item = self.store.item(&action["TableName"], &action["Key"]).unwrap_or_default();
            for (attribute, drained) in [("available", "0"), ("receivable_minor", "9007199254740991")] {
                if item.get(attribute).is_some() {
                    item[attribute] = json!({ "N": drained });
                }
            }
            CancellationReason::conditional_check_failed(item.is_object().then_some(item))
        }));
        reasons
    }
}

/// A conflict on the last item, and no failure on the others.
fn mixed_last(call: &Call) -> Vec<CancellationReason> {
    let mut reasons: Vec<_> = actions(call).map(|_| CancellationReason::none()).collect();
    reasons.pop();
    reasons.push(CancellationReason::transaction_conflict());
    reasons
}

fn actions(call: &Call) -> impl Iterator<Item = &Value> {
    let items = call.body["TransactItems"].as_array();
    items.into_iter().flatten().filter_map(|item| item.as_object()?.values().next())
}

fn tables(call: &Call) -> Vec<String> {
    let named = call.body["TableName"].as_str().map(str::to_owned);
    let in_transaction = actions(call).filter_map(|action| action["TableName"].as_str().map(str::to_owned));
    named.into_iter().chain(in_transaction).collect()
}

/// Recovery queries every shard of the work index on every run. Queries of a shard without an order read
/// nothing and change nothing, so they are not points.
fn touches_no_order(call: &Call) -> bool {
    call.operation == "Query"
}

impl Layer for Faults {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match call.api {
                Api::DynamoDb if touches_no_order(&call) => {
                    let answer = next.apply(&call).await?;
                    // Only the shard's answer shows whether it holds the order.
                    let found = answer.json()["Count"].as_u64().unwrap_or_default() > 0;
                    if found && self.world.is_counting() { self.store_call(call, next).await } else { Ok(answer) }
                }
                Api::DynamoDb => self.store_call(call, next).await,
                Api::StepFunctions | Api::Sqs => self.service_call(call, next).await,
            }
        })
    }
}
