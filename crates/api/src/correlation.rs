//! The client's name for one piece of its work, in `X-Correlation-Id`.

use http::{HeaderMap, HeaderName};
use order::CorrelationId;

/// The header, in requests and in answers.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// The name in the header, or `request_id` if the client sends none that is valid. It is no part of the request, so a
/// wrong one is not an error; the answer says which one is used.
pub fn correlation_id(headers: &HeaderMap, request_id: &str) -> Option<CorrelationId> {
    let sent = headers.get(CORRELATION_ID).and_then(|value| value.to_str().ok());
    sent.and_then(|text| text.parse().ok()).or_else(|| request_id.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(sent: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for text in sent {
            headers.append(CORRELATION_ID, text.parse().expect("the text may be a header's"));
        }
        correlation_id(&headers, "request-1").map(|used| used.to_string())
    }

    #[test]
    fn a_client_s_name_is_used_if_it_is_valid() {
        assert_eq!(used(&["basket-7"]).as_deref(), Some("basket-7"));
        assert_eq!(used(&[]).as_deref(), Some("request-1"));
        assert_eq!(used(&["a b"]).as_deref(), Some("request-1"));
        assert_eq!(used(&["x".repeat(65).as_str()]).as_deref(), Some("request-1"));
    }
}
