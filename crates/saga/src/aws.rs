//! The settings of the AWS clients, the same on Lambda and on the local stack.

use std::env;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::Client;

use crate::step::Item;

/// The time limit of one try of a call. DynamoDB answers in milliseconds; a longer try is on a dead
/// connection.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);

/// The time limit of a call, including its second try: two calls in a row fit in a task's deadline.
const OPERATION_TIMEOUT: Duration = Duration::from_millis(2200);

/// One second try, for connections that died while the container was frozen. Further retries are left
/// to the workflow, which waits without a running function.
const MAX_ATTEMPTS: u32 = 2;

/// The time limits of every call.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(ATTEMPT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// The retries of every call.
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS).with_initial_backoff(Duration::from_millis(50))
}

/// The SDK's configuration on Lambda, with credentials, region and endpoints from the environment.
pub async fn config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12()).timeout_config(timeouts()).retry_config(retries()).load().await
}

/// A DynamoDB client whose connection is already open.
///
/// It reads an item that does not exist. That costs half a read unit per container, during init, and
/// saves the first order a TLS handshake. A failure here is harmless: the first request reports it.
pub async fn dynamodb(config: &SdkConfig, table: &str, absent_key: Item) -> Client {
    let client = Client::new(config);
    let warm_up = client.get_item().table_name(table).set_key(Some(absent_key)).send();
    if let Err(error) = warm_up.await {
        tracing::warn!(
            table,
            error = crate::task::chain(&error),
            "could not connect to DynamoDB during init; the first request will"
        );
    }
    client
}

/// A setting that is missing from the deployment.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {name} is not set; the deployment sets it")]
pub struct MissingSetting {
    name: String,
}

/// A setting from the environment.
///
/// # Errors
/// [`MissingSetting`], with the variable's name.
pub fn setting(name: &str) -> Result<String, MissingSetting> {
    env::var(name).map_err(|_| MissingSetting { name: name.to_owned() })
}
