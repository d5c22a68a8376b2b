//! Which caller a valid token stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use api::Caller;
use api::authorization::Scope;
use order::Tenant;
use serde_json::Value;

use crate::settings::ClaimNames;
use crate::token::Token;
use crate::{Identity, Refusal};

/// The longest subject that [the standard] allows.
///
/// [the standard]: https://openid.net/specs/openid-connect-core-1_0.html#IDToken
const MAX_SUBJECT_CHARS: usize = 255;

/// What tokens' claims mean.
#[derive(Debug)]
pub struct Claims {
    pub(crate) names: ClaimNames,
    pub(crate) clients: BTreeMap<String, Caller>,
    pub(crate) usage_keys: Option<BTreeMap<String, String>>,
}

fn forbidden(reason: impl Into<String>) -> Refusal {
    Refusal::Forbidden(reason.into())
}

impl Claims {
    /// The identity that a valid token stands for.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`], if it stands for nobody who may use this API.
    pub fn identity(&self, token: &Token) -> Result<Identity, Refusal> {
        let client = token.client_id.as_ref().and_then(|client_id| self.clients.get(client_id));
        let caller = match client {
            Some(client) => client.clone(),
            None => self.person(token)?,
        };
        let usage_key = match &self.usage_keys {
            None => None,
            Some(usage_keys) => {
                let usage_key = usage_keys.get(caller.tenant.as_str());
                Some(usage_key.ok_or_else(|| forbidden("its tenant is none of this API's"))?.clone())
            }
        };
        Ok(Identity { caller, usage_key })
    }

    fn person(&self, token: &Token) -> Result<Caller, Refusal> {
        let ClaimNames { tenant, scopes, customer_id } = &self.names;
        let tenant = one(values(token, &tenant.name, &tenant.prefix), "tenant")?;
        let tenant: Tenant = tenant.ok_or_else(|| forbidden("its token names no tenant"))?;
        let scopes = values(token, &scopes.name, &scopes.prefix);
        let scopes: BTreeSet<Scope> = scopes.iter().filter_map(|scope| scope.parse().ok()).collect();
        let bound = match customer_id {
            None => None,
            Some(claim) => {
                let customer_id = one(values(token, &claim.name, &claim.prefix), "customer")?;
                if customer_id.is_none() && claim.required && !scopes.contains(&Scope::Operations) {
                    return Err(forbidden("its token names no customer"));
                }
                customer_id
            }
        };
        let caller = Caller { tenant, subject: subject(token)?, scopes, customer_id: bound };
        caller.check().map_err(|error| forbidden(error.to_string()))?;
        Ok(caller)
    }
}

fn subject(token: &Token) -> Result<String, Refusal> {
    let subject = token.sub.as_ref().or(token.client_id.as_ref());
    let is_fit = |subject: &&String| (1..=MAX_SUBJECT_CHARS).contains(&subject.len());
    subject.filter(is_fit).cloned().ok_or_else(|| forbidden("its token names no subject"))
}

/// The values of a claim that begin with the prefix, without it. A claim is a text of words or a list of texts.
fn values<'a>(token: &'a Token, name: &str, prefix: &str) -> BTreeSet<&'a str> {
    let texts: Vec<&str> = match token.other.get(name) {
        Some(Value::String(text)) => text.split_whitespace().collect(),
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    texts.into_iter().filter_map(|text| text.strip_prefix(prefix)).collect()
}

/// The one value of a claim. Of two values, nobody can say which one counts.
fn one<T: FromStr>(values: BTreeSet<&str>, what: &str) -> Result<Option<T>, Refusal> {
    let mut values = values.into_iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(forbidden(format!("its token names more than one {what}")));
    }
    let value = value.map(str::parse).transpose();
    value.map_err(|_| forbidden(format!("its token's {what} is not a {what}'s name")))
}
