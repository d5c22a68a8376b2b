//! `POST /stores/{storeId}/stock/{sku}/adjustments`: adds or takes away stock, with a reason.

use api::idempotency::{IDEMPOTENT_REPLAYED, required_key};
use api::{ActorView, Answer, Kind, Parameters, Problem, Request, StockView, Time, body};
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
    /// Who made it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    adjusted_by: Option<ActorView<'a>>,
    /// The stock at the time of the answer. Orders change it too, and a transaction does not return what
    /// it wrote.
    stock: StockView,
}

/// An adjustment without its store and article.
struct Content {
    difference: i64,
    reason: AdjustmentReason,
    note: Option<Note>,
}

impl ManageStock {
    /// # Idempotency
    /// The same request again changes nothing: the answer has the adjustment as recorded, and the stock
    /// at that time.
    ///
    /// # Cost
    /// Four write units, or five for a new article, and a read unit.
    pub(crate) async fn adjust(&self, request: &Request) -> Result<Answer, Problem> {
        let (key, adjustment) = read(request)?;
        let id = AdjustmentId::derive(&request.caller.tenant, &key);
        let asked_ms = self.clock.now_ms();
        let record =
            self.stocks.adjust(&id, &adjustment, &request.actor(), asked_ms).await.map_err(|error| match error {
                AdjustError::OtherContent => Problem::new(Kind::IdempotencyConflict),
                AdjustError::UnknownSku => Problem::new(Kind::StockNotFound)
                    .detail("the first adjustment of a new article must be a receipt, with the reason RECEIVED"),
                AdjustError::Reserved(stock) => reserved(view(*stock)),
                AdjustError::TooMuch(_) => {
                    let rule = format!("cannot be added: more than {MAX_ON_HAND} are available already");
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
            adjusted_by: record.adjusted_by.as_ref().map(ActorView::from),
            // Stock that was adjusted exists: it is never deleted.
            stock: view(stock.ok_or_else(|| Problem::new(Kind::StoreUnavailable))?),
        };
        let answer = Answer::json(StatusCode::CREATED, &body);
        // Of two requests within one millisecond neither is marked.
        let is_replay = record.adjusted_ms < asked_ms;
        Ok(if is_replay { answer.with(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true")) } else { answer })
    }
}

/// The adjustment may have been made, or not.
fn unknown(error: &Unavailable) -> Problem {
    unavailable(error).detail("it is unknown whether the stock was adjusted; send the request again with the same key")
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
    // A sign that contradicts the reason is a mistake, and would change the stock the wrong way.
    match (difference, reason) {
        (Some(0), _) => fields.refuse("difference", "must not be 0"),
        (Some(..0), Some(AdjustmentReason::Received)) => fields.refuse("difference", "must be above 0 for RECEIVED"),
        (Some(1..), Some(AdjustmentReason::Lost)) => fields.refuse("difference", "must be below 0 for LOST"),
        _ => {}
    }
    fields.refuse_unknown("an adjustment");
    Some(Content { difference: difference?, reason: reason?, note })
}
