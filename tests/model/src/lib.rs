//! The saga protocol as a model.
#![doc = "TODO"]

pub mod action;
pub mod check;
pub mod execution;
mod intake;
pub mod properties;
pub mod protection;
pub mod saga;
pub mod state;
pub mod task;

pub use check::{Broken, Explored, explore, shortest_break};
pub use properties::Sight;
pub use protection::Protection;
pub use saga::{Kind, Saga};
pub use state::{Budget, Content, Mode, Step};
