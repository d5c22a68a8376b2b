//! The saga protocol as a model.
#![doc = "TODO"]

pub mod action;
pub mod check;
pub mod execution;
mod intake;
pub mod properties;
pub mod protection;
mod recovery;
pub mod saga;
pub mod state;
mod story;
pub mod task;

pub use check::{Broken, Explored, explore, runs_in_circles, shortest_break};
pub use properties::Sight;
pub use protection::Protection;
pub use saga::{Kind, Saga};
pub use state::{Budget, Content, Mode, Step};
