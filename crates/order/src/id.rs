//! Identifiers: bounded text, and the order id that follows from an idempotency key.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The rule that a text breaks when it is not a valid identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be {min} to {max} characters {alphabet}")]
pub struct TextRule {
    min: usize,
    max: usize,
    alphabet: &'static str,
}

/// Letters, digits and common separators, except two: the tables join identifiers with `#`, and `/`
/// would break URL paths.
const ID_ALPHABET: &str = "from A-Z, a-z, 0-9 and . _ - : @ +";

fn is_id_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-:@+".contains(&byte)
}

/// Visible ASCII and the space.
const PRINTABLE_ALPHABET: &str = "of printable ASCII";

fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, 1..=$max:literal, $alphabet:ident, $allowed:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The rule that every value satisfies.
            pub const RULE: TextRule = TextRule { min: 1, max: $max, alphabet: $alphabet };

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextRule;

            fn try_from(text: String) -> Result<Self, TextRule> {
                // The alphabets are ASCII, so bytes are characters.
                if (1..=$max).contains(&text.len()) && text.bytes().all($allowed) {
                    Ok(Self(text))
                } else {
                    Err(Self::RULE)
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = TextRule;

            fn from_str(text: &str) -> Result<Self, TextRule> {
                Self::try_from(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

bounded_text!(
    /// The customer who orders.
    CustomerId, 1..=64, ID_ALPHABET, is_id_char
);
bounded_text!(
    /// A store, whose stock an order draws on.
    StoreId, 1..=64, ID_ALPHABET, is_id_char
);
bounded_text!(
    /// A county: county operations look orders up by it.
    CountyId, 1..=64, ID_ALPHABET, is_id_char
);
bounded_text!(
    /// Stock keeping unit: one article as the store counts it.
    Sku, 1..=64, ID_ALPHABET, is_id_char
);
bounded_text!(
    /// The payment provider's reference for a prepaid order, or the customer's purchase order number.
    PaymentReference, 1..=140, PRINTABLE_ALPHABET, is_printable
);
bounded_text!(
    /// A comment on a manual change of stock.
    Note, 1..=140, PRINTABLE_ALPHABET, is_printable
);
bounded_text!(
    /// The client's name for one request, the same on every retry
    /// ([draft-ietf-httpapi-idempotency-key-header-07](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07)).
    IdempotencyKey, 1..=255, PRINTABLE_ALPHABET, is_printable
);

bounded_text!(
    /// A client's name for one piece of its work, which log lines and the order's record repeat, so that both sides
    /// find each other's.
    CorrelationId, 1..=64, ID_ALPHABET, is_id_char
);

bounded_text!(
    /// The owner of orders and idempotency keys: two tenants may use the same [`IdempotencyKey`]
    /// for different orders, and neither sees the other's.
    ///
    /// A stable name, never the value or the id of an API key: replacing a key must not change order
    /// ids.
    Tenant, 1..=64, ID_ALPHABET, is_id_char
);

/// The order's identifier: 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct OrderId(String);

/// A text that is not an [`OrderId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an order id is 32 lower-case hexadecimal digits")]
pub struct NotAnOrderId;

impl OrderId {
    /// The id for this tenant's key, always the same one. So the order record is also the
    /// deduplication record, at no extra write.
    pub fn derive(tenant: &Tenant, key: &IdempotencyKey) -> Self {
        Self(derive(b"order-id/1\0", tenant, key))
    }

    /// The id for this key of a caller who is bound to one customer. It is in a domain of its own: no other customer of the
    /// tenant, and no caller for the whole tenant, can take a customer's keys. The credential is no part of it, so the same
    /// customer by token and by key, or by a new key, has the same orders.
    pub fn derive_for_customer(tenant: &Tenant, customer_id: &CustomerId, key: &IdempotencyKey) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"customer-order-id/1\0");
        // Each length first, so no two triples feed the hash the same bytes.
        for part in [tenant.as_str(), customer_id.as_str(), key.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(digits(hash))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shard of this order in sharded index keys: one of 16, evenly spread because the id is a
    /// hash.
    pub fn shard(&self) -> &str {
        &self.0[HEX_DIGITS - 1..]
    }
}

impl TryFrom<String> for OrderId {
    type Error = NotAnOrderId;

    fn try_from(text: String) -> Result<Self, NotAnOrderId> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == HEX_DIGITS && text.bytes().all(is_digit) { Ok(Self(text)) } else { Err(NotAnOrderId) }
    }
}

impl std::str::FromStr for OrderId {
    type Err = NotAnOrderId;

    fn from_str(text: &str) -> Result<Self, NotAnOrderId> {
        Self::try_from(text.to_owned())
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identifier of an adjustment of stock: 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct AdjustmentId(String);

impl AdjustmentId {
    /// The id for this tenant's key, always the same one: like an order's record, the adjustment's
    /// record is its own deduplication record. An order with the same key has a different id.
    pub fn derive(tenant: &Tenant, key: &IdempotencyKey) -> Self {
        Self(derive(b"adjustment-id/1\0", tenant, key))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AdjustmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 128 bits of the hash: too many for an accidental collision, or for guessing another tenant's
/// identifiers.
const HEX_DIGITS: usize = 32;

/// The id for a tenant's key, among ids of one `kind`. The tenant's length is hashed first, so no two
/// pairs feed the hash the same bytes.
fn derive(kind: &[u8], tenant: &Tenant, key: &IdempotencyKey) -> String {
    let mut hash = Sha256::new();
    hash.update(kind);
    hash.update((tenant.as_str().len() as u64).to_be_bytes());
    hash.update(tenant.as_str().as_bytes());
    hash.update(key.as_str().as_bytes());
    digits(hash)
}

fn digits(hash: Sha256) -> String {
    let mut digits = hex::encode(hash.finalize());
    digits.truncate(HEX_DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> IdempotencyKey {
        text.parse().unwrap()
    }

    #[test]
    fn the_same_key_of_the_same_tenant_is_the_same_order() {
        let derive = |tenant: &str, text: &str| OrderId::derive(&tenant.parse().unwrap(), &key(text));
        assert_eq!(derive("shop", "k1"), derive("shop", "k1"));
        assert_ne!(derive("shop", "k1"), derive("shop", "k2"));
        assert_ne!(derive("shop", "k1"), derive("wholesale", "k1"));
        assert_ne!(derive("a", "bc"), derive("ab", "c"));
        assert_eq!(derive("shop", "k1").as_str().parse(), Ok(derive("shop", "k1")));
    }

    #[test]
    fn an_order_id_never_changes_between_releases() {
        let id = OrderId::derive(&"shop".parse().unwrap(), &key("k1"));
        assert_eq!(id.as_str(), "74a0c24ed6fd821c61343dd41f99084a");
        assert_eq!(id.shard(), &id.as_str()[31..]);
        let of_customer = OrderId::derive_for_customer(&"shop".parse().unwrap(), &"acme".parse().unwrap(), &key("k1"));
        assert_eq!(of_customer.as_str(), "f06fed1bbf4ec386ea24d9645efc3ad0");
    }

    #[test]
    fn a_customers_keys_are_its_own() {
        let shop: Tenant = "shop".parse().unwrap();
        let derive = |tenant: &str, customer: &str, text: &str| {
            OrderId::derive_for_customer(&tenant.parse().unwrap(), &customer.parse().unwrap(), &key(text))
        };
        assert_eq!(derive("shop", "acme", "k1"), derive("shop", "acme", "k1"));
        for other in [
            derive("shop", "bcme", "k1"),
            derive("shop", "acme", "k2"),
            derive("market", "acme", "k1"),
            derive("shopa", "cme", "k1"),
            derive("shop", "acmek", "1"),
            OrderId::derive(&shop, &key("k1")),
            // What a caller for the whole tenant would have to send to meet a customer's id.
            OrderId::derive(&shop, &key("acmek1")),
        ] {
            assert_ne!(derive("shop", "acme", "k1"), other);
        }
    }

    #[test]
    fn an_adjustment_and_an_order_under_one_key_are_two_things() {
        let tenant = "shop".parse().unwrap();
        let adjustment = AdjustmentId::derive(&tenant, &key("k1"));
        assert_eq!(adjustment.as_str().len(), HEX_DIGITS);
        assert_ne!(adjustment.as_str(), OrderId::derive(&tenant, &key("k1")).as_str());
    }

    #[test]
    fn identifiers_refuse_separators_and_bad_lengths() {
        assert!("LAPTOP001".parse::<Sku>().is_ok());
        for bad in ["", "a#b", "a/b", "a b", "ü", &"x".repeat(65)] {
            assert!(bad.parse::<Sku>().is_err(), "{bad:?}");
        }
        for bad in ["", "0123", "G0000000000000000000000000000000", "0000000000000000000000000000000A"] {
            assert!(bad.parse::<OrderId>().is_err(), "{bad:?}");
        }
    }
}
