//! What a function other than the step asks about an order's payment.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use order::OrderId;
use saga::Unavailable;
use saga::external::fence::ExternalFence;
use saga::fence::FenceState;

use crate::gateway::{Gateway, PaymentStatus};
use crate::settings::Capture;
use crate::table::{PaymentEffect, PaymentTerms, fence_key};

const ATTEMPTED: &str = "check the payment before the hand-over";

/// Whether the goods of an order with a payment can be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOver {
    /// The payment is captured, or can be.
    Paid,
    /// The payment was cancelled or has lapsed: nobody would pay for the goods.
    Lapsed,
}

/// The payments, and their provider.
#[derive(Debug, Clone)]
pub struct Desk {
    client: Client,
    table: String,
    gateway: Arc<dyn Gateway>,
}

impl Desk {
    /// The payments in `table`, at this provider.
    pub fn new(client: Client, table: impl Into<String>, gateway: Arc<dyn Gateway>) -> Self {
        Self { client, table: table.into(), gateway }
    }

    /// Whether a confirmed order's goods can be handed over. Only a payment that is captured at the hand-over is asked for.
    ///
    /// # Cost
    /// One read unit, and perhaps one read at the provider.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn hand_over(&self, order_id: &OrderId) -> Result<HandOver, Unavailable> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(fence_key(order_id)));
        let answer = get.consistent_read(true).send().await.map_err(|error| Unavailable::call(ATTEMPTED, error))?;
        let fence = answer.item.map(serde_dynamo::from_item::<_, ExternalFence<PaymentEffect, PaymentTerms>>).transpose();
        let fence = fence.map_err(|source| Unavailable::Unreadable { attempted: ATTEMPTED, source })?;
        let Some(ExternalFence { state, effect: Some(effect), terms: Some(terms), .. }) = fence else {
            return Ok(HandOver::Lapsed);
        };
        if terms.capture == Capture::Confirmation || state == FenceState::Consumed {
            return Ok(HandOver::Paid);
        }
        let payment = self.gateway.payment(&effect.payment).await;
        let payment =
            payment.map_err(|error| Unavailable::Remote { attempted: ATTEMPTED, reason: error.to_string() })?;
        Ok(match payment {
            Some(payment) if payment.status == PaymentStatus::RequiresCapture => HandOver::Paid,
            // An earlier hand-over may have captured it, and died.
            Some(payment) if payment.captured_minor == effect.amount_minor && payment.refunded_minor == 0 => {
                HandOver::Paid
            }
            _ => HandOver::Lapsed,
        })
    }
}
