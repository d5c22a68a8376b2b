//! Serving a handler behind API Gateway: routing, authorization, and the answer.

use std::future::Future;
use std::time::{Duration, SystemTime};

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use clock::WallClock;
use declarations::Function;
use http::HeaderMap;
use http::header::LOCATION;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use metrics::Metric;
use order::{Actor, CorrelationId, OrderId};
use tracing::Instrument;

use crate::answer::Answer;
use crate::authorization::Caller;
use crate::correlation::{CORRELATION_ID, correlation_id};
use crate::problem::{Kind, Problem};

/// A request to one of a function's declared routes, by a caller who may send it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The route as declared: `POST /orders/{orderId}/cancel`.
    pub route: &'static str,
    /// The request from API Gateway.
    pub event: ApiGatewayProxyRequest,
    /// Who sent it.
    pub caller: Caller,
    /// Unique to this invocation.
    pub id: String,
    /// The client's name for its work, or this request's id.
    pub correlation_id: Option<CorrelationId>,
}

impl Request {
    /// Its headers, all lines of each.
    pub fn headers(&self) -> &HeaderMap {
        headers(&self.event)
    }

    /// Who a change that it makes is recorded under.
    pub fn actor(&self) -> Actor {
        Actor::new(&self.caller.subject, &self.id)
    }
}

/// A function behind a REST API with proxy integration. It answers every request, so it never fails.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request to one of the function's routes. For a route without a handler, it returns
    /// [`not_handled`].
    fn handle(&self, request: Request) -> impl Future<Output = Result<Answer, Problem>> + Send;
}

/// The problem for a route that is declared but not handled: [`Kind::RouteNotFound`].
pub fn not_handled(route: &str) -> Problem {
    tracing::error!(route, "the route is declared but not handled; the client gets 404");
    Problem::new(Kind::RouteNotFound)
}

/// Answers a request through the handler. This is the one place that decides who may send it: a request to an undeclared
/// route is answered here, and so is a caller without the scopes that the route declares.
pub async fn answer<H: Handler>(
    handler: &H,
    function: &'static Function,
    event: ApiGatewayProxyRequest,
    request_id: &str,
) -> Answer {
    let correlation_id = correlation_id(headers(&event), request_id);
    let named = correlation_id.as_ref().map(CorrelationId::as_str);
    let order_id = event.path_parameters.get("orderId").and_then(|text| text.parse::<OrderId>().ok());
    let order_id = order_id.as_ref().map(OrderId::as_str);
    let span = tracing::info_span!("request", correlation_id = named, order_id);
    let header = correlation_id.clone();
    let answered = async {
        let (route, declared) = find_route(function, &event)?;
        let caller = Caller::of(&event)?;
        caller.require(declared.scopes.iter().map(String::as_str))?;
        if let Some(customer_id) = event.path_parameters.get("customerId") {
            caller.require_customer(customer_id)?;
        }
        let request = Request { route, event, caller, id: request_id.to_owned(), correlation_id };
        handler.handle(request).await
    };
    let answer = answered.instrument(span).await.unwrap_or_else(|problem: Problem| problem.answer());
    match header {
        Some(correlation_id) => answer.with(CORRELATION_ID, correlation_id.as_str()),
        None => answer,
    }
}

fn find_route(
    function: &'static Function,
    event: &ApiGatewayProxyRequest,
) -> Result<(&'static str, &'static declarations::Route), Problem> {
    let resource = event.resource.as_deref().unwrap_or_default();
    let name = format!("{} {resource}", event.http_method);
    let found = function.routes.get_key_value(&name);
    found.map(|(name, route)| (name.as_str(), route)).ok_or_else(|| {
        let has_other_method = function.routes.keys().any(|route| route.ends_with(&format!(" {resource}")));
        Problem::new(if has_other_method { Kind::MethodNotAllowed } else { Kind::RouteNotFound })
    })
}

/// A request's headers, all lines of each: the event's `headers` has only the last line of a header that was
/// sent in several lines.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>
pub fn headers(request: &ApiGatewayProxyRequest) -> &HeaderMap {
    if request.multi_value_headers.is_empty() { &request.headers } else { &request.multi_value_headers }
}

/// Serves the handler of the function `name`, until Lambda ends the process.
///
/// # Errors
/// A missing declaration, and errors of the Lambda Runtime API.
pub async fn serve<H: Handler>(name: &str, handler: H) -> Result<(), lambda_runtime::Error> {
    let function = declarations::function(name).ok_or_else(|| format!("functions/{name}/function.json is missing"))?;
    metrics::emit(&[(Metric::ColdStarts, 1)], WallClock::System.now_ms());
    let handler = &handler;
    let serving = service_fn(move |event: LambdaEvent<ApiGatewayProxyRequest>| async move {
        let span = logging::invocation(&event.context);
        let base = base_path(&event.payload);
        let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        // On the heap, because the future is large and would be moved around by the timeout.
        let answer = Box::pin(answer(handler, function, event.payload, &event.context.request_id));
        let answer = within(left, answer).instrument(span).await;
        Ok::<_, lambda_runtime::Diagnostic>(ApiGatewayProxyResponse::from(located(answer, &base)))
    });
    // Without the runtime's own span, whose fields have other names than our lines.
    Runtime::new(serving).run().await
}

/// The time that is kept for sending the answer.
const ANSWERING: Duration = Duration::from_millis(300);

/// The handler's answer, or 503 if the function's time is nearly over: a very slow store counts as
/// unreachable, and the client must hear so before Lambda stops the function.
async fn within(left: Duration, answer: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(left.saturating_sub(ANSWERING), answer).await.unwrap_or_else(|_| {
        tracing::warn!("the function's time is nearly over; the client gets 503");
        Problem::new(Kind::StoreUnavailable).answer()
    })
}

/// The prefix of the API's paths in its address: the stage's name at AWS's address, or the base path at a
/// custom domain.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>
fn base_path(request: &ApiGatewayProxyRequest) -> String {
    let resource = request.resource.clone().unwrap_or_default();
    let own = request
        .path_parameters
        .iter()
        .fold(resource, |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
    let whole = request.request_context.path.as_deref().unwrap_or_default();
    whole.strip_suffix(own.as_str()).unwrap_or_default().to_owned()
}

/// The answer with the base path in its `Location`: a client resolves it against the address that it sent
/// the request to, which has the base path too.
fn located(answer: Answer, base: &str) -> Answer {
    match answer.headers.get(LOCATION).and_then(|location| location.to_str().ok()) {
        Some(location) => {
            let location = format!("{base}{location}");
            answer.with(LOCATION, location)
        }
        None => answer,
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    /// The `Location` in the answer to a request for `resource` with these parameters and this whole path.
    fn location(resource: &str, parameters: &[(&str, &str)], whole: Option<&str>) -> String {
        let mut request = ApiGatewayProxyRequest::default();
        request.resource = Some(resource.to_owned());
        request.path_parameters =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        request.request_context.path = whole.map(str::to_owned);
        let answer = Answer::json(StatusCode::OK, &()).with(LOCATION, "/orders/1");
        let answer = located(answer, &base_path(&request));
        answer.headers[LOCATION].to_str().expect("it is a path").to_owned()
    }

    #[test]
    fn a_location_has_the_stage_or_the_base_path_that_the_request_had() {
        assert_eq!(location("/orders", &[], Some("/v1/orders")), "/v1/orders/1");
        assert_eq!(location("/orders", &[], Some("/shop/orders")), "/shop/orders/1");
        assert_eq!(location("/orders", &[], Some("/orders")), "/orders/1");
        assert_eq!(location("/orders", &[], None), "/orders/1");
        let cancel = "/orders/{orderId}/cancel";
        assert_eq!(location(cancel, &[("orderId", "1")], Some("/v1/orders/1/cancel")), "/v1/orders/1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_takes_too_long_is_answered_for_in_time() {
        let left = Duration::from_secs(10);
        let started = tokio::time::Instant::now();
        let answer = within(left, std::future::pending()).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(started.elapsed() < left);
        let answer = within(left, async { Answer::json(StatusCode::OK, &()) }).await;
        assert_eq!(answer.status, StatusCode::OK);
    }

    #[test]
    fn an_answer_without_a_location_gets_none() {
        let answer = located(Answer::json(StatusCode::OK, &()), "/v1");
        assert!(!answer.headers.contains_key(LOCATION));
    }
}
