//! The errors of a call.

use crate::problem::Problem;

/// Why a call to the API failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The base URL is not valid. It has a scheme (`http` or `https`), a host, and optionally a path.
    #[error("{url} is not the address of an order API")]
    BadUrl {
        /// The text that was given.
        url: String,
    },
    /// A header, an API key or an idempotency key has characters that are not allowed in a header.
    #[error("the value for the header {name} has characters that are not allowed")]
    BadHeader {
        /// The name of the header.
        name: String,
    },
    /// An id is `.` or `..`. No order has such an id, and an address cannot contain it.
    #[error("an address cannot contain the id {id:?}")]
    BadId {
        /// The id.
        id: String,
    },
    /// The certificates that this machine trusts could not be read.
    #[error("could not read the certificates that this machine trusts")]
    Certificates(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An order's total has more than 28 digits.
    #[error("the order's total has more than 28 digits")]
    TotalTooLarge,
    /// The API refused the request. Sending it again does not help.
    #[error("the API refused the request with {status}: {problem}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        problem: Box<Problem>,
    },
    /// Every attempt failed. If the call was to place an order, the order may be on record: place it again with
    /// the same key.
    #[error("gave up after {attempts} attempts")]
    GaveUp {
        /// The number of attempts.
        attempts: u32,
        /// Why the last one failed.
        #[source]
        last: Lost,
    },
    /// The answer is not one that the API gives.
    #[error("could not understand an answer with status {status}")]
    Unexpected {
        /// Its HTTP status.
        status: u16,
        /// What is wrong with its body. `None` if the status itself is wrong.
        source: Option<serde_json::Error>,
    },
}

/// Why an attempt failed that may be retried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The API asks to try again later.
    #[error("the API answered with {status}")]
    Status {
        /// The HTTP status: 429 or 5xx.
        status: u16,
        /// Its problem document, if it sent one.
        problem: Option<Box<Problem>>,
    },
    /// The connection could not be opened, or it broke.
    #[error("the connection failed")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The source of tokens gave none.
    #[error("could not get a token")]
    Token(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There was no answer in time.
    #[error("no answer in time")]
    TimedOut,
}
