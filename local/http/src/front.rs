//! The HTTP front: requests become API Gateway's events, and the handlers' answers come back.

use std::sync::Arc;

use api::{Answer, Caller, Callers, Kind, Problem};
use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on, post};
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use local_aws::BoxFuture;
use local_stack::Stack;
use local_stack::gateway::{PathParameters, event, set_query};
use recover_orders::{Command, Event};
use uuid::Uuid;

use crate::docs;

/// The largest payload that API Gateway takes: 10 MB.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html>
const MAX_PAYLOAD_BYTES: usize = 10 * 1000 * 1000;

/// The header that a client's key stands in.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The path parameters of a request, unless their bytes are no text.
type RequestPath = Result<Path<PathParameters>, PathRejection>;

/// What the front speaks to, and for whom.
#[derive(Debug, Clone)]
pub struct Front {
    /// The system.
    pub stack: Stack,
    /// Who may call it, by API key. A request with no key at all may do everything: this is a
    /// machine of one's own.
    pub callers: Arc<Callers>,
}

/// The order API, its description as data and as a page, and `/_local/…` for the stack's operator.
pub fn router(front: Front) -> Router {
    let mut router = Router::new();
    for (_, route, _) in declarations::routes() {
        let Some((method, resource)) = route.split_once(' ') else { continue };
        let Ok(filter) =
            method.parse::<Method>().map_err(drop).and_then(|method| MethodFilter::try_from(method).map_err(drop))
        else {
            continue;
        };
        router = router.route(resource, on(filter, to(resource)));
    }
    router
        .route("/openapi.yaml", get(description))
        .route("/docs", get(docs))
        .route("/_local/audit", get(audit))
        .route("/_local/recover", post(recover))
        .route("/_local/recover/{orderId}", post(take_up))
        .fallback(|| async { respond(Problem::new(Kind::RouteNotFound).answer()) })
        .method_not_allowed_fallback(|| async { respond(Problem::new(Kind::MethodNotAllowed).answer()) })
        .with_state(front)
}

/// Has the function that declares a resource's route answer the requests for it.
fn to(resource: &'static str) -> impl Fn(State<Front>, RequestPath, Request) -> BoxFuture<'static, Response> + Clone {
    move |State(front), path, request| {
        // Bytes that are no text are no identifier, as an empty one is none.
        let path_parameters = path.map(|Path(path_parameters)| path_parameters).unwrap_or_default();
        Box::pin(async move { call(front, resource, path_parameters, request).await })
    }
}

/// <https://www.rfc-editor.org/rfc/rfc9512>
async fn description() -> Response {
    ([(header::CONTENT_TYPE, "application/yaml")], docs::OPENAPI).into_response()
}

async fn docs() -> Response {
    match docs::description() {
        Ok(api) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], docs::page(&api)).into_response(),
        Err(error) => {
            tracing::error!(reason = saga::task::chain(&error), "the API's description cannot be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The audit of a running stack, as `order-saga audit --json` prints it for one that is at rest.
async fn audit(State(Front { stack, .. }): State<Front>) -> Response {
    // It reads whole tables, and blocks while it does.
    match tokio::task::spawn_blocking(move || local_audit::run(&stack.store)).await {
        Ok(Ok(report)) => respond(Answer::json(StatusCode::OK, &report)),
        Ok(Err(error)) => {
            tracing::error!(reason = saga::task::chain(&error), "the audit could not read the tables");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// Recovery, now.
async fn recover(State(Front { stack, .. }): State<Front>) -> Response {
    respond(Answer::json(StatusCode::OK, &stack.recover_orders.handle(Event::Command(Command::Recover)).await))
}

/// Recovery of one order, due or not, parked or not.
async fn take_up(State(Front { stack, .. }): State<Front>, path: RequestPath) -> Response {
    let order_id = path.ok().and_then(|Path(path)| path.get("orderId")?.parse().ok());
    let Some(order_id) = order_id else {
        return respond(Problem::new(Kind::OrderNotFound).answer());
    };
    let command = Event::Command(Command::TakeUp { order_id });
    respond(Answer::json(StatusCode::OK, &stack.recover_orders.handle(command).await))
}

async fn call(front: Front, resource: &str, path_parameters: PathParameters, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let caller = match caller(&front, &parts.headers) {
        Ok(caller) => caller,
        Err(problem) => return respond(problem.answer()),
    };
    let Ok(body) = to_bytes(body, MAX_PAYLOAD_BYTES).await else {
        return respond(Problem::new(Kind::BodyTooLarge).answer());
    };
    let request_id = Uuid::new_v4().to_string();
    // A HEAD is answered as its GET is, without the body.
    let method = if parts.method == Method::HEAD { Method::GET } else { parts.method };
    let mut event = event(method, resource, parts.headers, path_parameters, &body);
    set_query(&mut event, parts.uri.query().unwrap_or_default());
    // Like a function, it works on when its caller hangs up.
    match tokio::spawn(async move { front.stack.answer(event, &caller, &request_id).await }).await {
        Ok(answer) => respond(answer),
        // What API Gateway answers for a function that crashes.
        Err(_) => {
            (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "application/json")], INTERNAL_ERROR).into_response()
        }
    }
}

/// Who sent a request with these headers.
///
/// # Errors
/// The problem to answer with, if the key is nobody's.
fn caller(front: &Front, headers: &HeaderMap) -> Result<Caller, Problem> {
    match headers.get(API_KEY) {
        None => Ok(Caller::of_an_open_api()),
        Some(api_key) => front.callers.caller(api_key.to_str().ok()).cloned(),
    }
}

const INTERNAL_ERROR: &str = r#"{"message": "Internal server error"}"#;

/// As API Gateway does it with the event of a function's answer.
pub fn respond(answer: Answer) -> Response {
    let event = ApiGatewayProxyResponse::from(answer);
    let status = u16::try_from(event.status_code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let body = match event.body {
        Some(aws_lambda_events::encodings::Body::Text(text)) => Body::from(text),
        Some(aws_lambda_events::encodings::Body::Binary(bytes)) => Body::from(bytes),
        Some(aws_lambda_events::encodings::Body::Empty) | None => Body::empty(),
        Some(_) => return StatusCode::BAD_GATEWAY.into_response(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status.unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = event.headers;
    response
}
