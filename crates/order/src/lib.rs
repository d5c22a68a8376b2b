//! The order domain: pure data and rules, no I/O and no clock
