//! The faults that are chosen for the next executions.

use api::{Answer, Kind, Problem, body};
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use local_explorer::live::{Chosen, MAX_EXECUTIONS};
use order::EpochMs;
use serde::Serialize;

use super::Inspected;
use crate::front::respond;

/// What is chosen at the moment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Faults {
    chosen: Vec<Chosen>,
    away_until_ms: Option<EpochMs>,
}

impl Inspected {
    fn faults(&self) -> Response {
        let faults = Faults { chosen: self.faults.chosen(), away_until_ms: self.faults.away_until_ms() };
        respond(Answer::json(StatusCode::OK, &faults))
    }
}

/// Lists the faults.
pub async fn list(State(inspected): State<Inspected>) -> Response {
    inspected.faults()
}

/// Chooses a fault: `{"state": "PostAccounting", "fault": "late", "executions": 1}`.
pub async fn choose(State(inspected): State<Inspected>, body: Body) -> Response {
    let fault = match read(body).await {
        Ok(fault) => fault,
        Err(problem) => return respond(problem.answer()),
    };
    if inspected.faults.choose(fault) {
        inspected.faults()
    } else {
        respond(Problem::new(Kind::InvalidContent).detail("too many faults wait already").answer())
    }
}

async fn read(body: Body) -> Result<Chosen, Problem> {
    let bytes = to_bytes(body, body::MAX_BODY_BYTES).await.map_err(|_| Problem::new(Kind::BodyTooLarge))?;
    let fault: Chosen = serde_json::from_slice(&bytes).map_err(|error| body::malformed(&error))?;
    if (1..=MAX_EXECUTIONS).contains(&fault.executions) {
        Ok(fault)
    } else {
        Err(Problem::new(Kind::InvalidContent).detail(format!("executions must be 1 to {MAX_EXECUTIONS}")))
    }
}

/// Takes back every fault, and ends an outage.
pub async fn clear(State(inspected): State<Inspected>) -> Response {
    inspected.faults.clear();
    inspected.faults()
}

/// Lets DynamoDB be away for a while.
pub async fn start_outage(State(inspected): State<Inspected>) -> Response {
    inspected.faults.start_outage();
    inspected.faults()
}
