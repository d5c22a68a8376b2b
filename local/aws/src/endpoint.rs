//! The services on a real HTTP endpoint.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode};

use super::services::Services;

/// The largest request that is read. DynamoDB's largest, a batch of 25 items of 400 KB, is 10 MB
/// before JSON makes it longer.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
const BODY_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// A router that serves the AWS JSON protocol at `/`, for clients with an `endpoint_url`.
///
/// A call that a layer leaves unanswered is answered with 504. Clients treat that like a lost connection: the
/// outcome is unknown, and worth retrying.
pub fn endpoint(services: Services) -> Router {
    Router::new().route("/", post(call)).layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES)).with_state(services)
}

async fn call(State(services): State<Services>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok());
    match services.call(target.unwrap_or_default(), &body).await {
        Ok(answer) => (answer.status, answer.headers, answer.body).into_response(),
        Err(_unanswered) => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}
