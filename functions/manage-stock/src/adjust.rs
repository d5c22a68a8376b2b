//! `POST /stores/{storeId}/stock/{sku}/adjustments`: more or less of an article, and why.

use api::idempotency::{IDEMPOTENT_REPLAYED, required_key};
use api::{Answer, Kind, Parameters, Problem, Request, StockView, Time, body};
use http::{HeaderValue, StatusCode};
use inventory::adjustment::AdjustError;
use inventory::stock::MAX_ON_HAND;
use inventory::{Adjustment, AdjustmentReason};
use order::validation::{Fields, Presence};
use order::{AdjustmentId, IdempotencyKey, Note, Sku, StoreId, Violation};
use saga::Unavailable;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::set::reserved;
use crate::{ManageStock, article, unavailable, view};

/// An adjustment as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AdjustmentView<'a> {
    adjustment_id: &'a AdjustmentId,
    store_id: &'a StoreId,
    sku: &'a Sku,
    difference: i64,
    reason: AdjustmentReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a Note>,
    adjusted_at: Time,
    /// As it stands when this is answered: orders move it too, and a transaction does not say what it
    /// left behind.
    stock: StockView,
}

/// What an adjustment is, beside where.
struct Content {
    difference: i64,
    reason: AdjustmentReason,
    note: Option<Note>,
}

impl ManageStock {
    /// # Idempotency
    /// The same request again moves nothing: it answers with the adjustment as recorded, and with the
    /// stock as it stands by then.
    ///
    /// # Cost
    /// Four write units, or five for an article that is new, and a read unit.
    pub(crate) async fn adjust(&self, request: &Request) -> Result<Answer, Problem> {
        let (key, adjustment) = read(request)?;
        let id = AdjustmentId::derive(&request.caller.tenant, &key);
        let asked_ms = self.clock.now_ms();
        let record = self.stocks.adjust(&id, &adjustment, asked_ms).await.map_err(|error| match error {
            AdjustError::OtherContent => Problem::new(Kind::IdempotencyConflict),
            AdjustError::UnknownSku => Problem::new(Kind::StockNotFound)
                .detail("what the store does not keep begins with a receipt: reason RECEIVED"),
            AdjustError::Reserved(stock) => reserved(view(stock)),
            AdjustError::TooMuch(_) => {
                let rule = format!("must not add to more than {MAX_ON_HAND} that are available");
                Problem::of(vec![Violation::at("/difference", rule)])
            }
            AdjustError::Unavailable(error) => unknown(&error),
        })?;
        let Adjustment { store_id, sku, difference, reason, note } = &record.adjustment;
        let stock = self.stocks.read(store_id, sku).await.map_err(|error| unknown(&error))?;
        let body = AdjustmentView {
            adjustment_id: &id,
            store_id,
            sku,
            difference: *difference,
            reason: *reason,
            note: note.as_ref(),
            adjusted_at: Time(record.adjusted_ms),
            // Stock that was adjusted is there: it is never removed.
            stock: view(stock.ok_or_else(|| Problem::new(Kind::StoreUnavailable))?),
        };
        let answer = Answer::json(StatusCode::CREATED, &body);
        // Of two requests within one millisecond neither is marked.
        let is_replay = record.adjusted_ms < asked_ms;
        Ok(if is_replay { answer.with(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true")) } else { answer })
    }
}

/// It may have been made, and it may not.
fn unknown(error: &Unavailable) -> Problem {
    unavailable(error).detail("whether the stock was adjusted is unknown; send it again with the same key")
}

fn read(request: &Request) -> Result<(IdempotencyKey, Adjustment), Problem> {
    let headers = request.headers();
    let text = body::text(&request.event, headers)?;
    let raw: &RawValue = serde_json::from_str(&text).map_err(|error| body::malformed(&error))?;
    let mut parameters = Parameters::of(&request.event);
    let article = article(&mut parameters);
    let mut violations = parameters.violations();
    let key = required_key(headers).map_err(|violation| violations.push(violation)).ok();
    let content = Fields::read(raw, "", &mut violations).and_then(read_content);
    match (article, key, content) {
        (Some((store_id, sku)), Some(key), Some(Content { difference, reason, note })) if violations.is_empty() => {
            Ok((key, Adjustment { store_id, sku, difference, reason, note }))
        }
        _ => Err(Problem::of(violations)),
    }
}

/// `None` only after at least one violation was noted.
fn read_content(mut fields: Fields<'_, '_>) -> Option<Content> {
    let difference = fields.take_required("difference");
    let difference = difference.and_then(|raw| fields.whole("difference", raw, -MAX_ON_HAND..=MAX_ON_HAND));
    let reason = fields.choice("reason", Presence::Required, "must be RECEIVED, LOST or COUNTED");
    let note = fields.text("note", Presence::Optional);
    // A sign that contradicts the reason is a slip, and would move the stock the wrong way.
    match (difference, reason) {
        (Some(0), _) => fields.refuse("difference", "must not be 0"),
        (Some(..0), Some(AdjustmentReason::Received)) => fields.refuse("difference", "must be above 0 for RECEIVED"),
        (Some(1..), Some(AdjustmentReason::Lost)) => fields.refuse("difference", "must be below 0 for LOST"),
        _ => {}
    }
    fields.refuse_unknown("an adjustment");
    Some(Content { difference: difference?, reason: reason?, note })
}
