//! Time for what is stored: wall-clock milliseconds that follow tokio's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A wall clock that runs at the pace of tokio's clock.
///
/// Stored times have to be wall-clock times, since they outlive the process. In tests they have to
/// stand still and jump with tokio's paused clock, or a message's visibility would run on real time
/// while everything around it waits on paused time.
#[derive(Debug, Clone, Copy)]
pub struct WallClock {
    started_ms: u64,
    started: Instant,
}

impl WallClock {
    /// A clock that shows the system's time now and goes on from there.
    pub fn system() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self::starting_at(millis(since_epoch))
    }

    /// A clock that shows `now_ms` (epoch milliseconds) now, so that a test is the same on each run.
    pub fn starting_at(now_ms: u64) -> Self {
        Self { started_ms: now_ms, started: Instant::now() }
    }

    /// Epoch milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.started_ms.saturating_add(millis(self.started.elapsed()))
    }
}

/// Whole milliseconds of a duration.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
