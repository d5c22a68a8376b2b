//! The idempotency key in a request's header
//! ([draft-ietf-httpapi-idempotency-key-header-07](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07)),
//! and the header that marks an answer as a replay.

use http::{HeaderMap, HeaderName};
use order::{IdempotencyKey, Violation};

/// The header that carries the idempotency key, in requests and in answers.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header that marks an answer about something that existed before the request.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The key in the header: a string in double quotes, as in the draft, or bare, as most clients send it. Both
/// forms are the same key.
///
/// # Errors
/// The rule that the header breaks.
pub fn key_in_header(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Violation> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(violation("must be sent once"));
    }
    let text = value.to_str().map_err(|_| violation(IdempotencyKey::RULE.to_string()))?.trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    bare.parse().map(Some).map_err(|broken: order::id::TextRule| violation(broken.to_string()))
}

/// The key of a request that must have one.
///
/// # Errors
/// The rule that the header breaks.
pub fn required_key(headers: &HeaderMap) -> Result<IdempotencyKey, Violation> {
    key_in_header(headers)?.ok_or_else(|| violation("is required: without it, a retry would count twice"))
}

fn violation(rule: impl Into<String>) -> Violation {
    Violation::in_header("Idempotency-Key", rule)
}
