//! Reading the journal entries of an order.

use order::{EpochMs, OrderId};
use saga::fence::Fence;
use saga::{Item, Unavailable};
use serde::de::DeserializeOwned;

use crate::table::{
    Entry, Journal, Reversal, Settlement, posting_key, reversal_key, settlement_key, settlement_reversal_key,
};

const ATTEMPTED: &str = "read the order's journal";

/// The entries of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// The posting, and when it was written.
    pub posting: Option<(Entry, EpochMs)>,
    /// The settlement of its payment, and when it was written.
    pub settlement: Option<(Entry, EpochMs)>,
    /// The reversal of the settlement, and when it was written.
    pub settlement_reversal: Option<(Entry, EpochMs)>,
    /// The reversal, and when it was written.
    pub reversal: Option<(Entry, EpochMs)>,
}

impl Journal {
    /// The entries of an order, strongly consistent; none for an order that was never posted.
    ///
    /// # Cost
    /// Two read units; two more for an order with an authorised payment.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn entries(&self, order_id: &OrderId) -> Result<Entries, Unavailable> {
        // The reversal first: if it is there, the posting is too, which is older and stays.
        let reversal: Option<Reversal> = self.entry(reversal_key(order_id)).await?;
        let posting: Option<Fence<Entry>> = self.entry(posting_key(order_id)).await?;
        let posting = posting.and_then(|fence| fence.effect.zip(fence.applied_ms));
        let (settlement, settlement_reversal) = match &posting {
            Some((entry, _)) if entry.is_authorised() => {
                let reversal = self.settlement(settlement_reversal_key(order_id)).await?;
                (self.settlement(settlement_key(order_id)).await?, reversal)
            }
            _ => (None, None),
        };
        Ok(Entries {
            posting,
            settlement,
            settlement_reversal,
            reversal: reversal.map(|reversal| (reversal.effect, reversal.reversed_ms)),
        })
    }

    async fn settlement(&self, key: Item) -> Result<Option<(Entry, EpochMs)>, Unavailable> {
        let settlement: Option<Settlement> = self.entry(key).await?;
        Ok(settlement.map(|settlement| (settlement.effect, settlement.posted_ms)))
    }

    async fn entry<T: DeserializeOwned>(&self, key: Item) -> Result<Option<T>, Unavailable> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true);
        let answer = get.send().await.map_err(|error| Unavailable::call(ATTEMPTED, error))?;
        let read = answer.item.map(serde_dynamo::from_item).transpose();
        read.map_err(|source| Unavailable::Unreadable { attempted: ATTEMPTED, source })
    }
}
