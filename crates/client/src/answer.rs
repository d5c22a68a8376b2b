//! An answer, and what can be made of it.

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
    /// The answer, if another attempt would be answered the same.
    pub fn settled(self) -> Result<Self, Failed> {
        if self.status != StatusCode::TOO_MANY_REQUESTS && !self.status.is_server_error() {
            return Ok(self);
        }
        // A proxy on the way may answer in words of its own.
        let problem = self.json().ok().map(Box::new);
        let retry_after = retry_after(&self.headers, SystemTime::now());
        Err(Failed { lost: Lost::Status { status: self.status.as_u16(), problem }, retry_after })
    }

    /// The answer, if it is a result.
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

    /// That this status is none that the API gives here.
    pub fn unexpected(&self) -> Error {
        Error::Unexpected { status: self.status.as_u16(), source: None }
    }

    /// The order's version.
    pub fn etag(&self) -> &str {
        self.text(header::ETAG)
    }

    /// A header's text; empty if there is none.
    pub fn text(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
