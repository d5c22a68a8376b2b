//! The inventory step: reserve and release
