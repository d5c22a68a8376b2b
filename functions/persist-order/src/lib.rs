//! The order record: persist, confirm, cancel, close
