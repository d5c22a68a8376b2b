//! What can go wrong.

use crate::problem::Problem;

/// Why a call of the API came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The base URL is none: it has a scheme, `http` or `https`, a host, perhaps a path, and no more.
    #[error("use {url} as the address of an order API")]
    BadUrl {
        /// What was given.
        url: String,
    },
    /// A header, an API key or an idempotency key has characters that no header can hold.
    #[error("send a header {name} with this value")]
    BadHeader {
        /// The header.
        name: String,
    },
    /// The certificates that this machine trusts could not be read.
    #[error("read the certificates that this machine trusts")]
    Certificates(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An order's total is larger than a number of 28 digits.
    #[error("add the order's lines up")]
    TotalTooLarge,
    /// The API refuses the request, and would refuse it again.
    #[error("the API refuses with {status}: {problem}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        problem: Box<Problem>,
    },
    /// No attempt came through. An order that was to be placed may be on record: place it again with the
    /// same key.
    #[error("gave up after {attempts} attempts")]
    GaveUp {
        /// How many there were.
        attempts: u32,
        /// What the last one ended with.
        #[source]
        last: Lost,
    },
    /// The answer is none that the API gives.
    #[error("understand an answer with status {status}")]
    Unexpected {
        /// Its HTTP status.
        status: u16,
        /// What is wrong with its body, if that is JSON at all.
        source: Option<serde_json::Error>,
    },
}

/// How an attempt came to nothing that may be repeated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The API says to come back.
    #[error("the API answers {status}")]
    Status {
        /// The HTTP status: 429 or 5xx.
        status: u16,
        /// Its problem document, if it has one.
        problem: Option<Box<Problem>>,
    },
    /// No connection, or one that broke.
    #[error("exchange a request and an answer")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
}
