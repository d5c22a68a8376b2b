//! The step protocol of the saga.
//!
//! A step defines its effect, its undo and its refusals ([`Step`]). This crate makes it safe to run
//! twice, late, concurrently and in any order ([`fence`]), gives its failures the names that the state
//! machine matches ([`StepError`]), and serves it as a Lambda function ([`StepFunction`], [`task`]).
//!
//! | module | knows |
//! |---|---|
//! | [`step`] | what a new step has to define |
//! | [`function`] | a step as a Lambda function |
//! | [`fence`] | the record that decides between an action and its compensation |
//! | [`external`] | steps whose effect is in somebody else's service |
//! | [`task`] | a function's input, output and errors, as Step Functions sees them |
//! | [`aws`] | the AWS clients' settings: time limits, retries, connections opened during init |
//! | [`transaction`] | why a transaction was cancelled, and in which order to read the reasons |
//! | [`conflict`] | retries of a write that conflicted with another transaction |
//! | [`batch`] | reading many items by their keys |
//! | [`unavailable`] | which AWS errors are worth a retry: all that decide nothing |

pub mod aws;
pub mod batch;
pub mod conflict;
pub mod external;
pub mod fence;
pub mod function;
mod serve;
pub mod step;
pub mod task;
pub mod transaction;
pub mod unavailable;

pub use external::{ExternalFunction, ExternalStep};
pub use fence::{ActionError, CancelError, ConsumeError, Fences};
pub use function::{StepError, StepFunction, StepInput};
pub use serve::{serve_external_step, serve_step};
pub use step::{Item, Next, Refusal, Step};
pub use task::{NamedError, Task, TaskFailure};
pub use unavailable::Unavailable;
