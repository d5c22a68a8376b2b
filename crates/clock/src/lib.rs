//! The time, as data: code that needs it is given a clock, so that tests can stop it.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A wall clock in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy)]
pub enum WallClock {
    /// The system's clock, for Lambda: a frozen container's monotonic clock stands still, the wall clock
    /// does not.
    System,
    /// Tokio's clock, from a given start: with a paused runtime it stands still and jumps.
    Tokio {
        /// The time at `origin`.
        origin_ms: i64,
        /// The instant from which it counts.
        origin: Instant,
    },
}

impl WallClock {
    /// A clock that follows tokio's and shows `origin_ms` now.
    pub fn starting_at(origin_ms: i64) -> Self {
        Self::Tokio { origin_ms, origin: Instant::now() }
    }

    /// Milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        let (origin_ms, elapsed) = match self {
            // A clock before 1970 reads as the epoch: every time in the records is later.
            Self::System => (0, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
            Self::Tokio { origin_ms, origin } => (*origin_ms, origin.elapsed()),
        };
        origin_ms.saturating_add(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }
}
