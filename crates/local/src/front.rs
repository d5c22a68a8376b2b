//! The HTTP front: requests become API Gateway's events, and the handlers' answers come back.

use std::collections::HashMap;
use std::sync::Arc;

use api::{Answer, Handler, Kind, Problem};
use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use recover_orders::{Command, Event};
use uuid::Uuid;

use crate::audit;
use crate::docs;
use crate::stack::Stack;

/// The largest payload that API Gateway takes: 10 MB.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html>
const MAX_PAYLOAD_BYTES: usize = 10 * 1000 * 1000;

/// The values of the placeholders in a resource's path.
pub type PathParameters = HashMap<String, String>;

/// The path of a request for a list.
type ListPath = Result<Path<PathParameters>, PathRejection>;

/// The path of a request that is about one order.
struct OrderPath(PathParameters);

impl<S: Send + Sync> FromRequestParts<S> for OrderPath {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(path_parameters)) => Ok(Self(path_parameters)),
            // Its bytes are no text, so they are no order's id either.
            Err(_) => Err(respond(Problem::new(Kind::OrderNotFound).answer())),
        }
    }
}

/// The order API, its description as data and as a page, and `/_local/…` for whoever runs the stack.
pub fn router(stack: Stack) -> Router {
    Router::new()
        .route("/orders", get(list_work).post(place))
        .route("/orders/{orderId}", get(read))
        .route("/orders/{orderId}/cancel", post(cancel))
        .route("/orders/{orderId}/fulfil", post(fulfil))
        .route("/customers/{customerId}/orders", get(list_of_customer))
        .route("/stores/{storeId}/orders", get(list_of_store))
        .route("/counties/{countyId}/orders", get(list_of_county))
        .route("/openapi.yaml", get(description))
        .route("/docs", get(docs))
        .route("/_local/audit", get(audit))
        .route("/_local/recover", post(recover))
        .route("/_local/recover/{orderId}", post(take_up))
        .fallback(|| async { respond(Problem::new(Kind::RouteNotFound).answer()) })
        .method_not_allowed_fallback(|| async { respond(Problem::new(Kind::MethodNotAllowed).answer()) })
        .with_state(stack)
}

async fn place(State(stack): State<Stack>, request: Request) -> Response {
    call(&stack.intake, "/orders", PathParameters::new(), request).await
}

async fn cancel(State(stack): State<Stack>, OrderPath(path_parameters): OrderPath, request: Request) -> Response {
    call(&stack.intake, "/orders/{orderId}/cancel", path_parameters, request).await
}

async fn fulfil(State(stack): State<Stack>, OrderPath(path_parameters): OrderPath, request: Request) -> Response {
    call(&stack.intake, "/orders/{orderId}/fulfil", path_parameters, request).await
}

async fn read(State(stack): State<Stack>, OrderPath(path_parameters): OrderPath, request: Request) -> Response {
    call(&stack.query_orders, "/orders/{orderId}", path_parameters, request).await
}

async fn list_work(State(stack): State<Stack>, request: Request) -> Response {
    call(&stack.query_orders, "/orders", PathParameters::new(), request).await
}

async fn list_of_customer(State(stack): State<Stack>, path: ListPath, request: Request) -> Response {
    list(&stack, "/customers/{customerId}/orders", path, request).await
}

async fn list_of_store(State(stack): State<Stack>, path: ListPath, request: Request) -> Response {
    list(&stack, "/stores/{storeId}/orders", path, request).await
}

async fn list_of_county(State(stack): State<Stack>, path: ListPath, request: Request) -> Response {
    list(&stack, "/counties/{countyId}/orders", path, request).await
}

async fn list(stack: &Stack, resource: &str, path: ListPath, request: Request) -> Response {
    // Bytes that are no text are no identifier, as an empty one is none.
    let path_parameters = path.map(|Path(path_parameters)| path_parameters).unwrap_or_default();
    call(&stack.query_orders, resource, path_parameters, request).await
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
async fn audit(State(stack): State<Stack>) -> Response {
    // It reads whole tables, and blocks while it does.
    match tokio::task::spawn_blocking(move || audit::run(&stack.store, &stack.tables)).await {
        Ok(Ok(report)) => respond(Answer::json(StatusCode::OK, &report)),
        Ok(Err(error)) => {
            tracing::error!(reason = saga::task::chain(&error), "the audit could not read the tables");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// Recovery, now.
async fn recover(State(stack): State<Stack>) -> Response {
    respond(Answer::json(StatusCode::OK, &stack.recover_orders.handle(Event::Command(Command::Recover)).await))
}

/// Recovery of one order, due or not, parked or not.
async fn take_up(State(stack): State<Stack>, OrderPath(path_parameters): OrderPath) -> Response {
    let Some(order_id) = path_parameters.get("orderId").and_then(|text| text.parse().ok()) else {
        return respond(Problem::new(Kind::OrderNotFound).answer());
    };
    let command = Event::Command(Command::TakeUp { order_id });
    respond(Answer::json(StatusCode::OK, &stack.recover_orders.handle(command).await))
}

async fn call<H: Handler>(
    handler: &Arc<H>,
    resource: &str,
    path_parameters: PathParameters,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_PAYLOAD_BYTES).await else {
        return respond(Problem::new(Kind::BodyTooLarge).answer());
    };
    let request_id = Uuid::new_v4().to_string();
    let mut event = event(parts.method, resource, parts.headers, path_parameters, &body);
    set_query(&mut event, parts.uri.query().unwrap_or_default());
    // Like a function, it works on when its caller hangs up.
    let handler = Arc::clone(handler);
    match tokio::spawn(async move { handler.handle(event, &request_id).await }).await {
        Ok(answer) => respond(answer),
        // What API Gateway answers for a function that crashes.
        Err(_) => {
            (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "application/json")], INTERNAL_ERROR).into_response()
        }
    }
}

/// The event that API Gateway makes of a request to a REST API with proxy integration.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>
pub fn event(
    method: Method,
    resource: &str,
    headers: HeaderMap,
    path_parameters: PathParameters,
    body: &[u8],
) -> ApiGatewayProxyRequest {
    let path = path_parameters
        .iter()
        .fold(resource.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
    let mut event = ApiGatewayProxyRequest::default();
    event.resource = Some(resource.to_owned());
    event.path = Some(path);
    event.http_method = method.clone();
    event.multi_value_headers = headers.clone();
    event.headers = headers;
    event.path_parameters = path_parameters;
    event.request_context.resource_path = Some(resource.to_owned());
    event.request_context.http_method = method;
    event.request_context.stage = Some("local".to_owned());
    if let Ok(text) = std::str::from_utf8(body) {
        event.body = (!text.is_empty()).then(|| text.to_owned());
    } else {
        event.body = Some(BASE64_STANDARD.encode(body));
        event.is_base64_encoded = true;
    }
    event
}

/// Gives an event its query: decoded, and for a parameter that was sent twice with its last value in
/// the one map and with all of them in the other, as API Gateway does.
pub fn set_query(event: &mut ApiGatewayProxyRequest, query: &str) {
    let mut all = HashMap::<String, Vec<String>>::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        all.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    let last: HashMap<String, Vec<String>> =
        all.iter().map(|(name, values)| (name.clone(), values.last().cloned().into_iter().collect())).collect();
    event.query_string_parameters = last.into();
    event.multi_value_query_string_parameters = all.into();
}

const INTERNAL_ERROR: &str = r#"{"message": "Internal server error"}"#;

/// As API Gateway does it with the event of a function's answer.
fn respond(answer: Answer) -> Response {
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
