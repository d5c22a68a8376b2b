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

    /// Claims another payment for an order whose payment is lost before it was captured.
    ///
    /// # Idempotency
    /// Repeated with the same payment, it changes nothing.
    ///
    /// # Cost
    /// One read unit, eight write units with the index, and two reads at the provider.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn replace(
        &self,
        order_id: &OrderId,
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
        if current.payment == by {
            return Ok(Replaced::Now(terms.capture_before_ms));
        }
        let lost = self.read(&current.payment, REPLACE).await?;
        // Of two payments that can be captured, a late try could capture the other one.
        if terms.capture == Capture::Confirmation || !is_lost(&current, lost.as_ref()) {
            return Ok(Replaced::NotLost);
        }
        let payment = self.read(&by, REPLACE).await?;
        let Some(payment) = payment.filter(|payment| payment.status == PaymentStatus::RequiresCapture) else {
            return Ok(Replaced::NotAuthorized);
        };
        if !other.fits(&payment) {
            return Ok(Replaced::OtherAmount);
        }
        let lapses_ms = payment.capture_before_ms;
        let new = PaymentTerms { capture: terms.capture, capture_before_ms: lapses_ms, replacement: Some(by.clone()) };
        match self.fences.claim_another((order_id, key), &fence, &new, (claim_key(&by), lapses_ms), now_ms).await? {
            Claimed::Now => Ok(Replaced::Now(lapses_ms)),
            Claimed::FenceExists => Err(Unavailable::Contended { attempted: REPLACE }),
            Claimed::ByAnother => Ok(Replaced::InUse),
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
