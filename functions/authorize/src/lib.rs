//! Finds out who sends a request, before any other function sees it.
//!
//! API Gateway asks this function about each request ([a Lambda authorizer of the type
//! REQUEST](https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html)). The answer
//! has one context, the [`Caller`], which all other functions use, and the key under which usage plans count the request.
//! What the caller may do is decided later, from the route table: [`api::handler`].
//!
//! | module | knows |
//! |---|---|
//! | [`settings`] | which issuer, audiences and claims the deployment trusts |
//! | [`keys`] | the issuer's public keys, and when they are read again |
//! | [`token`] | when a token is valid |
//! | [`claims`] | which caller a valid token stands for |
//! | [`answer`] | API Gateway's question, and the answer to it |

pub mod answer;
pub mod claims;
pub mod keys;
pub mod settings;
pub mod token;

use api::authorization::Scope;
use api::{Caller, Callers};
use http::{HeaderMap, HeaderName, header};
use order::EpochMs;

use crate::claims::Claims;
use crate::settings::{SettingsError, TokenSettings};
use crate::token::Verifier;

/// The header with a client's API key.
pub const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The caller.
    pub caller: Caller,
    /// The key under which the usage plan counts its requests; `None` without a usage plan.
    pub usage_key: Option<String>,
}

/// Why a request has no identity. The reasons are for the log; the caller learns only the variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has no credential, or one that is not valid: 401.
    #[error("{0}")]
    Unauthorized(String),
    /// The credential is valid, and stands for nobody who may use this API: 403.
    #[error("{0}")]
    Forbidden(String),
    /// The issuer's keys cannot be read, so nobody can say whether the token is valid: 503.
    #[error("{0}")]
    Unavailable(String),
}

/// Finds out who sends a request.
#[derive(Debug)]
pub struct Authorizer {
    callers: Callers,
    operations_keys: bool,
    tokens: Option<Tokens>,
}

#[derive(Debug)]
struct Tokens {
    verifier: Verifier,
    claims: Claims,
}

impl Authorizer {
    /// An authorizer of these clients. Operations want a token, so a client with a key has the scope `operations` only if
    /// `operations_keys` allows it.
    pub fn new(callers: Callers, operations_keys: bool) -> Self {
        Self { callers, operations_keys, tokens: None }
    }

    /// The same authorizer, which accepts tokens too.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn with_tokens(self, settings: TokenSettings) -> Result<Self, SettingsError> {
        let (verifier, claims) = settings.into_parts()?;
        Ok(Self { tokens: Some(Tokens { verifier, claims }), ..self })
    }

    /// Reads the issuer's keys during init. A failure here is harmless: the first token causes another try.
    pub async fn warm_up(&self, now_ms: EpochMs) {
        if let Some(tokens) = &self.tokens {
            tokens.verifier.warm_up(now_ms).await;
        }
    }

    /// Who sent a request with these headers. If it has a token, its key does not count: a token that is not valid is never
    /// made good by a key.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn identify(&self, headers: &HeaderMap, now_ms: EpochMs) -> Result<Identity, Refusal> {
        match (one(headers, &header::AUTHORIZATION)?, one(headers, &API_KEY)?) {
            (Some(authorization), _) => self.by_token(authorization, now_ms).await,
            (None, Some(api_key)) => self.by_key(api_key),
            (None, None) => Err(Refusal::Unauthorized("it has neither a token nor an API key".to_owned())),
        }
    }

    async fn by_token(&self, authorization: &str, now_ms: EpochMs) -> Result<Identity, Refusal> {
        let unauthorized = |reason: &str| Refusal::Unauthorized(reason.to_owned());
        let Some(tokens) = &self.tokens else {
            return Err(unauthorized("it has a token, and this API takes none"));
        };
        let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(unauthorized("its authorization is no bearer token"));
        }
        let token = tokens.verifier.verify(token.trim(), now_ms).await?;
        tokens.claims.identity(&token)
    }

    fn by_key(&self, api_key: &str) -> Result<Identity, Refusal> {
        let unknown = || Refusal::Unauthorized("its API key belongs to no client".to_owned());
        let mut caller = self.callers.caller(api_key).ok_or_else(unknown)?.clone();
        if !self.operations_keys {
            caller.scopes.remove(&Scope::Operations);
        }
        Ok(Identity { caller, usage_key: Some(api_key.to_owned()) })
    }
}

/// The value of a header that must not be sent twice: two parts of the system might read different ones.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(Refusal::Unauthorized(format!("it has the header {name} more than once")));
    }
    let text = value.map(|value| value.to_str()).transpose();
    text.map_err(|_| Refusal::Unauthorized(format!("its header {name} is not ASCII")))
}
