//! Starting the saga, and reading how it ended.
//!
//! What happened is read from the execution's status and output, never from the HTTP code:
//! `StartSyncExecution` answers 200 for an execution that failed, too.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::StalledStreamProtectionConfig;
use aws_sdk_sfn::types::SyncExecutionStatus;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::endpoint::EndpointPrefix;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_types::endpoint_config::EndpointUrl;
use order::{Order, OrderId, OrderRecord};
use serde::{Deserialize, Serialize};

/// How long a client waits for the decision. API Gateway gives up after 29 s, and the record has to
/// be read, written or queued before that.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How long starting an execution that is not awaited may take.
const START_TIMEOUT: Duration = Duration::from_millis(2200);

/// The saga's input. Recovery, cancellation and fulfilment send the id alone.
#[derive(Debug, Serialize)]
struct Input<'a> {
    order_id: &'a OrderId,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a Order>,
}

/// The saga's output.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Output {
    Record(Box<OrderRecord>),
    Refused { failure: Failure },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    error: String,
}

/// A saga's end that says what to answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// The order is confirmed, cancelled or fulfilled.
    Decided(Box<OrderRecord>),
    /// The order's id stands for other content.
    Conflict,
}

/// A saga's end that says nothing: the order's record does.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// It is not known whether it runs.
    #[error("start the saga")]
    Start(#[source] Box<aws_sdk_sfn::Error>),
    /// It has not ended in time; it goes on.
    #[error("the saga has not ended within {} s", .0.as_secs())]
    Deadline(Duration),
    /// It ended without a decision.
    #[error("the saga ended as {status}: {}", .error.as_deref().unwrap_or("no error was named"))]
    Unfinished {
        /// The execution's status.
        status: SyncExecutionStatus,
        /// The execution's error.
        error: Option<String>,
    },
    /// Its output is none that this release knows.
    #[error("read the saga's output")]
    Output(#[source] serde_json::Error),
    /// It says of an order that intake has checked that it is none.
    #[error("the saga refused the order as {0}")]
    Refused(String),
    /// Its input cannot be written.
    #[error("write the saga's input")]
    Input(#[source] serde_json::Error),
}

/// The state machine.
#[derive(Debug, Clone)]
pub struct Workflow {
    client: Client,
    state_machine_arn: String,
}

impl Workflow {
    /// The state machine with this ARN.
    pub fn new(config: &SdkConfig, state_machine_arn: impl Into<String>) -> Self {
        let config = aws_sdk_sfn::config::Builder::from(config)
            // A saga takes as long as it takes; the deadline is set where it is awaited. The limits
            // have to be switched off by name, or the shared configuration's would hold.
            .timeout_config(
                TimeoutConfig::builder().disable_operation_timeout().disable_operation_attempt_timeout().build(),
            )
            // No byte comes back before the saga ends. The SDK takes that for a broken connection
            // after five seconds, unless it is told not to.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // A start that was not answered may have been heard. The record says what came of it;
            // a second start would only be a second execution.
            .retry_config(RetryConfig::disabled())
            .interceptor(NoHostPrefix)
            .build();
        Self { client: Client::from_conf(config), state_machine_arn: state_machine_arn.into() }
    }

    /// Opens the connection during init. The call names no state machine and is refused; what counts
    /// is that the TLS handshake is done.
    pub async fn warm_up(&self) {
        let refused = self.client.start_sync_execution().state_machine_arn("warm-up").send();
        if tokio::time::timeout(START_TIMEOUT, refused).await.is_err() {
            tracing::warn!("the connection to Step Functions could not be opened during init");
        }
    }

    /// Runs the saga of an order and waits for its end, at most for [`DEADLINE`]. Without the order
    /// itself, the one on record is used.
    ///
    /// # Idempotency
    /// Running an order's saga again joins it where it stands.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn run(&self, order_id: &OrderId, order: Option<&Order>) -> Result<Ended, Unknown> {
        let input = input(&Input { order_id, order })?;
        let run = self
            .client
            .start_sync_execution()
            .state_machine_arn(&self.state_machine_arn)
            .name(order_id.as_str())
            .input(input)
            .send();
        let ended = tokio::time::timeout(DEADLINE, run)
            .await
            .map_err(|_| Unknown::Deadline(DEADLINE))?
            .map_err(|error| Unknown::Start(Box::new(error.into())))?;
        if ended.status != SyncExecutionStatus::Succeeded {
            return Err(Unknown::Unfinished { status: ended.status, error: ended.error });
        }
        match serde_json::from_str(ended.output.as_deref().unwrap_or_default()).map_err(Unknown::Output)? {
            Output::Record(record) if !record.status.is_open() => Ok(Ended::Decided(record)),
            Output::Record(record) => {
                Err(Unknown::Unfinished { status: ended.status, error: Some(record.status.to_string()) })
            }
            Output::Refused { failure } if failure.error == "IdempotencyConflict" => Ok(Ended::Conflict),
            Output::Refused { failure } => Err(Unknown::Refused(failure.error)),
        }
    }

    /// Starts the saga of an order that is on record, and does not wait for it.
    ///
    /// # Idempotency
    /// As [`Workflow::run`].
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn start(&self, order_id: &OrderId) -> Result<(), Unknown> {
        let start = self
            .client
            .start_execution()
            .state_machine_arn(&self.state_machine_arn)
            .name(order_id.as_str())
            .input(input(&Input { order_id, order: None })?)
            .send();
        tokio::time::timeout(START_TIMEOUT, start)
            .await
            .map_err(|_| Unknown::Deadline(START_TIMEOUT))?
            .map_err(|error| Unknown::Start(Box::new(error.into())))?;
        Ok(())
    }
}

fn input(input: &Input<'_>) -> Result<String, Unknown> {
    serde_json::to_string(input).map_err(Unknown::Input)
}

/// Leaves the host alone when an endpoint is configured: the SDK puts `sync-` before the host of
/// `StartSyncExecution`, and only AWS's own hosts have such a name beside them.
#[derive(Debug)]
struct NoHostPrefix;

impl Intercept for NoHostPrefix {
    fn name(&self) -> &'static str {
        "NoHostPrefix"
    }

    fn modify_before_serialization(
        &self,
        _context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if config.load::<EndpointUrl>().is_some() {
            config.interceptor_state().unset::<EndpointPrefix>();
        }
        Ok(())
    }
}
