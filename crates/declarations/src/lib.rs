//! What every function, table, queue, route and step declares of itself.
