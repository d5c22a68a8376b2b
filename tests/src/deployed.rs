//! What a deployed function gets: its settings, and the events that API Gateway sends.

use declarations::{
    CALLERS_VARIABLE, Function, Kind, WORKFLOW_VARIABLE, queue_variable, secret_variable, setting_variable,
    table_variable,
};
use local_aws::{local_name, queue_url};
use local_stack::step_functions::machine_arn;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The clients, by API key.
const CLIENTS: [(&str, &str, &str); 3] =
    [("shop-key", "shop", "submit"), ("market-key", "market", "submit"), ("clerk-key", "shop", "operations")];

/// The clients as the authorizer's settings have them: by the digests of their keys.
fn clients() -> String {
    let client = |(key, tenant, scope): &(&str, &str, &str)| {
        let client = json!({ "tenant": tenant, "subject": key, "scopes": [scope] });
        (hex::encode(Sha256::digest(key)), client)
    };
    Value::Object(CLIENTS.iter().map(client).collect()).to_string()
}

/// The context that the authorizer gives the requests of the client with this key.
pub fn context(key: &str) -> Value {
    let client = CLIENTS.iter().find(|(known, ..)| *known == key);
    client.map_or(Value::Null, |(key, tenant, scope)| json!({ "tenant": tenant, "subject": key, "scopes": scope }))
}

/// The tokens that the authorizer accepts, of an issuer at this address.
pub fn tokens(jwks_url: &str) -> String {
    json!({
        "issuer": "https://issuer.example.com", "jwks_url": jwks_url, "audiences": ["orders"], "algorithms": ["ES256"],
        "claims": { "tenant": { "name": "tenant" }, "scopes": { "name": "scope" }, "customer_id": { "name": "customer" } },
    })
    .to_string()
}

fn setting_value(setting: &str) -> String {
    match setting {
        payments::settings::CAPTURE => "confirmation".to_owned(),
        prices::settings::PRICE_LIST => String::new(),
        inventory::settings::SPREADING => "automatic".to_owned(),
        authorize::settings::OPERATIONS_KEYS => "true".to_owned(),
        // Nothing listens there.
        authorize::settings::TOKENS => tokens("http://127.0.0.1:1/"),
        other => panic!("the setting {other} has no value here"),
    }
}

/// Exactly the environment that a function's declaration requires.
pub fn settings(function: &Function) -> Vec<(String, String)> {
    let tables = function.uses.tables.keys().map(|table| (table_variable(table), table.clone()));
    let queues = function.uses.queues.keys().map(|queue| (queue_variable(queue), queue_url(local_name(queue))));
    let workflow = (!function.uses.workflow.is_empty()).then(|| (WORKFLOW_VARIABLE.to_owned(), machine_arn()));
    let callers = (function.kind == Kind::Authorizer).then(|| (CALLERS_VARIABLE.to_owned(), clients()));
    let secrets = function.uses.secrets.iter().map(|secret| (secret_variable(secret), format!("arn:{secret}")));
    let settings = function.uses.settings.iter().map(|setting| (setting_variable(setting), setting_value(setting)));
    tables.chain(queues).chain(workflow).chain(callers).chain(secrets).chain(settings).collect()
}

/// The event that API Gateway sends for a REST API with proxy integration, nulls included.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format>
pub fn gateway_event(
    method: &str,
    resource: &str,
    path_parameters: &Value,
    client: &str,
    key: &str,
    body: Option<&str>,
) -> Value {
    let values = path_parameters.as_object().into_iter().flatten();
    let path = values.fold(resource.to_owned(), |path, (name, value)| {
        path.replace(&format!("{{{name}}}"), value.as_str().expect("a path has texts"))
    });
    json!({
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "Host": "id.execute-api.us-east-1.amazonaws.com",
            "Idempotency-Key": key,
            "User-Agent": "curl/8",
            "X-Amzn-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
            "X-Forwarded-For": "192.0.2.1",
            "X-Forwarded-Port": "443",
            "X-Forwarded-Proto": "https",
        },
        "multiValueHeaders": {
            "Accept": ["*/*"],
            "Content-Type": ["application/json"],
            "Host": ["id.execute-api.us-east-1.amazonaws.com"],
            "Idempotency-Key": [key],
            "User-Agent": ["curl/8"],
            "X-Amzn-Trace-Id": ["Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"],
            "X-Forwarded-For": ["192.0.2.1"],
            "X-Forwarded-Port": ["443"],
            "X-Forwarded-Proto": ["https"],
        },
        "queryStringParameters": null,
        "multiValueQueryStringParameters": null,
        "pathParameters": path_parameters,
        "stageVariables": null,
        "requestContext": {
            "resourceId": "2gxmpl",
            "resourcePath": resource,
            "httpMethod": method,
            "extendedRequestId": "JJbxmplHYosFVYQ=",
            "requestTime": "10/Mar/2026:00:03:59 +0000",
            "path": format!("/prod{path}"),
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "domainPrefix": "id",
            "requestTimeEpoch": 1_773_100_000_000_u64,
            "requestId": "77375676-xmpl-4b79-853a-f982474efe18",
            "identity": {
                "cognitoIdentityPoolId": null,
                "accountId": null,
                "apiKey": null,
                "apiKeyId": null,
                "cognitoIdentityId": null,
                "caller": null,
                "sourceIp": "192.0.2.1",
                "principalOrgId": null,
                "accessKey": null,
                "cognitoAuthenticationType": null,
                "cognitoAuthenticationProvider": null,
                "userArn": null,
                "userAgent": "curl/8",
                "user": null,
            },
            "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "apiId": "id",
            "authorizer": context(client),
        },
        "body": body,
        "isBase64Encoded": false,
    })
}

/// The question that API Gateway asks a REST API's authorizer of the type REQUEST, nulls included.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html>
pub fn authorizer_event(header: &str, value: &str) -> Value {
    let mut event = gateway_event("POST", "/orders", &Value::Null, "", "-", None);
    event["type"] = "REQUEST".into();
    event["methodArn"] = "arn:aws:execute-api:us-east-1:123456789012:id/prod/POST/orders".into();
    event["headers"][header] = value.into();
    event["multiValueHeaders"][header] = json!([value]);
    for of_functions_only in ["body", "isBase64Encoded"] {
        event.as_object_mut().expect("it was built as one").remove(of_functions_only);
    }
    event
}
