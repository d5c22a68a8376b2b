//! `GET /orders/{orderId}/journal`: an order's journal entries.
//!
//! The journal knows an order only by its entries: an order that was never posted has none, like an
//! order that does not exist.

use ::journal::Entry;
use ::journal::entries::Entries;
use api::parameters::order_id;
use api::{Amount, Answer, Problem, Request, Time};
use http::StatusCode;
use order::{Currency, CustomerId, EpochMs, OrderId};
use serde::Serialize;

use crate::{ManageAccounts, unavailable};

/// The entries of an order as clients see them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JournalView<'a> {
    order_id: &'a OrderId,
    entries: Vec<EntryView<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryView<'a> {
    kind: EntryKind,
    posted_at: Time,
    currency: Currency,
    /// The customer whose receivable it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a CustomerId>,
    lines: Vec<LineView<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum EntryKind {
    Posting,
    Settlement,
    SettlementReversal,
    Reversal,
}

/// A line has a debit or a credit, like the two columns of a ledger.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LineView<'a> {
    account: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    debit: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credit: Option<Amount>,
}

impl ManageAccounts {
    /// # Cost
    /// Two read units; two more for an order with an authorised payment.
    pub(crate) async fn journal(&self, request: &Request) -> Result<Answer, Problem> {
        let order_id = order_id(&request.event)?;
        let entries = self.journal.entries(&order_id).await;
        let Entries { posting, settlement, settlement_reversal, reversal } =
            entries.map_err(|error| unavailable(&error).about(&order_id))?;
        let all = [
            (EntryKind::Posting, &posting),
            (EntryKind::Settlement, &settlement),
            (EntryKind::SettlementReversal, &settlement_reversal),
            (EntryKind::Reversal, &reversal),
        ];
        let entries = all.into_iter().filter_map(|(kind, entry)| Some(view(kind, entry.as_ref()?))).collect();
        Ok(Answer::json(StatusCode::OK, &JournalView { order_id: &order_id, entries }))
    }
}

fn view(kind: EntryKind, (entry, posted_ms): &(Entry, EpochMs)) -> EntryView<'_> {
    let amount = |amount_minor| Amount { currency: entry.currency, amount_minor };
    EntryView {
        kind,
        posted_at: Time(*posted_ms),
        currency: entry.currency,
        customer_id: entry.invoiced.as_ref(),
        lines: entry
            .lines
            .iter()
            .map(|line| LineView {
                account: &line.account,
                debit: (line.amount_minor >= 0).then(|| amount(line.amount_minor)),
                credit: (line.amount_minor < 0).then(|| amount(-line.amount_minor)),
            })
            .collect(),
    }
}
