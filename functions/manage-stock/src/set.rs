//! `GET /stores/{storeId}/stock/{sku}`, and `PUT`, which sets the quantity on hand if the stock has not
//! changed since it was read.

use api::{Answer, Kind, Precondition, Problem, Request, StockView};
use http::{StatusCode, header};
use inventory::pool::Root;
use inventory::stock::{MAX_ON_HAND, Setting};
use order::{Sku, StoreId};

use crate::{ManageStock, article_of, read_change, unavailable, view};

/// Maximum number of attempts while the stock changes between reading and setting it. With an `ETag`, the
/// second attempt finds another version and stops. The limit is for `If-Match: *`, which allows any version.
const MAX_LOOKS: u32 = 3;

/// What a request sets.
struct Wanted {
    store_id: StoreId,
    sku: Sku,
    on_hand: i64,
    precondition: Precondition,
}

impl ManageStock {
    /// # Cost
    /// One read unit, also for 304 and 404, and one for each shard.
    pub(crate) async fn read(&self, request: &Request) -> Result<Answer, Problem> {
        let (store_id, sku) = article_of(request)?;
        let stock = self.stocks.read(&store_id, &sku).await.map_err(|error| unavailable(&error))?;
        let stock = stock.ok_or_else(|| Problem::new(Kind::StockNotFound))?;
        Ok(Answer::resource(&view(stock), request.headers()))
    }

    /// # Idempotency
    /// A second attempt gets 412 with the current stock. Only the person who counted can say whether that
    /// is what the first attempt set, or what orders have changed since.
    ///
    /// # Cost
    /// One read unit, and one write unit, or two for a new article; and a merge, if the stock is spread.
    pub(crate) async fn set(&self, request: &Request) -> Result<Answer, Problem> {
        let wanted = read(request)?;
        let (by, now_ms) = (request.actor(), self.clock.now_ms());
        for _ in 0..MAX_LOOKS {
            // Stock is counted as a whole, so a pool is merged first.
            let root = self.stocks.merged(&wanted.store_id, &wanted.sku, &request.id).await;
            let stock = root.map_err(|error| unavailable(&error))?.map(Root::stock);
            let (status, setting) = match (stock, &wanted.precondition) {
                (None, Precondition::Present(_)) => return Err(Problem::new(Kind::StockNotFound)),
                (None, Precondition::Absent) => {
                    let created = self.stocks.create(&wanted.store_id, &wanted.sku, wanted.on_hand, &by, now_ms).await;
                    (StatusCode::CREATED, created)
                }
                (Some(stock), precondition) => {
                    if !precondition.holds(Some(&api::version(&view(stock.clone())))) {
                        return Err(Problem::new(Kind::PreconditionFailed).stock(view(stock)));
                    }
                    (StatusCode::OK, self.stocks.set(&stock, wanted.on_hand, &by, now_ms).await)
                }
            };
            match setting.map_err(|error| unavailable(&error))? {
                Setting::Done(stock) => {
                    let stock = view(stock);
                    return Ok(Answer::json(status, &stock).with(header::ETAG, api::version(&stock)));
                }
                Setting::Reserved(stock) => return Err(reserved(view(stock))),
                Setting::Changed => {}
            }
        }
        Err(Problem::new(Kind::StoreUnavailable).detail("the stock keeps changing"))
    }
}

/// The problem when less would be left than open orders hold.
pub(crate) fn reserved(stock: StockView) -> Problem {
    let detail = format!("open orders hold {} of the {} on hand", stock.reserved, stock.on_hand);
    Problem::new(Kind::StockReserved).detail(detail).stock(stock)
}

fn read(request: &Request) -> Result<Wanted, Problem> {
    let (store_id, sku, on_hand) = read_change(request, |mut fields| {
        let on_hand = fields.take_required("onHand").and_then(|raw| fields.whole("onHand", raw, 0..=MAX_ON_HAND));
        fields.refuse_unknown("the stock to set");
        on_hand
    })?;
    Ok(Wanted { store_id, sku, on_hand, precondition: Precondition::of(request.headers())? })
}
