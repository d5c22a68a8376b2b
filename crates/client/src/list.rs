//! Lists of orders, page by page.

use std::collections::VecDeque;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::client::{Client, path_segment};
use crate::error::Error;
use crate::order::{Order, Status};

/// Which orders to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    path: String,
    status: Option<Status>,
    store_id: Option<String>,
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
    page_size: Option<u8>,
}

impl List {
    /// Lists a customer's orders, newest first.
    pub fn of_customer(customer_id: &str) -> Self {
        Self::at(format!("/customers/{}/orders", path_segment(customer_id)))
    }

    /// Lists a store's orders, newest first.
    pub fn of_store(store_id: &str) -> Self {
        Self::at(format!("/stores/{}/orders", path_segment(store_id)))
    }

    /// Lists a county's orders, newest first.
    pub fn of_county(county_id: &str) -> Self {
        Self::at(format!("/counties/{}/orders", path_segment(county_id)))
    }

    /// Lists the orders with an open status, longest due first.
    pub fn open(status: Status) -> Self {
        Self { status: Some(status), ..Self::at("/orders".to_owned()) }
    }

    /// Lists a store's confirmed orders that are not handed over yet, longest confirmed first.
    pub fn to_pick(store_id: &str) -> Self {
        Self { store_id: Some(store_id.to_owned()), ..Self::open(Status::Confirmed) }
    }

    fn at(path: String) -> Self {
        Self { path, status: None, store_id: None, from: None, to: None, page_size: None }
    }

    /// Only lists orders placed at this time or later.
    #[must_use]
    pub fn from(self, time: OffsetDateTime) -> Self {
        Self { from: Some(time), ..self }
    }

    /// Only lists orders placed before this time.
    #[must_use]
    pub fn to(self, time: OffsetDateTime) -> Self {
        Self { to: Some(time), ..self }
    }

    /// Sets the number of orders in a page, 1 to 100.
    #[must_use]
    pub fn page_size(self, orders: u8) -> Self {
        Self { page_size: Some(orders), ..self }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The query of the first page. Further pages add the cursor.
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let text = |time: OffsetDateTime| time.format(&Rfc3339).ok();
        let status = self.status.and_then(|status| serde_json::to_value(status).ok()?.as_str().map(str::to_owned));
        [
            ("status", status),
            ("storeId", self.store_id.clone()),
            ("from", self.from.and_then(text)),
            ("to", self.to.and_then(text)),
            ("limit", self.page_size.map(|orders| orders.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// A page, as the API sends it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page {
    orders: Vec<Order>,
    #[serde(default)]
    next_cursor: Option<String>,
}

/// Reads a list, one page at a time.
#[derive(Debug, Clone)]
pub struct Walk {
    client: Client,
    list: List,
    page: VecDeque<Order>,
    next: Next,
}

#[derive(Debug, Clone)]
enum Next {
    First,
    At(String),
    End,
}

impl Walk {
    pub(crate) fn new(client: Client, list: List) -> Self {
        Self { client, list, page: VecDeque::new(), next: Next::First }
    }

    /// Returns the next order, or `None` at the end of the list. After an error, the next call tries again from the
    /// same place.
    ///
    /// # Errors
    /// [`Error::BadId`] in the list's address, [`Error::Refused`], [`Error::GaveUp`], [`Error::Unexpected`]
    pub async fn next(&mut self) -> Result<Option<Order>, Error> {
        // An empty page is not the end of the list.
        while self.page.is_empty() {
            match self.next_page().await? {
                Some(orders) => self.page = orders.into(),
                None => return Ok(None),
            }
        }
        Ok(self.page.pop_front())
    }

    /// Returns the rest of the current page, or the next page, or `None` at the end of the list.
    ///
    /// # Errors
    /// As [`Walk::next`].
    pub async fn next_page(&mut self) -> Result<Option<Vec<Order>>, Error> {
        if !self.page.is_empty() {
            return Ok(Some(std::mem::take(&mut self.page).into()));
        }
        let cursor = match &self.next {
            Next::First => None,
            Next::At(cursor) => Some(cursor.as_str()),
            Next::End => return Ok(None),
        };
        let page = self.client.page(&self.list, cursor).await?;
        self.next = page.next_cursor.map_or(Next::End, Next::At);
        Ok(Some(page.orders))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_part_of_a_path_is_escaped() {
        assert_eq!(List::of_customer("a/b?c d@é").path(), "/customers/a%2Fb%3Fc%20d%40%C3%A9/orders");
        assert_eq!(List::of_store("main").path(), "/stores/main/orders");
    }

    #[test]
    fn a_list_asks_for_what_it_was_told_to() {
        let time = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let list = List::of_county("kings").from(time).to(time).page_size(7);
        let (from, to) = ("2027-01-15T08:00:00Z".to_owned(), "2027-01-15T08:00:00Z".to_owned());
        assert_eq!(list.query(), [("from", from), ("to", to), ("limit", "7".to_owned())]);
        assert_eq!(List::open(Status::Cancelling).query(), [("status", "CANCELLING".to_owned())]);
        let (confirmed, main) = ("CONFIRMED".to_owned(), "main".to_owned());
        assert_eq!(List::to_pick("main").query(), [("status", confirmed), ("storeId", main)]);
        assert_eq!(List::of_store("main").query(), []);
    }
}
