//! Which tokens the deployment trusts.

use std::collections::{BTreeMap, BTreeSet};

use api::Caller;
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use crate::claims::Claims;
use crate::keys::{KeySet, Source};
use crate::token::{Rules, Verifier};

/// The setting's name in the function's declaration. It is not set if the API takes no tokens.
pub const TOKENS: &str = "tokens";

/// The setting that says whether a key may have the scope `operations`: `true` or `false`.
pub const OPERATIONS_KEYS: &str = "operations_keys";

/// The tokens that the API takes, as JSON.
///
/// ```json
/// {
///   "issuer": "https://issuer.example.com", "jwks_url": "https://issuer.example.com/jwks.json",
///   "audiences": ["orders"], "algorithms": ["RS256"], "token_use": "access",
///   "claims": {"tenant": {"name": "tenant"}, "scopes": {"name": "scope", "prefix": "orders/"},
///              "customer_id": {"name": "customer_id", "required": true}},
///   "clients": {"client-id": {"tenant": "shop", "subject": "operations", "scopes": ["operations"]}},
///   "usage_keys": {"shop": "the usage plan's key for this tenant"}
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// Who issues the tokens: their `iss`, exactly.
    pub issuer: String,
    /// Where the issuer publishes its keys.
    pub jwks_url: String,
    /// Whom the tokens are for: one of these is in `aud`, or is the `client_id` of a token without `aud`.
    pub audiences: BTreeSet<String>,
    /// The algorithms of the issuer's signatures, all of them asymmetric.
    pub algorithms: Vec<Algorithm>,
    /// What the tokens' `token_use` must be, which Cognito sets to `access` or `id`; without it, anything.
    #[serde(default)]
    pub token_use: Option<String>,
    /// Which claims say who the caller is.
    pub claims: ClaimNames,
    /// Clients that act for themselves and not for a person, by `client_id`. Their tokens' other claims have no effect.
    #[serde(default)]
    pub clients: BTreeMap<String, Caller>,
    /// The key under which the usage plan counts each tenant's requests. Tokens of other tenants are refused. Without it,
    /// every tenant is accepted, and nothing is counted.
    #[serde(default)]
    pub usage_keys: Option<BTreeMap<String, String>>,
}

/// Which claims say who the caller is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimNames {
    /// The tenant.
    pub tenant: ClaimName,
    /// What the caller may do. Other values in the claim have no effect, because issuers add scopes of their own.
    pub scopes: ClaimName,
    /// The one customer that the caller acts for. Without it, no token is bound to a customer.
    #[serde(default)]
    pub customer_id: Option<CustomerClaim>,
}

/// Where a claim is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimName {
    /// Its name. The claim is a text of words or a list of texts.
    pub name: String,
    /// How the values that count begin; the rest of each is the value itself.
    #[serde(default)]
    pub prefix: String,
}

/// Where the customer is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomerClaim {
    /// The claim's name.
    pub name: String,
    /// How its value begins.
    #[serde(default)]
    pub prefix: String,
    /// Whether every token without the scope `operations` must name a customer. Then a forgotten claim closes the API to
    /// its bearer, and does not open a whole tenant.
    #[serde(default)]
    pub required: bool,
}

/// Settings that would make the API unsafe or useless.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// They have another form.
    #[error("the setting {TOKENS} cannot be read")]
    Form(#[from] serde_json::Error),
    /// Anyone who knows a symmetric key, such as the issuer's public one, could sign.
    #[error("the setting {TOKENS} allows {0:?}, which is not the algorithm of a public key")]
    Symmetric(Algorithm),
    /// Nothing would be accepted.
    #[error("the setting {TOKENS} has no {0}")]
    Empty(&'static str),
    /// A client contradicts itself.
    #[error(transparent)]
    Client(#[from] api::authorization::BoundOperations),
    /// The HTTP client could not be made.
    #[error("cannot set up TLS for the token issuer")]
    Tls(#[from] reqwest::Error),
    /// Something else than true or false.
    #[error("the setting {OPERATIONS_KEYS} is {0:?}, and must be true or false")]
    NotABool(String),
}

impl TokenSettings {
    /// Reads the setting.
    ///
    /// # Errors
    /// [`SettingsError::Form`].
    pub fn read(json: &str) -> Result<Self, SettingsError> {
        Ok(serde_json::from_str(json)?)
    }

    /// What the settings mean, with the keys at their address.
    pub(crate) fn into_parts(self) -> Result<(Verifier, Claims), SettingsError> {
        if self.audiences.is_empty() {
            return Err(SettingsError::Empty("audiences"));
        }
        if self.algorithms.is_empty() {
            return Err(SettingsError::Empty("algorithms"));
        }
        let is_symmetric =
            |algorithm: &&Algorithm| matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
        if let Some(symmetric) = self.algorithms.iter().find(is_symmetric) {
            return Err(SettingsError::Symmetric(*symmetric));
        }
        self.clients.values().try_for_each(Caller::check)?;
        let keys = KeySet::new(Source::new(&self.jwks_url)?, self.algorithms);
        let rules = Rules { issuer: self.issuer, audiences: self.audiences, token_use: self.token_use };
        let claims = Claims { names: self.claims, clients: self.clients, usage_keys: self.usage_keys };
        Ok((Verifier::new(keys, rules), claims))
    }
}

/// Reads the setting [`OPERATIONS_KEYS`].
///
/// # Errors
/// [`SettingsError::NotABool`].
pub fn operations_keys(text: &str) -> Result<bool, SettingsError> {
    text.parse().map_err(|_| SettingsError::NotABool(text.to_owned()))
}
