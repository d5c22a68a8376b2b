//! An issuer of tokens: keys that are made when it starts, the document with their public halves, and tokens that they
//! sign. The local stack issues its tokens with it, and tests make wrong ones.
//!
//! It builds tokens by hand, with none of the code that checks them.

use std::path::Path;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A key that signs tokens.
#[derive(Debug)]
pub struct SigningKey {
    /// Its id, which a token names.
    pub kid: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Rs256(Box<RsaKeyPair>),
    Es256(Box<EcdsaKeyPair>),
}

impl SigningKey {
    /// A new key for RS256, as Cognito uses it.
    pub fn rs256(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("the system has random numbers");
        Self { kid: kid.to_owned(), pair: Pair::Rs256(Box::new(pair)) }
    }

    /// The key for RS256 that is kept in a file, so that several processes can sign with it. It is made if the file is missing.
    ///
    /// # Errors
    /// If the file cannot be read or written, or has something else in it.
    pub fn rs256_in(file: &Path, kid: &str) -> std::io::Result<Self> {
        if !file.exists() {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(std::io::Error::other)?;
            let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(std::io::Error::other)?;
            std::fs::write(file, der.as_ref())?;
        }
        let pair = RsaKeyPair::from_pkcs8(&std::fs::read(file)?).map_err(std::io::Error::other)?;
        Ok(Self { kid: kid.to_owned(), pair: Pair::Rs256(Box::new(pair)) })
    }

    /// A new key for ES256. It is made in less than a millisecond.
    pub fn es256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("the system has random numbers");
        Self { kid: kid.to_owned(), pair: Pair::Es256(Box::new(pair)) }
    }

    /// The name of its algorithm.
    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rs256(_) => "RS256",
            Pair::Es256(_) => "ES256",
        }
    }

    /// Its public half, as a JSON Web Key ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)).
    pub fn jwk(&self) -> Value {
        let common = json!({ "kid": self.kid, "alg": self.algorithm(), "use": "sig" });
        let own = match &self.pair {
            Pair::Rs256(pair) => {
                let public = pair.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                json!({
                    "kty": "RSA",
                    "n": encode(n.big_endian_without_leading_zero()),
                    "e": encode(e.big_endian_without_leading_zero()),
                })
            }
            Pair::Es256(pair) => {
                // An uncompressed point: a byte that says so, and two coordinates of 32 bytes.
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
            }
        };
        merged(common, own)
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_under(&json!({ "alg": self.algorithm(), "typ": "JWT", "kid": self.kid }), claims)
    }

    /// A token with these claims, and with a header that may lie.
    pub fn sign_under(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature)
                    .expect("the buffer has the length of a signature");
                signature
            }
            Pair::Es256(pair) => {
                pair.sign(&random, message.as_bytes()).expect("the system has random numbers").as_ref().to_vec()
            }
        };
        format!("{message}.{}", encode(&signature))
    }

    /// A forgery: HS256, with the public key as its secret. A verifier that takes the algorithm from the token would
    /// accept it.
    pub fn forge_hs256(&self, claims: &Value) -> String {
        let public: Result<PublicKeyX509Der, _> = match &self.pair {
            Pair::Rs256(pair) => pair.public_key().as_der(),
            Pair::Es256(pair) => pair.public_key().as_der(),
        };
        let secret = public.expect("a public key has an encoding");
        let message = message(&json!({ "alg": "HS256", "typ": "JWT", "kid": self.kid }), claims);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()), message.as_bytes());
        format!("{message}.{}", encode(tag.as_ref()))
    }

    /// A forgery: `alg` is `none`, and there is no signature.
    pub fn forge_none(&self, claims: &Value) -> String {
        format!("{}.", message(&json!({ "alg": "none", "typ": "JWT", "kid": self.kid }), claims))
    }
}

/// The document with the public halves of these keys.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Value {
    json!({ "keys": keys.into_iter().map(SigningKey::jwk).collect::<Vec<_>>() })
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()))
}

fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
