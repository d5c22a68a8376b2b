//! A step with a remote effect as a Lambda function.

use clock::WallClock;
use declarations::Step as Declaration;
use order::Receipt;

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

/// The handler of such a step's function.
#[derive(Debug, Clone)]
pub struct ExternalFunction<S> {
    declaration: &'static Declaration,
    step: S,
    external: External,
    clock: WallClock,
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
        Self { declaration, step, external: External::new(client, table), clock }
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
            Request::Compensate(order_id) => Ok(self.external.cancel(&self.step, &order_id, now_ms).await?),
            Request::Consume(order_id) => Ok(self.external.consume(&self.step, &order_id, now_ms).await?),
        }
    }
}
