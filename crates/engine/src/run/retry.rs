//! Finds the retrier for an error, and how long to wait.

use std::time::Duration;

use crate::definition::{Jitter, Retrier};
use crate::failure::Failure;
use crate::random::Random;

/// The maximum delay, 366 days, even if the backoff gives more.
const MAX_DELAY_S: f64 = 31_622_400.0;

/// The retriers of a state during one visit, and how many times each was used.
pub(super) struct Retries<'a> {
    retriers: &'a [Retrier],
    used: Vec<u32>,
}

impl<'a> Retries<'a> {
    pub(super) fn new(retriers: &'a [Retrier]) -> Self {
        Self {
            retriers,
            // Most visits need no retry, and an empty list allocates nothing.
            used: Vec::new(),
        }
    }

    /// How long to wait before the next attempt; `None` if there is no further attempt.
    ///
    /// The first retrier that matches decides, even if its attempts are used up or it allows none.
    /// See <https://states-language.net/spec.html#complex-retry-scenarios>.
    pub(super) fn next_delay(&mut self, failure: &Failure, random: &Random) -> Option<Duration> {
        let index = self.retriers.iter().position(|retrier| failure.matches(&retrier.error_equals))?;
        let retrier = &self.retriers[index];
        self.used.resize(self.retriers.len(), 0);
        let used = &mut self.used[index];
        if *used >= retrier.max_attempts {
            return None;
        }
        let delay = delay(retrier, *used, random);
        *used += 1;
        Some(delay)
    }
}

/// The delay before a retry, after `before` retries by the same retrier.
fn delay(retrier: &Retrier, before: u32, random: &Random) -> Duration {
    let backoff = retrier.backoff_rate.powf(f64::from(before));
    let most_s = retrier.max_delay_s.map_or(MAX_DELAY_S, f64::from);
    let delay_s = (f64::from(retrier.interval_s) * backoff).min(most_s);
    let delay_s = match retrier.jitter {
        Jitter::None => delay_s,
        Jitter::Full => delay_s * random.unit(),
    };
    Duration::try_from_secs_f64(delay_s).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retrier(max_delay_s: Option<u32>, jitter: Jitter) -> Retrier {
        Retrier {
            error_equals: vec!["Unavailable".to_owned()],
            interval_s: 3,
            max_attempts: 9,
            backoff_rate: 2.0,
            max_delay_s,
            jitter,
        }
    }

    fn delays(retrier: &Retrier, random: &Random) -> Vec<f64> {
        (0..4).map(|before| delay(retrier, before, random).as_secs_f64()).collect()
    }

    /// <https://states-language.net/spec.html#retrying-after-error>
    #[test]
    fn the_delay_grows_by_the_backoff_rate() {
        assert_eq!(delays(&retrier(None, Jitter::None), &Random::fixed(0.0)), [3.0, 6.0, 12.0, 24.0]);
    }

    /// <https://states-language.net/spec.html#retrying-after-error>
    #[test]
    fn max_delay_seconds_caps_the_delay() {
        assert_eq!(delays(&retrier(Some(10), Jitter::None), &Random::fixed(0.0)), [3.0, 6.0, 10.0, 10.0]);
    }

    /// Full jitter draws from 0 to the capped delay, see
    /// <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>.
    #[test]
    fn full_jitter_is_a_fraction_of_the_capped_delay() {
        let retrier = retrier(Some(10), Jitter::Full);
        assert_eq!(delays(&retrier, &Random::fixed(0.5)), [1.5, 3.0, 5.0, 5.0]);
        let drawn = delays(&retrier, &Random::seeded(1));
        assert!(drawn.iter().zip([3.0, 6.0, 10.0, 10.0]).all(|(drawn, most)| *drawn < most), "{drawn:?}");
        assert_eq!(drawn, delays(&retrier, &Random::seeded(1)));
    }
}
