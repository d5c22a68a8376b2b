//! The saga protocol as a model.
