//! Who gets in, and who does not, against an issuer on loopback.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use api::{Caller, Callers};
use authorize::keys::{MAX_AGE_MS, REREAD_AFTER_MS, RETRY_AFTER_MS};
use authorize::settings::{SettingsError, TokenSettings};
use authorize::token::CLOCK_SKEW_S;
use authorize::{Authorizer, Identity, Refusal, answer};
use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest;
use http::HeaderMap;
use local_issuer::{SigningKey, jwks};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const ISSUER: &str = "https://issuer.example.com";
const NOW_S: i64 = 1_800_000_000;
const NOW_MS: i64 = NOW_S * 1000;

/// The issuer's server. It publishes what it is told to, or fails.
#[derive(Clone)]
struct Server {
    url: String,
    published: Arc<Mutex<Option<Value>>>,
    reads: Arc<Mutex<usize>>,
}

impl Server {
    async fn publishing<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Self {
        let server = Self::down().await;
        server.publish(jwks(keys));
        server
    }

    async fn down() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let server = Self { url, published: Arc::default(), reads: Arc::default() };
        let state = server.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await.unwrap();
                *state.reads.lock().unwrap() += 1;
                let answer = match &*state.published.lock().unwrap() {
                    Some(document) => {
                        let body = document.to_string();
                        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
                    }
                    None => "HTTP/1.1 503 Down\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned(),
                };
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        server
    }

    fn publish(&self, document: Value) {
        *self.published.lock().unwrap() = Some(document);
    }

    fn stop(&self) {
        *self.published.lock().unwrap() = None;
    }

    fn reads(&self) -> usize {
        *self.reads.lock().unwrap()
    }
}

fn settings(url: &str, change: impl FnOnce(&mut Value)) -> TokenSettings {
    let mut settings = json!({
        "issuer": ISSUER,
        "jwks_url": url,
        "audiences": ["orders", "app-1"],
        "algorithms": ["RS256", "ES256"],
        "token_use": "access",
        "claims": {
            "tenant": { "name": "groups", "prefix": "tenant:" },
            "scopes": { "name": "scope", "prefix": "orders/" },
            "customer_id": { "name": "customer" },
        },
        "clients": { "machine": { "tenant": "shop", "subject": "operations", "scopes": ["operations"] } },
        "usage_keys": { "shop": "usage-of-shop", "market": "usage-of-market" },
    });
    change(&mut settings);
    TokenSettings::read(&settings.to_string()).unwrap()
}

const CLIENTS: &str = r#"{
    "shop-key": {"tenant": "shop", "subject": "shop", "scopes": ["submit", "read"]},
    "staff-key": {"tenant": "shop", "scopes": ["read", "operations"]}
}"#;

async fn authorizer_with(settings: TokenSettings) -> Authorizer {
    let authorizer = Authorizer::new(Callers::by_key(CLIENTS).unwrap(), false);
    let authorizer = authorizer.with_tokens(settings).unwrap();
    authorizer.warm_up(NOW_MS).await;
    authorizer
}

async fn authorizer(server: &Server) -> Authorizer {
    authorizer_with(settings(&server.url, |_| ())).await
}

/// The claims of a customer's token that is valid now.
fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "orders", "sub": "alice", "client_id": "app-1", "token_use": "access",
        "iat": NOW_S - 10, "nbf": NOW_S - 10, "exp": NOW_S + 600,
        "groups": ["tenant:shop", "staff"], "scope": "openid orders/submit orders/read", "customer": "acme",
    })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (name.parse::<http::HeaderName>().unwrap(), value.parse::<http::HeaderValue>().unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

async fn identify(authorizer: &Authorizer, token: &str) -> Result<Identity, Refusal> {
    at(authorizer, token, NOW_MS).await
}

async fn at(authorizer: &Authorizer, token: &str, now_ms: i64) -> Result<Identity, Refusal> {
    authorizer.identify(&headers(&[("authorization", &format!("Bearer {token}"))]), now_ms).await
}

fn caller(json: &Value) -> Caller {
    serde_json::from_value(json.clone()).unwrap()
}

/// The reason of a 401.
fn unauthorized(identified: Result<Identity, Refusal>) -> String {
    match identified {
        Err(Refusal::Unauthorized(reason)) => reason,
        other => panic!("expected 401, found {other:?}"),
    }
}

#[tokio::test]
async fn a_valid_token_stands_for_its_caller() {
    for key in [SigningKey::rs256("k1"), SigningKey::es256("k1")] {
        let server = Server::publishing([&key]).await;
        let authorizer = authorizer(&server).await;
        let identity = identify(&authorizer, &key.sign(&claims())).await.unwrap();
        let expected =
            json!({ "tenant": "shop", "subject": "alice", "scopes": ["submit", "read"], "customer_id": "acme" });
        assert_eq!(identity.caller, caller(&expected));
        assert_eq!(identity.usage_key.as_deref(), Some("usage-of-shop"));
        assert_eq!(server.reads(), 1, "the keys are read once, during init");
    }
}

#[tokio::test]
async fn a_token_with_one_fault_is_unauthorized() {
    let key = SigningKey::rs256("k1");
    let elliptic = SigningKey::es256("k2");
    let server = Server::publishing([&key, &elliptic]).await;
    let authorizer = authorizer(&server).await;
    let stranger = SigningKey::rs256("k1");
    let header = |algorithm: &str| json!({ "alg": algorithm, "typ": "JWT", "kid": "k1" });
    let valid = key.sign(&claims());
    let (signed, signature) = valid.rsplit_once('.').unwrap();
    let other = key.sign(&with("customer", "bcme"));
    let other_signed = other.rsplit_once('.').unwrap().0;
    let skewed = NOW_S + CLOCK_SKEW_S + 1;
    for (fault, token, reason) in [
        ("wrong key", stranger.sign(&claims()), "InvalidSignature"),
        ("no algorithm", key.forge_none(&claims()), "no valid header"),
        ("the public key as a secret", key.forge_hs256(&claims()), "InvalidAlgorithm"),
        ("another algorithm of the same kind of key", key.sign_under(&header("RS512"), &claims()), "InvalidAlgorithm"),
        ("an algorithm of another kind of key", key.sign_under(&header("ES256"), &claims()), "InvalidAlgorithm"),
        ("another key of the issuer's", elliptic.sign_under(&header("RS256"), &claims()), "InvalidSignature"),
        ("no key named", key.sign_under(&json!({ "alg": "RS256" }), &claims()), "names no key"),
        (
            "a header that must be understood",
            key.sign_under(&json!({ "alg": "RS256", "kid": "k1", "crit": ["x"], "x": 1 }), &claims()),
            "not valid",
        ),
        ("another body", format!("{other_signed}.{signature}"), "InvalidSignature"),
        ("no signature", format!("{signed}."), "InvalidSignature"),
        ("two parts", signed.to_owned(), "no valid header"),
        ("nothing", String::new(), "no valid header"),
        ("too long", format!("{valid}{}", "A".repeat(8192)), "too long"),
        ("no claims", key.sign(&json!({})), "not valid"),
        ("another issuer", key.sign(&with("iss", "https://evil.example.com")), "another issuer"),
        ("an issuer with a slash at the end", key.sign(&with("iss", format!("{ISSUER}/"))), "another issuer"),
        ("no issuer", key.sign(&without("iss")), "not valid"),
        ("another audience", key.sign(&with("aud", "elsewhere")), "another audience"),
        ("an audience although the client is ours", key.sign(&with("aud", json!([]))), "another audience"),
        (
            "no audience and another client",
            {
                let mut claims = without("aud");
                claims["client_id"] = "app-2".into();
                key.sign(&claims)
            },
            "another audience",
        ),
        ("an id token", key.sign(&with("token_use", "id")), "another use"),
        ("no use", key.sign(&without("token_use")), "another use"),
        ("expired", key.sign(&with("exp", NOW_S - 1)), "expired"),
        ("expiring now", key.sign(&with("exp", NOW_S)), "expired"),
        ("never expiring", key.sign(&without("exp")), "not valid"),
        ("an end that is no number", key.sign(&with("exp", "never")), "not valid"),
        ("not valid yet", key.sign(&with("nbf", skewed)), "not valid yet"),
        ("issued in the future", key.sign(&with("iat", skewed)), "not valid yet"),
    ] {
        let found = unauthorized(identify(&authorizer, &token).await);
        assert!(found.contains(reason), "{fault}: {found}");
    }
    assert!(identify(&authorizer, &valid).await.is_ok());
}

#[tokio::test]
async fn a_valid_token_of_nobody_who_may_use_the_api_is_forbidden() {
    let key = SigningKey::es256("k1");
    let server = Server::publishing([&key]).await;
    let authorizer = authorizer(&server).await;
    for (claims, reason) in [
        (without("groups"), "no tenant"),
        (with("groups", json!([])), "no tenant"),
        (with("groups", "staff"), "no tenant"),
        (with("groups", 7), "no tenant"),
        (with("groups", json!(["tenant:shop", "tenant:market"])), "more than one tenant"),
        (with("groups", "tenant:a#b"), "not a tenant's name"),
        (with("groups", "tenant:"), "not a tenant's name"),
        (with("groups", "tenant:elsewhere"), "none of this API's"),
        (with("customer", "acme bcme"), "more than one customer"),
        (with("customer", "a#b"), "not a customer's name"),
        (with("scope", "orders/operations"), "cannot have the scope operations"),
        (with("sub", ""), "no subject"),
        (with("sub", "x".repeat(256)), "no subject"),
    ] {
        match identify(&authorizer, &key.sign(&claims)).await {
            Err(Refusal::Forbidden(found)) => assert!(found.contains(reason), "{claims}: {found}"),
            other => panic!("{claims}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn claims_say_what_the_caller_may_do() {
    let key = SigningKey::es256("k1");
    let server = Server::publishing([&key]).await;
    let authorizer = authorizer(&server).await;
    let mut cognito = without("aud");
    cognito["scope"] = "orders/read".into();
    let machine = json!({
        "iss": ISSUER, "client_id": "machine", "aud": "orders", "token_use": "access", "exp": NOW_S + 1,
        "groups": ["tenant:market"], "scope": "orders/submit",
    });
    let unbound = json!({ "tenant": "shop", "subject": "alice", "scopes": ["submit", "read"] });
    for (claims, expected) in [
        // A scope of the API alone counts, with the prefix.
        (
            with("scope", "openid submit orders/everything"),
            json!({ "tenant": "shop", "subject": "alice", "scopes": [], "customer_id": "acme" }),
        ),
        (
            with("scope", json!(["orders/read"])),
            json!({ "tenant": "shop", "subject": "alice", "scopes": ["read"], "customer_id": "acme" }),
        ),
        (with("aud", json!(["elsewhere", "orders"])), caller_json()),
        (cognito, json!({ "tenant": "shop", "subject": "alice", "scopes": ["read"], "customer_id": "acme" })),
        (
            without("sub"),
            json!({ "tenant": "shop", "subject": "app-1", "scopes": ["submit", "read"], "customer_id": "acme" }),
        ),
        (without("nbf"), caller_json()),
        (with("nbf", NOW_S + CLOCK_SKEW_S), caller_json()),
        (without("customer"), unbound),
        // A client that acts for itself is what the settings say.
        (machine, json!({ "tenant": "shop", "subject": "operations", "scopes": ["operations"] })),
    ] {
        let identity = identify(&authorizer, &key.sign(&claims)).await.unwrap();
        assert_eq!(identity.caller, caller(&expected), "{claims}");
    }
}

fn caller_json() -> Value {
    json!({ "tenant": "shop", "subject": "alice", "scopes": ["submit", "read"], "customer_id": "acme" })
}

#[tokio::test]
async fn where_customers_are_required_only_operations_need_none() {
    let key = SigningKey::es256("k1");
    let server = Server::publishing([&key]).await;
    let settings = settings(&server.url, |settings| settings["claims"]["customer_id"]["required"] = true.into());
    let authorizer = authorizer_with(settings).await;
    let refused = identify(&authorizer, &key.sign(&without("customer"))).await;
    assert!(matches!(refused, Err(Refusal::Forbidden(reason)) if reason.contains("no customer")));
    let mut staff = without("customer");
    staff["scope"] = "orders/operations".into();
    assert!(identify(&authorizer, &key.sign(&staff)).await.is_ok());
    assert!(identify(&authorizer, &key.sign(&claims())).await.is_ok());
}

#[tokio::test]
async fn without_usage_keys_every_tenant_is_accepted_and_none_is_counted() {
    let key = SigningKey::es256("k1");
    let server = Server::publishing([&key]).await;
    let settings = settings(&server.url, |settings| settings["usage_keys"] = Value::Null);
    let authorizer = authorizer_with(settings).await;
    let identity = identify(&authorizer, &key.sign(&with("groups", "tenant:elsewhere"))).await.unwrap();
    assert_eq!((identity.caller.tenant.as_str(), identity.usage_key), ("elsewhere", None));
}

#[tokio::test]
async fn a_rotated_key_is_found_and_a_flood_of_unknown_ones_reads_nothing() {
    let (old, new, newest) = (SigningKey::es256("old"), SigningKey::es256("new"), SigningKey::es256("newest"));
    let server = Server::publishing([&old]).await;
    let authorizer = authorizer(&server).await;
    let valid = |key: &SigningKey| key.sign(&with("exp", NOW_S + 100_000));

    unauthorized(identify(&authorizer, &valid(&new)).await);
    assert_eq!(server.reads(), 2, "the unknown key was looked for");
    server.publish(jwks([&old, &new]));
    for _ in 0..20 {
        unauthorized(at(&authorizer, &valid(&new), NOW_MS + REREAD_AFTER_MS - 1).await);
    }
    assert_eq!(server.reads(), 2, "it is looked for once in five minutes");
    assert!(at(&authorizer, &valid(&new), NOW_MS + REREAD_AFTER_MS).await.is_ok());
    assert!(at(&authorizer, &valid(&old), NOW_MS + REREAD_AFTER_MS).await.is_ok());
    assert_eq!(server.reads(), 3);

    // The issuer withdraws the old key: it is refused after an hour at the latest, and with the next new one before.
    server.publish(jwks([&new]));
    assert!(at(&authorizer, &valid(&old), NOW_MS + MAX_AGE_MS).await.is_ok());
    unauthorized(at(&authorizer, &valid(&old), NOW_MS + REREAD_AFTER_MS + MAX_AGE_MS).await);
    server.publish(jwks([&newest]));
    let later = NOW_MS + 2 * REREAD_AFTER_MS + MAX_AGE_MS;
    assert!(at(&authorizer, &valid(&newest), later).await.is_ok());
    unauthorized(at(&authorizer, &valid(&new), later).await);
}

#[tokio::test]
async fn while_the_issuer_is_down_the_known_keys_serve() {
    let (known, unknown) = (SigningKey::es256("known"), SigningKey::es256("unknown"));
    let valid = |key: &SigningKey| key.sign(&with("exp", NOW_S + 100_000));
    let server = Server::publishing([&known]).await;
    let authorizer = authorizer(&server).await;
    for wrong in
        [None, Some(json!({ "keys": [] })), Some(json!("nonsense")), Some(json!({ "keys": ["x".repeat(70_000)] }))]
    {
        match wrong {
            None => server.stop(),
            Some(document) => server.publish(document),
        }
        let reads = server.reads();
        let later = NOW_MS + i64::try_from(reads).unwrap() * MAX_AGE_MS;
        assert!(at(&authorizer, &valid(&known), later).await.is_ok());
        assert_eq!(server.reads(), reads + 1, "it was asked");
        // Nobody can say whether the issuer has this one.
        let refused = at(&authorizer, &valid(&unknown), later).await;
        assert!(matches!(refused, Err(Refusal::Unavailable(_))), "{refused:?}");
        assert_eq!(server.reads(), reads + 1);
    }
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_is_asked_again_within_seconds() {
    let key = SigningKey::es256("k1");
    let server = Server::down().await;
    let authorizer = authorizer(&server).await;
    let token = key.sign(&claims());
    assert!(matches!(identify(&authorizer, &token).await, Err(Refusal::Unavailable(_))));
    server.publish(jwks([&key]));
    assert!(matches!(identify(&authorizer, &token).await, Err(Refusal::Unavailable(_))));
    assert_eq!(server.reads(), 2);
    assert!(at(&authorizer, &token, NOW_MS + RETRY_AFTER_MS).await.is_ok());
    let by_key = authorizer.identify(&headers(&[("x-api-key", "shop-key")]), NOW_MS).await;
    assert!(by_key.is_ok(), "keys do not depend on the issuer");
}

#[tokio::test]
async fn only_keys_for_the_allowed_algorithms_are_used() {
    let (rsa, elliptic) = (SigningKey::rs256("rsa"), SigningKey::es256("elliptic"));
    let mut unnamed = rsa.jwk();
    unnamed.as_object_mut().unwrap().remove("alg");
    unnamed["kid"] = "unnamed".into();
    let mut lying = elliptic.jwk();
    lying["alg"] = "RS256".into();
    lying["kid"] = "lying".into();
    let mut encryption = rsa.jwk();
    encryption["use"] = "enc".into();
    encryption["kid"] = "encryption".into();
    let secret =
        json!({ "kty": "oct", "kid": "secret", "alg": "HS256", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ" });
    let strange = json!({ "kty": "quantum", "kid": "strange" });
    let server = Server::down().await;
    server.publish(json!({ "keys": [strange, secret, lying, encryption, elliptic.jwk(), rsa.jwk(), unnamed] }));
    let settings = settings(&server.url, |settings| settings["algorithms"] = json!(["RS256"]));
    let authorizer = authorizer_with(settings).await;
    let named = |key: &SigningKey, kid: &str| key.sign_under(&json!({ "alg": key.algorithm(), "kid": kid }), &claims());
    assert!(identify(&authorizer, &named(&rsa, "rsa")).await.is_ok());
    assert!(identify(&authorizer, &named(&rsa, "unnamed")).await.is_ok(), "the settings name its algorithm");
    for (key, kid) in [(&elliptic, "elliptic"), (&elliptic, "lying"), (&rsa, "encryption"), (&rsa, "secret")] {
        unauthorized(identify(&authorizer, &named(key, kid)).await);
    }
}

#[tokio::test]
async fn settings_that_would_open_the_api_are_refused() {
    let symmetric = settings("http://127.0.0.1:1/", |settings| settings["algorithms"] = json!(["RS256", "HS256"]));
    let nobody = settings("http://127.0.0.1:1/", |settings| settings["audiences"] = json!([]));
    let bound =
        settings("http://127.0.0.1:1/", |settings| settings["clients"]["machine"]["customer_id"] = "acme".into());
    let with_tokens = |settings| Authorizer::new(Callers::default(), false).with_tokens(settings).unwrap_err();
    assert!(matches!(with_tokens(symmetric), SettingsError::Symmetric(_)));
    assert!(matches!(with_tokens(nobody), SettingsError::Empty("audiences")));
    assert!(matches!(with_tokens(bound), SettingsError::Client(_)));
    assert!(TokenSettings::read(r#"{"issuer": "x", "algorithm": "none"}"#).is_err());
    assert!(TokenSettings::read("").is_err());
}

#[tokio::test]
async fn a_key_stands_for_its_client_and_never_for_operations() {
    let authorizer = Authorizer::new(Callers::by_key(CLIENTS).unwrap(), false);
    let by_key =
        async |authorizer: &Authorizer, key| authorizer.identify(&headers(&[("x-api-key", key)]), NOW_MS).await;
    let identity = by_key(&authorizer, "shop-key").await.unwrap();
    assert_eq!(identity.caller, caller(&json!({ "tenant": "shop", "subject": "shop", "scopes": ["submit", "read"] })));
    assert_eq!(identity.usage_key.as_deref(), Some("shop-key"), "the usage plan knows the client's own key");
    let staff = by_key(&authorizer, "staff-key").await.unwrap();
    assert_eq!(staff.caller.scopes, BTreeSet::from([api::Scope::Read]));
    let development = Authorizer::new(Callers::by_key(CLIENTS).unwrap(), true);
    let staff = by_key(&development, "staff-key").await.unwrap();
    assert_eq!(staff.caller.scopes, BTreeSet::from([api::Scope::Operations, api::Scope::Read]));
    for key in ["", "Shop-key", "nobody's-key"] {
        unauthorized(by_key(&authorizer, key).await);
    }
}

#[tokio::test]
async fn one_credential_decides_and_is_sent_once() {
    let key = SigningKey::es256("k1");
    let server = Server::publishing([&key]).await;
    let authorizer = authorizer(&server).await;
    let token = format!("Bearer {}", key.sign(&claims()));
    let expired = format!("Bearer {}", key.sign(&with("exp", NOW_S - 1)));
    let identify = async |pairs: &[(&str, &str)]| authorizer.identify(&headers(pairs), NOW_MS).await;

    let both = identify(&[("authorization", &token), ("x-api-key", "staff-key")]).await.unwrap();
    assert_eq!(both.caller.subject, "alice", "the token decides");
    unauthorized(identify(&[("authorization", &expired), ("x-api-key", "shop-key")]).await);
    unauthorized(identify(&[]).await);
    unauthorized(identify(&[("authorization", &token), ("authorization", &token)]).await);
    unauthorized(identify(&[("x-api-key", "shop-key"), ("x-api-key", "shop-key")]).await);
    unauthorized(identify(&[("authorization", "Basic c2hvcDprZXk=")]).await);
    unauthorized(identify(&[("authorization", "Bearer")]).await);
    assert!(identify(&[("authorization", &token.replace("Bearer", "bearer"))]).await.is_ok());
    let without_tokens = Authorizer::new(Callers::by_key(CLIENTS).unwrap(), false);
    unauthorized(without_tokens.identify(&headers(&[("authorization", &token)]), NOW_MS).await);
}

#[tokio::test]
async fn api_gateway_gets_a_policy_for_the_whole_api() {
    let key = SigningKey::es256("k1");
    let server = Server::publishing([&key]).await;
    let authorizer = authorizer(&server).await;
    let ask = async |method_arn: &str, headers: Value| {
        let event = json!({
            "type": "REQUEST", "methodArn": method_arn, "resource": "/orders", "path": "/orders", "httpMethod": "POST",
            "headers": headers, "multiValueHeaders": null, "queryStringParameters": null, "pathParameters": null,
            "requestContext": { "identity": { "apiKey": null }, "stage": "v1", "apiId": "abc", "httpMethod": "POST" },
        });
        let event: ApiGatewayCustomAuthorizerRequestTypeRequest = serde_json::from_value(event).unwrap();
        answer::answer(&authorizer, &event, NOW_MS).await
    };
    let token = json!({ "Authorization": format!("Bearer {}", key.sign(&claims())) });
    let policy = |effect| {
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Action": "execute-api:Invoke", "Effect": effect, "Resource": "arn:aws:execute-api:us-east-1:1:abc/*",
            }],
        })
    };
    let allowed = json!({
        "principalId": "alice",
        "policyDocument": policy("Allow"),
        "context": { "tenant": "shop", "subject": "alice", "scopes": "submit read", "customer_id": "acme" },
        "usageIdentifierKey": "usage-of-shop",
    });
    // So an answer that API Gateway keeps for one route is right for any other.
    for method in ["v1/POST/orders", "v1/GET/orders/1", "test/GET/"] {
        let arn = format!("arn:aws:execute-api:us-east-1:1:abc/{method}");
        assert_eq!(ask(&arn, token.clone()).await.unwrap(), allowed);
    }
    let arn = "arn:aws:execute-api:us-east-1:1:abc/v1/GET/orders";
    let nobody = json!({ "Authorization": format!("Bearer {}", key.sign(&without("groups"))) });
    let denied = ask(arn, nobody).await.unwrap();
    assert_eq!(denied, json!({ "principalId": "nobody", "policyDocument": policy("Deny") }));
    // API Gateway compares this message to tell 401 from 500.
    let unauthorized = ask(arn, json!({ "x-api-key": "nobody's" })).await.unwrap_err();
    assert_eq!(unauthorized.error_message, "Unauthorized");
    server.stop();
    let unknown = json!({ "Authorization": format!("Bearer {}", SigningKey::es256("k2").sign(&claims())) });
    assert_eq!(ask(arn, unknown).await.unwrap_err().error_message, "Unavailable");
}
