//! `GET /stores/{storeId}/prices/{sku}`, and `PUT`, which sets an article's price in the store if it has not changed
//! since it was read.

use api::{ActorView, Amount, Answer, Kind, Precondition, Problem, Request, Time};
use http::{StatusCode, header};
use order::validation::Presence;
use order::{Currency, Sku, StoreId};
use prices::{Price, SettingPrice};
use saga::{Unavailable, task::chain};
use serde::Serialize;

use crate::{ManageStock, article_of, read_change};

/// Maximum number of attempts while the price changes between reading and setting it. With an `ETag`, the second attempt
/// finds another version and stops. The limit is for `If-Match: *`, which allows any version.
const MAX_LOOKS: u32 = 3;

/// A price as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PriceView {
    store_id: StoreId,
    sku: Sku,
    currency: Currency,
    price: Amount,
    set_at: Time,
    set_by: ActorView<'static>,
}

impl From<Price> for PriceView {
    fn from(price: Price) -> Self {
        let Price { store_id, sku, currency, price_minor, set_ms, set_by } = price;
        let price = Amount { currency, amount_minor: price_minor };
        Self { store_id, sku, currency, price, set_at: Time(set_ms), set_by: set_by.into() }
    }
}

/// What a request sets.
struct Wanted {
    store_id: StoreId,
    sku: Sku,
    currency: Currency,
    price_minor: i64,
    precondition: Precondition,
}

impl ManageStock {
    /// # Cost
    /// One read unit, also for 304 and 404.
    pub(crate) async fn price(&self, request: &Request) -> Result<Answer, Problem> {
        let (store_id, sku) = article_of(request)?;
        let price = self.prices.read(&store_id, &sku).await.map_err(|error| unavailable(&error))?;
        let price = price.ok_or_else(|| Problem::new(Kind::PriceNotFound))?;
        Ok(Answer::resource(&PriceView::from(price), request.headers()))
    }

    /// # Idempotency
    /// A price that is already as requested is answered as set, even if `If-Match` names another version, so a request
    /// whose answer was lost can be sent again. With `If-None-Match: *` a second attempt gets 412.
    ///
    /// # Cost
    /// One read unit and one write unit.
    pub(crate) async fn set_price(&self, request: &Request) -> Result<Answer, Problem> {
        let Wanted { store_id, sku, currency, price_minor, precondition } = read(request)?;
        for _ in 0..MAX_LOOKS {
            let set = self.prices.read(&store_id, &sku).await.map_err(|error| unavailable(&error))?;
            let status = match (&set, &precondition) {
                (None, Precondition::Present(_)) => return Err(Problem::new(Kind::PriceNotFound)),
                (None, Precondition::Absent) => StatusCode::CREATED,
                (Some(_), Precondition::Absent) => return Err(Problem::new(Kind::PreconditionFailed)),
                (Some(set), Precondition::Present(_)) => {
                    let is_set = (set.currency, set.price_minor) == (currency, price_minor);
                    if !is_set && !precondition.holds(Some(&api::version(&PriceView::from(set.clone())))) {
                        return Err(Problem::new(Kind::PreconditionFailed));
                    }
                    StatusCode::OK
                }
            };
            let (set_ms, set_by) = (self.clock.now_ms(), request.actor());
            let price = Price { store_id: store_id.clone(), sku: sku.clone(), currency, price_minor, set_ms, set_by };
            let setting = self.prices.set(set.as_ref(), price).await.map_err(|error| unavailable(&error))?;
            if let SettingPrice::Done(price) = setting {
                let view = PriceView::from(price);
                return Ok(Answer::json(status, &view).with(header::ETAG, api::version(&view)));
            }
        }
        Err(Problem::new(Kind::StoreUnavailable).detail("the price keeps changing"))
    }
}

fn unavailable(error: &Unavailable) -> Problem {
    tracing::warn!(reason = chain(error), "could not reach the price list; answering 503");
    Problem::new(Kind::StoreUnavailable)
}

fn read(request: &Request) -> Result<Wanted, Problem> {
    let (store_id, sku, (currency, price_minor)) = read_change(request, |mut fields| {
        let currency = fields.text::<Currency>("currency", Presence::Required);
        let raw = fields.take_required("price");
        let price = currency.zip(raw).and_then(|(currency, raw)| fields.amount("price", raw, currency));
        fields.refuse_unknown("a price");
        currency.zip(price)
    })?;
    Ok(Wanted { store_id, sku, currency, price_minor, precondition: Precondition::of(request.headers())? })
}
