//! Whether to retry, and how long to wait first.

use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBuilder};
use http::{HeaderMap, header};

use crate::error::Lost;

/// Limits on retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Maximum number of attempts for one request, including the first.
    pub attempts: u32,
    /// Maximum time for one attempt. The API answers within 29 s.
    pub attempt_timeout: Duration,
    /// Maximum delay after the first attempt. It doubles with each further attempt.
    pub first_delay: Duration,
    /// Maximum delay, unless `Retry-After` asks for more.
    pub max_delay: Duration,
    /// Maximum time for a call, including its attempts, its delays and the wait for a decision.
    pub total: Duration,
}

impl Default for Retries {
    /// Six attempts, which bridge an outage of a few seconds, and two minutes for a decision.
    fn default() -> Self {
        Self {
            attempts: 6,
            attempt_timeout: Duration::from_secs(30),
            first_delay: Duration::from_millis(250),
            max_delay: Duration::from_secs(10),
            total: Duration::from_mins(2),
        }
    }
}

impl Retries {
    /// The bounds of the delays between attempts: one for each attempt after the first, each twice the one before.
    pub(crate) fn backoff(&self) -> ExponentialBuilder {
        let retries = self.attempts.saturating_sub(1);
        growing(self.first_delay, self.max_delay).with_max_times(retries as usize)
    }

    /// The delays before each read of an undecided order. They grow like those between attempts, but are at
    /// least half their bound: nothing has failed and nothing is urgent.
    pub(crate) fn polls(&self) -> impl Iterator<Item = Duration> {
        // This jitter adds up to as much again.
        growing(self.first_delay / 2, self.max_delay / 2).with_jitter().without_max_times().build()
    }
}

fn growing(first: Duration, max: Duration) -> ExponentialBuilder {
    ExponentialBuilder::new().with_min_delay(first.min(max)).with_max_delay(max)
}

/// An attempt that failed and may be repeated.
#[derive(Debug)]
pub(crate) struct Failed {
    pub lost: Lost,
    /// How long the API asks to wait.
    pub retry_after: Duration,
}

impl Failed {
    /// The delay before the next attempt, `fraction` of `bound` after `Retry-After`; `None` if `left` is too
    /// short to wait.
    ///
    /// With a random fraction from 0 to 1 this is full jitter: clients that failed together come back apart, also
    /// after the `Retry-After` that they were all told.
    pub fn delay(&self, bound: Duration, fraction: f32, left: Duration) -> Option<Duration> {
        let delay = self.retry_after.saturating_add(bound.mul_f32(fraction));
        (delay < left).then_some(delay)
    }
}

impl From<Lost> for Failed {
    fn from(lost: Lost) -> Self {
        Self { lost, retry_after: Duration::ZERO }
    }
}

/// Reads `Retry-After`, which is a number of seconds or a date. Zero if it is missing or malformed.
///
/// A date is relative to the `Date` of the answer, so a wrong clock on either side does no harm
/// ([RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)).
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Duration {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let Some(value) = text(header::RETRY_AFTER) else { return Duration::ZERO };
    if let Ok(seconds) = value.parse() {
        return Duration::from_secs(seconds);
    }
    let sent = text(header::DATE).and_then(date).unwrap_or(now);
    date(value).and_then(|time| time.duration_since(sent).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn failed(retry_after: Duration) -> Failed {
        Failed { lost: Lost::TimedOut, retry_after }
    }

    fn bounds(retries: Retries) -> Vec<Duration> {
        retries.backoff().build().collect()
    }

    #[test]
    fn a_delay_is_anything_up_to_a_bound_that_doubles() {
        let retries = Retries { attempts: 99, first_delay: seconds(1), max_delay: seconds(5), ..Retries::default() };
        let bounds = bounds(retries);
        assert_eq!(bounds.len(), 98);
        for (attempt, bound) in [(1, 1), (2, 2), (3, 4), (4, 5), (33, 5), (90, 5)] {
            let bound = seconds(bound);
            assert_eq!(bounds[attempt - 1], bound);
            let delay = |fraction| failed(Duration::ZERO).delay(bound, fraction, LONG);
            assert_eq!((delay(0.0), delay(0.5), delay(1.0)), (Some(seconds(0)), Some(bound / 2), Some(bound)));
            let poll = retries.polls().nth(attempt - 1).unwrap();
            assert!((bound / 2..=bound).contains(&poll), "{poll:?} is half of {bound:?} at least");
        }
    }

    #[test]
    fn no_delay_is_longer_than_the_longest_and_none_can_be_too_long_to_count() {
        let none = Retries { first_delay: Duration::ZERO, ..Retries::default() };
        assert_eq!(bounds(none), [Duration::ZERO; 5]);
        let capped = Retries { first_delay: seconds(20), max_delay: seconds(5), ..Retries::default() };
        assert_eq!(bounds(capped), [seconds(5); 5]);
        assert!(capped.polls().take(9).all(|poll| poll <= seconds(5)));
        let endless = Retries { first_delay: Duration::MAX, max_delay: Duration::MAX, ..Retries::default() };
        assert_eq!(failed(Duration::MAX).delay(bounds(endless)[4], 0.999_999_9, LONG), None);
        assert!(endless.polls().take(9).all(|poll| poll > LONG));
    }

    #[test]
    fn there_is_an_end_to_the_attempts_and_to_the_time() {
        for (attempts, retries) in [(0, 0), (1, 0), (3, 2)] {
            assert_eq!(bounds(Retries { attempts, ..Retries::default() }).len(), retries);
        }
        let delay = |left| failed(seconds(10)).delay(seconds(1), 0.0, left);
        assert_eq!(delay(seconds(10)), None, "nobody waits in vain");
        assert_eq!(delay(seconds(11)), Some(seconds(10)));
    }

    fn after(lines: &[(&str, &str)]) -> Duration {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.insert(
                header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        retry_after(&headers, httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:30 GMT").unwrap())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(after(&[("retry-after", "120")]), seconds(120));
        assert_eq!(after(&[("retry-after", "0")]), seconds(0));
        let date = ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(after(&[date]), seconds(7), "by this machine's clock, if the answer has none");
        assert_eq!(after(&[date, ("date", "Sun, 06 Nov 1994 08:49:34 GMT")]), seconds(3));
        assert_eq!(after(&[date, ("date", "Sun, 06 Nov 1994 08:50:00 GMT")]), seconds(0), "it is over");
        for nothing in ["", "soon", "-1", "1.5"] {
            assert_eq!(after(&[("retry-after", nothing)]), seconds(0), "{nothing}");
        }
        assert_eq!(after(&[]), seconds(0));
    }

    #[test]
    fn a_delay_starts_when_retry_after_is_over() {
        let delay = |fraction| failed(seconds(3)).delay(seconds(1), fraction, LONG).unwrap();
        assert_eq!((delay(0.0), delay(0.5)), (seconds(3), Duration::from_millis(3_500)));
    }
}
