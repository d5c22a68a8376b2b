//! The local token issuer: `POST /_local/token` signs a token, and `GET /_local/jwks.json` has the keys to check it with.
//!
//! Its key is made when the process starts, so a token is worth nothing to another one.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::{Answer, Kind, Problem, Scope, body};
use authorize::settings::{ClaimName, ClaimNames, CustomerClaim, TokenSettings};
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, header};
use jsonwebtoken::Algorithm;
use local_issuer::{SigningKey, jwks};
use order::validation::Fields;
use order::{CustomerId, Tenant, Violation};
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::front::{Front, respond};

/// The path of the keys.
pub const JWKS: &str = "/_local/jwks.json";

/// The tenant of a token that names none: that of the built-in key `shop-key`.
pub const DEFAULT_TENANT: &str = "shop";

/// How long a token is valid, unless the request says so.
pub const DEFAULT_EXPIRY_S: u32 = 600;

/// The longest that a token is valid: a day.
pub const MAX_EXPIRY_S: u32 = 24 * 60 * 60;

/// Whom the tokens are for.
const AUDIENCE: &str = "orders";

/// The issuer of this process.
#[derive(Debug, Clone)]
pub struct LocalIssuer {
    /// Its address, which its tokens name.
    url: String,
    key: Arc<SigningKey>,
}

impl LocalIssuer {
    /// An issuer whose document will be served at this address, such as `http://127.0.0.1:8080`.
    pub fn at(address: &str) -> Self {
        let key = SigningKey::es256(&Uuid::new_v4().to_string());
        Self { url: address.to_owned(), key: Arc::new(key) }
    }

    /// The settings with which an authorizer accepts its tokens.
    pub fn settings(&self) -> TokenSettings {
        let claim = |name: &str| ClaimName { name: name.to_owned(), prefix: String::new() };
        TokenSettings {
            issuer: self.url.clone(),
            jwks_url: format!("{}{JWKS}", self.url),
            audiences: [AUDIENCE.to_owned()].into(),
            algorithms: vec![Algorithm::ES256],
            token_use: None,
            claims: ClaimNames {
                tenant: claim("tenant"),
                scopes: claim("scope"),
                customer_id: Some(CustomerClaim {
                    name: "customer_id".to_owned(),
                    prefix: String::new(),
                    required: false,
                }),
            },
            clients: [].into(),
            usage_keys: None,
        }
    }

    fn sign(&self, request: &TokenRequest, now_s: i64) -> String {
        let TokenRequest { tenant, scopes, customer_id, expires_in_s } = request;
        let scopes: Vec<&str> = scopes.iter().map(Into::into).collect();
        let subject = customer_id.as_ref().map_or("local", CustomerId::as_str);
        let mut claims = json!({
            "iss": self.url, "aud": AUDIENCE, "sub": subject, "iat": now_s, "exp": now_s + i64::from(*expires_in_s),
            "tenant": tenant, "scope": scopes.join(" "),
        });
        if let Some(customer_id) = customer_id {
            claims["customer_id"] = json!(customer_id);
        }
        self.key.sign(&claims)
    }
}

/// A token as it is asked for.
#[derive(Debug)]
struct TokenRequest {
    tenant: Tenant,
    scopes: BTreeSet<Scope>,
    customer_id: Option<CustomerId>,
    expires_in_s: u32,
}

/// Answers with the issuer's keys.
pub async fn keys(State(front): State<Front>) -> Response {
    respond(match &front.issuer {
        Some(issuer) => Answer::json(StatusCode::OK, &jwks([&*issuer.key])),
        None => no_issuer().answer(),
    })
}

/// Signs a token.
pub async fn issue(State(front): State<Front>, body: Body) -> Response {
    let issued = async {
        let issuer = front.issuer.as_ref().ok_or_else(no_issuer)?;
        let bytes = to_bytes(body, body::MAX_BODY_BYTES).await.map_err(|_| Problem::new(Kind::BodyTooLarge))?;
        let text = str::from_utf8(&bytes);
        let text = text.map_err(|_| Problem::new(Kind::MalformedBody).detail("the body is not UTF-8"))?;
        let token = issuer.sign(&read(text)?, front.stack.clock.now_ms() / 1000);
        Ok(Answer::json(StatusCode::CREATED, &json!({ "token": token })).with(header::CACHE_CONTROL, "no-store"))
    };
    respond(issued.await.unwrap_or_else(|problem: Problem| problem.answer()))
}

fn no_issuer() -> Problem {
    Problem::new(Kind::RouteNotFound).detail("this stack takes another issuer's tokens and signs none")
}

/// Reads the body: `{"customerId": "demo123", "tenant": "shop", "scopes": ["submit"], "expiresInSeconds": 600}`.
fn read(text: &str) -> Result<TokenRequest, Problem> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| body::malformed(&error))?;
    let mut violations: Vec<Violation> = Vec::new();
    let request = Fields::read(raw, "", &mut violations).and_then(|mut fields| {
        let tenant = match fields.take("tenant") {
            Some(raw) => fields.parse_string("tenant", raw),
            None => DEFAULT_TENANT.parse().ok(),
        };
        let scopes = fields.take_required("scopes").and_then(|raw| {
            let names: Vec<String> = serde_json::from_str(raw.get()).unwrap_or_default();
            let scopes: Option<BTreeSet<Scope>> = names.iter().map(|name| name.parse().ok()).collect();
            let scopes = scopes.filter(|scopes| !scopes.is_empty());
            if scopes.is_none() {
                fields.refuse("scopes", "must be a list of one or more of submit, read and operations");
            }
            scopes
        });
        let customer_id = match fields.take("customerId") {
            Some(raw) => Some(fields.parse_string("customerId", raw)?),
            None => None,
        };
        let expires_in_s = match fields.take("expiresInSeconds") {
            None => Some(DEFAULT_EXPIRY_S),
            Some(raw) => {
                let seconds: Option<u32> = raw.get().parse().ok();
                let seconds = seconds.filter(|seconds| (1..=MAX_EXPIRY_S).contains(seconds));
                if seconds.is_none() {
                    fields.refuse("expiresInSeconds", &format!("must be a whole number from 1 to {MAX_EXPIRY_S}"));
                }
                seconds
            }
        };
        if customer_id.is_some() && scopes.as_ref().is_some_and(|scopes| scopes.contains(&Scope::Operations)) {
            fields
                .refuse("customerId", "must not be sent with the scope operations, which sees every customer's orders");
        }
        fields.refuse_unknown("a token request");
        Some(TokenRequest { tenant: tenant?, scopes: scopes?, customer_id, expires_in_s: expires_in_s? })
    });
    match request {
        Some(request) if violations.is_empty() => Ok(request),
        _ => Err(Problem::new(Kind::InvalidContent).errors(violations)),
    }
}
