//! When to try again, and how long to wait before.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// Bounds to trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// The most attempts of one request, the first one included.
    pub attempts: u32,
    /// The longest that one attempt may take. The API answers within 29 s.
    pub attempt_timeout: Duration,
    /// The longest delay after the first attempt; it doubles with each further one.
    pub first_delay: Duration,
    /// The longest delay of all, unless `Retry-After` says more.
    pub max_delay: Duration,
    /// The longest that a call may take: its attempts, its delays, and waiting for a decision.
    pub total: Duration,
}

impl Default for Retries {
    /// Some ten seconds of outage in six attempts, and two minutes for a decision.
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
    /// The delay after the attempt with this number, counted from 1; `None` if that was the last one,
    /// because of its number or because `left` is too short to wait.
    ///
    /// Full jitter: any delay up to the bound is as likely. Clients that failed together come back
    /// apart, also after the `Retry-After` that they were all told.
    pub(crate) fn delay(&self, attempt: u32, retry_after: Duration, left: Duration, random: u64) -> Option<Duration> {
        let delay = retry_after.saturating_add(within(self.bound(attempt), random));
        (attempt < self.attempts && delay < left).then_some(delay)
    }

    /// The delay before an undecided order is read for the nth time: it grows like a retry's, but is
    /// at least half its bound, for nothing has failed and nothing is urgent.
    pub(crate) fn poll_delay(&self, read: u32, random: u64) -> Duration {
        let half = self.bound(read) / 2;
        half + within(half, random)
    }

    fn bound(&self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX);
        self.first_delay.saturating_mul(factor).min(self.max_delay)
    }
}

/// A delay from none to `bound`, by a random number.
fn within(bound: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random % nanos.saturating_add(1).max(1))
}

/// What `Retry-After` says, in seconds or as a date; nothing, if it says nothing.
///
/// A date is taken relative to the answer's own `Date`, so that a wrong clock on either side does no
/// harm ([RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)).
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

    #[test]
    fn a_delay_is_anything_up_to_a_bound_that_doubles() {
        let retries = Retries { attempts: 99, first_delay: seconds(1), max_delay: seconds(5), ..Retries::default() };
        for (attempt, bound) in [(1, 1), (2, 2), (3, 4), (4, 5), (33, 5), (90, 5)] {
            let delay = |random| retries.delay(attempt, Duration::ZERO, LONG, random).unwrap();
            let nanos = bound * 1_000_000_000;
            assert_eq!((delay(0), delay(nanos), delay(nanos + 1)), (seconds(0), seconds(bound), seconds(0)));
            assert!(delay(u64::MAX) <= seconds(bound));
            let poll = |random| retries.poll_delay(attempt, random);
            assert_eq!((poll(0), poll(nanos / 2)), (seconds(bound) / 2, seconds(bound)));
        }
        assert_eq!(
            Retries { first_delay: Duration::ZERO, ..retries }.delay(1, Duration::ZERO, LONG, 7),
            Some(seconds(0))
        );
    }

    #[test]
    fn there_is_an_end_to_the_attempts_and_to_the_time() {
        let retries = Retries { attempts: 3, first_delay: seconds(1), ..Retries::default() };
        assert!(retries.delay(2, Duration::ZERO, LONG, 1).is_some());
        assert_eq!(retries.delay(3, Duration::ZERO, LONG, 1), None);
        assert_eq!(retries.delay(1, seconds(10), seconds(10), 0), None, "nobody waits in vain");
        assert!(retries.delay(1, seconds(10), seconds(11), 0).is_some());
        assert_eq!(retries.delay(1, Duration::MAX, LONG, u64::MAX), None);
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
        let retries = Retries { first_delay: seconds(1), ..Retries::default() };
        let delay = |random| retries.delay(1, seconds(3), LONG, random).unwrap();
        assert_eq!((delay(0), delay(500_000_000)), (seconds(3), Duration::from_millis(3_500)));
    }
}
