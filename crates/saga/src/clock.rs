//! The time, as data: handlers are given a clock, so that tests can hold it still.

use std::time::{SystemTime, UNIX_EPOCH};

use order::EpochMs;
use tokio::time::Instant;

/// Where a handler reads the time.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The system's wall clock. The one for Lambda: a frozen container's monotonic clock stands
    /// still, the wall clock does not.
    System,
    /// Tokio's clock, from a given start: it follows a paused runtime.
    Tokio {
        /// What the time was at `origin`.
        origin_ms: EpochMs,
        /// The instant from which it counts.
        origin: Instant,
    },
}

impl Clock {
    /// A clock that follows tokio's, and says `origin_ms` now.
    pub fn tokio(origin_ms: EpochMs) -> Self {
        Self::Tokio { origin_ms, origin: Instant::now() }
    }

    /// Milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> EpochMs {
        let (origin_ms, elapsed) = match self {
            // A clock before 1970 reads as the epoch: every time in the records is a later one.
            Self::System => (0, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
            Self::Tokio { origin_ms, origin } => (*origin_ms, origin.elapsed()),
        };
        origin_ms + EpochMs::try_from(elapsed.as_millis()).unwrap_or(EpochMs::MAX - origin_ms)
    }
}
