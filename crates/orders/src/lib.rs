//! The orders table: the records that decide, their lists and their work.
