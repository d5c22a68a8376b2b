//! The HTTP answers, and which one follows from an order record.

use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use order::{OrderId, OrderRecord, Status};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::authorization::Caller;
use crate::etag::has_version;
use crate::problem;
use crate::view::OrderView;

/// An answer on its way to API Gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, JSON.
    pub body: String,
}

impl Answer {
    /// An answer with a JSON body.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).expect("the API's documents have string keys and finite times");
        let headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            // Orders change, and are private to their clients.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ]);
        Self { status, headers, body }
    }

    /// The current resource with its `ETag`, or 304 if the client's `If-None-Match` names that version.
    pub fn resource(body: &impl Serialize, request: &HeaderMap) -> Self {
        let answer = Self::json(StatusCode::OK, body);
        let etag = tag(&answer.body);
        let is_known = has_version(request, &etag);
        let answer = answer.with(header::ETAG, etag);
        if is_known { answer.not_modified() } else { answer }
    }

    /// The same answer as a 304, for a client that has the resource already.
    fn not_modified(mut self) -> Self {
        self.status = StatusCode::NOT_MODIFIED;
        // https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5 requires the remaining headers.
        self.headers.remove(header::CONTENT_TYPE);
        self.body.clear();
        self
    }

    /// The answer with one more header. A value that is not valid in a header is left out.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.insert(name, value);
        }
        self
    }
}

impl From<Answer> for ApiGatewayProxyResponse {
    fn from(answer: Answer) -> Self {
        let mut response = Self::default();
        response.status_code = answer.status.as_u16().into();
        response.headers = answer.headers;
        response.body = Some(answer.body.into());
        response
    }
}

/// The answer to a request to place this order, first or repeated: 201 once it is confirmed, even if it
/// has been fulfilled since; 409 once it is cancelled; 202 while it is undecided.
pub fn placed(record: &OrderRecord, caller: &Caller) -> Answer {
    let answer = match record.status {
        Status::Confirmed | Status::Fulfilling | Status::Fulfilled => {
            Answer::json(StatusCode::CREATED, &OrderView::of(record, caller))
        }
        Status::Cancelled => problem::cancelled(record, caller),
        Status::Pending | Status::Cancelling => return accepted(record, caller),
    };
    answer.with(header::LOCATION, location(record.order.order_id())).with(header::ETAG, etag(record, caller))
}

/// The answer while an order is undecided, being rolled back or being fulfilled. With its `ETag`, a client can
/// poll `Location` and get only a 304 until something changes.
pub fn accepted(record: &OrderRecord, caller: &Caller) -> Answer {
    Answer::json(StatusCode::ACCEPTED, &OrderView::of(record, caller))
        .with(header::LOCATION, location(record.order.order_id()))
        .with(header::ETAG, etag(record, caller))
}

/// The answer for an order in the overflow queue: it has no record yet, and so no `ETag`.
pub fn queued(order_id: &OrderId) -> Answer {
    Answer::json(StatusCode::ACCEPTED, &json!({ "orderId": order_id, "status": Status::Pending }))
        .with(header::LOCATION, location(order_id))
}

/// The order in its current state, as this caller sees it.
pub fn stored(record: &OrderRecord, caller: &Caller) -> Answer {
    Answer::json(StatusCode::OK, &OrderView::of(record, caller)).with(header::ETAG, etag(record, caller))
}

/// The order in its current state, or 304 if the client's `If-None-Match` names that version.
pub fn stored_unless_known(record: &OrderRecord, caller: &Caller, request: &HeaderMap) -> Answer {
    Answer::resource(&OrderView::of(record, caller), request)
}

fn location(order_id: &OrderId) -> String {
    format!("/orders/{order_id}")
}

fn etag(record: &OrderRecord, caller: &Caller) -> String {
    version(&OrderView::of(record, caller))
}

/// The `ETag` of a resource. It is strong: the hash of the bytes that `GET` answers with. So it also
/// changes when a release represents the resource differently.
pub fn version(resource: &impl Serialize) -> String {
    tag(&Answer::json(StatusCode::OK, resource).body)
}

fn tag(body: &str) -> String {
    const HASH_BYTES: usize = 16;

    format!("\"{}\"", hex::encode(&Sha256::digest(body)[..HASH_BYTES]))
}
