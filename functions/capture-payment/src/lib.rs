//! The payment step: capture, refund and collect.
//!
//! The customer has authorised a card at checkout, and hands the payment in with the order. This step verifies that the
//! payment is of the order's total, claims it for the order, and captures it: before the order is confirmed or, by
//! setting, when the goods are handed over. What the provider does is outside every transaction of ours, so
//! [`saga::external`] is the protocol.
//!
//! The books follow the money: the capture is settled in the journal in the same transaction that says it is done, and
//! reversed in the one that says it was refunded.
//!
//! Out of scope are captures of a part, hand-overs of a part, and returns after the hand-over. Each would be a further
//! action on this step's fence, next to [`ExternalStep::take_back`], with an amount in its effect.

use std::sync::Arc;

use aws_sdk_dynamodb::types::TransactWriteItem;
use journal::{Entry, settlement};
use order::{Currency, EpochMs, Order, OrderId, PaymentReference};
use payments::{Capture, Gateway, GatewayError, Payment, PaymentEffect, PaymentStatus, PaymentTerms};
use saga::external::{CallError, Moment, Standing};
use saga::{ExternalStep, Item, Refusal};

/// Why the payment does not pay for the order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum PaymentRefusal {
    /// The payment does not exist, was never authorised, was cancelled or has lapsed.
    #[error("the payment {payment} is not authorised, or its authorisation has ended")]
    PaymentNotAuthorized {
        /// The payment.
        payment: PaymentReference,
    },
    /// The card's bank declines.
    #[error("the payment {payment} was declined")]
    PaymentDeclined {
        /// The payment.
        payment: PaymentReference,
    },
    /// It is not meant for this order.
    #[error("the payment {payment} {mismatch}")]
    PaymentMismatch {
        /// The payment.
        payment: PaymentReference,
        /// What does not fit.
        mismatch: Mismatch,
    },
}

/// Why a payment is not meant for an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// It is of another amount, or in another currency.
    #[error("is not of {amount} {currency}, the order's total")]
    Amount {
        /// The order's total, as a decimal.
        amount: String,
        /// The order's currency.
        currency: Currency,
    },
    /// Another order has claimed it.
    #[error("pays for another order")]
    OtherOrder,
}

impl Refusal for PaymentRefusal {
    fn name(&self) -> &'static str {
        self.into()
    }
}

/// The payment step.
#[derive(Debug, Clone)]
pub struct CapturePayment {
    gateway: Arc<dyn Gateway>,
    capture: Capture,
    journal: String,
}

impl CapturePayment {
    /// The step on this provider, with the setting for new orders, settling in the journal in `journal`.
    pub fn new(gateway: Arc<dyn Gateway>, capture: Capture, journal: impl Into<String>) -> Self {
        Self { gateway, capture, journal: journal.into() }
    }
}

impl ExternalStep for CapturePayment {
    type Effect = PaymentEffect;
    type Terms = PaymentTerms;
    type Remote = Payment;
    type Refusal = PaymentRefusal;

    fn fence_key(&self, order_id: &OrderId) -> Item {
        payments::fence_key(order_id)
    }

    fn claim_key(&self, effect: &PaymentEffect) -> Option<Item> {
        Some(payments::claim_key(&effect.payment))
    }

    fn effect(&self, order: &Order) -> PaymentEffect {
        let payment = order.payment_reference.clone();
        let payment = payment.expect("the state machine sends only orders with a payment, and each of them names it");
        PaymentEffect { payment, amount_minor: order.total_minor, currency: order.currency }
    }

    fn target(&self, effect: &PaymentEffect, terms: &PaymentTerms) -> PaymentEffect {
        effect.under(terms)
    }

    fn moment(&self, terms: &PaymentTerms) -> Moment {
        match terms.capture {
            Capture::Confirmation => Moment::Action,
            Capture::Fulfilment => Moment::Consumption,
        }
    }

    fn lapses_ms(&self, terms: &PaymentTerms) -> Option<EpochMs> {
        terms.capture_before_ms
    }

    async fn read(&self, effect: &PaymentEffect) -> Result<Option<Payment>, CallError<PaymentRefusal>> {
        self.gateway.payment(&effect.payment).await.map_err(|error| refused(effect, error))
    }

    fn verify(&self, effect: &PaymentEffect, payment: Option<&Payment>) -> Result<PaymentTerms, PaymentRefusal> {
        let payment = payment
            .filter(|payment| payment.status == PaymentStatus::RequiresCapture)
            .ok_or_else(|| PaymentRefusal::PaymentNotAuthorized { payment: effect.payment.clone() })?;
        if !effect.fits(payment) {
            let amount = effect.currency.decimal(effect.amount_minor);
            return Err(mismatch(effect, Mismatch::Amount { amount, currency: effect.currency }));
        }
        Ok(PaymentTerms { capture: self.capture, capture_before_ms: payment.capture_before_ms, replacement: None })
    }

    fn claimed(&self, effect: &PaymentEffect) -> PaymentRefusal {
        mismatch(effect, Mismatch::OtherOrder)
    }

    fn standing(&self, effect: &PaymentEffect, payment: Option<&Payment>) -> Standing {
        let Some(payment) = payment else { return Standing::Other };
        match payment.status {
            PaymentStatus::RequiresCapture => Standing::Untouched,
            PaymentStatus::Canceled => Standing::Undone,
            PaymentStatus::Succeeded if payment.is_refunded() => Standing::Undone,
            PaymentStatus::Succeeded if effect.is_captured(payment) => Standing::Done,
            PaymentStatus::Succeeded | PaymentStatus::NotAuthorized => Standing::Other,
        }
    }

    fn lost(&self, effect: &PaymentEffect, _payment: Option<&Payment>) -> PaymentRefusal {
        PaymentRefusal::PaymentNotAuthorized { payment: effect.payment.clone() }
    }

    async fn perform(&self, effect: &PaymentEffect, key: &str) -> Result<Payment, CallError<PaymentRefusal>> {
        let captured = self.gateway.capture(&effect.payment, effect.amount_minor, effect.currency.code(), key).await;
        captured.map_err(|error| refused(effect, error))
    }

    async fn take_back(
        &self,
        effect: &PaymentEffect,
        payment: Option<&Payment>,
        key: &str,
    ) -> Result<(), CallError<PaymentRefusal>> {
        let is_captured = payment.is_some_and(|payment| payment.status == PaymentStatus::Succeeded);
        // Two calls, two keys: a key stands for one call.
        let done = if is_captured {
            self.gateway.refund(&effect.payment, &format!("{key}-refund")).await
        } else {
            self.gateway.cancel(&effect.payment, &format!("{key}-cancel")).await
        };
        done.map_err(|error| refused(effect, error))
    }

    fn book(&self, order_id: &OrderId, effect: &PaymentEffect, now_ms: EpochMs) -> Vec<TransactWriteItem> {
        vec![settlement::settle(&self.journal, order_id, entry(effect), now_ms)]
    }

    fn unbook(&self, order_id: &OrderId, effect: &PaymentEffect, now_ms: EpochMs) -> Vec<TransactWriteItem> {
        vec![settlement::reverse(&self.journal, order_id, &entry(effect), now_ms)]
    }
}

fn refused(effect: &PaymentEffect, error: GatewayError) -> CallError<PaymentRefusal> {
    let payment = effect.payment.clone();
    match error {
        GatewayError::Declined(_) => CallError::Refused(PaymentRefusal::PaymentDeclined { payment }),
        GatewayError::Rejected(_) => CallError::Refused(PaymentRefusal::PaymentNotAuthorized { payment }),
        GatewayError::Failed(reason) => CallError::Failed(reason),
        GatewayError::Unanswered(reason) => CallError::Unanswered(reason),
        GatewayError::NotBegun(reason) => CallError::NotBegun(reason),
    }
}

fn mismatch(effect: &PaymentEffect, mismatch: Mismatch) -> PaymentRefusal {
    PaymentRefusal::PaymentMismatch { payment: effect.payment.clone(), mismatch }
}

fn entry(effect: &PaymentEffect) -> Entry {
    Entry::of_capture(effect.currency, effect.amount_minor)
}
