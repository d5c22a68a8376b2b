//! Time, as an execution sees it.

use std::time::Duration;

use tokio::time::Instant;

/// The clock that an execution reads, and waits by.
pub trait Clock: Send + Sync {
    /// The present time in milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;

    /// Waits for `duration` of this clock's time.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// Tokio's time, counted from a given moment of the calendar.
///
/// Under `tokio::time::pause` it stands still and jumps, as tokio's does, so that an hour of
/// backoff takes no time.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    epoch_ms: i64,
    origin: Instant,
}

impl TokioClock {
    /// A clock that shows `epoch_ms` (milliseconds since the Unix epoch) now.
    ///
    /// # Panics
    /// Never; but its `sleep` needs a tokio runtime with time enabled.
    pub fn starting_at(epoch_ms: i64) -> Self {
        Self { epoch_ms, origin: Instant::now() }
    }
}

/// The longest that tokio is asked to sleep at once.
const LONGEST_SLEEP: Duration = Duration::from_hours(365 * 24);

impl Clock for TokioClock {
    fn now_ms(&self) -> i64 {
        let elapsed_ms = self.origin.elapsed().as_millis();
        self.epoch_ms.saturating_add(i64::try_from(elapsed_ms).unwrap_or(i64::MAX))
    }

    async fn sleep(&self, duration: Duration) {
        // Tokio's timer reaches 2.2 years ahead, and a Wait may last until the year 9999.
        let mut left = duration;
        while left > LONGEST_SLEEP {
            tokio::time::sleep(LONGEST_SLEEP).await;
            left -= LONGEST_SLEEP;
        }
        tokio::time::sleep(left).await;
    }
}
