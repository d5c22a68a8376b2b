//! The stock and the price list, for operations.
//!
//! | module | request |
//! |---|---|
//! | `list` | `GET /stores/{storeId}/stock` |
//! | `set` | `GET` and `PUT /stores/{storeId}/stock/{sku}` |
//! | `adjust` | `POST /stores/{storeId}/stock/{sku}/adjustments` |
//! | `spread` | `PUT /stores/{storeId}/stock/{sku}/spread` |
//! | `price` | `GET` and `PUT /stores/{storeId}/prices/{sku}` |
//!
//! The crate [`inventory`] knows the stock's items, and which writes are safe while orders change them. The crate [`prices`]
//! knows those of the price list.

mod adjust;
mod list;
mod price;
mod set;
mod spread;

use api::handler::not_handled;
use api::{ActorView, Answer, Handler, Kind, Parameters, Problem, Request, StockView, Time, body};
use clock::WallClock;
use inventory::{Stock, Stocks};
use order::validation::Fields;
use order::{Sku, StoreId};
use prices::Prices;
use saga::{Unavailable, task::chain};
use serde_json::value::RawValue;

/// The function's handler.
#[derive(Debug, Clone)]
pub struct ManageStock {
    stocks: Stocks,
    prices: Prices,
    clock: WallClock,
}

impl ManageStock {
    /// A handler on the given stock and prices.
    pub fn new(stocks: Stocks, prices: Prices, clock: WallClock) -> Self {
        Self { stocks, prices, clock }
    }
}

impl Handler for ManageStock {
    async fn handle(&self, request: Request) -> Result<Answer, Problem> {
        match request.route {
            "GET /stores/{storeId}/stock" => self.list(&request).await,
            "GET /stores/{storeId}/stock/{sku}" => self.read(&request).await,
            "PUT /stores/{storeId}/stock/{sku}" => self.set(&request).await,
            "POST /stores/{storeId}/stock/{sku}/adjustments" => self.adjust(&request).await,
            "PUT /stores/{storeId}/stock/{sku}/spread" => self.spread(&request).await,
            "GET /stores/{storeId}/prices/{sku}" => self.price(&request).await,
            "PUT /stores/{storeId}/prices/{sku}" => self.set_price(&request).await,
            route => Err(not_handled(route)),
        }
    }
}

/// The store and the article of a request without a body.
fn article_of(request: &Request) -> Result<(StoreId, Sku), Problem> {
    let mut parameters = Parameters::of(&request.event);
    let article = article(&mut parameters);
    let violations = parameters.violations();
    article.filter(|_| violations.is_empty()).ok_or_else(|| Problem::of(violations))
}

/// The store and the article in the path, and what `read_content` finds in the body: `None` only after at least one
/// violation was noted. Every broken rule of both is in the problem.
fn read_change<T>(
    request: &Request,
    read_content: impl FnOnce(Fields<'_, '_>) -> Option<T>,
) -> Result<(StoreId, Sku, T), Problem> {
    let text = body::text(&request.event, request.headers())?;
    let raw: &RawValue = serde_json::from_str(&text).map_err(|error| body::malformed(&error))?;
    let mut parameters = Parameters::of(&request.event);
    let article = article(&mut parameters);
    let mut violations = parameters.violations();
    let content = Fields::read(raw, "", &mut violations).and_then(read_content);
    match (article, content) {
        (Some((store_id, sku)), Some(content)) if violations.is_empty() => Ok((store_id, sku, content)),
        _ => Err(Problem::of(violations)),
    }
}

/// The store and the article in the path.
fn article(parameters: &mut Parameters) -> Option<(StoreId, Sku)> {
    let (store_id, sku) = (parameters.path("storeId"), parameters.path("sku"));
    store_id.zip(sku)
}

fn view(stock: Stock) -> StockView {
    let on_hand = stock.on_hand();
    let Stock { store_id, sku, available, reserved, changed_by, changed_ms } = stock;
    let (changed_by, changed_at) = (changed_by.map(ActorView::from), changed_ms.map(Time));
    StockView { store_id, sku, available, reserved, on_hand, changed_by, changed_at }
}

fn unavailable(error: &Unavailable) -> Problem {
    tracing::warn!(reason = chain(error), "could not reach the stock; answering 503");
    Problem::new(Kind::StoreUnavailable)
}
