//! What a step with a remote effect has to define.

use std::fmt;
use std::future::Future;

use aws_sdk_dynamodb::types::TransactWriteItem;
use order::{EpochMs, Order, OrderId};
use serde::{Serialize, de::DeserializeOwned};

use crate::step::{Item, Refusal};

/// What the remote object shows of an order's effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing has happened yet, and it still can.
    Untouched,
    /// The effect is there, in full and once.
    Done,
    /// There is no effect and there can be none any more: it was cancelled, or taken back in full.
    Undone,
    /// Anything else, for example an effect of another size.
    Other,
}

/// When the remote effect is brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// By the action, before the order is confirmed.
    Action,
    /// By the consumption, once the order is handed over. The action only verifies and claims.
    Consumption,
}

/// Why a call to the remote side did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CallError<R: fmt::Debug> {
    /// It was refused, and changed nothing.
    #[error("the remote service refused the call")]
    Refused(R),
    /// The service failed while it worked on the call. The call may have had its effect, and the service may replay this
    /// answer under the same key.
    #[error("the remote service failed: {0}")]
    Failed(String),
    /// No answer came. The call may still be on its way.
    #[error("the remote service did not answer: {0}")]
    Unanswered(String),
    /// The service did not begin with the call: it was throttled, or the credentials were rejected.
    #[error("the remote service did not accept the call: {0}")]
    NotBegun(String),
}

/// One step of the saga whose effect is in somebody else's service. [`External`](super::External) makes it safe to run
/// twice, late, concurrently and in any order.
pub trait ExternalStep: Send + Sync + 'static {
    /// What the order asks of the remote side. Everything that a compensation needs, because it gets only the order's id.
    type Effect: Serialize + DeserializeOwned + PartialEq + Send + Sync;

    /// How this order is dealt with: settings as they were when it was claimed, and what the remote object said then. A
    /// changed setting decides for new orders only.
    type Terms: Serialize + DeserializeOwned + Send + Sync;

    /// The remote object, as read.
    type Remote: Send + Sync;

    /// How the step refuses an order.
    type Refusal: Refusal;

    /// The key of the order's fence. It must match the declaration's `fence`.
    fn fence_key(&self, order_id: &OrderId) -> Item;

    /// The key of the claim on the remote object, in the fences' table. `None` if the object may serve several orders.
    fn claim_key(&self, effect: &Self::Effect) -> Option<Item>;

    /// The effect for this order. Pure: the same order gives the same effect.
    fn effect(&self, order: &Order) -> Self::Effect;

    /// What is asked of the remote side now. It differs from the order's effect if an operator has claimed another object
    /// for the order.
    fn target(&self, effect: &Self::Effect, terms: &Self::Terms) -> Self::Effect;

    /// When the effect is brought about.
    fn moment(&self, terms: &Self::Terms) -> Moment;

    /// When what was claimed lapses, if it is left for the consumption and the remote side keeps it for a limited time.
    fn lapses_ms(&self, terms: &Self::Terms) -> Option<EpochMs>;

    /// Reads the remote object; `None` if there isn't one.
    fn read(
        &self,
        effect: &Self::Effect,
    ) -> impl Future<Output = Result<Option<Self::Remote>, CallError<Self::Refusal>>> + Send;

    /// Verifies that an object which no order has claimed yet is meant for this order, and says how the order is dealt
    /// with.
    ///
    /// # Errors
    /// The refusal. Nothing is written then.
    fn verify(&self, effect: &Self::Effect, remote: Option<&Self::Remote>) -> Result<Self::Terms, Self::Refusal>;

    /// The refusal if the remote object serves another order.
    fn claimed(&self, effect: &Self::Effect) -> Self::Refusal;

    /// What the object shows of the effect.
    fn standing(&self, effect: &Self::Effect, remote: Option<&Self::Remote>) -> Standing;

    /// The refusal if the object, which the order has claimed, allows no effect any more.
    fn lost(&self, effect: &Self::Effect, remote: Option<&Self::Remote>) -> Self::Refusal;

    /// Brings the effect about, and returns the object as the service answered with it.
    fn perform(
        &self,
        effect: &Self::Effect,
        key: &str,
    ) -> impl Future<Output = Result<Self::Remote, CallError<Self::Refusal>>> + Send;

    /// Cancels the effect, or takes it back in full. What the call did is read afterwards.
    fn take_back(
        &self,
        effect: &Self::Effect,
        remote: Option<&Self::Remote>,
        key: &str,
    ) -> impl Future<Output = Result<(), CallError<Self::Refusal>>> + Send;

    /// Writes of ours that belong to the effect: at most 98, in one transaction with the fence that says it is there.
    fn book(&self, order_id: &OrderId, effect: &Self::Effect, now_ms: EpochMs) -> Vec<TransactWriteItem>;

    /// Writes that reverse [`ExternalStep::book`], in one transaction with the cancelled fence.
    fn unbook(&self, order_id: &OrderId, effect: &Self::Effect, now_ms: EpochMs) -> Vec<TransactWriteItem>;
}
