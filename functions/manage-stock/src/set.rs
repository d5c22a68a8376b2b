//! `GET /stores/{storeId}/stock/{sku}`, and `PUT`, which sets the quantity on hand if the stock has not
//! changed since it was read.

use api::{Answer, Kind, Parameters, Precondition, Problem, Request, StockView, body};
use http::{StatusCode, header};
use inventory::pool::Root;
use inventory::stock::{MAX_ON_HAND, Setting};
use order::validation::Fields;
use order::{Sku, StoreId};
use serde_json::value::RawValue;

use crate::{ManageStock, article, unavailable, view};

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
        let mut parameters = Parameters::of(&request.event);
        let article = article(&mut parameters);
        let violations = parameters.violations();
        let article = article.filter(|_| violations.is_empty());
        let (store_id, sku) = article.ok_or_else(|| Problem::of(violations))?;
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
    let headers = request.headers();
    let text = body::text(&request.event, headers)?;
    let raw: &RawValue = serde_json::from_str(&text).map_err(|error| body::malformed(&error))?;
    let mut parameters = Parameters::of(&request.event);
    let article = article(&mut parameters);
    let mut violations = parameters.violations();
    let on_hand = Fields::read(raw, "", &mut violations).and_then(|mut fields| {
        let on_hand = fields.take_required("onHand").and_then(|raw| fields.whole("onHand", raw, 0..=MAX_ON_HAND));
        fields.refuse_unknown("the stock to set");
        on_hand
    });
    let (Some((store_id, sku)), Some(on_hand), true) = (article, on_hand, violations.is_empty()) else {
        return Err(Problem::of(violations));
    };
    Ok(Wanted { store_id, sku, on_hand, precondition: Precondition::of(headers)? })
}
