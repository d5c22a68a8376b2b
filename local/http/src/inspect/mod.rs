//! `/_local/…` for whoever looks at a running stack: its executions, and the records of an order.
//!
//! | module | knows |
//! |---|---|
//! | [`executions`] | the list of executions, and one execution |
//! | [`summary`] | a row of the list |
//! | [`records`] | what every table holds of an order, and the audit's verdict on it |
//! | [`trace`] | an order's story as text, for a terminal |
//! | [`faults`] | the faults that are chosen for the next executions |

pub mod executions;
pub mod faults;
pub mod records;
pub mod summary;
pub mod trace;

use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header;
use local_explorer::live::LiveFaults;
use local_stack::Stack;

use summary::Summaries;

/// What these endpoints look at.
#[derive(Debug, Clone)]
pub struct Inspected {
    stack: Stack,
    faults: Arc<LiveFaults>,
    summaries: Arc<Summaries>,
}

/// The endpoints.
pub fn router(stack: Stack, faults: Arc<LiveFaults>) -> Router {
    let definition = async || ([(header::CONTENT_TYPE, "application/json")], statemachine::DEFINITION).into_response();
    let samples = async || ([(header::CONTENT_TYPE, "application/json")], local_stack::samples::TEXT).into_response();
    Router::new()
        .route("/_local/definition", get(definition))
        .route("/_local/samples", get(samples))
        .route("/_local/executions", get(executions::list))
        .route("/_local/executions/{id}", get(executions::show))
        .route("/_local/orders/{orderId}", get(records::show))
        .route("/_local/orders/{orderId}/trace", get(trace::show))
        .route("/_local/parked", get(records::parked))
        .route("/_local/faults", get(faults::list).post(faults::choose).delete(faults::clear))
        .route("/_local/outage", axum::routing::post(faults::start_outage))
        .with_state(Inspected { stack, faults, summaries: Arc::default() })
}
