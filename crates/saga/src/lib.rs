//! The step protocol of the saga, as one reusable piece.
//!
//! A step says what its effect and its undo are ([`Step`]), and what uses the effect up, if anything
//! does ([`Consumable`]); this crate makes them all safe to run
//! twice, late, concurrently and in any order ([`fence`]), gives their failures the names that the
//! state machine matches ([`TaskError`]), and serves them as a Lambda function ([`task`]).
//!
//! | module | knows |
//! |---|---|
//! | [`fence`] | the record that decides between an action and its compensation |
//! | [`step`] | what a new step has to say |
//! | [`task`] | a function's input, output and errors as Step Functions sees them |
//! | [`aws`] | the clients' settings: time limits, retries, connections opened during init |
//! | [`transaction`] | why a transaction was cancelled, and in which order that is read |
//! | [`batch`] | reading many items by their keys |
//! | [`unavailable`] | which AWS errors are worth another try: all that decide nothing |
//! | [`clock`] | the time, as data |

pub mod aws;
pub mod batch;
pub mod clock;
pub mod fence;
pub mod step;
pub mod task;
pub mod transaction;
pub mod unavailable;

pub use clock::Clock;
pub use fence::{ActionError, CancelError, ConsumeError, Fences};
pub use step::{Consumable, Item, Step};
pub use task::{Task, TaskError, TaskFailure};
pub use unavailable::Unavailable;
