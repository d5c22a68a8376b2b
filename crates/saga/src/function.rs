//! A step as a Lambda function: its input, its errors, and the dispatch to its fence.

use clock::WallClock;
use declarations::Step as Declaration;
use order::{Order, OrderId, Receipt};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fence::{ActionError, CancelError, ConsumeError, Fences};
use crate::step::{Refusal, Step};
use crate::task::{InvalidInput, NamedError, Task, read_input};
use crate::unavailable::Unavailable;

/// The input of a step's function, as the state machine sends it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepInput {
    /// One of the declared actions.
    pub action: String,
    /// The order, for the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Box<Order>>,
    /// The order's id, for a compensation or a consumption: the fence knows the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
}

/// The errors of every step's function; the variants' names are those that the state machine matches.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum StepError<R: Refusal> {
    /// The step refuses the order, with one of its own error names. Final.
    #[error(transparent)]
    Refused(R),
    /// The order was cancelled before the action ran. Final.
    #[error("the step was cancelled before it was applied")]
    SagaCancelled,
    /// The order's fence holds a different effect. Final.
    #[error("the step was applied with different content")]
    OtherContent,
    /// The effect is used up, so the compensation took nothing back. Final.
    #[error("the step's effect was consumed and can no longer be undone")]
    AlreadyConsumed,
    /// There is no effect to use up. Final.
    #[error("the step has no effect to consume")]
    NotApplied,
    /// The remote service refuses to take the effect back. Only a step with a remote effect has this error. Final.
    #[error("the remote service refuses to take the effect back")]
    UndoRefused(#[source] R),
    /// The input is not valid for this step. Final.
    #[error(transparent)]
    InvalidOrder(#[from] InvalidInput),
    /// Nothing is decided.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The final errors that every step can have, besides its own refusals.
pub const FINAL_ERRORS: [&str; 4] = ["SagaCancelled", "OtherContent", "AlreadyConsumed", "NotApplied"];

/// The final errors that every step with a remote effect can have, besides those of every step.
pub const EXTERNAL_FINAL_ERRORS: [&str; 1] = ["UndoRefused"];

impl<R: Refusal> NamedError for StepError<R> {
    fn name(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.name(),
            other => other.into(),
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::Refused(refusal) => refusal.details(),
            _ => Map::new(),
        }
    }
}

impl<R: Refusal> From<ActionError<R>> for StepError<R> {
    fn from(error: ActionError<R>) -> Self {
        match error {
            ActionError::Refused(refusal) => Self::Refused(refusal),
            ActionError::Cancelled => Self::SagaCancelled,
            ActionError::OtherContent => Self::OtherContent,
            ActionError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

impl<R: Refusal> From<CancelError> for StepError<R> {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::Consumed => Self::AlreadyConsumed,
            CancelError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

impl<R: Refusal> From<ConsumeError> for StepError<R> {
    fn from(error: ConsumeError) -> Self {
        match error {
            ConsumeError::NotApplied => Self::NotApplied,
            ConsumeError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

/// An input that was checked against the declaration.
pub(crate) enum Request {
    Act(Box<Order>),
    Compensate(OrderId),
    Consume(OrderId),
}

impl StepInput {
    pub(crate) fn request(self, declaration: &Declaration) -> Result<Request, InvalidInput> {
        let Self { action, order, order_id } = self;
        if action == declaration.action.name {
            return order.map(Request::Act).ok_or(InvalidInput::Lacks { action, member: "order" });
        }
        let lacks_id = || InvalidInput::Lacks { action: action.clone(), member: "order_id" };
        let order_id = || order_id.ok_or_else(lacks_id);
        if action == declaration.compensation.name {
            return order_id().map(Request::Compensate);
        }
        if declaration.consumption.as_ref().is_some_and(|consumption| action == consumption.name) {
            return order_id().map(Request::Consume);
        }
        Err(InvalidInput::unknown_action(&action, &names(declaration)))
    }
}

pub(crate) fn names(declaration: &Declaration) -> Vec<&str> {
    declaration.actions().map(|action| action.name.as_str()).collect()
}

/// Checks whether a step's function would accept this payload.
///
/// # Errors
/// [`InvalidInput`].
pub fn check_payload(declaration: &Declaration, payload: &Value) -> Result<(), InvalidInput> {
    let input: StepInput = read_input(payload, &names(declaration))?;
    input.request(declaration).map(drop)
}

/// The handler of a step's function.
#[derive(Debug, Clone)]
pub struct StepFunction<S> {
    declaration: &'static Declaration,
    step: S,
    fences: Fences,
    clock: WallClock,
}

impl<S: Step> StepFunction<S> {
    /// The handler of `step`, whose fences are in `table`.
    pub fn new(
        declaration: &'static Declaration,
        step: S,
        client: aws_sdk_dynamodb::Client,
        table: impl Into<String>,
        clock: WallClock,
    ) -> Self {
        Self { declaration, step, fences: Fences::new(client, table), clock }
    }
}

impl<S: Step> Task for StepFunction<S> {
    type Input = StepInput;
    type Output = Receipt;
    type Error = StepError<S::Refusal>;

    fn actions(&self) -> Vec<&str> {
        names(self.declaration)
    }

    async fn run(&self, input: StepInput) -> Result<Receipt, Self::Error> {
        let now_ms = self.clock.now_ms();
        match input.request(self.declaration)? {
            Request::Act(order) => {
                let prepared = self.step.prepare(&order).await?;
                Ok(self.fences.apply(&self.step, &order, &prepared, now_ms).await?)
            }
            Request::Compensate(order_id) => Ok(self.fences.cancel(&self.step, &order_id, now_ms).await?),
            Request::Consume(order_id) => Ok(self.fences.consume(&self.step, &order_id, now_ms).await?),
        }
    }
}
