//! The body of a request: JSON of limited size.

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, header};

use crate::problem::{Kind, Problem};

/// The largest body: several times the largest order.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// A request's body as text, unless its headers declare a type other than JSON.
///
/// # Errors
/// The problem to answer with.
pub fn text(request: &ApiGatewayProxyRequest, headers: &HeaderMap) -> Result<String, Problem> {
    check_media_type(headers)?;
    let text = request.body.as_deref().unwrap_or_default();
    if !request.is_base64_encoded {
        check_size(text.len(), MAX_BODY_BYTES)?;
        return Ok(text.to_owned());
    }
    // Base64 is a third longer than its content, rounded up. This check avoids decoding far too large a
    // body; the exact size is known only afterwards.
    check_size(text.len(), MAX_BODY_BYTES.div_ceil(3) * 4)?;
    let not_text = || Problem::new(Kind::MalformedBody).detail("the body is not UTF-8");
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| not_text())?;
    check_size(bytes.len(), MAX_BODY_BYTES)?;
    String::from_utf8(bytes).map_err(|_| not_text())
}

/// The problem of a body that is not JSON.
pub fn malformed(error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    Problem::new(Kind::MalformedBody).detail(place)
}

/// A body without a declared type is taken for JSON; any other type is rejected.
fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Problem::new(Kind::UnsupportedMediaType))
    }
}

fn check_size(bytes: usize, limit_bytes: usize) -> Result<(), Problem> {
    if bytes <= limit_bytes {
        return Ok(());
    }
    Err(Problem::new(Kind::BodyTooLarge).detail(format!("at most {MAX_BODY_BYTES} bytes")))
}
