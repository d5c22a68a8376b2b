//! The HTTP front: requests become API Gateway's events, and the handlers' answers come back.

use std::collections::HashMap;
use std::sync::Arc;

use api::{Answer, Client, Clients, Handler, Kind, Problem};
use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use recover_orders::{Command, Event};
use uuid::Uuid;

use crate::audit;
use crate::aws::BoxFuture;
use crate::docs;
use crate::stack::Stack;

/// The largest payload that API Gateway takes: 10 MB.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html>
const MAX_PAYLOAD_BYTES: usize = 10 * 1000 * 1000;

/// The header that a client's key stands in.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The values of the placeholders in a resource's path.
pub type PathParameters = HashMap<String, String>;

/// The path parameters of a request, unless their bytes are no text.
type RequestPath = Result<Path<PathParameters>, PathRejection>;

/// What the front speaks to, and for whom.
#[derive(Debug, Clone)]
pub struct Front {
    /// The system.
    pub stack: Stack,
    /// Who may call it, by API key. A request with no key at all may do everything: this is a
    /// machine of one's own.
    pub clients: Arc<Clients>,
}

/// The order API, its description as data and as a page, and `/_local/…` for whoever runs the stack.
pub fn router(front: Front) -> Router {
    let intake = |resource| to(resource, |stack| &stack.intake);
    let query_orders = |resource| to(resource, |stack| &stack.query_orders);
    let manage_stock = |resource| to(resource, |stack| &stack.manage_stock);
    let manage_accounts = |resource| to(resource, |stack| &stack.manage_accounts);
    let (article, terms) = ("/stores/{storeId}/stock/{sku}", "/accounts/{customerId}/terms");
    let adjustments = "/stores/{storeId}/stock/{sku}/adjustments";
    Router::new()
        .route("/orders", get(query_orders("/orders")).post(intake("/orders")))
        .route("/orders/{orderId}", get(query_orders("/orders/{orderId}")))
        .route("/orders/{orderId}/cancel", post(intake("/orders/{orderId}/cancel")))
        .route("/orders/{orderId}/fulfil", post(intake("/orders/{orderId}/fulfil")))
        .route("/customers/{customerId}/orders", get(query_orders("/customers/{customerId}/orders")))
        .route("/stores/{storeId}/orders", get(query_orders("/stores/{storeId}/orders")))
        .route("/counties/{countyId}/orders", get(query_orders("/counties/{countyId}/orders")))
        .route("/stores/{storeId}/stock", get(manage_stock("/stores/{storeId}/stock")))
        .route(article, get(manage_stock(article)).put(manage_stock(article)))
        .route(adjustments, post(manage_stock(adjustments)))
        .route("/accounts/{customerId}", get(manage_accounts("/accounts/{customerId}")))
        .route(terms, get(manage_accounts(terms)).put(manage_accounts(terms)))
        .route("/orders/{orderId}/journal", get(manage_accounts("/orders/{orderId}/journal")))
        .route("/openapi.yaml", get(description))
        .route("/docs", get(docs))
        .route("/_local/audit", get(audit))
        .route("/_local/recover", post(recover))
        .route("/_local/recover/{orderId}", post(take_up))
        .fallback(|| async { respond(Problem::new(Kind::RouteNotFound).answer()) })
        .method_not_allowed_fallback(|| async { respond(Problem::new(Kind::MethodNotAllowed).answer()) })
        .with_state(front)
}

/// Has a function of the stack answer the requests for a resource.
fn to<H: Handler>(
    resource: &'static str,
    function: fn(&Stack) -> &Arc<H>,
) -> impl Fn(State<Front>, RequestPath, Request) -> BoxFuture<'static, Response> + Clone {
    move |State(front), path, request| {
        // Bytes that are no text are no identifier, as an empty one is none.
        let path_parameters = path.map(|Path(path_parameters)| path_parameters).unwrap_or_default();
        Box::pin(async move { call(&front, function(&front.stack), resource, path_parameters, request).await })
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

async fn call<H: Handler>(
    front: &Front,
    handler: &Arc<H>,
    resource: &str,
    path_parameters: PathParameters,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let client = match client(front, &parts.headers) {
        Ok(client) => client,
        Err(problem) => return respond(problem.answer()),
    };
    let Ok(body) = to_bytes(body, MAX_PAYLOAD_BYTES).await else {
        return respond(Problem::new(Kind::BodyTooLarge).answer());
    };
    let request_id = Uuid::new_v4().to_string();
    let mut event = event(parts.method, resource, parts.headers, path_parameters, &body);
    set_query(&mut event, parts.uri.query().unwrap_or_default());
    // Like a function, it works on when its caller hangs up.
    let handler = Arc::clone(handler);
    match tokio::spawn(async move { handler.handle(event, &client, &request_id).await }).await {
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
fn client(front: &Front, headers: &HeaderMap) -> Result<Client, Problem> {
    match headers.get(API_KEY) {
        None => Ok(Client::of_an_open_api()),
        Some(api_key) => front.clients.client(api_key.to_str().ok()).cloned(),
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
