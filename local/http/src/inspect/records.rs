//! What every table holds of an order, and the audit's verdict on it.

use std::collections::HashMap;

use api::{Answer, Kind, Problem};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use local_audit::{Books, Finding};
use local_aws::{Api, Services};
use local_stack::{self as stack, Stack};
use order::OrderId;
use orders::work::{INDEX, PARKED_WORK};
use saga::Item;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

use super::Inspected;
use super::summary::Summary;
use crate::front::respond;

/// The most parked orders that are listed: an alarm has rung long before.
const MAX_PARKED: i32 = 100;

/// An item as its table holds it.
#[derive(Debug, Serialize)]
struct Record {
    table: &'static str,
    /// What it is.
    kind: &'static str,
    /// The step whose fence it is.
    step: Option<&'static str>,
    item: Value,
}

/// Everything about an order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Story {
    order_id: OrderId,
    records: Vec<Record>,
    /// What the audit finds wrong with the order's records.
    findings: Vec<Finding>,
    /// Its executions, oldest first.
    executions: Vec<Arc<Summary>>,
}

/// Shows everything about an order.
pub async fn show(State(inspected): State<Inspected>, Path(order_id): Path<String>) -> Response {
    let Ok(order_id) = order_id.parse::<OrderId>() else {
        return respond(Problem::new(Kind::OrderNotFound).answer());
    };
    let executions = inspected.stack.executions.matching(|execution| execution.name == order_id.as_str());
    let executions: Vec<_> = executions.iter().map(|execution| inspected.summary(execution)).collect();
    let read = match Reader::new(&inspected.stack).items_of(&order_id).await {
        Ok(read) => read,
        Err(error) => return unreadable(&error),
    };
    if read.is_empty() && executions.is_empty() {
        return respond(Problem::new(Kind::OrderNotFound).about(&order_id).answer());
    }
    let findings = findings(&order_id, &read);
    let records = read.into_iter().map(Found::into_record).collect();
    respond(Answer::json(StatusCode::OK, &Story { order_id, records, findings, executions }))
}

/// What the audit finds wrong with an order's own items.
fn findings(order_id: &OrderId, items: &[Found]) -> Vec<Finding> {
    let mut books = Books::default();
    for found in items {
        books.add(found.table, found.item.clone());
    }
    // Without the other orders, the books of the stock and the accounts are incomplete.
    let at = format!("order {order_id}");
    local_audit::check(&books).findings.into_iter().filter(|finding| finding.at == at).collect()
}

/// What the audit finds wrong with an order.
///
/// # Errors
/// If a table cannot be read.
pub async fn verdict(stack: &Stack, order_id: &OrderId) -> Result<Vec<Finding>, aws_sdk_dynamodb::Error> {
    Ok(findings(order_id, &Reader::new(stack).items_of(order_id).await?))
}

/// Lists the parked orders as the orders table holds them.
pub async fn parked(State(inspected): State<Inspected>) -> Response {
    match Reader::new(&inspected.stack).parked().await {
        Ok(items) => {
            let items: Vec<Value> = items.into_iter().map(to_json).collect();
            respond(Answer::json(StatusCode::OK, &HashMap::from([("orders", items)])))
        }
        Err(error) => unreadable(&error),
    }
}

fn unreadable(error: &aws_sdk_dynamodb::Error) -> Response {
    tracing::error!(reason = %DisplayErrorContext(error), "the records could not be read");
    respond(Problem::new(Kind::StoreUnavailable).answer())
}

/// An item that belongs to an order.
struct Found {
    table: &'static str,
    kind: &'static str,
    step: Option<&'static str>,
    item: Item,
}

impl Found {
    fn into_record(self) -> Record {
        Record { table: self.table, kind: self.kind, step: self.step, item: to_json(self.item) }
    }
}

/// An item without its types: the tables hold nothing that JSON cannot.
fn to_json(item: Item) -> Value {
    serde_dynamo::from_item(item).unwrap_or_default()
}

/// Reads the tables themselves, past every layer: someone who looks at an outage is not part of it.
struct Reader(Client);

impl Reader {
    fn new(stack: &Stack) -> Self {
        let services = Services::new().with(Api::DynamoDb, Arc::new(stack.store.clone()));
        Self(Client::new(&stack::config(&services)))
    }

    async fn items_of(&self, order_id: &OrderId) -> Result<Vec<Found>, aws_sdk_dynamodb::Error> {
        let mut found = Vec::new();
        let key = HashMap::from([("order_id".to_owned(), AttributeValue::S(order_id.to_string()))]);
        let order = self.item(orders::table::TABLE, key).await?;
        let payment = order.as_ref().and_then(payment_of);
        found.extend(order.map(|item| Found { table: orders::table::TABLE, kind: "order", step: None, item }));
        for (function, step) in declarations::steps() {
            let key = step.fence.key.iter().map(|(name, pattern)| {
                (name.clone(), AttributeValue::S(pattern.replace("{order_id}", order_id.as_str())))
            });
            let fence = self.item(&step.fence.table, key.collect()).await?;
            let (table, step) = (step.fence.table.as_str(), Some(function.name.as_str()));
            found.extend(fence.map(|item| Found { table, kind: "fence", step, item }));
        }
        // The posting is the accounting step's fence, and was found above.
        let entries = self.journal_of(order_id).await?;
        let entries =
            entries.into_iter().filter(|item| item.get("sk") != Some(&AttributeValue::S("POSTING".to_owned())));
        found.extend(entries.map(|item| Found { table: journal::table::TABLE, kind: "entry", step: None, item }));
        if let Some(payment) = payment {
            let key = HashMap::from([("pk".to_owned(), AttributeValue::S(format!("PAYMENT#{payment}")))]);
            let claim = self.item(payments::table::TABLE, key).await?;
            found.extend(claim.map(|item| Found { table: payments::table::TABLE, kind: "claim", step: None, item }));
            let key = HashMap::from([("id".to_owned(), AttributeValue::S(payment))]);
            let intent = self.item(local_payments::TABLE, key).await?;
            found.extend(intent.map(|item| Found { table: local_payments::TABLE, kind: "payment", step: None, item }));
        }
        Ok(found)
    }

    async fn item(&self, table: &str, key: Item) -> Result<Option<Item>, aws_sdk_dynamodb::Error> {
        Ok(self.0.get_item().table_name(table).set_key(Some(key)).consistent_read(true).send().await?.item)
    }

    async fn journal_of(&self, order_id: &OrderId) -> Result<Vec<Item>, aws_sdk_dynamodb::Error> {
        let query = self.0.query().table_name(journal::table::TABLE).key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", AttributeValue::S(format!("ORDER#{order_id}")));
        Ok(query.consistent_read(true).send().await?.items.unwrap_or_default())
    }

    async fn parked(&self) -> Result<Vec<Item>, aws_sdk_dynamodb::Error> {
        let query = self.0.query().table_name(orders::table::TABLE).index_name(INDEX).limit(MAX_PARKED);
        let query = query.key_condition_expression("#work = :work").expression_attribute_names("#work", "work");
        let keys = query.expression_attribute_values(":work", AttributeValue::S(PARKED_WORK.to_owned())).send().await?;
        let mut items = Vec::new();
        for key in keys.items.into_iter().flatten().filter_map(|item| item.get("order_id").cloned()) {
            items.extend(self.item(orders::table::TABLE, HashMap::from([("order_id".to_owned(), key)])).await?);
        }
        Ok(items)
    }
}

/// The payment that an order names, if it has one to capture.
fn payment_of(order: &Item) -> Option<String> {
    let text = |name: &str| order.get(name)?.as_s().ok().cloned();
    text("payment_replacement")
        .or_else(|| text("payment_reference").filter(|_| text("payment_terms").as_deref() == Some("AUTHORIZED")))
}
