//! Starting the saga, and reading how it ended.
//!
//! The result is read from the execution's status and output, never from the HTTP code:
//! `StartSyncExecution` also answers 200 for an execution that failed.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::StalledStreamProtectionConfig;
use aws_sdk_sfn::error::SdkError;
use aws_sdk_sfn::types::SyncExecutionStatus;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::endpoint::EndpointPrefix;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_types::endpoint_config::EndpointUrl;
use clock::WallClock;
use metrics::Metric;
use order::{CorrelationId, Order, OrderId, OrderRecord};
use serde::{Deserialize, Serialize};

/// How long a client waits for the decision. API Gateway gives up after 29 s, and the order must be
/// read, written or queued before that.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The time limit for starting an execution without waiting for its end.
const START_TIMEOUT: Duration = Duration::from_millis(2200);

/// The saga's input.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Input<'a> {
    /// Of a new order.
    New { order_id: &'a OrderId, order: &'a Order },
    /// Of an order on record, which is used: recovery, cancellation and fulfilment send no order.
    OnRecord {
        order_id: &'a OrderId,
        #[serde(skip_serializing_if = "Option::is_none")]
        correlation_id: Option<&'a CorrelationId>,
    },
}

impl<'a> Input<'a> {
    fn new(order: &'a Order) -> Self {
        Self::New { order_id: order.order_id(), order }
    }

    fn on_record(order: &'a Order) -> Self {
        Self::OnRecord { order_id: order.order_id(), correlation_id: order.correlation_id() }
    }
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

/// A saga's end that determines the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// The order is confirmed, cancelled or fulfilled.
    Decided(Box<OrderRecord>),
    /// The order's id belongs to different content.
    Conflict,
}

/// A saga's end that determines nothing: the order's record must be read.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// Step Functions refused to start it: nothing is running.
    #[error("start the saga: Step Functions refused")]
    NotStarted(#[source] Box<aws_sdk_sfn::Error>),
    /// It is unknown whether it is running.
    #[error("start the saga")]
    Start(#[source] Box<aws_sdk_sfn::Error>),
    /// No answer in time. If the execution was started, it continues.
    #[error("Step Functions did not answer within {0:?}")]
    Deadline(Duration),
    /// It ended without a decision.
    #[error("the saga ended with {status}: {}", .error.as_deref().unwrap_or("no error given"))]
    Unfinished {
        /// The execution's status.
        status: SyncExecutionStatus,
        /// The execution's error.
        error: Option<String>,
    },
    /// This release cannot read its output.
    #[error("read the saga's output")]
    Output(#[source] serde_json::Error),
    /// It rejected an order that intake had validated.
    #[error("the saga refused the order with {0}")]
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
            // The time limit is set where the saga is awaited. The SDK's limits must be disabled one by
            // one, or those of the shared configuration apply.
            .timeout_config(
                TimeoutConfig::builder().disable_operation_timeout().disable_operation_attempt_timeout().build(),
            )
            // No byte arrives before the saga ends. By default the SDK takes that for a broken connection
            // after five seconds.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // A start without an answer may have succeeded. The record shows the result; a retry would
            // only be a second execution.
            .retry_config(RetryConfig::disabled())
            .interceptor(NoHostPrefix)
            .build();
        Self { client: Client::from_conf(config), state_machine_arn: state_machine_arn.into() }
    }

    /// Opens the connection during init. The call names no existing state machine and is rejected, but the
    /// TLS handshake is done.
    pub async fn warm_up(&self) {
        let refused = self.client.start_sync_execution().state_machine_arn("warm-up").send();
        if tokio::time::timeout(START_TIMEOUT, refused).await.is_err() {
            tracing::warn!("could not connect to Step Functions during init; the first request will");
        }
    }

    /// Runs the saga of an order and waits for its end, at most [`DEADLINE`].
    ///
    /// # Idempotency
    /// Running an order's saga again continues it from its current state.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn run(&self, order: &Order) -> Result<Ended, Unknown> {
        self.run_with(order, &Input::new(order)).await
    }

    /// [`run`](Self::run) for an order that is on record.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn resume(&self, order: &Order) -> Result<Ended, Unknown> {
        self.run_with(order, &Input::on_record(order)).await
    }

    async fn run_with(&self, order: &Order, input: &Input<'_>) -> Result<Ended, Unknown> {
        let run = self
            .client
            .start_sync_execution()
            .state_machine_arn(&self.state_machine_arn)
            .name(order.order_id().as_str())
            .input(json(input)?)
            .send();
        let ended = tokio::time::timeout(DEADLINE, run)
            .await
            .map_err(|_| Unknown::Deadline(DEADLINE))?
            .map_err(start_failed)?;
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

    /// Starts the saga of an order that is on record, without waiting for its end.
    ///
    /// # Idempotency
    /// As [`Workflow::run`].
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn start(&self, order: &Order) -> Result<(), Unknown> {
        let start = self
            .client
            .start_execution()
            .state_machine_arn(&self.state_machine_arn)
            .name(order.order_id().as_str())
            .input(json(&Input::on_record(order))?)
            .send();
        tokio::time::timeout(START_TIMEOUT, start)
            .await
            .map_err(|_| {
                count_failed_start();
                Unknown::Deadline(START_TIMEOUT)
            })?
            .map_err(start_failed)?;
        Ok(())
    }
}

/// An answer of 4xx refuses the request: Step Functions throttles, does not know the state machine, or does not permit
/// the call. Any other failure leaves open whether the execution runs.
fn start_failed<E>(error: SdkError<E>) -> Unknown
where
    aws_sdk_sfn::Error: From<SdkError<E>>,
{
    count_failed_start();
    let is_refused = error.raw_response().is_some_and(|response| response.status().is_client_error());
    let error = Box::new(error.into());
    if is_refused { Unknown::NotStarted(error) } else { Unknown::Start(error) }
}

/// An alarm watches this number: the orders stay open, and nobody else would notice for hours.
fn count_failed_start() {
    metrics::emit(&[(Metric::StartsFailed, 1)], WallClock::System.now_ms());
}

fn json(input: &Input<'_>) -> Result<String, Unknown> {
    serde_json::to_string(input).map_err(Unknown::Input)
}

/// Keeps the host of a configured endpoint unchanged. For `StartSyncExecution` the SDK puts `sync-` before
/// the host, and only AWS's own hosts also exist under that name.
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
