//! The step protocol of the saga, as one reusable piece.
//!
//! A step says what its effect, its undo and its refusals are ([`Step`]). This crate makes it safe to run
//! twice, late, concurrently and in any order ([`fence`]), gives its failures the names that the state
//! machine matches ([`StepError`]), and serves it as a Lambda function ([`StepFunction`], [`task`]).
//!
//! | module | knows |
//! |---|---|
//! | [`step`] | what a new step has to say |
//! | [`function`] | a step as a Lambda function |
//! | [`fence`] | the record that decides between an action and its compensation |
//! | [`task`] | a function's input, output and errors as Step Functions sees them |
//! | [`aws`] | the clients' settings: time limits, retries, connections opened during init |
//! | [`transaction`] | why a transaction was cancelled, and in which order that is read |
//! | [`conflict`] | another try for a transaction that met another one |
//! | [`batch`] | reading many items by their keys |
//! | [`unavailable`] | which AWS errors are worth another try: all that decide nothing |

pub mod aws;
pub mod batch;
pub mod conflict;
pub mod fence;
pub mod function;
mod serve;
pub mod step;
pub mod task;
pub mod transaction;
pub mod unavailable;

pub use fence::{ActionError, CancelError, ConsumeError, Fences};
pub use function::{StepError, StepFunction, StepInput};
pub use serve::serve_step;
pub use step::{Item, Refusal, Step};
pub use task::{NamedError, Task, TaskFailure};
pub use unavailable::Unavailable;
