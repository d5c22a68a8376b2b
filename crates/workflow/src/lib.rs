//! Starting the saga's state machine, and reading how an execution ended.
