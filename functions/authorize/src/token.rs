//! When a token is valid: a JSON Web Token ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519)) with a signature of the
//! issuer's, for this API, at this time ([RFC 8725](https://www.rfc-editor.org/rfc/rfc8725) has the attacks).

use std::collections::BTreeSet;

use jsonwebtoken::{Validation, decode, decode_header};
use order::EpochMs;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Refusal;
use crate::keys::{KeySet, NoKey};

/// The longest token. API Gateway takes 10,240 bytes of headers.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html>
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How far the issuer's clock may be ahead of this one. Only `nbf` and `iat` are given this much: a token that has expired
/// is refused at once, for clients renew their tokens before.
pub const CLOCK_SKEW_S: i64 = 60;

/// What a token must say.
#[derive(Debug)]
pub struct Rules {
    /// Its `iss`.
    pub issuer: String,
    /// One of these is in its `aud`, or, without `aud`, is its `client_id`.
    pub audiences: BTreeSet<String>,
    /// Its `token_use`, if the issuer says that.
    pub token_use: Option<String>,
}

/// Checks tokens.
#[derive(Debug)]
pub struct Verifier {
    keys: KeySet,
    rules: Rules,
}

/// The claims of a valid token.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Token {
    iss: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    iat: Option<i64>,
    #[serde(default)]
    aud: Option<Audience>,
    #[serde(default)]
    token_use: Option<String>,
    /// Whom it is about.
    #[serde(default)]
    pub sub: Option<String>,
    /// The client that it was issued to.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The other claims.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One audience, or several.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn has_one_of(&self, audiences: &BTreeSet<String>) -> bool {
        match self {
            Self::One(audience) => audiences.contains(audience),
            Self::Several(several) => several.iter().any(|audience| audiences.contains(audience)),
        }
    }
}

fn invalid(reason: &str) -> Refusal {
    Refusal::Unauthorized(reason.to_owned())
}

impl Verifier {
    /// Checks tokens with these keys, by these rules.
    pub fn new(keys: KeySet, rules: Rules) -> Self {
        Self { keys, rules }
    }

    /// Reads the issuer's keys.
    pub async fn warm_up(&self, now_ms: EpochMs) {
        self.keys.warm_up(now_ms).await;
    }

    /// The claims of a token, if it is valid now.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`], and [`Refusal::Unavailable`] while its key cannot be read.
    pub async fn verify(&self, token: &str, now_ms: EpochMs) -> Result<Token, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid("its token is too long"));
        }
        // The header is the sender's own word until the signature is checked: it only selects a key.
        let header = decode_header(token).map_err(|_| invalid("its token has no valid header"))?;
        let kid = header.kid.ok_or_else(|| invalid("its token names no key"))?;
        let key = self.keys.key(&kid, now_ms).await.map_err(|no_key| match no_key {
            NoKey::Unknown => invalid("its token names a key that the issuer does not have"),
            NoKey::IssuerDown => Refusal::Unavailable("the issuer's keys cannot be read".to_owned()),
        })?;
        let token = decode::<Token>(token, &key.key, &signature_only(key.algorithm));
        let token = token.map_err(|error| Refusal::Unauthorized(format!("its token is not valid: {error}")))?.claims;
        self.rules.check(&token, now_ms / 1000)?;
        Ok(token)
    }
}

/// The library checks the algorithm and the signature. [`Rules`] checks the claims, at a time that it is given.
fn signature_only(algorithm: jsonwebtoken::Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

impl Rules {
    fn check(&self, token: &Token, now_s: i64) -> Result<(), Refusal> {
        if token.iss != self.issuer {
            return Err(invalid("its token is another issuer's"));
        }
        let is_for_us = match (&token.aud, &token.client_id) {
            (Some(audience), _) => audience.has_one_of(&self.audiences),
            // Cognito's access tokens have no audience.
            // https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
            (None, Some(client_id)) => self.audiences.contains(client_id),
            (None, None) => false,
        };
        if !is_for_us {
            return Err(invalid("its token is for another audience"));
        }
        if self.token_use.is_some() && token.token_use != self.token_use {
            return Err(invalid("its token is for another use"));
        }
        if token.exp <= now_s {
            return Err(invalid("its token has expired"));
        }
        let latest_s = now_s + CLOCK_SKEW_S;
        if token.nbf.is_some_and(|nbf| nbf > latest_s) || token.iat.is_some_and(|iat| iat > latest_s) {
            return Err(invalid("its token is not valid yet"));
        }
        Ok(())
    }
}
