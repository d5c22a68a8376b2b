//! Loads, checks and executes Express state machines in the JSONata dialect of the Amazon States Language
