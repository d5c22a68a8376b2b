//! The payment provider's key, in Secrets Manager.

use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use tokio::sync::Mutex;

use crate::gateway::GatewayError;

/// The secret's name in the functions' declarations.
pub const SECRET: &str = "payment_gateway";

/// A secret that is read when it is first needed, and kept.
#[derive(Debug, Clone)]
pub struct Secret {
    source: Source,
    /// Never printed: [`Key`] has no text.
    kept: Arc<Mutex<Option<Key>>>,
}

/// Where the secret is.
#[derive(Debug, Clone)]
enum Source {
    Manager { client: Client, arn: String },
    Given(Key),
}

/// A key that neither logs nor errors can print.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key itself, for the provider alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Secret {
    /// The secret with this ARN.
    pub fn new(client: Client, arn: String) -> Self {
        Self { source: Source::Manager { client, arn }, kept: Arc::default() }
    }

    /// A key that is known already, for a process on its user's own machine.
    pub fn given(key: String) -> Self {
        Self { source: Source::Given(Key(key)), kept: Arc::default() }
    }

    /// The key.
    ///
    /// # Errors
    /// [`GatewayError::NotBegun`]: without a key, the provider was not asked.
    pub async fn key(&self) -> Result<Key, GatewayError> {
        let mut kept = self.kept.lock().await;
        if let Some(key) = &*kept {
            return Ok(key.clone());
        }
        let key = self.read().await?;
        *kept = Some(key.clone());
        Ok(key)
    }

    /// Forgets a key that the provider rejected, so that the next call reads the secret again: it may have been rotated.
    /// A key that was read since is kept.
    pub async fn forget(&self, rejected: &Key) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref() == Some(rejected) {
            *kept = None;
        }
    }

    async fn read(&self) -> Result<Key, GatewayError> {
        let (client, arn) = match &self.source {
            Source::Given(key) => return Ok(key.clone()),
            Source::Manager { client, arn } => (client, arn),
        };
        let answer = client.get_secret_value().secret_id(arn).send().await;
        let answer = answer.map_err(|error| {
            let error = aws_sdk_secretsmanager::Error::from(error);
            GatewayError::NotBegun(format!("the payment provider's key could not be read: {error}"))
        })?;
        let text = answer.secret_string().map(str::trim).filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| GatewayError::NotBegun("the payment provider's secret is empty".to_owned()))?;
        Ok(Key(text.to_owned()))
    }
}
