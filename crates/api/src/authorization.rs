//! Who a request is from, and what they may do.
//!
//! The authorizer finds out who sends a request, from a token or an API key, and API Gateway passes that on as the
//! request's context. This module has the context's form, and decides what it allows: a caller has scopes, and a tenant,
//! whose orders alone it sees. Operations see every tenant's orders on purpose, because a store hands over the orders of
//! all tenants.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use order::{CustomerId, Reach, Tenant};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::problem::{Kind, Problem};

/// What a client may do.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Scope {
    /// Place orders, read them by id, and cancel them.
    Submit,
    /// Read orders by id, and list a customer's orders.
    Read,
    /// For the shop's own staff: read, list, cancel and hand over every tenant's orders, and keep the stock
    /// and the accounts.
    Operations,
}

/// Someone who may call the API.
///
/// ```json
/// {"tenant": "wholesale", "subject": "acme's shop", "scopes": ["submit", "read"], "customer_id": "acme-wholesale"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// The tenant whose orders it places and sees.
    pub tenant: Tenant,
    /// Who it is: the subject of its token, or the name of the client with the key. Nothing is decided by it; changes
    /// by hand are recorded under it.
    #[serde(default = "unnamed")]
    pub subject: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// The one customer that it acts for; without it, all customers of its tenant.
    #[serde(default)]
    pub customer_id: Option<CustomerId>,
}

fn unnamed() -> String {
    "unnamed".to_owned()
}

/// The caller as API Gateway passes it on: the values of a context are texts.
#[derive(Debug, Deserialize)]
struct Context {
    tenant: Tenant,
    subject: String,
    /// Separated by spaces.
    scopes: String,
    customer_id: Option<CustomerId>,
}

/// A caller that is bound to one customer and has the scope `operations`, which sees every customer's orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a caller that is bound to one customer cannot have the scope operations")]
pub struct BoundOperations;

/// A context that does not say who the caller is.
#[derive(Debug, thiserror::Error)]
enum NotACaller {
    /// It lacks a field, or has a wrong one.
    #[error("read the context: {0}")]
    Form(#[from] serde_json::Error),
    /// It has a scope that does not exist.
    #[error("the context has an unknown scope")]
    Scope(#[source] strum::ParseError),
    /// It contradicts itself.
    #[error(transparent)]
    Bound(#[from] BoundOperations),
}

impl Caller {
    /// The caller of an API without credentials: it may do everything.
    pub fn of_an_open_api() -> Self {
        Self {
            tenant: "public".parse().expect("it is a tenant's name"),
            subject: unnamed(),
            scopes: Scope::VARIANTS.iter().copied().collect(),
            customer_id: None,
        }
    }

    /// Rejects a caller that contradicts itself.
    ///
    /// # Errors
    /// [`BoundOperations`].
    pub fn check(&self) -> Result<(), BoundOperations> {
        let is_bound = self.customer_id.is_some() && self.scopes.contains(&Scope::Operations);
        if is_bound { Err(BoundOperations) } else { Ok(()) }
    }

    /// The context with which the authorizer allows its requests.
    pub fn context(&self) -> Map<String, Value> {
        let scopes: Vec<&str> = self.scopes.iter().map(Into::into).collect();
        let mut context = Map::new();
        context.insert("tenant".to_owned(), self.tenant.as_str().into());
        context.insert("subject".to_owned(), self.subject.as_str().into());
        context.insert("scopes".to_owned(), scopes.join(" ").into());
        if let Some(customer_id) = &self.customer_id {
            context.insert("customer_id".to_owned(), customer_id.as_str().into());
        }
        context
    }

    /// The caller in a request's context.
    ///
    /// # Errors
    /// The problem to answer with, if the context isn't one of [`Self::context`]: the API has no authorizer, or another
    /// one. 403, so that such an API is closed and not open.
    pub fn of(event: &ApiGatewayProxyRequest) -> Result<Self, Problem> {
        let context = event.request_context.authorizer.fields.clone().into_iter().collect();
        Self::from_context(Value::Object(context)).map_err(|error| {
            tracing::error!(reason = %error, "the request gets 403: its context does not say who sent it");
            forbidden("the request does not say who sent it")
        })
    }

    fn from_context(context: Value) -> Result<Self, NotACaller> {
        let context: Context = serde_json::from_value(context)?;
        let Context { tenant, subject, scopes, customer_id } = context;
        let scopes: Result<_, _> = scopes.split_whitespace().map(Scope::from_str).collect();
        let caller = Self { tenant, subject, scopes: scopes.map_err(NotACaller::Scope)?, customer_id };
        caller.check()?;
        Ok(caller)
    }

    /// Rejects a caller that has none of these scopes, given by name.
    ///
    /// # Errors
    /// The problem to answer with: 403.
    pub fn require<'a>(&self, any_of: impl IntoIterator<Item = &'a str> + Clone) -> Result<(), Problem> {
        let has = |name: &str| self.scopes.iter().any(|scope| <&str>::from(scope) == name);
        if any_of.clone().into_iter().any(has) {
            return Ok(());
        }
        let names: Vec<&str> = any_of.into_iter().collect();
        Err(forbidden(format!("this request needs the scope {}", names.join(" or "))))
    }

    /// Rejects a caller that acts for a different customer.
    ///
    /// # Errors
    /// The problem to answer with: 403.
    pub fn require_customer(&self, customer_id: &str) -> Result<(), Problem> {
        match &self.customer_id {
            Some(own) if own.as_str() != customer_id => {
                Err(forbidden(format!("the caller may act only for the customer {own}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether it sees who made changes by hand: only the shop's own staff does.
    pub fn sees_actors(&self) -> bool {
        self.scopes.contains(&Scope::Operations)
    }

    /// The orders that it may see and cancel.
    pub fn reach(&self) -> Reach<'_> {
        match &self.customer_id {
            _ if self.scopes.contains(&Scope::Operations) => Reach::All,
            Some(customer_id) => Reach::Customer(&self.tenant, customer_id),
            None => Reach::Tenant(&self.tenant),
        }
    }
}

/// The clients that may call the API with a key, by the SHA-256 of the key. So settings that name clients reveal no keys,
/// and the time that a look-up takes says nothing about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Callers(BTreeMap<String, Caller>);

/// A text that is not a valid list of clients.
#[derive(Debug, thiserror::Error)]
pub enum NotCallers {
    /// It has another form.
    #[error(
        "the clients must have the form {{\"KEY\": {{\"tenant\": \"shop\", \"scopes\": [\"submit\", \"read\", \"operations\"]}}}}"
    )]
    Form(#[source] serde_json::Error),
    /// A client contradicts itself.
    #[error(transparent)]
    Client(#[from] BoundOperations),
    /// A digest is expected, and something else is there, perhaps a key. It is not repeated.
    #[error("each client must be named by the SHA-256 of its key, in 64 lower-case hexadecimal digits")]
    NotADigest,
}

/// The length of a SHA-256 in hexadecimal digits.
const DIGEST_DIGITS: usize = 64;

impl FromStr for Callers {
    type Err = NotCallers;

    /// Reads the clients by the digests of their keys, as the authorizer's settings have them.
    fn from_str(json: &str) -> Result<Self, NotCallers> {
        let clients = read_clients(json)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if clients.keys().all(|digest| digest.len() == DIGEST_DIGITS && digest.bytes().all(is_digit)) {
            Ok(Self(clients))
        } else {
            Err(NotCallers::NotADigest)
        }
    }
}

impl Callers {
    /// Reads the clients by the keys themselves, as a file on its user's own machine has them.
    ///
    /// # Errors
    /// [`NotCallers`].
    pub fn by_key(json: &str) -> Result<Self, NotCallers> {
        let clients = read_clients(json)?;
        Ok(Self(clients.into_iter().map(|(key, client)| (digest(&key), client)).collect()))
    }

    /// The client with this key.
    pub fn caller(&self, api_key: &str) -> Option<&Caller> {
        self.0.get(&digest(api_key))
    }
}

fn read_clients(json: &str) -> Result<BTreeMap<String, Caller>, NotCallers> {
    let clients: BTreeMap<String, Caller> = serde_json::from_str(json).map_err(NotCallers::Form)?;
    clients.values().try_for_each(Caller::check)?;
    Ok(clients)
}

fn digest(api_key: &str) -> String {
    hex::encode(Sha256::digest(api_key))
}

fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::Forbidden).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(text: &str) -> Result<Callers, NotCallers> {
        Callers::by_key(text)
    }

    fn caller(text: &str) -> Caller {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_key_allows_its_scopes_and_no_other() {
        let clients = clients(r#"{"k": {"tenant": "shop", "scopes": ["submit"]}}"#).unwrap();
        let client = clients.caller("k").unwrap();
        assert!(client.require(["submit"]).is_ok());
        assert!(client.require(["read", "submit"]).is_ok());
        assert!(client.require(["read", "operations"]).is_err());
    }

    /// A misspelt scope would let nobody in.
    #[test]
    fn every_declared_scope_is_one() {
        for (function, route, declared) in declarations::routes() {
            assert!(!declared.scopes.is_empty(), "functions/{}/function.json: {route} has no scope", function.name);
            for scope in &declared.scopes {
                let is_known = Scope::VARIANTS.iter().any(|known| known.to_string() == *scope);
                assert!(is_known, "functions/{}/function.json: {route} has the unknown scope {scope}", function.name);
            }
        }
    }

    #[test]
    fn a_request_without_a_known_key_is_rejected() {
        let clients = clients(r#"{"k": {"tenant": "shop", "scopes": ["submit"]}}"#).unwrap();
        assert!(clients.caller("").is_none());
        assert!(clients.caller("K").is_none());
        assert!(Callers::default().caller("k").is_none());
    }

    #[test]
    fn settings_name_clients_by_the_digests_of_their_keys_and_never_by_keys() {
        let digest = digest("k");
        let client = r#"{"tenant": "shop", "scopes": ["submit"]}"#;
        let by_digest: Callers = format!(r#"{{"{digest}": {client}}}"#).parse().unwrap();
        assert_eq!(by_digest, clients(&format!(r#"{{"k": {client}}}"#)).unwrap());
        let key = format!(r#"{{"a-secret-key": {client}}}"#).parse::<Callers>().unwrap_err();
        assert!(!key.to_string().contains("a-secret-key"), "{key}");
    }

    #[test]
    fn a_context_says_who_the_caller_is_and_nothing_less_does() {
        for text in [
            r#"{"tenant": "a", "subject": "s", "scopes": ["submit", "read"], "customer_id": "c"}"#,
            r#"{"tenant": "a", "scopes": ["operations"]}"#,
            r#"{"tenant": "a", "scopes": []}"#,
        ] {
            let caller = caller(text);
            assert_eq!(Caller::from_context(Value::Object(caller.context())).unwrap(), caller);
        }
        for context in [
            serde_json::json!({}),
            serde_json::json!({ "tenant": "a", "subject": "s" }),
            serde_json::json!({ "tenant": "a#b", "subject": "s", "scopes": "read" }),
            serde_json::json!({ "tenant": "a", "subject": "s", "scopes": "read everything" }),
            serde_json::json!({ "tenant": "a", "subject": "s", "scopes": "operations", "customer_id": "c" }),
        ] {
            assert!(Caller::from_context(context.clone()).is_err(), "{context}");
        }
        let denied = Caller::of(&ApiGatewayProxyRequest::default()).unwrap_err().answer();
        assert_eq!(denied.status, http::StatusCode::FORBIDDEN);
    }

    #[test]
    fn only_operations_reach_beyond_their_tenant() {
        let of_a_customer = caller(r#"{"tenant": "a", "scopes": ["read"], "customer_id": "c"}"#);
        assert!(matches!(of_a_customer.reach(), Reach::Customer(..)));
        assert!(matches!(caller(r#"{"tenant": "a", "scopes": ["submit", "read"]}"#).reach(), Reach::Tenant(_)));
        assert_eq!(caller(r#"{"tenant": "a", "scopes": ["operations"]}"#).reach(), Reach::All);
    }

    #[test]
    fn a_malformed_client_is_rejected() {
        for text in [
            r#"{"k": {"tenant": "a#b", "scopes": []}}"#,
            r#"{"k": {"tenant": "a", "scopes": ["all"]}}"#,
            r#"{"k": {"tenant": "a", "scopes": [], "customer": "c"}}"#,
            r#"{"k": {"scopes": []}}"#,
            r#"{"k": {"tenant": "a", "scopes": ["operations"], "customer_id": "c"}}"#,
        ] {
            assert!(clients(text).is_err(), "{text}");
        }
    }
}
