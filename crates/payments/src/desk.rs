//! What a function other than the step asks about an order's payment, and an operator changes.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use order::{EpochMs, OrderId, PaymentReference};
use saga::Unavailable;
use saga::external::fence::{Claimed, ExternalFence, ExternalFences};
use saga::fence::FenceState;

use crate::gateway::{Gateway, Payment, PaymentStatus};
use crate::settings::Capture;
use crate::table::{PaymentEffect, PaymentTerms, claim_key, fence_key};

const CHECK: &str = "check the payment before the hand-over";
const REPLACE: &str = "replace the payment";

/// Whether the goods of an order with a payment can be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOver {
    /// The payment is captured, or can be.
    Paid,
    /// The payment was cancelled or has lapsed: nobody would pay for the goods.
    Lapsed,
}

/// The result of replacing an order's payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// The order has the other payment, which lapses then.
    Now(Option<EpochMs>),
    /// The order's payment is captured, or can be.
    NotLost,
    /// The other payment is not authorised.
    NotAuthorized,
    /// The other payment is of another amount, or in another currency.
    OtherAmount,
    /// The other payment pays for another order.
    InUse,
}

type Fence = ExternalFence<PaymentEffect, PaymentTerms>;

/// The payments, and their provider.
#[derive(Debug, Clone)]
pub struct Desk {
    fences: ExternalFences,
    gateway: Arc<dyn Gateway>,
}

impl Desk {
    /// The payments in `table`, at this provider.
    pub fn new(client: Client, table: impl Into<String>, gateway: Arc<dyn Gateway>) -> Self {
        Self { fences: ExternalFences::new(client, table.into()), gateway }
    }

    /// Whether a confirmed order's goods can be handed over. The provider is asked only for a payment that is captured at
    /// the hand-over.
    ///
    /// # Cost
    /// One read unit, and perhaps one read at the provider.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn hand_over(&self, order_id: &OrderId) -> Result<HandOver, Unavailable> {
        let fence: Option<Fence> = self.fences.read(fence_key(order_id), CHECK).await?;
        let Some(ExternalFence { state, effect: Some(effect), terms: Some(terms), .. }) = fence else {
            return Ok(HandOver::Lapsed);
        };
        if terms.capture == Capture::Confirmation || state == FenceState::Consumed {
            return Ok(HandOver::Paid);
        }
        let target = effect.under(&terms);
        let payment = self.read(&target.payment, CHECK).await?;
        Ok(if is_lost(&target, payment.as_ref()) { HandOver::Lapsed } else { HandOver::Paid })
    }

    /// Claims another payment for an order whose payment is lost before it was captured. If the order is `handed_over`, a
    /// payment that could still be captured is cancelled first: its card was declined.
    ///
    /// # Idempotency
    /// Repeated with the same payment, it changes nothing.
    ///
    /// # Cost
    /// Two read units, eight write units with the index, and at most three reads and a call at the provider.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn replace(
        &self,
        order_id: &OrderId,
        handed_over: bool,
        by: PaymentReference,
        now_ms: EpochMs,
    ) -> Result<Replaced, Unavailable> {
        let key = fence_key(order_id);
        let fence: Option<Fence> = self.fences.read(key.clone(), REPLACE).await?;
        let Some(fence) = fence.filter(|fence| fence.state == FenceState::Applied) else {
            return Ok(Replaced::NotLost);
        };
        let (Some(effect), Some(terms)) = (&fence.effect, &fence.terms) else { return Ok(Replaced::NotLost) };
        let (current, other) = (effect.under(terms), PaymentEffect { payment: by.clone(), ..effect.clone() });
        let payment = self.read(&current.payment, REPLACE).await?;
        if current.payment == by {
            let is_lost = is_lost(&current, payment.as_ref());
            return Ok(if is_lost { Replaced::NotAuthorized } else { Replaced::Now(terms.capture_before_ms) });
        }
        let can_be_cancelled = match &payment {
            None | Some(Payment { status: PaymentStatus::Canceled, .. }) => false,
            Some(payment) if payment.is_refunded() => false,
            Some(Payment { status: PaymentStatus::NotAuthorized, .. }) => true,
            Some(Payment { status: PaymentStatus::RequiresCapture, .. }) if handed_over => true,
            Some(_) => return Ok(Replaced::NotLost),
        };
        if terms.capture == Capture::Confirmation {
            return Ok(Replaced::NotLost);
        }
        let payment = self.read(&by, REPLACE).await?;
        let Some(payment) = payment.filter(|payment| payment.status == PaymentStatus::RequiresCapture) else {
            return Ok(Replaced::NotAuthorized);
        };
        if !other.fits(&payment) {
            return Ok(Replaced::OtherAmount);
        }
        let claim = self.fences.claim_at(claim_key(&by), REPLACE).await?;
        if claim.is_some_and(|claim| claim.claimed_by != *order_id) {
            return Ok(Replaced::InUse);
        }
        // Of two payments that can be captured, a late try could capture the other one.
        if can_be_cancelled && !self.cancel(order_id, &fence, &current.payment).await? {
            return Ok(Replaced::NotLost);
        }
        let lapses_ms = payment.capture_before_ms;
        let new = PaymentTerms { capture: terms.capture, capture_before_ms: lapses_ms, replacement: Some(by.clone()) };
        match self.fences.claim_another((order_id, key), &fence, &new, (claim_key(&by), lapses_ms), now_ms).await? {
            Claimed::Now => Ok(Replaced::Now(lapses_ms)),
            Claimed::FenceExists => Err(Unavailable::Contended { attempted: REPLACE }),
            Claimed::ByAnother => Ok(Replaced::InUse),
        }
    }

    /// Cancels a payment that the order has claimed. `true` once a read shows it cancelled, which is final; `false` if it
    /// was captured meanwhile.
    async fn cancel(&self, order_id: &OrderId, fence: &Fence, payment: &PaymentReference) -> Result<bool, Unavailable> {
        let key = format!("{order_id}-replace-{}-cancel", fence.generation);
        let cancelled = self.gateway.cancel(payment, &key).await;
        match self.read(payment, REPLACE).await?.map(|payment| payment.status) {
            None | Some(PaymentStatus::Canceled) => Ok(true),
            Some(PaymentStatus::Succeeded) => Ok(false),
            Some(PaymentStatus::RequiresCapture | PaymentStatus::NotAuthorized) => {
                // The provider may repeat its answer under the same key.
                self.fences.advance(fence_key(order_id), fence).await?;
                let reason =
                    cancelled.map_or_else(|error| error.to_string(), |()| "it is not cancelled yet".to_owned());
                Err(Unavailable::Remote { attempted: REPLACE, reason })
            }
        }
    }

    async fn read(&self, id: &PaymentReference, attempted: &'static str) -> Result<Option<Payment>, Unavailable> {
        let payment = self.gateway.payment(id).await;
        payment.map_err(|error| Unavailable::Remote { attempted, reason: error.to_string() })
    }
}

/// Whether a payment is neither captured nor can it be.
fn is_lost(effect: &PaymentEffect, payment: Option<&Payment>) -> bool {
    !payment.is_some_and(|payment| payment.status == PaymentStatus::RequiresCapture || effect.is_captured(payment))
}
