//! Serving a handler behind API Gateway.

use std::future::Future;

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use http::HeaderMap;
use lambda_runtime::{LambdaEvent, service_fn};
use order::Tenant;

use crate::answer::Answer;

/// A function behind API Gateway, as a REST API with proxy integration calls it. It has an answer to
/// everything, so it never fails.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request. `request_id` is unique to this invocation.
    fn handle(&self, request: ApiGatewayProxyRequest, request_id: &str) -> impl Future<Output = Answer> + Send;
}

/// Whose request it is: the id of its API key, or the one tenant of an API without keys.
pub fn tenant(request: &ApiGatewayProxyRequest) -> Tenant {
    Tenant(request.request_context.identity.api_key_id.clone().unwrap_or_else(|| "public".to_owned()))
}

/// A request's headers, all lines of each: `headers` of the event has only the last one of a header
/// that was sent in several lines.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>
pub fn headers(request: &ApiGatewayProxyRequest) -> &HeaderMap {
    if request.multi_value_headers.is_empty() { &request.headers } else { &request.multi_value_headers }
}

/// Serves a handler as this process's Lambda function, until Lambda ends the process.
///
/// # Errors
/// Those of the Lambda Runtime API.
pub async fn serve<H: Handler>(handler: H) -> Result<(), lambda_runtime::Error> {
    let handler = &handler;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<ApiGatewayProxyRequest>| async move {
        let answer = handler.handle(event.payload, &event.context.request_id).await;
        Ok::<_, lambda_runtime::Diagnostic>(ApiGatewayProxyResponse::from(answer))
    }))
    .await
}
