//! `PUT /stores/{storeId}/stock/{sku}/spread`: spreads an article's stock over shards, or merges it again.

use api::{Answer, Kind, Problem, Request};
use http::StatusCode;
use inventory::pool::MAX_SHARDS;
use order::{Sku, StoreId};
use serde::Serialize;

use crate::{ManageStock, read_change, unavailable};

/// How an article's stock is spread, as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SpreadView {
    store_id: StoreId,
    sku: Sku,
    /// 1 for an article that is not spread.
    shards: u16,
}

impl ManageStock {
    /// # Idempotency
    /// A repetition finds as many shards as it asks for, or continues where the first request stopped.
    ///
    /// # Cost
    /// What [`Stocks::set_shards`](inventory::Stocks::set_shards) costs.
    pub(crate) async fn spread(&self, request: &Request) -> Result<Answer, Problem> {
        let SpreadView { store_id, sku, shards } = read(request)?;
        let now_ms = self.clock.now_ms();
        let set = self.stocks.set_shards(&store_id, &sku, shards, &request.actor(), now_ms).await;
        if !set.map_err(|error| unavailable(&error).detail("send the request again; it continues"))? {
            return Err(Problem::new(Kind::StockNotFound));
        }
        Ok(Answer::json(StatusCode::OK, &SpreadView { store_id, sku, shards }))
    }
}

fn read(request: &Request) -> Result<SpreadView, Problem> {
    let (store_id, sku, shards) = read_change(request, |mut fields| {
        let shards = fields.take_required("shards");
        let shards = shards.and_then(|raw| fields.whole("shards", raw, 1..=i64::from(MAX_SHARDS)));
        fields.refuse_unknown("how to spread the stock");
        shards.and_then(|shards| u16::try_from(shards).ok())
    })?;
    Ok(SpreadView { store_id, sku, shards })
}
