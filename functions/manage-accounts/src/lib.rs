//! Customers' accounts and orders' journal entries, for operations.
//!
//! | module | request |
//! |---|---|
//! | `account` | `GET /accounts/{customerId}` |
//! | `terms` | `GET` and `PUT /accounts/{customerId}/terms` |
//! | `journal` | `GET /orders/{orderId}/journal` |
//!
//! What the items of the table are, and which writes are safe beside the orders', is
//! [`post_accounting`]'s to know.

mod account;
mod journal;
mod terms;

use api::{Answer, Client, Handler, Kind, Parameters, Problem, Scope};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use http::Method;
use order::CustomerId;
use post_accounting::Journal;
use saga::{Unavailable, task::chain};

/// The function's handler.
#[derive(Debug, Clone)]
pub struct ManageAccounts {
    journal: Journal,
}

impl ManageAccounts {
    /// A handler on the given journal.
    pub fn new(journal: Journal) -> Self {
        Self { journal }
    }

    async fn answer(&self, request: &ApiGatewayProxyRequest, client: &Client) -> Result<Answer, Problem> {
        client.require(&[Scope::Operations])?;
        match request.resource.as_deref() {
            Some("/orders/{orderId}/journal") => self.journal(request).await,
            Some("/accounts/{customerId}") => self.account(request).await,
            _ if request.http_method == Method::PUT => self.set_terms(request).await,
            _ => self.terms(request).await,
        }
    }
}

impl Handler for ManageAccounts {
    async fn handle(&self, request: ApiGatewayProxyRequest, client: &Client, _request_id: &str) -> Answer {
        self.answer(&request, client).await.unwrap_or_else(|problem| problem.answer())
    }
}

/// The customer that a path names, if that is all there is.
fn customer(request: &ApiGatewayProxyRequest) -> Result<CustomerId, Problem> {
    let mut parameters = Parameters::of(request);
    let customer_id = parameters.path("customerId");
    let violations = parameters.violations();
    customer_id.filter(|_| violations.is_empty()).ok_or_else(|| Problem::of(violations))
}

fn unavailable(error: &Unavailable) -> Problem {
    tracing::warn!(reason = chain(error), "the journal was not reached");
    Problem::new(Kind::StoreUnavailable)
}
