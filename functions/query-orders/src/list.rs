//! The lists: `GET /customers/{customerId}/orders`, `/stores/{storeId}/orders` and
//! `/counties/{countyId}/orders`, newest first, and `GET /orders?status=…`: the open orders, longest
//! due first, or a store's pick list, longest confirmed first.

use std::ops::RangeInclusive;

use api::cursor::NotACursor;
use api::parameters::{Parameters, count, millis, time};
use api::{Answer, Caller, Kind, OrderView, Problem, Request};
use http::StatusCode;
use order::{EpochMs, OrderRecord, Status, StoreId};
use orders::pagination::MAX_PAGE_SIZE;
use orders::{Listing, Position};
use saga::{Unavailable, task::chain};
use serde::Serialize;

use crate::QueryOrders;
use crate::cursor;

/// The default number of orders on a page.
pub const DEFAULT_PAGE_SIZE: usize = 20;

/// Maximum number of rounds of reading for one page. The work index holds open orders of every status, and
/// a client asks for one. After the last round the page is returned short, and the next one continues.
const MAX_ROUNDS: usize = 5;

/// A kind of list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// A customer's orders.
    OfCustomer,
    /// A store's orders.
    OfStore,
    /// A county's orders.
    OfCounty,
    /// The open orders, or a store's pick list: the orders that still need work.
    Work,
}

/// One page of one list, as requested.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Query {
    listing: Listing,
    /// When the orders were placed.
    placed: RangeInclusive<EpochMs>,
    /// The requested status; all of them, if `None`.
    status: Option<Status>,
    limit: usize,
    after: Option<Position>,
    /// What the cursor is bound to.
    list: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PageView<'a> {
    orders: Vec<OrderView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A page's orders, and where the list continues, if it does.
type Found = (Vec<OrderRecord>, Option<Position>);

impl QueryOrders {
    /// A page of a list.
    ///
    /// # Cost
    /// What [`Orders::list`](orders::Orders::list) costs, and one read unit per 4 KiB of each
    /// order; for the open orders up to [`MAX_ROUNDS`] times as much.
    pub(crate) async fn list(&self, resource: Resource, request: &Request) -> Result<Answer, Problem> {
        let query = read(resource, Parameters::of(&request.event), &request.caller)?;
        match self.find(&query).await {
            Ok((records, next)) => {
                let next_cursor = next.map(|position| cursor::encode(&position, &query.list));
                let orders = records.iter().map(|record| OrderView::of(record, &request.caller)).collect();
                Ok(Answer::json(StatusCode::OK, &PageView { orders, next_cursor }))
            }
            Err(error) => {
                tracing::warn!(listing = ?query.listing, reason = chain(&error), "could not list the orders; answering 503");
                Err(Problem::new(Kind::StoreUnavailable))
            }
        }
    }

    /// Reads status and amounts by key. They are not in the indexes, where every change of status would
    /// cost a write to each.
    async fn find(&self, query: &Query) -> Result<Found, Unavailable> {
        let range = sorted(&query.listing, &query.placed);
        let is_asked_for = |record: &OrderRecord| {
            query.status.is_none_or(|status| status == record.status) && query.placed.contains(&record.created_ms)
        };
        let mut records = Vec::new();
        let mut after = query.after.clone();
        for _ in 0..MAX_ROUNDS {
            let page = self.orders.list(&query.listing, &range, after.as_ref(), query.limit).await?;
            let order_ids = page.positions.iter().map(|position| &position.order_id);
            let mut found = self.orders.read_many(order_ids).await?;
            let last = page.positions.len().saturating_sub(1);
            for (at, position) in page.positions.into_iter().enumerate() {
                // An order that has left the index since is no longer in this list.
                let record = found.remove(&position.order_id);
                records.extend(record.filter(is_asked_for));
                if records.len() == query.limit {
                    return Ok((records, (page.more || at < last).then_some(position)));
                }
                after = Some(position);
            }
            if !page.more {
                return Ok((records, None));
            }
        }
        Ok((records, after))
    }
}

fn read(resource: Resource, mut parameters: Parameters, caller: &Caller) -> Result<Query, Problem> {
    let mut status = None;
    let listing = match resource {
        Resource::OfCustomer => parameters.path("customerId").map(|id| Listing::Customer(caller.tenant.clone(), id)),
        Resource::OfStore => parameters.path("storeId").map(Listing::Store),
        Resource::OfCounty => parameters.path("countyId").map(Listing::County),
        Resource::Work => {
            status = read_status(&mut parameters);
            read_work(status, &mut parameters)
        }
    };
    let from = parameters.query("from", time);
    let to = parameters.query("to", time);
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        parameters.refuse("to", "must be later than from");
    }
    // `to` itself is excluded, so that ranges can follow each other without a gap or an overlap.
    let placed = from.map_or(0, millis)..=to.map_or(EpochMs::MAX, |to| millis(to) - 1);
    let limit = parameters.query("limit", |text| count(text, MAX_PAGE_SIZE)).unwrap_or(DEFAULT_PAGE_SIZE);
    let list = list_name(listing.as_ref(), &placed, status, caller);
    // A cursor can be checked against the list only if the list is valid.
    let right = parameters.are_right();
    let after = parameters.query("cursor", |text| match &listing {
        Some(listing) if right => cursor::decode(text, &list).and_then(|after| {
            if is_in(&after, listing, &sorted(listing, &placed)) { Ok(Some(after)) } else { Err(NotACursor) }
        }),
        _ => Ok(None),
    });
    match (listing, parameters.violations()) {
        (Some(listing), violations) if violations.is_empty() => {
            Ok(Query { listing, placed, status, limit, after: after.flatten(), list })
        }
        (_, violations) => Err(Problem::new(Kind::InvalidParameters).errors(violations)),
    }
}

const STATUS_RULE: &str = "must be PENDING, CANCELLING, FULFILLING, or CONFIRMED with a storeId";

/// The requested status of a list of work.
fn read_status(parameters: &mut Parameters) -> Option<Status> {
    let is_listed = |status: &Status| status.is_open() || *status == Status::Confirmed;
    let status = parameters.query("status", |text| text.parse().ok().filter(is_listed).ok_or(STATUS_RULE));
    if status.is_none() && parameters.are_right() {
        parameters.refuse("status", STATUS_RULE);
    }
    status
}

/// The list of work with this status. Confirmed orders are many, so they are listed for the store that
/// picks them. Open orders are few, so they are listed for the whole shop.
fn read_work(status: Option<Status>, parameters: &mut Parameters) -> Option<Listing> {
    let store_id = parameters.query("storeId", str::parse::<StoreId>);
    match (status?, store_id) {
        (Status::Confirmed, Some(store_id)) => Some(Listing::Pick(store_id)),
        (Status::Confirmed, None) => {
            if parameters.are_right() {
                parameters.refuse("storeId", "is required with status=CONFIRMED: the store that picks the orders");
            }
            None
        }
        (_, Some(_)) => {
            parameters.refuse("storeId", "is allowed with status=CONFIRMED only");
            None
        }
        (_, None) => Some(Listing::Open),
    }
}

/// The part of a list's index that holds orders placed then. Lists of work are sorted by other times,
/// so they are searched in full.
fn sorted(listing: &Listing, placed: &RangeInclusive<EpochMs>) -> RangeInclusive<EpochMs> {
    match listing {
        Listing::Customer(..) | Listing::Store(_) | Listing::County(_) => placed.clone(),
        Listing::Open | Listing::Pick(_) => 0..=EpochMs::MAX,
    }
}

/// The whole list, and the tenant that it is for: a cursor is valid for nothing else. The page size is
/// left out, because a client may change it between pages.
fn list_name(
    listing: Option<&Listing>,
    placed: &RangeInclusive<EpochMs>,
    status: Option<Status>,
    caller: &Caller,
) -> String {
    format!("{listing:?} {placed:?} {status:?} {}", caller.tenant)
}

/// Whether the list can have such a position. This also refuses cursors that a client computed itself.
fn is_in(position: &Position, listing: &Listing, range: &RangeInclusive<EpochMs>) -> bool {
    range.contains(&position.sort_ms) && usize::from(position.partition) < listing.partitions().len()
}
