//! Serving a handler behind API Gateway: the route table, who may ask, and the way back.

use std::future::Future;
use std::time::{Duration, SystemTime};

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use declarations::Function;
use http::HeaderMap;
use http::header::LOCATION;
use lambda_runtime::{LambdaEvent, service_fn};

use crate::answer::Answer;
use crate::authorization::{Caller, Callers};
use crate::problem::{Kind, Problem};

/// A request to one of a function's declared routes, by a caller who may send it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The route as it is declared: `POST /orders/{orderId}/cancel`.
    pub route: &'static str,
    /// The request as API Gateway hands it over.
    pub event: ApiGatewayProxyRequest,
    /// Who sent it.
    pub caller: Caller,
    /// Unique to this invocation.
    pub id: String,
}

impl Request {
    /// Its headers, all lines of each.
    pub fn headers(&self) -> &HeaderMap {
        headers(&self.event)
    }
}

/// A function behind API Gateway, as a REST API with proxy integration calls it. It has an answer to
/// everything, so it never fails.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request to one of the function's routes. A route that it does not know is
    /// [`Kind::RouteNotFound`], as [`not_handled`] has it.
    fn handle(&self, request: Request) -> impl Future<Output = Result<Answer, Problem>> + Send;
}

/// The answer to a route that is declared and not handled.
pub fn not_handled(route: &str) -> Problem {
    tracing::error!(route, "the route is declared, and the function's handler does not know it");
    Problem::new(Kind::RouteNotFound)
}

/// Answers a request by the function's declared routes: one that is not declared is answered here, and so is a
/// caller who lacks the route's scopes.
pub async fn answer<H: Handler>(
    handler: &H,
    function: &'static Function,
    event: ApiGatewayProxyRequest,
    caller: &Caller,
    request_id: &str,
) -> Answer {
    let answered = async {
        let (route, declared) = find_route(function, &event)?;
        caller.require(declared.scopes.iter().map(String::as_str))?;
        let request = Request { route, event, caller: caller.clone(), id: request_id.to_owned() };
        handler.handle(request).await
    };
    answered.await.unwrap_or_else(|problem: Problem| problem.answer())
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

/// A request's headers, all lines of each: `headers` of the event has only the last one of a header
/// that was sent in several lines.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>
pub fn headers(request: &ApiGatewayProxyRequest) -> &HeaderMap {
    if request.multi_value_headers.is_empty() { &request.headers } else { &request.multi_value_headers }
}

/// Serves the handler of the function `name` to these callers, by API key id, until Lambda ends the process.
///
/// # Errors
/// A function that is not declared, and those of the Lambda Runtime API.
pub async fn serve<H: Handler>(name: &str, handler: H, callers: Callers) -> Result<(), lambda_runtime::Error> {
    let function = declarations::function(name).ok_or_else(|| format!("functions/{name}/function.json is missing"))?;
    let (handler, callers) = (&handler, &callers);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<ApiGatewayProxyRequest>| async move {
        let base = base_path(&event.payload);
        let api_key_id = event.payload.request_context.identity.api_key_id.clone();
        let answer = match callers.caller(api_key_id.as_deref()) {
            Ok(caller) => {
                let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
                // On the heap: it is long, and would be moved about with the time limit.
                let answer = Box::pin(answer(handler, function, event.payload, caller, &event.context.request_id));
                within(left, answer).await
            }
            // API Gateway knows the key, so it is this function's settings that do not.
            Err(problem) => {
                tracing::warn!(?api_key_id, "a request was refused: no client has its API key");
                problem.answer()
            }
        };
        Ok::<_, lambda_runtime::Diagnostic>(ApiGatewayProxyResponse::from(located(answer, &base)))
    }))
    .await
}

/// What an answer needs of a function's time to get out.
const ANSWERING: Duration = Duration::from_millis(300);

/// The handler's answer, unless the function's time is nearly over: a store that answers slowly is one
/// that cannot be reached, and the client is told so before Lambda ends the function as one that crashed.
async fn within(left: Duration, answer: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(left.saturating_sub(ANSWERING), answer).await.unwrap_or_else(|_| {
        tracing::warn!("the function's time is over");
        Problem::new(Kind::StoreUnavailable).answer()
    })
}

/// What stands before the API's own paths in its address: the stage's name at AWS's address, the base
/// path at a domain of one's own.
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

/// The answer with a `Location` that leads where it should: a client resolves it against the address
/// that it sent the request to, which has the base path in it.
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

    /// A request for `path` at `resource`, and the `Location` that its answer has then.
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
