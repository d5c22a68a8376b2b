//! The SDK's way to the services without a socket.

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use super::layer::{Outcome, Unanswered};
use super::service::ServiceAnswer;
use super::services::Services;

/// An HTTP client for the AWS SDK that hands each request to [`Services`] in this process.
///
/// Host, signature and credentials of a request are ignored; the target header alone says which service it is
/// for. The connector applies the read timeout of the client's configuration. All other timeouts are the
/// SDK's own, and all of them run on tokio's clock, paused or not.
#[derive(Debug, Clone)]
pub struct InProcess {
    services: Services,
}

impl InProcess {
    /// A client for these services.
    pub fn new(services: Services) -> Self {
        Self { services }
    }

    /// A DynamoDB client with the SDK's own defaults.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder();
        self.dynamodb_with(config.behavior_version(BehaviorVersion::latest()))
    }

    /// A DynamoDB client configured by `config`, above all its retries and timeouts; only HTTP client,
    /// credentials and region are replaced. `config` must set a behaviour version.
    pub fn dynamodb_with(&self, config: aws_sdk_dynamodb::config::Builder) -> aws_sdk_dynamodb::Client {
        let config = config.http_client(self.clone()).credentials_provider(credentials()).region(REGION);
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// A Step Functions client with the SDK's own defaults.
    pub fn step_functions(&self) -> aws_sdk_sfn::Client {
        let config = aws_sdk_sfn::Config::builder();
        self.step_functions_with(config.behavior_version(BehaviorVersion::latest()))
    }

    /// A Step Functions client configured by `config`, like [`dynamodb_with`](Self::dynamodb_with).
    pub fn step_functions_with(&self, config: aws_sdk_sfn::config::Builder) -> aws_sdk_sfn::Client {
        let config = config.http_client(self.clone()).credentials_provider(credentials()).region(REGION);
        aws_sdk_sfn::Client::from_conf(config.build())
    }

    /// An SQS client with the SDK's own defaults.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::Config::builder();
        self.sqs_with(config.behavior_version(BehaviorVersion::latest()))
    }

    /// An SQS client configured by `config`, like [`dynamodb_with`](Self::dynamodb_with).
    pub fn sqs_with(&self, config: aws_sdk_sqs::config::Builder) -> aws_sdk_sqs::Client {
        let config = config.http_client(self.clone()).credentials_provider(credentials()).region(REGION);
        aws_sdk_sqs::Client::from_conf(config.build())
    }
}

/// Any region will do: no request leaves the process.
const REGION: Region = Region::from_static("us-east-1");

/// Nobody checks them, but the SDK does not sign without credentials.
fn credentials() -> Credentials {
    Credentials::new("local", "local", None, None, "local-stack")
}

impl HttpClient for InProcess {
    fn http_connector(&self, settings: &HttpConnectorSettings, _components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { services: self.services.clone(), settings: settings.clone() })
    }
}

/// An [`InProcess`] client with the timeout settings of one SDK client.
#[derive(Debug)]
struct Connector {
    services: Services,
    settings: HttpConnectorSettings,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let services = self.services.clone();
        let read_timeout = self.settings.read_timeout();
        HttpConnectorFuture::new(async move {
            // Over a network, other tasks run while a request is in transit. Here nothing would make a task
            // wait, and all requests of one handler would be served before the first of the next.
            tokio::task::yield_now().await;
            let outcome = deliver(&services, &request);
            let outcome = match read_timeout {
                Some(limit) => tokio::time::timeout(limit, outcome)
                    .await
                    .unwrap_or(Err(DeliveryError::Unanswered(Unanswered::TimedOut))),
                None => outcome.await,
            };
            match outcome {
                Ok(answer) => to_response(answer),
                Err(DeliveryError::Unanswered(lost @ Unanswered::ConnectionLost)) => {
                    Err(ConnectorError::io(lost.into()))
                }
                Err(DeliveryError::Unanswered(lost @ Unanswered::TimedOut)) => {
                    Err(ConnectorError::timeout(lost.into()))
                }
                Err(error @ DeliveryError::NotAnAwsJsonCall) => Err(ConnectorError::user(error.into())),
            }
        })
    }
}

/// Why the SDK got no answer to a request.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error("the request has no x-amz-target header, or a body that is a stream")]
    NotAnAwsJsonCall,
}

async fn deliver(services: &Services, request: &HttpRequest) -> Result<ServiceAnswer, DeliveryError> {
    let target = request.headers().get("x-amz-target");
    let (Some(target), Some(body)) = (target, request.body().bytes()) else {
        return Err(DeliveryError::NotAnAwsJsonCall);
    };
    let outcome: Outcome = services.call(target, body).await;
    Ok(outcome?)
}

fn to_response(answer: ServiceAnswer) -> Result<HttpResponse, ConnectorError> {
    let mut response = http::Response::new(SdkBody::from(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    HttpResponse::try_from(response).map_err(|error| ConnectorError::user(error.into()))
}
