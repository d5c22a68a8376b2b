//! `GET /stores/{storeId}/stock`: a store's stock, or only the articles that are low.

use api::cursor::{self, NotACursor};
use api::parameters::count;
use api::{Answer, Caller, Parameters, Problem, Request, StockView};
use http::StatusCode;
use inventory::listing::MAX_PAGE_SIZE;
use inventory::stock::MAX_ON_HAND;
use order::{Sku, StoreId};
use serde::Serialize;

use crate::{ManageStock, unavailable, view};

/// The default number of articles on a page.
const DEFAULT_PAGE_SIZE: usize = 20;

/// The version of the layout, the first byte of a cursor.
const VERSION: u8 = 1;

/// One page, as requested.
struct Query {
    store_id: StoreId,
    below: Option<i64>,
    limit: usize,
    after: Option<Sku>,
    /// What the cursor is bound to.
    list: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PageView {
    stock: Vec<StockView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl ManageStock {
    /// # Cost
    /// What [`Stocks::list`](inventory::Stocks::list) costs.
    pub(crate) async fn list(&self, request: &Request) -> Result<Answer, Problem> {
        let Query { store_id, below, limit, after, list } = read(Parameters::of(&request.event), &request.caller)?;
        let page = self.stocks.list(&store_id, below, after, limit).await.map_err(|error| unavailable(&error))?;
        let next_cursor = page.next.map(|sku| encode(&sku, &list));
        let stock = page.stock.into_iter().map(view).collect();
        Ok(Answer::json(StatusCode::OK, &PageView { stock, next_cursor }))
    }
}

fn read(mut parameters: Parameters, caller: &Caller) -> Result<Query, Problem> {
    let store_id: Option<StoreId> = parameters.path("storeId");
    let below = parameters.query("availableBelow", |text| count(text, MAX_ON_HAND));
    let limit = parameters.query("limit", |text| count(text, MAX_PAGE_SIZE)).unwrap_or(DEFAULT_PAGE_SIZE);
    // The whole list, and the tenant that it is for: a cursor is valid for nothing else.
    let list = format!("stock of {store_id:?} below {below:?} for {}", caller.tenant);
    // A cursor can be checked against the list only if the list is valid.
    let right = parameters.are_right();
    let after = parameters.query("cursor", |text| if right { place(text, &list).map(Some) } else { Ok(None) });
    match (store_id, parameters.violations()) {
        (Some(store_id), violations) if violations.is_empty() => {
            Ok(Query { store_id, below, limit, after: after.flatten(), list })
        }
        (_, violations) => Err(Problem::of(violations)),
    }
}

fn encode(sku: &Sku, list: &str) -> String {
    let mut place = vec![VERSION];
    place.extend(sku.as_str().bytes());
    cursor::encode(place, list)
}

fn place(text: &str, list: &str) -> Result<Sku, NotACursor> {
    match cursor::decode(text, list)?.split_first() {
        Some((&VERSION, sku)) => str::from_utf8(sku).ok().and_then(|sku| sku.parse().ok()).ok_or(NotACursor),
        _ => Err(NotACursor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_in_its_own_list_only() {
        for sku in ["A", &"x".repeat(64)] {
            let sku: Sku = sku.parse().unwrap();
            let text = encode(&sku, "list");
            assert_eq!(place(&text, "list"), Ok(sku));
            assert_eq!(place(&text, "other"), Err(NotACursor));
            // As in openapi.yaml.
            assert!((19..=103).contains(&text.len()), "{text}");
        }
        assert_eq!(place("", "list"), Err(NotACursor));
        assert_eq!(place(&cursor::encode(Vec::new(), "list"), "list"), Err(NotACursor));
        assert_eq!(place(&cursor::encode(vec![VERSION], "list"), "list"), Err(NotACursor));
        assert_eq!(place(&cursor::encode(vec![VERSION, b'#'], "list"), "list"), Err(NotACursor));
    }
}
