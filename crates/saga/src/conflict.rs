//! Retries of a write that conflicted with another transaction.
//!
//! DynamoDB queues nothing: of two transactions on one item at the same time it cancels the later one, and it
//! rejects a single write in the same way. That says nothing about the order, and the other transaction is over
//! within milliseconds. So the write is retried here, after milliseconds, and not by the workflow, which waits
//! whole seconds.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use aws_sdk_dynamodb::types::CancellationReason;
use clock::WallClock;
use metrics::Metric;
use tokio::time::Instant;

use crate::transaction::is_failed_condition;

/// The most tries that follow a delay, the first one included.
const MAX_TRIES: u32 = 8;

/// The most tries that follow no delay, because they write something else than the try before. Each costs as much as
/// a write, so a plan that never comes right must end.
const MAX_AT_ONCE: u32 = 24;

/// The longest delay before the second try; the limit doubles with each further try.
const FIRST_DELAY: Duration = Duration::from_millis(25);

/// The longest delay before any try.
const MAX_DELAY: Duration = Duration::from_millis(400);

/// The limit of all delays together.
const MAX_SLEEP: Duration = Duration::from_millis(1600);

/// No try begins later than this after the first one: a call may take 2.2 s, and the task must answer within
/// 5 s.
const LAST_START: Duration = Duration::from_millis(2600);

/// Whether conflicts with other transactions are the only reasons.
pub fn is_conflict(reasons: &[CancellationReason]) -> bool {
    let conflicts = reasons.iter().filter(|reason| reason.code() == Some("TransactionConflict")).count();
    let others = reasons.iter().any(|reason| {
        is_failed_condition(reason) || !matches!(reason.code(), None | Some("None" | "TransactionConflict"))
    });
    conflicts > 0 && !others
}

/// The tries of one write.
#[derive(Debug)]
pub struct Tries {
    started: Instant,
    made: u32,
    at_once: u32,
    slept: Duration,
    /// Spreads the delays of conflicting writers. A hash and not a random number, so that runs are repeatable.
    spread: u64,
}

impl Tries {
    /// The first try of a write on behalf of `id`.
    pub fn of(id: &str) -> Self {
        Self { started: Instant::now(), made: 1, at_once: 0, slept: Duration::ZERO, spread: hash(id) }
    }

    /// Waits before the next try. `false` if a limit is reached.
    pub async fn again(&mut self) -> bool {
        let delay = self.delay();
        if self.made >= MAX_TRIES || self.slept + delay > MAX_SLEEP || self.started.elapsed() + delay > LAST_START {
            return false;
        }
        tokio::time::sleep(delay).await;
        self.made += 1;
        self.slept += delay;
        true
    }

    /// Begins a further try without a delay, for another write than the one that failed. `false` if a limit is
    /// reached.
    pub fn at_once(&mut self) -> bool {
        if self.at_once >= MAX_AT_ONCE || self.started.elapsed() > LAST_START {
            return false;
        }
        self.at_once += 1;
        true
    }

    /// How many tries were made, the current one included.
    pub fn made(&self) -> u32 {
        self.made + self.at_once
    }

    /// Between zero and this try's longest delay:
    /// [full jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    fn delay(&self) -> Duration {
        let longest = (FIRST_DELAY * 2_u32.pow(self.made - 1)).min(MAX_DELAY);
        let share = hash(&(self.spread, self.made)) % 1001;
        longest * u32::try_from(share).unwrap_or_default() / 1000
    }
}

/// The retries are counted when they are over, whatever came of them.
impl Drop for Tries {
    fn drop(&mut self) {
        if self.made() > 1 {
            metrics::emit(&[(Metric::ConflictsRetried, u64::from(self.made() - 1))], WallClock::System.now_ms());
        }
    }
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_tries_end_in_time_for_any_id() {
        for id in ["a", "b", "0123456789abcdef0123456789abcdef"] {
            let started = Instant::now();
            let mut tries = Tries::of(id);
            while tries.again().await {}
            assert!(tries.made <= MAX_TRIES && tries.made > 4, "{}", tries.made);
            assert!(started.elapsed() <= MAX_SLEEP, "{:?}", started.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_store_leaves_no_time_for_another_try() {
        let mut tries = Tries::of("a");
        tokio::time::sleep(LAST_START + Duration::from_millis(1)).await;
        assert!(!tries.again().await);
        assert!(!tries.at_once());
    }

    #[tokio::test(start_paused = true)]
    async fn tries_without_a_delay_end_too() {
        let mut tries = Tries::of("a");
        while tries.at_once() {}
        assert_eq!(tries.made(), 1 + MAX_AT_ONCE);
    }

    #[test]
    fn only_a_conflict_alone_is_tried_again() {
        let reasons = |codes: &[&str]| -> Vec<CancellationReason> {
            codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect()
        };
        assert!(is_conflict(&reasons(&["None", "TransactionConflict"])));
        assert!(!is_conflict(&reasons(&["None", "None"])));
        assert!(!is_conflict(&reasons(&["TransactionConflict", "ConditionalCheckFailed"])));
        assert!(!is_conflict(&reasons(&["TransactionConflict", "ThrottlingError"])));
    }
}
