//! Loads, checks and executes Express state machines in the `JSONata` dialect of the Amazon States
//! Language.
//!
//! [`StateMachine::load`] reads a definition and refuses it with every [`Fault`] in it;
//! [`StateMachine::execute`] runs it on a [`Clock`] and a [`TaskRunner`] of your own and keeps a
//! [`History`] in the form that Step Functions logs it.
//!
//! ```
//! use statemachine::{History, Random, Start, StateMachine, Status, TaskError, TaskRequest, TaskRunner, TokioClock};
//! use serde_json::{Value, json};
//!
//! struct Greeter;
//! impl TaskRunner for Greeter {
//!     async fn run(&self, task: TaskRequest) -> Result<Value, TaskError> {
//!         Ok(json!({"Payload": format!("Hello, {}", task.arguments["Payload"])}))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), statemachine::LoadError> {
//! let machine = StateMachine::load(r#"{
//!     "QueryLanguage": "JSONata",
//!     "StartAt": "Greet",
//!     "States": {"Greet": {
//!         "Type": "Task",
//!         "Resource": "arn:aws:states:::lambda:invoke",
//!         "Arguments": {"FunctionName": "greet", "Payload": "{% $states.input.name %}"},
//!         "Output": "{% $states.result.Payload %}",
//!         "End": true
//!     }}
//! }"#)?;
//! let outcome = machine
//!     .execute(
//!         Start::new("first", json!({"name": "Ada"})),
//!         &Greeter,
//!         &TokioClock::starting_at(0),
//!         &History::new(),
//!         &Random::from_entropy(),
//!     )
//!     .await;
//! assert_eq!(outcome.status, Status::Succeeded);
//! # Ok(())
//! # }
//! ```
//!
//! Not executed, and refused by name at load: Map, `HeartbeatSeconds`, `Credentials`; and all that
//! Express or the `JSONata` dialect does not have.

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
pub use fault::{Fault, LoadError, Rule};
pub use history::{Event, EventKind, History};
pub use machine::StateMachine;
pub use outcome::{EXPRESS_TIME_LIMIT, Outcome, Start, Status};
pub use placeholder::{MissingPlaceholder, fill};
pub use random::Random;
pub use task::{TaskError, TaskRequest, TaskRunner};
