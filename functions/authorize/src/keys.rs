//! The issuer's public keys.
//!
//! They are read during init. After that they are read again for a token that names an unknown key, because issuers rotate
//! keys, and once an hour, so that a key which the issuer has withdrawn is refused. While the issuer is down, the keys that
//! are there go on to be used.

use std::collections::HashMap;
use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use order::EpochMs;
use reqwest::redirect;
use saga::task::chain;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

/// The least time between two readings because of unknown keys. Anyone can send a token that names one, and must not make
/// this function call the issuer each time.
pub const REREAD_AFTER_MS: EpochMs = 5 * 60 * 1000;

/// The age at which the keys are read again. A withdrawn key is accepted at most this long, by the instances that have it,
/// while the issuer answers.
pub const MAX_AGE_MS: EpochMs = 60 * 60 * 1000;

/// The least time between two readings while there are no keys at all: every token waits for them.
pub const RETRY_AFTER_MS: EpochMs = 5 * 1000;

/// The time limit of a reading. The function has 5 s.
const TIMEOUT: Duration = Duration::from_secs(2);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The largest document with keys. Issuers have a few keys, of some 500 bytes each.
const MAX_BYTES: usize = 64 * 1024;

/// The most keys of an issuer.
const MAX_KEYS: usize = 32;

/// A public key, and the one algorithm that it is used with.
#[derive(Clone)]
pub struct PublicKey {
    /// The key.
    pub key: DecodingKey,
    /// The algorithm that the issuer's document, or else the settings, name for it. A token has no say in it.
    pub algorithm: Algorithm,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({:?})", self.algorithm)
    }
}

/// Where the issuer publishes its keys.
#[derive(Debug, Clone)]
pub struct Source {
    http: reqwest::Client,
    url: String,
}

/// The keys could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There was no answer, or an error.
    #[error("the token issuer did not answer with its keys")]
    Http(#[from] reqwest::Error),
    /// The answer is larger than any issuer's.
    #[error("the token issuer's keys are larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// The answer is not a JSON Web Key Set.
    #[error("the token issuer's answer is not a JSON Web Key Set")]
    NotKeys(#[from] serde_json::Error),
    /// None of the keys can be used.
    #[error("none of the token issuer's {0} keys is for one of the allowed algorithms")]
    NoKeys(usize),
}

impl Source {
    /// The document at this address.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(url: &str) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // Keys from another address would be another issuer's.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { http, url: url.to_owned() })
    }

    async fn read(&self, algorithms: &[Algorithm]) -> Result<HashMap<String, PublicKey>, SourceError> {
        let mut answer = self.http.get(&self.url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return Err(SourceError::TooLarge);
            }
        }
        public_keys(&body, algorithms)
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// The usable keys of a document, by id. A key of a kind that this code does not know must not take the others away.
fn public_keys(body: &[u8], algorithms: &[Algorithm]) -> Result<HashMap<String, PublicKey>, SourceError> {
    let document: Document = serde_json::from_slice(body)?;
    let published = document.keys.len();
    let jwks = document.keys.into_iter().take(MAX_KEYS).filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    let keys: HashMap<_, _> = jwks.filter_map(|jwk| public_key(&jwk, algorithms)).collect();
    if keys.is_empty() { Err(SourceError::NoKeys(published)) } else { Ok(keys) }
}

/// A key for signatures, with its id, if it is for one of these algorithms.
fn public_key(jwk: &Jwk, algorithms: &[Algorithm]) -> Option<(String, PublicKey)> {
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let algorithm = match jwk.common.key_algorithm {
        Some(named) => named.to_string().parse().ok().filter(|named| algorithms.contains(named))?,
        None => algorithms.iter().copied().find(|algorithm| family(*algorithm) == key.family())?,
    };
    // A document may contradict itself: the key of one kind, the algorithm of another.
    (family(algorithm) == key.family()).then_some(())?;
    Some((jwk.common.key_id.clone()?, PublicKey { key, algorithm }))
}

fn family(algorithm: Algorithm) -> AlgorithmFamily {
    match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => AlgorithmFamily::Ec,
        Algorithm::EdDSA => AlgorithmFamily::Ed,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => AlgorithmFamily::Hmac,
        _ => AlgorithmFamily::Rsa,
    }
}

/// The keys of one issuer.
#[derive(Debug)]
pub struct KeySet {
    source: Source,
    algorithms: Vec<Algorithm>,
    /// Locked while the keys are read, so that requests at once read them once.
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    keys: HashMap<String, PublicKey>,
    /// When they were read.
    read_ms: EpochMs,
    /// The last try to read them, except the one during init.
    tried_ms: Option<EpochMs>,
    /// Whether that try failed.
    failed: bool,
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKey {
    /// The issuer has no such key.
    Unknown,
    /// The issuer cannot be asked.
    IssuerDown,
}

impl KeySet {
    /// The keys at `source` for these algorithms. None is read yet.
    pub fn new(source: Source, algorithms: Vec<Algorithm>) -> Self {
        Self { source, algorithms, kept: Mutex::default() }
    }

    /// Reads the keys during init.
    pub async fn warm_up(&self, now_ms: EpochMs) {
        let mut kept = self.kept.lock().await;
        self.read(&mut kept, now_ms).await;
    }

    /// The key with this id.
    ///
    /// # Errors
    /// [`NoKey`].
    pub async fn key(&self, kid: &str, now_ms: EpochMs) -> Result<PublicKey, NoKey> {
        let mut kept = self.kept.lock().await;
        if kept.is_due(kid, now_ms) {
            kept.tried_ms = Some(now_ms);
            self.read(&mut kept, now_ms).await;
        }
        match kept.keys.get(kid) {
            Some(key) => Ok(key.clone()),
            None if kept.failed => Err(NoKey::IssuerDown),
            None => Err(NoKey::Unknown),
        }
    }

    async fn read(&self, kept: &mut Kept, now_ms: EpochMs) {
        match self.source.read(&self.algorithms).await {
            Ok(keys) => {
                kept.keys = keys;
                kept.read_ms = now_ms;
                kept.failed = false;
            }
            Err(error) => {
                kept.failed = true;
                let known = kept.keys.len();
                tracing::warn!(
                    known,
                    reason = chain(&error),
                    "could not read the token issuer's keys; those that are known are used"
                );
            }
        }
    }
}

impl Kept {
    /// Whether it is time to read the keys, for a token that names this one.
    fn is_due(&self, kid: &str, now_ms: EpochMs) -> bool {
        let since_try_ms = self.tried_ms.map_or(EpochMs::MAX, |tried_ms| now_ms.saturating_sub(tried_ms));
        if self.keys.is_empty() {
            return since_try_ms >= RETRY_AFTER_MS;
        }
        let is_wanted = !self.keys.contains_key(kid) || now_ms.saturating_sub(self.read_ms) >= MAX_AGE_MS;
        is_wanted && since_try_ms >= REREAD_AFTER_MS
    }
}
