//! `PUT /orders/{orderId}/payment`: an operator claims another payment for an order whose payment was lost before the
//! hand-over, or declined at it.

use api::parameters::order_id;
use api::{Answer, Kind, Problem, Request, body};
use order::request::payment_id;
use order::validation::{Fields, Presence};
use order::{PaymentReference, PaymentTerms, Status, Violation};
use payments::Replaced;
use serde_json::value::RawValue;

use crate::Intake;
use crate::finish::unavailable;

/// The step's name, under which the order's record has its receipt.
const STEP: &str = "capture-payment";

impl Intake {
    /// # Idempotency
    /// Repeated with the same payment, it answers as the first time.
    pub(crate) async fn replace_payment(&self, request: &Request) -> Result<Answer, Problem> {
        let order_id = order_id(&request.event)?;
        let payment = read(&body::text(&request.event, request.headers())?)?;
        let record = self.orders.read(&order_id).await.map_err(|error| unavailable(&order_id, &error))?;
        let record = record.ok_or_else(|| Problem::new(Kind::OrderNotFound).about(&order_id))?;
        let refused = |kind| Err(Problem::new(kind).about(&order_id));
        if record.order.payment_terms != PaymentTerms::Authorized {
            let why = "the order has no authorised payment";
            return Err(Problem::new(Kind::PaymentNotLost).about(&order_id).detail(why));
        }
        match record.status {
            Status::Confirmed | Status::Fulfilling => {}
            Status::Pending => return refused(Kind::OrderNotConfirmed),
            Status::Cancelling | Status::Cancelled => return refused(Kind::OrderCancelled),
            Status::Fulfilled => return refused(Kind::PaymentNotLost),
        }
        let Some(desk) = &self.payments else { return refused(Kind::StoreUnavailable) };
        let handed_over = record.status == Status::Fulfilling;
        let replaced = desk.replace(&order_id, handed_over, payment.clone(), self.clock.now_ms()).await;
        let not_accepted = |why: &str| Err(Problem::new(Kind::PaymentNotAccepted).about(&order_id).detail(why));
        let lapses_ms = match replaced.map_err(|error| unavailable(&order_id, &error))? {
            Replaced::Now(lapses_ms) => lapses_ms,
            Replaced::NotLost => return refused(Kind::PaymentNotLost),
            Replaced::NotAuthorized => return not_accepted("it is not authorised, or its authorisation has ended"),
            Replaced::OtherAmount => return not_accepted("it is not of the order's total"),
            Replaced::InUse => return not_accepted("it pays for another order"),
        };
        let (actor, now_ms) = (request.actor(), self.clock.now_ms());
        let record = self.orders.replace_payment(&order_id, STEP, &payment, lapses_ms, &actor, now_ms).await;
        let record = record.map_err(|error| unavailable(&order_id, &error))?;
        let record = record.ok_or_else(|| Problem::new(Kind::OrderNotFound).about(&order_id))?;
        Ok(api::stored(&record, &request.caller))
    }
}

/// Reads the body: `{"paymentReference": "pi_…"}`.
fn read(text: &str) -> Result<PaymentReference, Problem> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| body::malformed(&error))?;
    let mut violations: Vec<Violation> = Vec::new();
    let payment = Fields::read(raw, "", &mut violations).and_then(|mut fields| {
        let payment = payment_id(&mut fields, Presence::Required);
        fields.refuse_unknown("a payment");
        payment
    });
    match payment {
        Some(payment) if violations.is_empty() => Ok(payment),
        _ => Err(Problem::new(Kind::InvalidContent).errors(violations)),
    }
}
