//! The checkout of the local payment provider: `POST /_local/payments` authorises a card, and `GET
//! /_local/payments/{paymentReference}` shows what became of the payment.

use api::{Amount, Answer, Kind, Problem, body};
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use local_payments::{Card, Intent};
use local_stack::gateway::PathParameters;
use order::validation::{Fields, Presence};
use order::{Currency, PaymentReference, Violation};
use payments::GatewayError;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::front::{Front, respond};

/// A payment as the checkout shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentView<'a> {
    payment_reference: &'a PaymentReference,
    status: &'static str,
    card: &'static str,
    currency: Currency,
    amount: Amount,
    amount_captured: Amount,
    amount_refunded: Amount,
}

impl<'a> From<&'a Intent> for PaymentView<'a> {
    fn from(intent: &'a Intent) -> Self {
        let amount = |amount_minor| Amount { currency: intent.currency, amount_minor };
        Self {
            payment_reference: &intent.id,
            status: intent.status.into(),
            card: intent.card.into(),
            currency: intent.currency,
            amount: amount(intent.amount_minor),
            amount_captured: amount(intent.captured_minor),
            amount_refunded: amount(intent.refunded_minor),
        }
    }
}

/// Authorises a payment.
pub async fn authorise(State(front): State<Front>, body: Body) -> Response {
    respond(match authorised(&front, body).await {
        Ok(intent) => Answer::json(StatusCode::CREATED, &PaymentView::from(&intent)),
        Err(problem) => problem.answer(),
    })
}

async fn authorised(front: &Front, body: Body) -> Result<Intent, Problem> {
    let bytes = to_bytes(body, body::MAX_BODY_BYTES).await.map_err(|_| Problem::new(Kind::BodyTooLarge))?;
    let text = str::from_utf8(&bytes).map_err(|_| Problem::new(Kind::MalformedBody).detail("the body is not UTF-8"))?;
    let (amount_minor, currency, card) = read(text)?;
    front.stack.payments.authorise(amount_minor, currency, card).await.map_err(|error| unavailable(&error))
}

/// Reads the body: `{"amount": 1299.99, "currency": "USD", "card": "good"}`.
fn read(text: &str) -> Result<(i64, Currency, Card), Problem> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| body::malformed(&error))?;
    let mut violations: Vec<Violation> = Vec::new();
    let payment = Fields::read(raw, "", &mut violations).and_then(|mut fields| {
        let currency = match fields.take("currency") {
            None => Currency::DEFAULT_CODE.parse().ok(),
            Some(raw) => fields.parse_string("currency", raw),
        };
        let amount = fields.take_required("amount").zip(currency);
        let amount_minor = amount.and_then(|(raw, currency)| fields.amount("amount", raw, currency));
        if amount_minor == Some(0) {
            fields.refuse("amount", "must be more than 0");
        }
        let card = fields.choice("card", Presence::Required, "must be good, declined, expired or slow");
        fields.refuse_unknown("a payment");
        Some((amount_minor?, currency?, card?))
    });
    match payment {
        Some(payment) if violations.is_empty() => Ok(payment),
        _ => Err(Problem::new(Kind::InvalidContent).errors(violations)),
    }
}

/// Shows a payment.
pub async fn show(State(front): State<Front>, Path(path): Path<PathParameters>) -> Response {
    let id: Option<PaymentReference> = path.get("paymentReference").and_then(|id| id.parse().ok());
    let intent = match &id {
        Some(id) => front.stack.payments.intent(id).await,
        None => Ok(None),
    };
    respond(match intent {
        Ok(Some(intent)) => Answer::json(StatusCode::OK, &PaymentView::from(&intent)),
        Ok(None) => Problem::new(Kind::RouteNotFound).detail("there is no such payment").answer(),
        Err(error) => unavailable(&error).answer(),
    })
}

fn unavailable(error: &GatewayError) -> Problem {
    tracing::error!(reason = %error, "the local payment provider could not read or write");
    Problem::new(Kind::StoreUnavailable)
}
