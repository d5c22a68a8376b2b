//! An order's executions in a deployment, read from the log that Step Functions writes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4::{self, signing_params};
use http::{HeaderValue, Request, header};
use order::OrderId;
use serde::Deserialize;
use serde_json::{Value, json};

/// The one operation that is called, so that the client of the whole service, which takes a minute to compile, is not needed.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>
const TARGET: &str = "Logs_20140328.FilterLogEvents";

/// The most pages that are read, each of up to 10,000 lines. The service also answers with empty pages while it searches.
const MAX_PAGES: usize = 1000;

/// How long one page may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is no region.
    #[error("no AWS region is configured; set AWS_REGION")]
    NoRegion,
    /// There are no credentials.
    #[error(
        "no AWS credentials are configured; set AWS_PROFILE, or export them with `aws configure export-credentials`"
    )]
    NoCredentials(#[source] Option<CredentialsError>),
    /// The request cannot be signed.
    #[error("the request to CloudWatch Logs cannot be signed")]
    Signing(#[from] SigningError),
    /// The request's settings are not complete.
    #[error("the request to CloudWatch Logs cannot be signed")]
    Settings(#[from] signing_params::BuildError),
    /// The address is not valid.
    #[error("the address of CloudWatch Logs is not valid")]
    Address(#[from] http::Error),
    /// There was no answer.
    #[error("CloudWatch Logs did not answer")]
    NoAnswer(#[from] reqwest::Error),
    /// The service refuses.
    #[error("CloudWatch Logs refused the request: {0}")]
    Refused(String),
    /// The search did not end.
    #[error("the search took more than {MAX_PAGES} pages; name fewer --days")]
    TooLong,
}

/// A line of the log.
#[derive(Debug, Deserialize)]
struct Line {
    message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    events: Vec<Line>,
    next_token: Option<String>,
}

/// The log group of a deployment's workflow.
#[derive(Debug)]
pub struct Log {
    group: String,
    config: SdkConfig,
    region: String,
    endpoint: String,
    http: reqwest::Client,
}

impl Log {
    /// The log group of this name, in the region and with the credentials that the AWS command line would take.
    ///
    /// # Errors
    /// [`LogError::NoRegion`], or if TLS cannot be set up.
    pub async fn open(group: String) -> Result<Self, LogError> {
        let config = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
        let region = config.region().ok_or(LogError::NoRegion)?.to_string();
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let service = std::env::var("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS").ok();
        let endpoint = service.or_else(|| config.endpoint_url().map(str::to_owned));
        let endpoint = endpoint.unwrap_or_else(|| format!("https://logs.{region}.amazonaws.com{suffix}"));
        let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(Self { group, config, region, endpoint, http })
    }

    /// Each line about the order's executions, parsed. Step Functions writes JSON, so other lines are left out.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn lines_about(&self, order_id: &OrderId, since: Duration) -> Result<Vec<Value>, LogError> {
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(since);
        // An execution's ARN ends in its name, which is the order's id, and a part that makes it unique.
        let pattern = format!(r#"{{ $.execution_arn = "*:{order_id}:*" }}"#);
        let mut asked = json!({
            "logGroupName": self.group,
            "filterPattern": pattern,
            "startTime": u64::try_from(start.as_millis()).unwrap_or_default(),
        });
        let mut lines = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.page(&asked).await?;
            lines.extend(page.events.iter().filter_map(|line| serde_json::from_str(&line.message).ok()));
            match page.next_token {
                Some(token) => asked["nextToken"] = token.into(),
                None => return Ok(lines),
            }
        }
        Err(LogError::TooLong)
    }

    async fn page(&self, asked: &Value) -> Result<Page, LogError> {
        let request = self.signed(asked.to_string()).await?;
        let answer = self.http.execute(request.try_into()?).await?;
        let is_success = answer.status().is_success();
        let body = answer.bytes().await?;
        if is_success {
            return serde_json::from_slice(&body)
                .map_err(|error| LogError::Refused(format!("its answer is not JSON: {error}")));
        }
        let error: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |member: &str| error[member].as_str().unwrap_or_default();
        let message = if text("message").is_empty() { text("Message") } else { text("message") };
        Err(LogError::Refused(format!("{} {message}", text("__type").rsplit('#').next().unwrap_or_default())))
    }

    async fn signed(&self, body: String) -> Result<Request<String>, LogError> {
        let credentials = self.config.credentials_provider().ok_or(LogError::NoCredentials(None))?;
        let credentials =
            credentials.provide_credentials().await.map_err(|error| LogError::NoCredentials(Some(error)))?;
        let mut request = Request::post(&self.endpoint).body(body)?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        headers.insert("x-amz-target", HeaderValue::from_static(TARGET));
        let identity = credentials.into();
        let settings = v4::SigningParams::builder().identity(&identity).region(&self.region).name("logs");
        let settings = settings.time(SystemTime::now()).settings(SigningSettings::default()).build()?.into();
        let named = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new(
            "POST",
            self.endpoint.as_str(),
            named,
            SignableBody::Bytes(request.body().as_bytes()),
        )?;
        let (instructions, _) = sign(signable, &settings)?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}
