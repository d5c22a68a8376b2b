//! Where in a trace something happens.

use http::{HeaderMap, HeaderValue};
use tokio::task_local;

/// The header of the [W3C](https://www.w3.org/TR/trace-context/#traceparent-header).
pub const TRACEPARENT: &str = "traceparent";

/// AWS's header.
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
pub const X_AMZN_TRACE_ID: &str = "x-amzn-trace-id";

/// A span in a trace, as its children see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The trace; never 0.
    pub trace: u128,
    /// The span; never 0.
    pub span: u64,
    /// Whether the trace is kept.
    pub is_sampled: bool,
}

task_local! {
    static CURRENT: Place;
}

/// Where this task is, if it is anywhere.
pub fn current() -> Option<Place> {
    CURRENT.try_with(|place| *place).ok()
}

/// Runs a future at this place, if there is one.
pub async fn within<F: Future>(place: Option<Place>, future: F) -> F::Output {
    match place {
        Some(place) => CURRENT.scope(place, future).await,
        None => future.await,
    }
}

impl Place {
    /// Where a request's sender was: its `traceparent`, otherwise its `X-Amzn-Trace-Id`. A malformed header is ignored, as
    /// both specifications ask.
    pub fn of_sender(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        text(TRACEPARENT).and_then(Self::from_w3c).or_else(|| text(X_AMZN_TRACE_ID).and_then(Self::from_x_ray))
    }

    fn from_w3c(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let version = hex(parts.next()?, 2)?;
        let (trace, span) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?);
        let flags = hex(parts.next()?, 2)?;
        // A later version may have further parts; version 255 is forbidden.
        if version == 255 || (version == 0 && parts.next().is_some()) {
            return None;
        }
        Self::valid(trace, span, flags & 1 == 1)
    }

    fn from_x_ray(text: &str) -> Option<Self> {
        let field = |name| text.split(';').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        let mut root = field("Root")?.split('-');
        let ("1", time, random, None) = (root.next()?, root.next()?, root.next()?, root.next()) else { return None };
        let trace = hex(time, 8)? << 96 | hex(random, 24)?;
        // A sender that leaves the decision open has no parent to name.
        Self::valid(trace, hex(field("Parent")?, 16)?, field("Sampled") != Some("0"))
    }

    fn valid(trace: u128, span: u128, is_sampled: bool) -> Option<Self> {
        let span = u64::try_from(span).ok()?;
        (trace != 0 && span != 0).then_some(Self { trace, span, is_sampled })
    }

    /// This place as a value of [`X_AMZN_TRACE_ID`], so that a client can look its request's trace up.
    pub fn to_x_ray(self) -> String {
        let (time, random) = (self.trace >> 96, self.trace & (u128::MAX >> 32));
        format!("Root=1-{time:08x}-{random:024x};Sampled={}", u8::from(self.is_sampled))
    }
}

/// Lower-case hexadecimal digits, exactly so many.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &'static str, value: &str) -> Option<Place> {
        Place::of_sender(&[(http::HeaderName::from_static(name), value.parse().unwrap())].into_iter().collect())
    }

    #[test]
    fn the_example_of_the_w3c_is_read() {
        let place = of(TRACEPARENT, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        let expected =
            Place { trace: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, span: 0xb7ad_6b71_6920_3331, is_sampled: true };
        assert_eq!(place, expected);
        let unsampled = of(TRACEPARENT, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00").unwrap();
        assert!(!unsampled.is_sampled);
    }

    #[test]
    fn the_example_of_aws_is_read_and_written() {
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let place = of(X_AMZN_TRACE_ID, header).unwrap();
        assert_eq!(place.trace, 0x5759_e988_bd86_2e3f_e1be_46a9_9427_2793);
        assert_eq!(place.span, 0x5399_5c3f_42cd_8ad8);
        assert_eq!(place.to_x_ray(), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
    }

    #[test]
    fn malformed_headers_are_ignored() {
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(of(TRACEPARENT, text), None, "{text}");
        }
        for text in
            ["Root=1-5759e988-bd862e3fe1be46a994272793", "Self=1;Parent=53995c3f42cd8ad8", "Root=2-a-b;Parent=c"]
        {
            assert_eq!(of(X_AMZN_TRACE_ID, text), None, "{text}");
        }
    }
}
