//! An answer of the API.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::error::{Error, Lost};
use crate::retry::{Failed, retry_after};

#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The answer, if another attempt would not change it.
    pub fn settled(self) -> Result<Self, Failed> {
        if self.status != StatusCode::TOO_MANY_REQUESTS && !self.status.is_server_error() {
            return Ok(self);
        }
        // A proxy in between may answer without a problem document.
        let problem = self.json().ok().map(Box::new);
        let retry_after = retry_after(&self.headers, SystemTime::now());
        Err(Failed { lost: Lost::Status { status: self.status.as_u16(), problem }, retry_after })
    }

    /// The answer, if it is not a refusal.
    pub fn result(self) -> Result<Self, Error> {
        if self.status.is_success() || self.status == StatusCode::NOT_MODIFIED {
            return Ok(self);
        }
        Err(Error::Refused { status: self.status.as_u16(), problem: Box::new(self.json()?) })
    }

    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let unexpected = |source| Error::Unexpected { status: self.status.as_u16(), source: Some(source) };
        serde_json::from_slice(&self.body).map_err(unexpected)
    }

    /// The error for a status that the API does not give here.
    pub fn unexpected(&self) -> Error {
        Error::Unexpected { status: self.status.as_u16(), source: None }
    }

    /// The order's version.
    pub fn etag(&self) -> &str {
        self.text(header::ETAG)
    }

    /// A header's text; empty if it is missing.
    pub fn text(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
