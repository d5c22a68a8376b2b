//! The AWS services that the local stack runs on, in this process.
//!
//! The handlers are the code that runs on Lambda, so they call these services through the real `aws-sdk-*`
//! clients. [`InProcess`] passes a client's HTTP request to a [`Service`] without a socket. Tests run on
//! tokio's paused clock, and a paused clock jumps ahead while a socket is awaited, as if nothing were
//! happening. [`endpoint`] offers the same services on a real HTTP endpoint, for compiled Lambda binaries.
//!
//! ```text
//! aws-sdk client ── InProcess ──┐
//!                               ├── Services ── Layer* ── Service (DynamoDb, Sqs, Step Functions)
//! Lambda binary ─── endpoint ───┘
//! ```
//!
//! A [`Layer`] stands between callers and services. It sees each call, and can refuse it, lose its answer,
//! delay it or change it. Tests use layers to inject faults that a healthy store never shows, and to count
//! what a call costs. `serve` uses none.
//!
//! Not emulated: credentials and signatures (any are accepted), throttling and capacity limits (inject them),
//! the deletion of expired items (call [`DynamoDb::sweep_expired`]), a queue's retention, and the checksum
//! header `x-amz-crc32`, which the Rust SDK does not read.

mod conflicts;
mod dynamodb;
mod endpoint;
mod in_process;
mod layer;
mod service;
mod services;
mod spans;
mod sqs;
mod tables;
mod tally;
mod wire_error;

pub use conflicts::ConflictingTransactions;
pub use dynamodb::{DynamoDb, Item, SnapshotError, StoreError};
pub use endpoint::endpoint;
pub use in_process::InProcess;
pub use layer::{Call, Layer, Next, Outcome, Unanswered};
pub use service::{Api, BoxFuture, Service, ServiceAnswer};
pub use services::Services;
pub use sqs::{MESSAGES_TABLE, QueueError, QueueSpec, Received, Redrive, Sqs, declared_queues, local_name, queue_url};
pub use tables::{TableError, create_if_missing, create_missing};
pub use tally::{Tally, Usage};
pub use wire_error::{CancellationReason, WireError};
