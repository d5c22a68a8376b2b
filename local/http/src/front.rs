//! The HTTP front: turns requests into API Gateway's events, and the handlers' answers into responses.

use std::sync::Arc;

use api::{Answer, Caller, Kind, Problem};
use authorize::{API_KEY, Authorizer, Refusal};
use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodFilter, any, get, on, post};
use http::{HeaderMap, Method, StatusCode, header};
use local_aws::BoxFuture;
use local_explorer::live::LiveFaults;
use local_stack::Stack;
use local_stack::gateway::{PathParameters, event, set_query};
use local_traces::place::X_AMZN_TRACE_ID;
use local_traces::{Place, current, within};
use order::OrderId;
use recover_orders::{Command, Event};
use uuid::Uuid;

use crate::deployment::Deployment;
use crate::tokens::{self, LocalIssuer};
use crate::{console, deployment, docs, inspect, origin, payments};

/// The largest payload that API Gateway accepts: 10 MB.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html>
pub const MAX_PAYLOAD_BYTES: usize = 10 * 1000 * 1000;

/// The path parameters of a request, unless they are not UTF-8.
type RequestPath = Result<Path<PathParameters>, PathRejection>;

/// The system behind the front, and who finds out who calls it.
#[derive(Debug, Clone)]
pub struct Front {
    /// The system.
    pub stack: Stack,
    /// Finds out who sends a request, as deployed. A request without a token and without a key is not shown to it, and may
    /// do everything, because the stack runs on its user's own machine.
    pub authorizer: Arc<Authorizer>,
    /// The issuer of tokens; `None` if another one's are accepted.
    pub issuer: Option<LocalIssuer>,
    /// The faults that can be chosen, if they are among the stack's layers.
    pub faults: Arc<LiveFaults>,
    /// The deployment that the console's operations act on, if it is not this machine.
    pub deployment: Option<Deployment>,
}

/// The order API, the [page](docs) that describes it, the [console], and `/_local/…` for anyone who operates the stack.
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
    let inspect = inspect::router(front.stack.clone(), Arc::clone(&front.faults));
    let deployment = deployment::router(front.deployment.clone());
    let inspect = inspect.layer(middleware::from_fn(origin::only_own));
    let local = Router::new()
        .route("/_local/audit", get(audit))
        .route("/_local/token", post(tokens::issue))
        .route(tokens::JWKS, get(tokens::keys))
        .route("/_local/payments", post(payments::authorise))
        .route("/_local/payments/{paymentReference}", get(payments::show))
        .route("/_local/recover", post(recover))
        .route("/_local/recover/{orderId}", post(take_up))
        .layer(middleware::from_fn(origin::only_own));
    router
        .layer(middleware::from_fn(origin::only_local_pages))
        .route("/", any(root))
        .merge(docs::router())
        .merge(console::router())
        .merge(local)
        .fallback(route_not_found)
        .method_not_allowed_fallback(|| async { respond(Problem::new(Kind::MethodNotAllowed).answer()) })
        .with_state(front)
        .merge(inspect)
        .merge(deployment)
}

/// Passes a resource's requests to the function that declares its route.
fn to(resource: &'static str) -> impl Fn(State<Front>, RequestPath, Request) -> BoxFuture<'static, Response> + Clone {
    move |State(front), path, request| {
        // Parameters that are not UTF-8 are handled as missing: neither is a valid identifier.
        let path_parameters = path.map(|Path(path_parameters)| path_parameters).unwrap_or_default();
        Box::pin(async move { call(front, resource, path_parameters, request).await })
    }
}

/// Leads a browser that opens the address to the console. For any other method there is no such route, as in a deployment.
async fn root(method: Method) -> Response {
    match method {
        Method::GET | Method::HEAD => Redirect::temporary(console::PAGE).into_response(),
        _ => route_not_found().await,
    }
}

/// The answer for a path that nothing has.
pub async fn route_not_found() -> Response {
    respond(Problem::new(Kind::RouteNotFound).answer())
}

/// Audits the running stack. The answer has the form of `order-saga audit --json`.
async fn audit(State(Front { stack, .. }): State<Front>) -> Response {
    // It blocks while it reads whole tables.
    match tokio::task::spawn_blocking(move || local_audit::run(&stack.store)).await {
        Ok(Ok(report)) => respond(Answer::json(StatusCode::OK, &report)),
        Ok(Err(error)) => {
            tracing::error!(reason = saga::task::chain(&error), "the audit could not read the tables");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// Runs recovery now.
async fn recover(State(Front { stack, .. }): State<Front>) -> Response {
    let id = request_id();
    let recovery = stack.recover_orders.handle(Event::Command(Command::Recover), &id);
    respond(Answer::json(StatusCode::OK, &stack.traced("recover-orders", recovery).await))
}

/// Recovers one order now, even if it is not due or is parked.
async fn take_up(State(Front { stack, .. }): State<Front>, path: RequestPath) -> Response {
    let order_id = path.ok().and_then(|Path(path)| path.get("orderId")?.parse().ok());
    let Some(order_id) = order_id else {
        return respond(Problem::new(Kind::OrderNotFound).answer());
    };
    let command = Event::Command(Command::TakeUp { order_id, by: "operator".to_owned() });
    let id = request_id();
    let recovery = stack.recover_orders.handle(command, &id);
    respond(Answer::json(StatusCode::OK, &stack.traced("recover-orders", recovery).await))
}

/// An id for an invocation, as Lambda gives one.
fn request_id() -> String {
    Uuid::new_v4().to_string()
}

/// Passes a request on within a span of its own, if there is a tracer. The span is below the sender's, if it names one, and
/// the answer names the trace, as API Gateway's does.
async fn call(front: Front, resource: &str, path_parameters: PathParameters, request: Request) -> Response {
    let Some(tracer) = front.stack.tracer.clone() else {
        return pass(front, resource, path_parameters, request).await;
    };
    let route = format!("{} {resource}", request.method());
    let mut span = tracer.begin(Place::of_sender(request.headers()), local_traces::Kind::Server, route);
    span.set("http.request.method", request.method().to_string());
    span.set("http.route", resource.to_owned());
    // Only what looks like an order's id: anything may stand in a path.
    if let Some(order_id) = path_parameters.get("orderId").and_then(|text| text.parse::<OrderId>().ok()) {
        span.set("order.id", order_id.to_string());
    }
    let mut response = within(Some(span.place()), pass(front, resource, path_parameters, request)).await;
    let status = response.status();
    span.set("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.fail(status.as_str());
    }
    if let Ok(trace) = span.place().to_x_ray().parse() {
        response.headers_mut().insert(X_AMZN_TRACE_ID, trace);
    }
    response
}

async fn pass(front: Front, resource: &str, path_parameters: PathParameters, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let caller = match caller(&front, &parts.headers).await {
        Ok(caller) => caller,
        Err(problem) => return respond(problem.answer()),
    };
    let Ok(body) = to_bytes(body, MAX_PAYLOAD_BYTES).await else {
        return respond(Problem::new(Kind::BodyTooLarge).answer());
    };
    let request_id = request_id();
    // A HEAD gets the answer to the GET; the server leaves out the body.
    let method = if parts.method == Method::HEAD { Method::GET } else { parts.method };
    let mut event = event(method, resource, parts.headers, path_parameters, &body);
    set_query(&mut event, parts.uri.query().unwrap_or_default());
    // Like a function, it finishes its work even if the client disconnects.
    let answer = async move { front.stack.answer(event, &caller, &request_id).await };
    match tokio::spawn(within(current(), answer)).await {
        Ok(answer) => respond(answer),
        // API Gateway's answer when a function crashes.
        Err(_) => {
            (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "application/json")], INTERNAL_ERROR).into_response()
        }
    }
}

/// Who sent a request with these headers.
///
/// # Errors
/// The problem to answer with, as API Gateway does for the authorizer's refusals.
async fn caller(front: &Front, headers: &HeaderMap) -> Result<Caller, Problem> {
    if !headers.contains_key(header::AUTHORIZATION) && !headers.contains_key(API_KEY) {
        return Ok(Caller::of_an_open_api());
    }
    let identified = front.authorizer.identify(headers, front.stack.clock.now_ms()).await;
    identified.map(|identity| identity.caller).map_err(|refusal| {
        tracing::info!(reason = %refusal, "the request is refused");
        Problem::new(match refusal {
            Refusal::Unauthorized(_) => Kind::Unauthorized,
            Refusal::Forbidden(_) => Kind::Forbidden,
            Refusal::Unavailable(_) => Kind::Unavailable,
        })
    })
}

const INTERNAL_ERROR: &str = r#"{"message": "Internal server error"}"#;

/// Turns a function's answer into a response, as API Gateway does.
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
