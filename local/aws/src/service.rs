//! The services of the local stack: each answers AWS JSON calls.

use std::fmt;
use std::pin::Pin;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

/// A boxed future that may move between threads; it makes the traits here object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An AWS API that the local stack answers, identified by the prefix of `X-Amz-Target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Api {
    /// Amazon DynamoDB, `DynamoDB_20120810`.
    DynamoDb,
    /// AWS Step Functions, `AWSStepFunctions`.
    StepFunctions,
    /// Amazon SQS with its JSON protocol, `AmazonSQS`.
    Sqs,
}

impl Api {
    /// Every API, in the order of the variants.
    pub const ALL: [Self; 3] = [Self::DynamoDb, Self::StepFunctions, Self::Sqs];

    /// The part of `X-Amz-Target` before the dot.
    pub const fn target_prefix(self) -> &'static str {
        match self {
            Self::DynamoDb => "DynamoDB_20120810",
            Self::StepFunctions => "AWSStepFunctions",
            Self::Sqs => "AmazonSQS",
        }
    }

    /// Splits `X-Amz-Target` into the API and its operation, for example
    /// `DynamoDB_20120810.PutItem`. `None` if the API is not one of ours.
    pub fn parse_target(target: &str) -> Option<(Self, &str)> {
        let (prefix, operation) = target.split_once('.')?;
        let api = Self::ALL.into_iter().find(|api| api.target_prefix() == prefix)?;
        Some((api, operation))
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DynamoDb => "DynamoDB",
            Self::StepFunctions => "Step Functions",
            Self::Sqs => "SQS",
        })
    }
}

/// A service's answer to one call, as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAnswer {
    /// 200, or the status of the error that `body` holds.
    pub status: StatusCode,
    /// The headers; always with a content type.
    pub headers: HeaderMap,
    /// JSON.
    pub body: Vec<u8>,
}

impl ServiceAnswer {
    /// The content type of AWS JSON 1.0, which all three services speak.
    const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");

    /// An answer with this status and JSON body.
    pub fn new(status: StatusCode, body: Vec<u8>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, Self::JSON);
        Self { status, headers, body }
    }

    /// A successful answer with this JSON body.
    pub fn ok(body: &serde_json::Value) -> Self {
        Self::new(StatusCode::OK, body.to_string().into_bytes())
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Whether the call succeeded.
    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// The body as a JSON value; null if it is empty or not JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// An AWS service with a JSON protocol.
///
/// Implement this to add a service to [`Services`](super::Services).
///
/// A caller that gives up drops the future, as a client that times out drops its connection. AWS continues to
/// work on the call. A service whose work outlives its caller, such as a started execution, spawns that work
/// and only waits for it here.
pub trait Service: Send + Sync + fmt::Debug {
    /// Answers one call of `operation` (for example `PutItem`) with its JSON `body`. A failure is also an
    /// answer: one that contains the service's error.
    fn call<'a>(&'a self, operation: &'a str, body: &'a [u8]) -> BoxFuture<'a, ServiceAnswer>;
}
