//! Who a request is from, and what they may do.
//!
//! API Gateway rejects requests without a known key, and counts each key's requests. This module decides
//! what a key allows: a client has scopes, and a tenant, whose orders alone it sees. An operations client
//! sees every tenant's orders on purpose, because a store hands over the orders of all tenants.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use order::{CustomerId, Reach, Tenant};
use serde::Deserialize;
use strum::{Display, IntoStaticStr, VariantArray};

use crate::problem::{Kind, Problem};

/// What a client may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Display, IntoStaticStr, VariantArray,
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

/// A client that may call the API.
///
/// ```json
/// {"tenant": "wholesale", "scopes": ["submit", "read"], "customer_id": "acme-wholesale"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// The tenant whose orders it places and sees.
    pub tenant: Tenant,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// The one customer that it acts for; without it, all customers. All clients of a tenant share its
    /// idempotency keys, so give an external client a tenant of its own.
    #[serde(default)]
    pub customer_id: Option<CustomerId>,
}

impl Caller {
    /// The caller of an API without keys: it may do everything.
    pub fn of_an_open_api() -> Self {
        Self {
            tenant: "public".parse().expect("it is a tenant's name"),
            scopes: Scope::VARIANTS.iter().copied().collect(),
            customer_id: None,
        }
    }

    /// Rejects a client that has none of these scopes, given by name.
    ///
    /// # Errors
    /// The problem to answer with: 403.
    pub fn require<'a>(&self, any_of: impl IntoIterator<Item = &'a str> + Clone) -> Result<(), Problem> {
        let has = |name: &str| self.scopes.iter().any(|scope| <&str>::from(scope) == name);
        if any_of.clone().into_iter().any(has) {
            return Ok(());
        }
        let names: Vec<&str> = any_of.into_iter().collect();
        Err(forbidden(format!("this request needs an API key with the scope {}", names.join(" or "))))
    }

    /// Rejects a client that acts for a different customer.
    ///
    /// # Errors
    /// The problem to answer with: 403.
    pub fn require_customer(&self, customer_id: &CustomerId) -> Result<(), Problem> {
        match &self.customer_id {
            Some(own) if own != customer_id => {
                Err(forbidden(format!("this API key may act only for the customer {own}")))
            }
            _ => Ok(()),
        }
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

/// The clients that may call the API, by API key. On Lambda the key's id is used, so that the function's
/// settings reveal no keys; on a local stack, the key itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Callers(BTreeMap<String, Caller>);

/// A text that is not a valid list of clients.
#[derive(Debug, thiserror::Error)]
#[error(
    "the clients must have the form {{\"KEY\": {{\"tenant\": \"shop\", \"scopes\": [\"submit\", \"read\", \"operations\"]}}}}"
)]
pub struct NotCallers(#[source] serde_json::Error);

impl FromStr for Callers {
    type Err = NotCallers;

    fn from_str(json: &str) -> Result<Self, NotCallers> {
        let clients: Self = serde_json::from_str(json).map_err(NotCallers)?;
        // Such a client would see every customer's orders, despite being tied to one.
        let is_bound = |client: &Caller| client.customer_id.is_some() && client.scopes.contains(&Scope::Operations);
        if clients.0.values().any(is_bound) {
            return Err(NotCallers(serde::de::Error::custom(
                "a client tied to one customer cannot have the scope operations",
            )));
        }
        Ok(clients)
    }
}

impl Callers {
    /// The client with this key.
    ///
    /// # Errors
    /// The problem to answer with if the key is missing or unknown: 403.
    pub fn caller(&self, api_key: Option<&str>) -> Result<&Caller, Problem> {
        let client = api_key.and_then(|api_key| self.0.get(api_key));
        client.ok_or_else(|| forbidden("the x-api-key header holds no key of this API"))
    }
}

fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::Forbidden).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(text: &str) -> Result<Callers, NotCallers> {
        text.parse()
    }

    #[test]
    fn a_key_allows_its_scopes_and_no_other() {
        let clients = clients(r#"{"k": {"tenant": "shop", "scopes": ["submit"]}}"#).unwrap();
        let client = clients.caller(Some("k")).unwrap();
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
        assert!(clients.caller(None).is_err());
        assert!(clients.caller(Some("K")).is_err());
        assert!(Callers::default().caller(Some("")).is_err());
    }

    #[test]
    fn only_operations_reach_beyond_their_tenant() {
        let client = |text| serde_json::from_str::<Caller>(text).unwrap();
        let of_a_customer = client(r#"{"tenant": "a", "scopes": ["read"], "customer_id": "c"}"#);
        assert!(matches!(of_a_customer.reach(), Reach::Customer(..)));
        assert!(matches!(client(r#"{"tenant": "a", "scopes": ["submit", "read"]}"#).reach(), Reach::Tenant(_)));
        assert_eq!(client(r#"{"tenant": "a", "scopes": ["operations"]}"#).reach(), Reach::All);
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
