//! API Gateway: turns a request into an event, and sends it to the function that declares the route.

use std::collections::HashMap;

use api::{Answer, Caller, Kind, Problem};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, Method};

use crate::Stack;

/// The values of the placeholders in a resource's path.
pub type PathParameters = HashMap<String, String>;

impl Stack {
    /// Sends the request of this caller to the function that declares its route.
    pub async fn answer(&self, mut event: ApiGatewayProxyRequest, caller: &Caller, request_id: &str) -> Answer {
        event.request_context.authorizer.fields = caller.context().into_iter().collect();
        let resource = event.resource.as_deref().unwrap_or_default();
        let route = format!("{} {resource}", event.http_method);
        let declared = declarations::routes().find(|(_, name, _)| *name == route);
        let handler = declared.and_then(|(function, ..)| self.apis.iter().find(|api| api.name() == function.name));
        match handler {
            Some(handler) => handler.answer(event, request_id.to_owned()).await,
            None => Problem::new(Kind::RouteNotFound).answer(),
        }
    }
}

/// The event that API Gateway builds from a request to a REST API with proxy integration.
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

/// Gives an event its decoded query. As in API Gateway, a parameter that was sent twice has its last value in
/// one map and all its values in the other.
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
