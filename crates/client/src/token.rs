//! Tokens: where they come from, and when a new one is needed.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::Lost;

/// A token is renewed this long before it expires, so that it does not expire on its way.
const EARLY: Duration = Duration::from_secs(30);

/// A bearer token, as an issuer gives it out.
#[derive(Clone)]
pub struct Token {
    /// The token itself.
    pub text: String,
    /// How long it is valid from now: an issuer's `expires_in`.
    pub expires_in: Duration,
}

impl fmt::Debug for Token {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(…, {:?})", self.expires_in)
    }
}

/// Why there is no token.
pub(crate) type SourceError = Box<dyn Error + Send + Sync>;

type Asked = Pin<Box<dyn Future<Output = Result<Token, SourceError>> + Send>>;

/// The source of tokens, and the last one that it gave. Clones share it.
#[derive(Clone)]
pub(crate) struct Tokens {
    source: Arc<dyn Fn() -> Asked + Send + Sync>,
    /// Locked while a token is asked for, so that requests at once ask once.
    kept: Arc<Mutex<Option<Kept>>>,
}

struct Kept {
    header: HeaderValue,
    renew_at: Instant,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

impl Tokens {
    pub fn new<F, T>(source: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<Token, SourceError>> + Send + 'static,
    {
        Self { source: Arc::new(move || Box::pin(source())), kept: Arc::default() }
    }

    /// The value of the `Authorization` header. `refused` is one that the API did not accept: if it is still the last
    /// one, there has to be a new one.
    pub async fn header(&self, refused: Option<&HeaderValue>) -> Result<HeaderValue, Lost> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = &*kept
            && Some(&kept.header) != refused
            && Instant::now() < kept.renew_at
        {
            return Ok(kept.header.clone());
        }
        let token = (self.source)().await.map_err(Lost::Token)?;
        let header = HeaderValue::try_from(format!("Bearer {}", token.text));
        let mut header = header.map_err(|error| Lost::Token(Box::new(error)))?;
        header.set_sensitive(true);
        // A token that is valid for a short time is renewed halfway.
        let renew_at = Instant::now() + (token.expires_in / 2).max(token.expires_in.saturating_sub(EARLY));
        *kept = Some(Kept { header: header.clone(), renew_at });
        Ok(header)
    }
}
