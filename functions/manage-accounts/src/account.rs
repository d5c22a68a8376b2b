//! `GET /accounts/{customerId}`: a customer's account.

use api::{Amount, Answer, Kind, Problem, Request};
use order::{Currency, CustomerId};
use serde::Serialize;

use crate::{ManageAccounts, customer, unavailable};

/// An account as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountView {
    customer_id: CustomerId,
    currency: Currency,
    credit_limit: Amount,
    on_hold: bool,
    receivable: Amount,
}

impl ManageAccounts {
    /// # Cost
    /// One read unit, also for 304 and 404.
    pub(crate) async fn account(&self, request: &Request) -> Result<Answer, Problem> {
        let customer_id = customer(request)?;
        let account = self.journal.account(&customer_id).await.map_err(|error| unavailable(&error))?;
        let account = account.ok_or_else(|| Problem::new(Kind::AccountNotFound))?;
        let amount = |amount_minor| Amount { currency: account.currency, amount_minor };
        let view = AccountView {
            customer_id,
            currency: account.currency,
            credit_limit: amount(account.credit_limit_minor),
            on_hold: account.on_hold,
            receivable: amount(account.receivable_minor),
        };
        Ok(Answer::resource(&view, request.headers()))
    }
}
