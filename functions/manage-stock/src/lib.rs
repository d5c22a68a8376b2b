//! The stock, for operations.
//!
//! | module | request |
//! |---|---|
//! | `list` | `GET /stores/{storeId}/stock` |
//! | `set` | `GET` and `PUT /stores/{storeId}/stock/{sku}` |
//! | `adjust` | `POST /stores/{storeId}/stock/{sku}/adjustments` |
//!
//! What the items of the table are, and which writes are safe beside the orders', is
//! [`reserve_inventory`]'s to know.

mod adjust;
mod list;
mod set;

use api::{Answer, Client, Handler, Kind, Parameters, Problem, Scope, StockView};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use http::Method;
use order::{Sku, StoreId};
use reserve_inventory::{Stock, Stocks};
use saga::{Clock, Unavailable, task::chain};

/// The function's handler.
#[derive(Debug, Clone)]
pub struct ManageStock {
    stocks: Stocks,
    clock: Clock,
}

impl ManageStock {
    /// A handler on the given stock.
    pub fn new(stocks: Stocks, clock: Clock) -> Self {
        Self { stocks, clock }
    }

    async fn answer(&self, request: &ApiGatewayProxyRequest, client: &Client) -> Result<Answer, Problem> {
        client.require(&[Scope::Operations])?;
        match request.resource.as_deref() {
            Some("/stores/{storeId}/stock") => self.list(request, client).await,
            Some("/stores/{storeId}/stock/{sku}/adjustments") => self.adjust(request, client).await,
            _ if request.http_method == Method::PUT => self.set(request).await,
            _ => self.read(request).await,
        }
    }
}

impl Handler for ManageStock {
    async fn handle(&self, request: ApiGatewayProxyRequest, client: &Client, _request_id: &str) -> Answer {
        self.answer(&request, client).await.unwrap_or_else(|problem| problem.answer())
    }
}

/// The article that a path names, in the store that it names.
fn article(parameters: &mut Parameters) -> Option<(StoreId, Sku)> {
    let (store_id, sku) = (parameters.path("storeId"), parameters.path("sku"));
    store_id.zip(sku)
}

fn view(stock: Stock) -> StockView {
    let on_hand = stock.on_hand();
    let Stock { store_id, sku, available, reserved } = stock;
    StockView { store_id, sku, available, reserved, on_hand }
}

fn unavailable(error: &Unavailable) -> Problem {
    tracing::warn!(reason = chain(error), "the stock was not reached");
    Problem::new(Kind::StoreUnavailable)
}
