//! Action, compensation and consumption of a remote effect.

use aws_sdk_dynamodb::Client;
use order::{Effect, EpochMs, Order, OrderId, Receipt};

use super::fence::{Claimed, ExternalFence, ExternalFences, lapsing};
use super::step::{CallError, ExternalStep, Moment, Standing};
use crate::fence::{ActionError, FenceState};
use crate::unavailable::Unavailable;

/// How many times a call looks at a fence and its remote object. Each look follows a change by somebody else, or an
/// answer of the remote side, and the task's deadline ends them all.
const MAX_LOOKS: u32 = 6;

const ACT: &str = "bring the remote effect about";
const UNDO: &str = "take the remote effect back";
const CONSUME: &str = "consume the remote effect";

/// Why a compensation did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum UndoError<R> {
    /// The effect is consumed. No order is both handed over and cancelled, so this error means a bug. Final.
    #[error("the step's effect was consumed and can no longer be undone")]
    Consumed,
    /// The remote side refuses to take it back. The order stays open and is parked for an operator.
    #[error("the remote service refuses to take the effect back")]
    Refused(R),
    /// Nothing is decided.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a consumption did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError<R> {
    /// There is nothing to consume: it was never claimed, or was taken back. Final.
    #[error("the step has no effect to consume")]
    NotApplied,
    /// The remote side refuses the effect, although the goods are handed over. An operator must act.
    #[error("the remote service refuses the effect")]
    Refused(R),
    /// Nothing is decided.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why the effect was not brought about.
enum Stopped<R> {
    /// The remote side refuses it.
    Refused(R),
    /// Nothing is decided.
    Unavailable(Unavailable),
}

impl<R> From<Unavailable> for Stopped<R> {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl<R> From<Stopped<R>> for ActionError<R> {
    fn from(stopped: Stopped<R>) -> Self {
        match stopped {
            Stopped::Refused(refusal) => Self::Refused(refusal),
            Stopped::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

/// What a call led to.
enum Brought {
    /// The effect is there.
    Done,
    /// The fence has changed, so it must be read again.
    LookAgain,
}

/// A fence, and the remote object if it was just read.
struct Seen<S: ExternalStep> {
    fence: ExternalFence<S::Effect, S::Terms>,
    remote: Option<S::Remote>,
}

type FenceOf<S> = ExternalFence<<S as ExternalStep>::Effect, <S as ExternalStep>::Terms>;

/// The protocol, on the fences of one step's table.
#[derive(Debug, Clone)]
pub struct External {
    fences: ExternalFences,
}

impl External {
    /// The protocol on the fences in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { fences: ExternalFences::new(client, table.into()) }
    }

    /// Runs the action: claims the remote object for the order and brings the effect about.
    ///
    /// # Idempotency
    /// Repeated with the same order, it returns the first receipt and calls nobody.
    ///
    /// # Cost
    /// One read; four write units for the claim; two for `APPLIED` and for each write of [`ExternalStep::book`]. A read of
    /// the remote object, and one call.
    ///
    /// # Errors
    /// [`ActionError`].
    pub async fn act<S: ExternalStep>(
        &self,
        step: &S,
        order: &Order,
        now_ms: EpochMs,
    ) -> Result<Receipt, ActionError<S::Refusal>> {
        let (order_id, effect) = (order.order_id(), step.effect(order));
        let mut claimed = None;
        for _ in 0..MAX_LOOKS {
            let Seen { fence, remote } = if let Some(seen) = claimed.take() {
                seen
            } else {
                let Some(fence) = self.fences.read(step.fence_key(order_id), ACT).await? else {
                    claimed = self.claim(step, order_id, step.effect(order), now_ms).await?;
                    continue;
                };
                Seen { fence, remote: None }
            };
            match fence.state {
                FenceState::Cancelling | FenceState::Cancelled => return Err(ActionError::Cancelled),
                _ if fence.effect.as_ref() != Some(&effect) => return Err(ActionError::OtherContent),
                FenceState::Applied | FenceState::Consumed => {
                    let receipt = Receipt::new(fence.applied_ms.unwrap_or(now_ms), Effect::Applied);
                    return Ok(Receipt { lapses_ms: fence.lapses_ms, ..receipt });
                }
                FenceState::Intended => {}
            }
            let brought = self.bring_about(step, order_id, &effect, &fence, remote).await?;
            if matches!(brought, Brought::LookAgain) {
                continue;
            }
            let at = (order_id, step.fence_key(order_id));
            let writes = step.book(order_id, &effect, now_ms);
            if self.fences.move_on(at, &fence, FenceState::Applied, writes, now_ms).await? {
                return Ok(Receipt::new(now_ms, Effect::Applied));
            }
        }
        Err(Unavailable::Contended { attempted: ACT }.into())
    }

    /// Verifies the remote object and claims it. `None` if the order's fence was written since it was read.
    async fn claim<S: ExternalStep>(
        &self,
        step: &S,
        order_id: &OrderId,
        effect: S::Effect,
        now_ms: EpochMs,
    ) -> Result<Option<Seen<S>>, ActionError<S::Refusal>> {
        let remote = step.read(&effect).await.map_err(|error| unread(ACT, &error))?;
        let terms = match step.verify(&effect, remote.as_ref()) {
            Ok(terms) => terms,
            Err(refusal) => {
                // A concurrent action of this very order may have claimed the object and used it, after the fence was read
                // and before the object was. Its fence was there before its call, so it is there now.
                let fence = self.fences.read::<S::Effect, S::Terms>(step.fence_key(order_id), ACT).await?;
                if fence.is_some() {
                    return Ok(None);
                }
                // An object that another order has used would be refused for what that order did to it.
                let claim = match step.claim_key(&effect) {
                    Some(key) => self.fences.claim_at(key, ACT).await?,
                    None => None,
                };
                let is_anothers = claim.is_some_and(|claim| claim.claimed_by != *order_id);
                return Err(ActionError::Refused(if is_anothers { step.claimed(&effect) } else { refusal }));
            }
        };
        let is_complete = step.moment(&terms) == Moment::Consumption;
        let lapses_ms = step.lapses_ms(&terms).filter(|_| is_complete);
        let fence = ExternalFence {
            state: if is_complete { FenceState::Applied } else { FenceState::Intended },
            effect: Some(effect),
            terms: Some(terms),
            generation: 0,
            intended_ms: Some(now_ms),
            applied_ms: is_complete.then_some(now_ms),
            cancelling_ms: None,
            cancelled_ms: None,
            consumed_ms: None,
            lapses_ms,
            lapses: lapses_ms.map(|_| lapsing(order_id)),
        };
        let claim_key = fence.effect.as_ref().and_then(|effect| step.claim_key(effect));
        match self.fences.claim((order_id, step.fence_key(order_id)), &fence, claim_key, now_ms).await? {
            Claimed::Now => Ok(Some(Seen { fence, remote })),
            Claimed::FenceExists => Ok(None),
            Claimed::ByAnother => {
                let effect = fence.effect.as_ref().expect("the fence was made with an effect");
                Err(ActionError::Refused(step.claimed(effect)))
            }
        }
    }

    /// Brings the effect about, or sees that it is there.
    async fn bring_about<S: ExternalStep>(
        &self,
        step: &S,
        order_id: &OrderId,
        effect: &S::Effect,
        fence: &FenceOf<S>,
        remote: Option<S::Remote>,
    ) -> Result<Brought, Stopped<S::Refusal>> {
        let remote = match remote {
            Some(remote) => Some(remote),
            None => step.read(effect).await.map_err(|error| unread(ACT, &error))?,
        };
        match step.standing(effect, remote.as_ref()) {
            Standing::Done => return Ok(Brought::Done),
            Standing::Undone | Standing::Other => return Err(Stopped::Refused(step.lost(effect, remote.as_ref()))),
            Standing::Untouched => {}
        }
        let failure = match step.perform(effect, &call_key(order_id, "do", fence.generation)).await {
            Ok(remote) if step.standing(effect, Some(&remote)) == Standing::Done => return Ok(Brought::Done),
            Ok(_) => CallError::Unanswered("it has not finished the call".to_owned()),
            Err(CallError::NotBegun(reason)) => return Err(unavailable(ACT, reason).into()),
            Err(failure) => failure,
        };
        // The answer tells only of this call. Another try, or this one without its answer, may have had the effect.
        let remote = step.read(effect).await.map_err(|error| unread(ACT, &error))?;
        match (step.standing(effect, remote.as_ref()), failure) {
            (Standing::Done, _) => Ok(Brought::Done),
            (Standing::Undone | Standing::Other, _) => Err(Stopped::Refused(step.lost(effect, remote.as_ref()))),
            (Standing::Untouched, CallError::Refused(refusal)) => Err(Stopped::Refused(refusal)),
            (Standing::Untouched, CallError::Failed(_)) => {
                self.fences.advance(step.fence_key(order_id), fence).await?;
                Ok(Brought::LookAgain)
            }
            (Standing::Untouched, CallError::Unanswered(reason) | CallError::NotBegun(reason)) => {
                Err(unavailable(ACT, reason).into())
            }
        }
    }

    /// Runs the compensation: prevents the effect, or takes it back in full.
    ///
    /// # Idempotency
    /// Any number of times, before, during or after the action.
    ///
    /// # Cost
    /// One read and one write unit for a tombstone. Otherwise four write units, two for each write of
    /// [`ExternalStep::unbook`], two reads of the remote object, and one call.
    ///
    /// # Errors
    /// [`UndoError`].
    pub async fn cancel<S: ExternalStep>(
        &self,
        step: &S,
        order_id: &OrderId,
        now_ms: EpochMs,
    ) -> Result<Receipt, UndoError<S::Refusal>> {
        let at = || (order_id, step.fence_key(order_id));
        for _ in 0..MAX_LOOKS {
            let Some(fence) = self.fences.read::<S::Effect, S::Terms>(step.fence_key(order_id), UNDO).await? else {
                if self.fences.bury(order_id, step.fence_key(order_id), now_ms).await? {
                    return Ok(Receipt::new(now_ms, Effect::Nothing));
                }
                continue;
            };
            let ExternalFence { state, effect, .. } = &fence;
            let effect = match (state, effect) {
                (FenceState::Consumed, _) => return Err(UndoError::Consumed),
                (FenceState::Cancelled, effect) => {
                    let effect = if effect.is_some() { Effect::Undone } else { Effect::Nothing };
                    return Ok(Receipt::new(fence.cancelled_ms.unwrap_or(now_ms), effect));
                }
                (FenceState::Intended | FenceState::Applied, _) => {
                    // Won before anything is taken back: from here on no action can succeed.
                    self.fences.move_on(at(), &fence, FenceState::Cancelling, Vec::new(), now_ms).await?;
                    continue;
                }
                (FenceState::Cancelling, Some(effect)) => effect,
                (FenceState::Cancelling, None) => return Err(Unavailable::Contended { attempted: UNDO }.into()),
            };
            let target = target(step, effect, &fence);
            if !self.take_back(step, order_id, &target, &fence).await? {
                continue;
            }
            let writes = if is_booked(step, &fence) { step.unbook(order_id, &target, now_ms) } else { Vec::new() };
            if self.fences.move_on(at(), &fence, FenceState::Cancelled, writes, now_ms).await? {
                return Ok(Receipt::new(now_ms, Effect::Undone));
            }
        }
        Err(Unavailable::Contended { attempted: UNDO }.into())
    }

    /// Takes the effect back. `true` once a read has shown that nothing is left of it; `false` to look again.
    async fn take_back<S: ExternalStep>(
        &self,
        step: &S,
        order_id: &OrderId,
        effect: &S::Effect,
        fence: &FenceOf<S>,
    ) -> Result<bool, UndoError<S::Refusal>> {
        let remote = step.read(effect).await.map_err(|error| unread(UNDO, &error))?;
        let before = step.standing(effect, remote.as_ref());
        if before == Standing::Undone {
            return Ok(true);
        }
        let failure = match step.take_back(effect, remote.as_ref(), &call_key(order_id, "undo", fence.generation)).await
        {
            // The service may have repeated an old answer. The next look reads what is so.
            Ok(()) => return Ok(false),
            Err(CallError::NotBegun(reason)) => return Err(unavailable(UNDO, reason).into()),
            Err(failure) => failure,
        };
        let remote = step.read(effect).await.map_err(|error| unread(UNDO, &error))?;
        let now = step.standing(effect, remote.as_ref());
        match failure {
            _ if now == Standing::Undone => Ok(true),
            // A late action came between: what has to be taken back is another thing now.
            _ if now != before => Ok(false),
            CallError::Refused(refusal) => {
                // The operator who retries the order must not be answered with this refusal again, under the same key.
                self.fences.advance(step.fence_key(order_id), fence).await?;
                Err(UndoError::Refused(refusal))
            }
            CallError::Failed(_) => {
                self.fences.advance(step.fence_key(order_id), fence).await?;
                Ok(false)
            }
            CallError::Unanswered(reason) | CallError::NotBegun(reason) => Err(unavailable(UNDO, reason).into()),
        }
    }

    /// Runs the consumption: what was claimed is final. If the effect was left for now, it is brought about.
    ///
    /// # Idempotency
    /// Any number of times, also at once.
    ///
    /// # Cost
    /// One read, two write units, and two for each write of [`ExternalStep::book`].
    ///
    /// # Errors
    /// [`ConsumeError`].
    pub async fn consume<S: ExternalStep>(
        &self,
        step: &S,
        order_id: &OrderId,
        now_ms: EpochMs,
    ) -> Result<Receipt, ConsumeError<S::Refusal>> {
        for _ in 0..MAX_LOOKS {
            let fence = self.fences.read::<S::Effect, S::Terms>(step.fence_key(order_id), CONSUME).await?;
            let fence = fence.ok_or(ConsumeError::NotApplied)?;
            let effect = match (fence.state, &fence.effect) {
                (FenceState::Consumed, _) => {
                    return Ok(Receipt::new(fence.consumed_ms.unwrap_or(now_ms), Effect::Consumed));
                }
                (FenceState::Applied, Some(effect)) => effect,
                _ => return Err(ConsumeError::NotApplied),
            };
            let mut writes = Vec::new();
            if moment(step, &fence) == Moment::Consumption {
                let target = target(step, effect, &fence);
                match self.bring_about(step, order_id, &target, &fence, None).await {
                    Ok(Brought::Done) => {}
                    Ok(Brought::LookAgain) => continue,
                    Err(Stopped::Unavailable(error)) => return Err(error.into()),
                    Err(Stopped::Refused(refusal)) => {
                        // The operator who retries the order must not be answered with this refusal again, under the
                        // same key.
                        self.fences.advance(step.fence_key(order_id), &fence).await?;
                        return Err(ConsumeError::Refused(refusal));
                    }
                }
                writes = step.book(order_id, &target, now_ms);
            }
            let at = (order_id, step.fence_key(order_id));
            if self.fences.move_on(at, &fence, FenceState::Consumed, writes, now_ms).await? {
                return Ok(Receipt::new(now_ms, Effect::Consumed));
            }
        }
        Err(Unavailable::Contended { attempted: CONSUME }.into())
    }
}

fn target<S: ExternalStep>(step: &S, effect: &S::Effect, fence: &FenceOf<S>) -> S::Effect {
    let terms = fence.terms.as_ref().expect("a fence with an effect has terms: both are written together");
    step.target(effect, terms)
}

fn moment<S: ExternalStep>(step: &S, fence: &FenceOf<S>) -> Moment {
    fence.terms.as_ref().map_or(Moment::Action, |terms| step.moment(terms))
}

/// Whether the writes of [`ExternalStep::book`] were made: with `APPLIED`, if the action brings the effect about.
fn is_booked<S: ExternalStep>(step: &S, fence: &FenceOf<S>) -> bool {
    fence.applied_ms.is_some() && moment(step, fence) == Moment::Action
}

/// The same for every try of a generation, so that the remote side recognises a repetition.
fn call_key(order_id: &OrderId, action: &str, generation: u32) -> String {
    format!("{order_id}-{action}-{generation}")
}

fn unavailable(attempted: &'static str, reason: String) -> Unavailable {
    Unavailable::Remote { attempted, reason }
}

/// A read that failed decides nothing, whatever the reason.
fn unread<R: std::fmt::Debug>(attempted: &'static str, error: &CallError<R>) -> Unavailable {
    unavailable(attempted, error.to_string())
}
