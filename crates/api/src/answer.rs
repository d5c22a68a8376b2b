//! Which HTTP answer an order record gives.

use std::fmt::Write as _;

use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use order::{OrderId, OrderRecord, Status};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::conditional::has_version;
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
            // An order changes, and is nobody's business but its client's.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ]);
        Self { status, headers, body }
    }

    /// The answer with one more header. A text that no header can hold is left out.
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

/// The answer to whoever wants to place this order, now or again: 201 once it is confirmed, also if
/// it was fulfilled since, 409 once it is cancelled, 202 while it is undecided.
pub fn placed(record: &OrderRecord) -> Answer {
    let answer = match record.status {
        Status::Confirmed | Status::Fulfilling | Status::Fulfilled => {
            Answer::json(StatusCode::CREATED, &OrderView::from(record))
        }
        Status::Cancelled => problem::cancelled(record),
        Status::Pending | Status::Cancelling => return accepted(record),
    };
    answer.with(header::LOCATION, location(record.order.order_id())).with(header::ETAG, etag(record))
}

/// The answer while an order is undecided, not yet rolled back or not yet fulfilled. Its `ETag` lets a client poll
/// `Location` for no more than "not yet".
pub fn accepted(record: &OrderRecord) -> Answer {
    Answer::json(StatusCode::ACCEPTED, &OrderView::from(record))
        .with(header::LOCATION, location(record.order.order_id()))
        .with(header::ETAG, etag(record))
}

/// The answer for an order that is kept in the overflow queue: it has no record yet, and so no
/// `ETag`.
pub fn queued(order_id: &OrderId) -> Answer {
    Answer::json(StatusCode::ACCEPTED, &json!({ "orderId": order_id, "status": Status::Pending }))
        .with(header::LOCATION, location(order_id))
}

/// The order as it stands.
pub fn stored(record: &OrderRecord) -> Answer {
    Answer::json(StatusCode::OK, &OrderView::from(record)).with(header::ETAG, etag(record))
}

/// The order as it stands, or 304 for a client whose `If-None-Match` says that it has just that.
pub fn stored_unless_known(record: &OrderRecord, request: &HeaderMap) -> Answer {
    let mut answer = stored(record);
    if has_version(request, &etag(record)) {
        answer.status = StatusCode::NOT_MODIFIED;
        // What is left is what https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5 asks for.
        answer.headers.remove(header::CONTENT_TYPE);
        answer.body.clear();
    }
    answer
}

fn location(order_id: &OrderId) -> String {
    format!("/orders/{order_id}")
}

/// A strong entity tag: the hash of the very bytes that `GET` answers with, so that it changes with
/// them, also when a release shows an order otherwise.
fn etag(record: &OrderRecord) -> String {
    const HASH_BYTES: usize = 16;

    let body = Answer::json(StatusCode::OK, &OrderView::from(record)).body;
    let tag = Sha256::digest(body)[..HASH_BYTES].iter().fold(String::new(), |mut tag, byte| {
        write!(tag, "{byte:02x}").expect("writing to a String cannot fail");
        tag
    });
    format!("\"{tag}\"")
}
