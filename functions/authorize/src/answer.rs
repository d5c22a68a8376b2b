//! API Gateway's question, and the answer to it.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html>,
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html>

use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest;
use lambda_runtime::Diagnostic;
use order::EpochMs;
use serde_json::{Value, json};

use crate::{Authorizer, Identity, Refusal};

/// Answers API Gateway: a policy for the whole API, and the context and the usage key of an allowed caller.
///
/// # Errors
/// With exactly the message `Unauthorized`, API Gateway answers 401, and with any other one 500, which the API's gateway
/// responses turn into 503.
pub async fn answer(
    authorizer: &Authorizer,
    request: &ApiGatewayCustomAuthorizerRequestTypeRequest,
    now_ms: EpochMs,
) -> Result<Value, Diagnostic> {
    let headers = if request.multi_value_headers.is_empty() { &request.headers } else { &request.multi_value_headers };
    let resource = whole_api(request.method_arn.as_deref().unwrap_or_default());
    match authorizer.identify(headers, now_ms).await {
        Ok(identity) => Ok(allowed(&identity, &resource)),
        Err(Refusal::Unauthorized(reason)) => {
            tracing::info!(reason, "the request gets 401");
            Err(failure("Unauthorized"))
        }
        Err(Refusal::Forbidden(reason)) => {
            tracing::info!(reason, "the request gets 403");
            Ok(json!({ "principalId": "nobody", "policyDocument": policy("Deny", &resource) }))
        }
        Err(Refusal::Unavailable(reason)) => {
            tracing::warn!(reason, "the request gets 503");
            Err(failure("Unavailable"))
        }
    }
}

fn allowed(identity: &Identity, resource: &str) -> Value {
    let Identity { caller, usage_key } = identity;
    let mut answer = json!({
        "principalId": caller.subject,
        "policyDocument": policy("Allow", resource),
        "context": caller.context(),
    });
    if let Some(usage_key) = usage_key {
        answer["usageIdentifierKey"] = usage_key.as_str().into();
    }
    answer
}

fn policy(effect: &str, resource: &str) -> Value {
    let statement = json!({ "Action": "execute-api:Invoke", "Effect": effect, "Resource": resource });
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// The whole API, all its stages and methods. API Gateway may keep a policy and use it for the caller's requests to other
/// routes, so it must be right for every route.
fn whole_api(method_arn: &str) -> String {
    let api = method_arn.split('/').next().unwrap_or_default();
    format!("{api}/*")
}

fn failure(message: &str) -> Diagnostic {
    Diagnostic { error_type: message.to_owned(), error_message: message.to_owned() }
}
