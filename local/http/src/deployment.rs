//! The deployment that the console's operations act on, in place of this machine.
//!
//! Its API allows no page of another origin, so the console's requests go through here: `/_api/…` is passed on as it is,
//! with the token or key that the reader has entered.

use std::sync::Arc;

use api::{Answer, Kind, Problem};
use authorize::API_KEY;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Router, middleware};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::json;

use crate::front::{MAX_PAYLOAD_BYTES, respond, route_not_found};
use crate::origin;

/// The path under which the deployment's API is.
const PREFIX: &str = "/_api";

/// The headers of a request that mean something to the API. All others are about this connection or this browser.
const ASKED: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("prefer"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("x-correlation-id"),
    API_KEY,
];

/// The headers of an answer that mean something to the console.
const ANSWERED: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    HeaderName::from_static("idempotent-replayed"),
    HeaderName::from_static("x-correlation-id"),
];

/// A deployment's API.
#[derive(Debug, Clone)]
pub struct Deployment {
    url: String,
    http: reqwest::Client,
}

impl Deployment {
    /// The API at this address, without a slash at its end.
    ///
    /// # Errors
    /// If TLS cannot be set up, for example because the machine trusts no certificate.
    pub fn new(url: String) -> Result<Self, reqwest::Error> {
        Ok(Self { url, http: reqwest::Client::builder().build()? })
    }
}

/// `/_local/deployment`, which says where the deployment is, and the way to it.
pub fn router(deployment: Option<Deployment>) -> Router {
    let url = deployment.as_ref().map(|deployment| deployment.url.clone());
    let named = async move || respond(Answer::json(StatusCode::OK, &json!({ "url": url })));
    Router::new()
        .route("/_local/deployment", get(named))
        .route("/_api/{*path}", any(pass_on))
        .layer(middleware::from_fn(origin::only_own))
        .with_state(deployment.map(Arc::new))
}

async fn pass_on(State(deployment): State<Option<Arc<Deployment>>>, request: Request) -> Response {
    let Some(deployment) = deployment else { return route_not_found().await };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_PAYLOAD_BYTES).await else {
        return respond(Problem::new(Kind::BodyTooLarge).answer());
    };
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let url = format!("{}{}", deployment.url, path.strip_prefix(PREFIX).unwrap_or(path));
    let headers = only(&parts.headers, &ASKED);
    match deployment.http.request(parts.method, url).headers(headers).body(body).send().await {
        Ok(answer) => {
            let (status, headers) = (answer.status(), only(answer.headers(), &ANSWERED));
            match answer.bytes().await {
                Ok(body) => (status, headers, Body::from(body)).into_response(),
                Err(error) => unanswered(&error),
            }
        }
        Err(error) => unanswered(&error),
    }
}

fn only(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    names.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect()
}

fn unanswered(error: &reqwest::Error) -> Response {
    tracing::warn!(reason = saga::task::chain(error), "the deployment's API did not answer");
    respond(Problem::new(Kind::Unavailable).detail("the deployment's API did not answer").answer())
}
