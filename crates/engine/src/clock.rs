//! Time, as an execution sees it.

use std::time::Duration;

use tokio::time::Instant;

/// The clock that an execution reads and waits on.
pub trait Clock: Send + Sync {
    /// The present time in milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;

    /// Waits for `duration` of this clock's time. The wait may be years long, but every execution ends
    /// after [`EXPRESS_TIME_LIMIT`](crate::EXPRESS_TIME_LIMIT).
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// Tokio's clock, starting at a given time.
///
/// Under `tokio::time::pause` it stands still and jumps, as tokio's clock does, so an hour of backoff
/// takes no time.
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

/// The longest single sleep of tokio: its timer reaches 2.2 years ahead.
const LONGEST_SLEEP: Duration = Duration::from_hours(365 * 24);

impl Clock for TokioClock {
    fn now_ms(&self) -> i64 {
        let elapsed_ms = self.origin.elapsed().as_millis();
        self.epoch_ms.saturating_add(i64::try_from(elapsed_ms).unwrap_or(i64::MAX))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration.min(LONGEST_SLEEP)).await;
    }
}
