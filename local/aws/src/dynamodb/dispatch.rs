//! From an operation's name and JSON to dynoxide's typed call and back.

use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Applies one operation. Returns `None` if dynoxide does not have it, or if neither the functions, the local
/// stack nor everyday commands of the AWS CLI need it.
pub(super) fn dispatch(db: &Database, operation: &str, body: &str) -> Option<Result<String, DynoxideError>> {
    Some(match operation {
        "PutItem" => run(body, |request| db.put_item(request)),
        "GetItem" => run(body, |request| db.get_item(request)),
        "UpdateItem" => run(body, |request| db.update_item(request)),
        "DeleteItem" => run(body, |request| db.delete_item(request)),
        "Query" => run(body, |request| db.query(request)),
        "Scan" => run(body, |request| db.scan(request)),
        "BatchGetItem" => run(body, |request| db.batch_get_item(request)),
        "BatchWriteItem" => run(body, |request| db.batch_write_item(request)),
        "TransactGetItems" => run(body, |request| db.transact_get_items(request)),
        "TransactWriteItems" => run(body, |request| transact_write_items(db, request)),
        "CreateTable" => run(body, |request| db.create_table(request)),
        "DescribeTable" => run(body, |request| db.describe_table(request)),
        "ListTables" => run(body, |request| db.list_tables(request)),
        "UpdateTimeToLive" => run(body, |request| db.update_time_to_live(request)),
        "DescribeTimeToLive" => run(body, |request| db.describe_time_to_live(request)),
        _ => return None,
    })
}

/// The SDK puts a fresh token on each transaction. For each of them dynoxide searches all tokens of the last
/// ten minutes, so throughput halves within minutes. Without the token, the SDK's retry of a transaction
/// whose answer was lost is applied anew and meets its own first attempt. AWS behaves that way too after its
/// ten minutes, so our steps must recognise their own work by the fence in any case.
fn transact_write_items(
    db: &Database,
    mut request: TransactWriteItemsRequest,
) -> Result<impl Serialize, DynoxideError> {
    request.client_request_token = None;
    db.transact_write_items(request)
}

fn run<Request, Response>(
    body: &str,
    apply: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<String, DynoxideError>
where
    Request: DeserializeOwned,
    Response: Serialize,
{
    let request = serde_json::from_str(body).map_err(|error| unreadable(&error))?;
    serde_json::to_string(&apply(request)?).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// dynoxide's request types prefix the kind of DynamoDB error to a bad request's message. Its own HTTP
/// server, which we do not build, removes the prefix.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    let serialization = ["SERIALIZATION:", "SERIALIZATION_AS_READ:"];
    let validation = ["VALIDATION:", "VALIDATION_REQUEST:", "VALIDATION_AS_READ:"];
    if let Some(message) = serialization.iter().find_map(|mark| text.strip_prefix(mark)) {
        return DynoxideError::SerializationException(message.to_owned());
    }
    let message = validation.iter().find_map(|mark| text.strip_prefix(mark));
    DynoxideError::ValidationException(message.unwrap_or(&text).to_owned())
}
