//! A step with a remote effect as a Lambda function.

use clock::WallClock;
use declarations::Step as Declaration;
use order::{Effect, EpochMs, Receipt};

use super::protocol::{ConsumeError, External, UndoError};
use super::step::ExternalStep;
use crate::function::{Request, StepError, StepInput, names};
use crate::step::Refusal;
use crate::task::Task;

impl<R: Refusal> From<UndoError<R>> for StepError<R> {
    fn from(error: UndoError<R>) -> Self {
        match error {
            UndoError::Consumed => Self::AlreadyConsumed,
            UndoError::Refused(refusal) => Self::UndoRefused(refusal),
            UndoError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

impl<R: Refusal> From<ConsumeError<R>> for StepError<R> {
    fn from(error: ConsumeError<R>) -> Self {
        match error {
            ConsumeError::NotApplied => Self::NotApplied,
            ConsumeError::Refused(refusal) => Self::Refused(refusal),
            ConsumeError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

/// What the remote side did, so that the function can count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// An effect was taken back, or cannot happen any more. A repetition is observed again.
    Undone,
    /// It refuses to take an effect back.
    UndoRefused,
    /// It refuses an effect whose order is handed over.
    ConsumptionRefused,
}

/// Is told what the remote side did.
pub type Observe = fn(Observed, EpochMs);

/// The handler of such a step's function.
#[derive(Debug, Clone)]
pub struct ExternalFunction<S> {
    declaration: &'static Declaration,
    step: S,
    external: External,
    clock: WallClock,
    observe: Observe,
}

impl<S: ExternalStep> ExternalFunction<S> {
    /// The handler of `step`, whose fences are in `table`.
    pub fn new(
        declaration: &'static Declaration,
        step: S,
        client: aws_sdk_dynamodb::Client,
        table: impl Into<String>,
        clock: WallClock,
    ) -> Self {
        Self { declaration, step, external: External::new(client, table), clock, observe: |_, _| {} }
    }

    /// With somebody who is told what the remote side did.
    #[must_use]
    pub fn observed_by(self, observe: Observe) -> Self {
        Self { observe, ..self }
    }
}

impl<S: ExternalStep> Task for ExternalFunction<S> {
    type Input = StepInput;
    type Output = Receipt;
    type Error = StepError<S::Refusal>;

    fn actions(&self) -> Vec<&str> {
        names(self.declaration)
    }

    async fn run(&self, input: StepInput) -> Result<Receipt, Self::Error> {
        let now_ms = self.clock.now_ms();
        match input.request(self.declaration)? {
            Request::Act(order) => Ok(self.external.act(&self.step, &order, now_ms).await?),
            Request::Compensate(order_id) => {
                let undone = self.external.cancel(&self.step, &order_id, now_ms).await;
                match &undone {
                    Ok(Receipt { effect: Effect::Undone, .. }) => (self.observe)(Observed::Undone, now_ms),
                    Err(UndoError::Refused(_)) => (self.observe)(Observed::UndoRefused, now_ms),
                    _ => {}
                }
                Ok(undone?)
            }
            Request::Consume(order_id) => {
                let consumed = self.external.consume(&self.step, &order_id, now_ms).await;
                if let Err(ConsumeError::Refused(_)) = &consumed {
                    (self.observe)(Observed::ConsumptionRefused, now_ms);
                }
                Ok(consumed?)
            }
        }
    }
}
