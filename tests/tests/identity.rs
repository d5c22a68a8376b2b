//! Who gets in: every route with every kind of caller, and the tokens of the local stack.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use api::{Answer, Callers};
use authorize::settings::TokenSettings;
use authorize::{Authorizer, Refusal};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use local_aws::Tally;
use local_issuer::{SigningKey, jwks};
use local_stack::gateway::{self, PathParameters};
use serde_json::{Value, json};
use system_tests::client::{Client, order_of};
use system_tests::issuer::KeyServer;
use system_tests::operations::put;
use system_tests::process::{self, Serve};
use system_tests::shops::{OPENED_MS, Shop, shop};
use tempfile::NamedTempFile;

const ISSUER: &str = "https://issuer.example.com";

/// The deployed API in this process: API Gateway with the authorizer, and the functions.
struct Api {
    shop: Shop,
    tally: Arc<Tally>,
    authorizer: Authorizer,
    key: SigningKey,
}

fn settings(jwks_url: &str) -> Value {
    json!({
        "issuer": ISSUER, "jwks_url": jwks_url, "audiences": ["orders"], "algorithms": ["ES256"],
        "claims": { "tenant": { "name": "tenant" }, "scopes": { "name": "scope" }, "customer_id": { "name": "customer" } },
    })
}

const CLIENTS: &str = r#"{"all-key": {"tenant": "shop", "scopes": ["submit", "read", "operations"]}}"#;

impl Api {
    async fn open() -> Self {
        let tally = Arc::new(Tally::new());
        let shop = shop().with_stock("PLENTY", 1_000_000).behind(&tally).open().await;
        let price = json!({ "currency": "USD", "price": 1 });
        put("/stores/main/prices/PLENTY", &price).if_absent().send(&shop).await;
        let key = SigningKey::es256("k1");
        let server = KeyServer::start(jwks([&key])).await;
        let settings = TokenSettings::read(&settings(&server.url).to_string()).unwrap();
        let authorizer = Authorizer::new(Callers::by_key(CLIENTS).unwrap(), false).with_tokens(settings).unwrap();
        authorizer.warm_up(shop.clock.now_ms()).await;
        Self { shop, tally, authorizer, key }
    }

    /// A token's header. `customer` is the one that it is bound to.
    fn token(&self, tenant: &str, scope: &str, customer: Option<&str>) -> HeaderMap {
        self.token_until(tenant, scope, customer, OPENED_MS / 1000 + 600)
    }

    fn token_until(&self, tenant: &str, scope: &str, customer: Option<&str>, expires_s: i64) -> HeaderMap {
        let claims = json!({
            "iss": ISSUER, "aud": "orders", "sub": "someone", "exp": expires_s,
            "tenant": tenant, "scope": scope, "customer": customer,
        });
        with(&header::AUTHORIZATION, &format!("Bearer {}", self.key.sign(&claims)))
    }

    /// Sends a request as API Gateway does: the authorizer first, then the function.
    async fn send(&self, route: &str, path: PathParameters, headers: HeaderMap, query: &str, body: &Value) -> Answer {
        let identity = match self.authorizer.identify(&headers, self.shop.clock.now_ms()).await {
            Ok(identity) => identity,
            Err(refusal) => {
                let status = match refusal {
                    Refusal::Unauthorized(_) => StatusCode::UNAUTHORIZED,
                    Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
                    Refusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                };
                return Answer::json(status, &Value::Null);
            }
        };
        let (method, resource) = route.split_once(' ').unwrap();
        let body = body.to_string();
        let mut event = gateway::event(method.parse().unwrap(), resource, headers, path, body.as_bytes());
        gateway::set_query(&mut event, query);
        self.shop.answer(event, &identity.caller, "request-1").await
    }

    async fn place(&self, who: &HeaderMap, customer: &str, key: &str) -> Answer {
        let mut headers = who.clone();
        headers.insert(api::idempotency::IDEMPOTENCY_KEY, key.parse().unwrap());
        self.send("POST /orders", PathParameters::new(), headers, "", &order(customer)).await
    }

    async fn of_order(&self, who: &HeaderMap, route: &str, order_id: &str) -> Answer {
        let path = PathParameters::from([("orderId".to_owned(), order_id.to_owned())]);
        self.send(route, path, who.clone(), "", &json!({})).await
    }
}

fn with(name: &HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name.clone(), HeaderValue::from_str(value).unwrap())])
}

fn order(customer: &str) -> Value {
    let mut order = order_of("PLENTY", 1);
    order["customerId"] = customer.into();
    order
}

fn order_id(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    body["orderId"].as_str().unwrap().to_owned()
}

/// The kinds of callers, and what each sends. The order in question is of the tenant `shop` and the customer `acme`.
fn callers(api: &Api) -> Vec<(&'static str, HeaderMap)> {
    let expired = OPENED_MS / 1000 - 1;
    vec![
        ("no credential", HeaderMap::new()),
        ("expired token", api.token_until("shop", "submit read operations", None, expired)),
        ("`submit`", api.token("shop", "submit", None)),
        ("`read`", api.token("shop", "read", None)),
        ("`operations`", api.token("shop", "operations", None)),
        ("other tenant", api.token("other", "submit read", None)),
        ("the customer", api.token("shop", "submit read", Some("acme"))),
        ("other customer", api.token("shop", "submit read", Some("euro"))),
        ("key, all scopes", with(&authorize::API_KEY, "all-key")),
    ]
}

/// What a caller gets for a request to a route: the status of a refusal, `none` for a list without the order, or `yes`.
async fn cell(api: &Api, route: &str, who: &HeaderMap, number: usize) -> &'static str {
    let owner = api.token("shop", "submit", None);
    let placed = api.place(&owner, "acme", &format!("matrix-{number}")).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
    let order_id = order_id(&placed);
    let values = [
        ("orderId", &*order_id),
        ("customerId", "acme"),
        ("storeId", "main"),
        ("countyId", "kings"),
        ("sku", "PLENTY"),
    ];
    let path: PathParameters = values
        .into_iter()
        .filter(|(name, _)| route.contains(&format!("{{{name}}}")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(path.len(), route.matches('{').count(), "{route} has a parameter that this test does not know");
    let (query, body) = match route {
        "GET /orders" => ("status=PENDING", json!({})),
        "POST /orders" => ("", order("acme")),
        _ => ("", json!({})),
    };
    let answer = api.send(route, path, who.clone(), query, &body).await;
    let found: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    match answer.status {
        StatusCode::UNAUTHORIZED => "401",
        StatusCode::FORBIDDEN => "403",
        StatusCode::NOT_FOUND => "404",
        StatusCode::OK if route.contains("{customerId}/orders") && !lists(&found, &order_id) => "none",
        _ => "yes",
    }
}

fn lists(page: &Value, order_id: &str) -> bool {
    page["orders"].as_array().unwrap().iter().any(|order| order["orderId"] == order_id)
}

/// `ARCHITECTURE.md` prints this matrix. It is compared with what the system does.
#[tokio::test]
async fn every_route_lets_in_whom_the_matrix_says_and_nobody_else() {
    let api = Api::open().await;
    let callers = callers(&api);
    let names: Vec<&str> = callers.iter().map(|(name, _)| *name).collect();
    let mut matrix = format!("| route | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    let mut number = 0;
    for (_, route, _) in declarations::routes() {
        write!(matrix, "| `{route}` |").unwrap();
        for (_, who) in &callers {
            number += 1;
            write!(matrix, " {} |", cell(&api, route, who, number).await).unwrap();
        }
        matrix.push('\n');
    }
    let architecture = include_str!("../../ARCHITECTURE.md");
    let printed =
        architecture.split_once("<!-- matrix -->\n").and_then(|(_, rest)| rest.split_once("<!-- matrix: end -->"));
    assert_eq!(printed.unwrap().0.trim(), matrix.trim(), "ARCHITECTURE.md must have this matrix:\n{matrix}");
}

#[tokio::test]
async fn to_anyone_else_an_order_looks_like_one_that_does_not_exist_and_takes_as_long() {
    let api = Api::open().await;
    let customer = api.token("shop", "submit read", Some("acme"));
    let placed = api.place(&customer, "acme", "k1").await;
    let (own, absent) = (order_id(&placed), "0".repeat(32));
    for other in [api.token("shop", "submit read", Some("euro")), api.token("other", "submit read", None)] {
        for route in ["GET /orders/{orderId}", "POST /orders/{orderId}/cancel"] {
            let mut seen = Vec::new();
            for order_id in [&own, &absent] {
                api.tally.reset();
                let answer = api.of_order(&other, route, order_id).await;
                let operations: Vec<_> =
                    api.tally.by_operation().into_iter().map(|(name, usage)| (name, usage.requests)).collect();
                seen.push((answer.status, answer.headers, answer.body.replace(&**order_id, "ID"), operations));
            }
            assert_eq!(seen[0], seen[1], "{route}");
            assert_eq!(seen[0].0, StatusCode::NOT_FOUND, "{route}");
        }
    }
    assert_eq!(api.of_order(&customer, "GET /orders/{orderId}", &own).await.status, StatusCode::OK);
}

// --- The local stack --------------------------------------------------------------------------------

fn bearer(client: &Client, token: &str) -> Client {
    client.clone().with_header(header::AUTHORIZATION, &format!("Bearer {token}"))
}

async fn issue(client: &Client, request: &Value) -> String {
    let post = client.request(Method::POST, "/_local/token");
    let answer = client.send(post, request.to_string()).await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_local_stack_signs_tokens_and_lets_in_whom_they_name() {
    let serve = Serve::start([] as [&str; 0]).await;
    let anybody = serve.client();
    let request =
        json!({ "customerId": "demo123", "tenant": "shop", "scopes": ["submit", "read"], "expiresInSeconds": 600 });
    let customer = bearer(&anybody, &issue(&anybody, &request).await);
    let placed = customer.place("k1", order_of("MOUSE001", 1)).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
    assert_eq!(customer.get(placed.header("location")).await.status, StatusCode::OK);
    assert_eq!(customer.get("/customers/demo123/orders").await.status, StatusCode::OK);
    assert_eq!(customer.get("/customers/other/orders").await.status, StatusCode::FORBIDDEN);
    assert_eq!(customer.get("/orders?status=PENDING").await.status, StatusCode::FORBIDDEN);
    let other = issue(&anybody, &json!({ "customerId": "other", "scopes": ["read"] })).await;
    assert_eq!(bearer(&anybody, &other).get(placed.header("location")).await.status, StatusCode::NOT_FOUND);

    // By key, as before, and without any credential.
    let by_key = anybody.clone().with_header(authorize::API_KEY, "shop-key");
    assert_eq!(by_key.get(placed.header("location")).await.status, StatusCode::OK);
    assert_eq!(anybody.get("/orders?status=PENDING").await.status, StatusCode::OK);

    let expiring = issue(&anybody, &json!({ "scopes": ["submit"], "expiresInSeconds": 1 })).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    for refused in [bearer(&anybody, "nonsense"), bearer(&anybody, &expiring), bearer(&by_key, &expiring)] {
        let answer = refused.get("/orders?status=PENDING").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="orders""#);
        assert_eq!(answer.problem()["type"], "urn:order-saga:problem:unauthorized");
    }
    // Another process has another key.
    let stranger = Serve::start([] as [&str; 0]).await;
    let token = issue(&stranger.client(), &request).await;
    assert_eq!(bearer(&anybody, &token).get("/orders?status=PENDING").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_that_makes_no_sense_is_not_signed_and_every_rule_is_named() {
    let serve = Serve::start([] as [&str; 0]).await;
    let client = serve.client();
    for (request, pointers) in [
        (json!({}), vec!["#/scopes"]),
        (json!({ "scopes": [] }), vec!["#/scopes"]),
        (json!({ "scopes": ["everything"] }), vec!["#/scopes"]),
        (json!({ "scopes": ["read"], "expiresInSeconds": 0 }), vec!["#/expiresInSeconds"]),
        (json!({ "scopes": ["read"], "expiresInSeconds": "600" }), vec!["#/expiresInSeconds"]),
        (json!({ "scopes": ["operations"], "customerId": "demo123" }), vec!["#/customerId"]),
        (json!({ "scopes": ["read"], "tenant": "a#b", "user": 1 }), vec!["#/tenant", "#/user"]),
    ] {
        let post = client.request(Method::POST, "/_local/token");
        let answer = client.send(post, request.to_string()).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{request}: {answer:?}");
        let problem = answer.problem();
        let found: Vec<&str> =
            problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(found, pointers, "{request}");
    }
}

#[tokio::test]
async fn the_command_prints_a_token_of_the_running_server() {
    let serve = Serve::start([] as [&str; 0]).await;
    let client = serve.client();
    let run = async |arguments: &[&str]| {
        let server = ["--server", client.origin()];
        process::run(["token"].iter().chain(arguments).chain(&server)).await
    };
    let printed = run(&["--customer", "demo123", "--scope", "submit", "--scope", "read"]).await;
    assert!(printed.status.success(), "{printed:?}");
    let token = String::from_utf8(printed.stdout).unwrap();
    let customer = bearer(&client, token.trim_end());
    assert_eq!(customer.get("/customers/demo123/orders").await.status, StatusCode::OK);
    assert_eq!(customer.get("/customers/other/orders").await.status, StatusCode::FORBIDDEN);
    let json = run(&["--scope", "operations", "--json"]).await;
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let staff = bearer(&client, json["token"].as_str().unwrap());
    assert_eq!(staff.get("/orders?status=PENDING").await.status, StatusCode::OK);
    let refused = run(&["--scope", "everything", "--expires-in", "0"]).await;
    assert_eq!(refused.status.code(), Some(2));
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("scopes must be a list") && error.contains("expiresInSeconds must be"), "{error}");
}

/// The local stack with an issuer of one's own, and that issuer's faults.
#[tokio::test]
async fn the_local_stack_takes_another_issuers_tokens_and_its_faults() {
    let (key, rotated) = (SigningKey::rs256("k1"), SigningKey::rs256("k2"));
    let server = KeyServer::start(jwks([&key])).await;
    let mut settings = settings(&server.url);
    settings["algorithms"] = json!(["RS256"]);
    let mut file = NamedTempFile::new().unwrap();
    write!(file, "{settings}").unwrap();
    let serve = Serve::start(["--tokens".as_ref(), file.path()]).await;
    let anybody = serve.client();
    let now_s = clock::WallClock::System.now_ms() / 1000;
    let claims = |name: &str, value: Value| {
        let mut claims = json!({
            "iss": ISSUER, "aud": "orders", "sub": "alice", "exp": now_s + 600, "nbf": now_s - 1,
            "tenant": "shop", "scope": "read", "customer": "demo123",
        });
        claims[name] = value;
        claims
    };
    let valid = claims("sub", "alice".into());
    let read = async |token: &str| bearer(&anybody, token).get("/customers/demo123/orders").await.status;
    assert_eq!(read(&key.sign(&valid)).await, StatusCode::OK);
    for (fault, token) in [
        ("wrong key", SigningKey::rs256("k1").sign(&valid)),
        ("alg=none", key.forge_none(&valid)),
        ("HS256 with the public key", key.forge_hs256(&valid)),
        ("expired", key.sign(&claims("exp", (now_s - 1).into()))),
        ("not valid yet", key.sign(&claims("nbf", (now_s + 300).into()))),
        ("wrong audience", key.sign(&claims("aud", "elsewhere".into()))),
        ("wrong issuer", key.sign(&claims("iss", "https://evil.example.com".into()))),
    ] {
        assert_eq!(read(&token).await, StatusCode::UNAUTHORIZED, "{fault}");
    }
    assert_eq!(read(&key.sign(&claims("tenant", Value::Null))).await, StatusCode::FORBIDDEN, "no tenant");
    // Rotated: the new key is found at once, because none was looked for in the last five minutes.
    server.publish(Some(jwks([&key, &rotated])));
    assert_eq!(read(&rotated.sign(&valid)).await, StatusCode::OK);
    assert_eq!(read(&SigningKey::rs256("k3").sign(&valid)).await, StatusCode::UNAUTHORIZED, "unknown key");
    server.publish(None);
    assert_eq!(read(&rotated.sign(&valid)).await, StatusCode::OK, "the issuer is down");
    let refused = anybody.send(anybody.request(Method::POST, "/_local/token"), "{}").await.unwrap();
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "it signs no tokens that it would not take");
}
