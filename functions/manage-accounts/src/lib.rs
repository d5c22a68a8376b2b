//! Customers' accounts and orders' journal entries, for operations.
//!
//! | module | request |
//! |---|---|
//! | `account` | `GET /accounts/{customerId}` |
//! | `terms` | `GET` and `PUT /accounts/{customerId}/terms` |
//! | `history` | `GET /accounts/{customerId}/terms/history` |
//! | `journal` | `GET /orders/{orderId}/journal` |
//!
//! The crate `journal` knows the table's items, and which writes are safe while orders change them.

mod account;
mod history;
mod journal;
mod terms;

use ::journal::Journal;
use api::handler::not_handled;
use api::{Answer, Handler, Kind, Parameters, Problem, Request};
use clock::WallClock;
use order::CustomerId;
use saga::{Unavailable, task::chain};

/// The function's handler.
#[derive(Debug, Clone)]
pub struct ManageAccounts {
    journal: Journal,
    clock: WallClock,
}

impl ManageAccounts {
    /// A handler on the given journal.
    pub fn new(journal: Journal, clock: WallClock) -> Self {
        Self { journal, clock }
    }
}

impl Handler for ManageAccounts {
    async fn handle(&self, request: Request) -> Result<Answer, Problem> {
        match request.route {
            "GET /accounts/{customerId}" => self.account(&request).await,
            "GET /accounts/{customerId}/terms" => self.terms(&request).await,
            "PUT /accounts/{customerId}/terms" => self.set_terms(&request).await,
            "GET /accounts/{customerId}/terms/history" => self.terms_history(&request).await,
            "GET /orders/{orderId}/journal" => self.journal(&request).await,
            route => Err(not_handled(route)),
        }
    }
}

/// The customer in the path. Query parameters are errors.
fn customer(request: &Request) -> Result<CustomerId, Problem> {
    let mut parameters = Parameters::of(&request.event);
    let customer_id = parameters.path("customerId");
    let violations = parameters.violations();
    customer_id.filter(|_| violations.is_empty()).ok_or_else(|| Problem::of(violations))
}

fn unavailable(error: &Unavailable) -> Problem {
    tracing::warn!(reason = chain(error), "could not reach the journal; answering 503");
    Problem::new(Kind::StoreUnavailable)
}
