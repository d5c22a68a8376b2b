//! `GET /accounts/{customerId}/terms/history`: who changed an account's terms, and when, newest first.

use ::journal::history::MAX_PAGE_SIZE;
use ::journal::{AccountTerms, TermsChange};
use api::cursor::{self, NotACursor};
use api::parameters::count;
use api::{ActorView, Amount, Answer, Caller, Kind, Parameters, Problem, Request, Time};
use http::StatusCode;
use order::CustomerId;
use serde::Serialize;

use crate::{ManageAccounts, unavailable};

/// The default number of changes on a page.
const DEFAULT_PAGE_SIZE: usize = 20;

/// The version of the layout, the first byte of a cursor.
const VERSION: u8 = 1;

/// One page, as requested.
struct Query {
    customer_id: CustomerId,
    limit: usize,
    before: Option<u32>,
    /// What the cursor is bound to.
    list: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PageView<'a> {
    changes: Vec<ChangeView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A change as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeView<'a> {
    number: u32,
    /// Left out for the opening of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<ChangedTerms>,
    to: ChangedTerms,
    changed_at: Time,
    changed_by: ActorView<'a>,
}

/// What a change can change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangedTerms {
    credit_limit: Amount,
    on_hold: bool,
}

impl From<AccountTerms> for ChangedTerms {
    fn from(AccountTerms { currency, credit_limit_minor, on_hold }: AccountTerms) -> Self {
        Self { credit_limit: Amount { currency, amount_minor: credit_limit_minor }, on_hold }
    }
}

impl<'a> From<&'a TermsChange> for ChangeView<'a> {
    fn from(change: &'a TermsChange) -> Self {
        Self {
            number: change.number,
            from: change.from.map(ChangedTerms::from),
            to: change.to.into(),
            changed_at: Time(change.changed_ms),
            changed_by: (&change.changed_by).into(),
        }
    }
}

impl ManageAccounts {
    /// # Cost
    /// One read unit for about 15 changes; one more for an account without any.
    pub(crate) async fn terms_history(&self, request: &Request) -> Result<Answer, Problem> {
        let Query { customer_id, limit, before, list } = read(Parameters::of(&request.event), &request.caller)?;
        let page = self.journal.terms_history(&customer_id, before, limit).await;
        let page = page.map_err(|error| unavailable(&error))?;
        if page.changes.is_empty() {
            // An account that was never changed has no history either.
            let account = self.journal.account(&customer_id).await.map_err(|error| unavailable(&error))?;
            account.ok_or_else(|| Problem::new(Kind::AccountNotFound))?;
        }
        let next_cursor = page.next.map(|number| encode(number, &list));
        let changes = page.changes.iter().map(ChangeView::from).collect();
        Ok(Answer::json(StatusCode::OK, &PageView { changes, next_cursor }))
    }
}

fn read(mut parameters: Parameters, caller: &Caller) -> Result<Query, Problem> {
    let customer_id: Option<CustomerId> = parameters.path("customerId");
    let limit = parameters.query("limit", |text| count(text, MAX_PAGE_SIZE)).unwrap_or(DEFAULT_PAGE_SIZE);
    // The whole list, and the tenant that it is for: a cursor is valid for nothing else.
    let list = format!("terms of {customer_id:?} for {}", caller.tenant);
    // A cursor can be checked against the list only if the list is valid.
    let right = parameters.are_right();
    let before = parameters.query("cursor", |text| if right { place(text, &list).map(Some) } else { Ok(None) });
    match (customer_id, parameters.violations()) {
        (Some(customer_id), violations) if violations.is_empty() => {
            Ok(Query { customer_id, limit, before: before.flatten(), list })
        }
        (_, violations) => Err(Problem::of(violations)),
    }
}

fn encode(number: u32, list: &str) -> String {
    let mut place = vec![VERSION];
    place.extend(number.to_be_bytes());
    cursor::encode(place, list)
}

fn place(text: &str, list: &str) -> Result<u32, NotACursor> {
    match cursor::decode(text, list)?.split_first() {
        Some((&VERSION, number)) => number.try_into().map(u32::from_be_bytes).map_err(|_| NotACursor),
        _ => Err(NotACursor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_in_its_own_list_only() {
        for number in [1, u32::MAX] {
            let text = encode(number, "list");
            assert_eq!(place(&text, "list"), Ok(number));
            assert_eq!(place(&text, "other"), Err(NotACursor));
            // As in openapi.yaml.
            assert_eq!(text.len(), 23, "{text}");
        }
        assert_eq!(place("", "list"), Err(NotACursor));
        assert_eq!(place(&cursor::encode(vec![VERSION, 0, 0, 1], "list"), "list"), Err(NotACursor));
    }
}
