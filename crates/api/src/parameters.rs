//! The parameters in a request's path and query. Each is checked, and all violations are reported at once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use order::{EpochMs, OrderId, Violation};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::problem::{Kind, Problem};

/// The unread parameters of a request, and the violations found so far.
#[derive(Debug)]
pub struct Parameters {
    path: BTreeMap<String, String>,
    query: BTreeMap<String, Vec<String>>,
    known: Vec<&'static str>,
    violations: Vec<Violation>,
}

impl Parameters {
    /// The parameters of a request.
    pub fn of(request: &ApiGatewayProxyRequest) -> Self {
        // The multi-value map has every value of a repeated parameter. Events written by hand lack it.
        let map = if request.multi_value_query_string_parameters.is_empty() {
            &request.query_string_parameters
        } else {
            &request.multi_value_query_string_parameters
        };
        let mut query = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in map.iter() {
            query.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        let path = request.path_parameters.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { path, query, known: Vec::new(), violations: Vec::new() }
    }

    /// An identifier in the path.
    pub fn path<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        let text = self.path.remove(name).unwrap_or_default();
        self.check(name, text.parse())
    }

    /// A query parameter. `read` parses it, or returns the rule that it breaks.
    pub fn query<T, E: Display>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        self.known.push(name);
        let values = self.query.remove(name)?;
        let [text] = values.as_slice() else {
            self.refuse(name, "must be sent once");
            return None;
        };
        self.check(name, read(text))
    }

    /// Notes that a parameter breaks a rule.
    pub fn refuse(&mut self, name: &str, rule: impl Into<String>) {
        self.violations.push(Violation::in_parameter(name, rule));
    }

    /// Whether there are no violations so far.
    pub fn are_right(&self) -> bool {
        self.violations.is_empty()
    }

    /// All violations, including unknown parameters: if a misspelt filter were ignored, the answer would
    /// contain orders that it should exclude.
    pub fn violations(mut self) -> Vec<Violation> {
        let rule = match self.known.as_slice() {
            [] => "is not a parameter here; none is allowed".to_owned(),
            known => format!("is not a parameter here; allowed: {}", known.join(", ")),
        };
        for name in std::mem::take(&mut self.query).into_keys() {
            self.refuse(&name, &rule);
        }
        self.violations
    }

    fn check<T, E: Display>(&mut self, name: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|rule| self.refuse(name, rule.to_string())).ok()
    }
}

/// The order that a request's path names. A malformed id is treated as not found.
///
/// # Errors
/// The problem to answer with.
pub fn order_id(request: &ApiGatewayProxyRequest) -> Result<OrderId, Problem> {
    let order_id = request.path_parameters.get("orderId").and_then(|text| text.parse().ok());
    order_id.ok_or_else(|| Problem::new(Kind::OrderNotFound))
}

/// A point in time ([RFC 3339](https://www.rfc-editor.org/rfc/rfc3339#section-5.6)).
///
/// # Errors
/// The rule.
pub fn time(text: &str) -> Result<OffsetDateTime, &'static str> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "must be an RFC 3339 time, such as 2026-01-31T08:00:00Z")
}

/// `time` rounded up to a whole millisecond: records have whole milliseconds, so `from` and `to` then select
/// the same ones as the exact times would.
pub fn millis(time: OffsetDateTime) -> EpochMs {
    const NANOS_PER_MS: i128 = 1_000_000;

    let nanos = time.unix_timestamp_nanos();
    let up = i128::from(nanos.rem_euclid(NANOS_PER_MS) != 0);
    EpochMs::try_from(nanos.div_euclid(NANOS_PER_MS) + up).expect("a time has a year of four digits")
}

/// A whole number from 1 to `max`.
///
/// # Errors
/// The rule.
pub fn count<T: FromStr + PartialOrd + From<u8> + Display + Copy>(text: &str, max: T) -> Result<T, String> {
    // The integer parser would also accept a sign.
    let number: Option<T> = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number
        .filter(|number| (T::from(1)..=max).contains(number))
        .ok_or_else(|| format!("must be a whole number from 1 to {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_taken_to_the_millisecond_and_rounded_up() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.001Z", 1),
            ("1970-01-01T00:00:00.0010001+00:00", 2),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31T23:59:59.9995Z", 0),
            ("1969-12-31T23:59:59.9985Z", -1),
        ] {
            assert_eq!(time(text).map(millis), Ok(ms), "{text}");
        }
        for text in ["", "0", "1970-01-01", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z", "+99999-01-01T00:00:00Z"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_count_is_digits_in_its_range() {
        assert_eq!((count("1", 100), count("100", 100), count("007", 100)), (Ok(1), Ok(100), Ok(7)));
        for text in ["", "0", "101", "-1", "+1", "1.0", " 1", "99999999999999999999999", "１"] {
            assert!(count(text, 100).is_err(), "{text}");
        }
    }
}
