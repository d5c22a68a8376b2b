#![doc = include_str!("../README.md")]

mod clock;
mod convert;
mod definition;
mod expression;
mod failure;
mod fault;
mod functions;
mod history;
pub mod lint;
mod load;
mod machine;
pub mod mock;
mod outcome;
mod placeholder;
mod random;
mod references;
mod run;
mod scene;
mod task;
mod template;

pub use clock::{Clock, TokioClock};
pub use definition::MAX_PAYLOAD_BYTES;
pub use fault::{Fault, LoadError, Rule};
pub use history::{Event, EventKind, History};
pub use machine::StateMachine;
pub use outcome::{EXPRESS_TIME_LIMIT, Outcome, Start, Status};
pub use placeholder::{MissingPlaceholder, fill};
pub use random::Random;
pub use task::{TaskError, TaskRequest, TaskRunner};
