//! From an API Gateway event to an order with an id.

use api::{Client, Kind, Problem};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, header};
use order::request::{OrderRequest, RequestError, parse};
use order::{IdempotencyKey, Order, OrderId, Violation};

use crate::IDEMPOTENCY_KEY;

/// The largest body: several times what the largest order takes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// A request to place an order.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The order.
    pub order: Order,
    /// The key that its id follows from: the client's, or one that was minted for it.
    pub key: IdempotencyKey,
    /// How the client wants to be answered.
    pub mode: Mode,
}

/// How the client wants to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// With the decision, if it comes in time.
    Wait,
    /// At once ([`Prefer: respond-async`](https://www.rfc-editor.org/rfc/rfc7240#section-4.1)).
    RespondAsync,
}

/// Reads a request. A client that sends no key gets one made of `request_id`, which is unique.
///
/// # Errors
/// The problem to answer with.
pub fn read(request: &ApiGatewayProxyRequest, client: &Client, request_id: &str) -> Result<Placement, Problem> {
    let headers = api::headers(request);
    check_media_type(headers)?;
    let body = body(request)?;
    let header_key = key_in_header(headers);
    let (OrderRequest { draft, client_request_id }, header_key) = match (parse(&body), header_key) {
        (Ok(order_request), Ok(key)) => (order_request, key),
        (Err(RequestError::NotJson(error)), _) => {
            let place = format!("line {}, column {}", error.line(), error.column());
            return Err(Problem::new(Kind::MalformedBody).detail(place));
        }
        (Err(RequestError::Invalid(violations)), Ok(_)) => return Err(invalid(violations)),
        (Err(RequestError::Invalid(mut violations)), Err(violation)) => {
            violations.push(violation);
            return Err(invalid(violations));
        }
        (Ok(_), Err(violation)) => return Err(invalid(vec![violation])),
    };
    if let (Some(header), Some(body)) = (&header_key, &client_request_id)
        && header != body
    {
        let rule = "must be the same as the Idempotency-Key header, if both are sent";
        return Err(invalid(vec![Violation::at("/clientRequestId", rule)]));
    }
    let key = match header_key.or(client_request_id) {
        Some(key) => key,
        None => request_id.parse().map_err(|_| Problem::new(Kind::Unavailable))?,
    };
    client.require_customer(&draft.customer_id)?;
    let order_id = OrderId::derive(&client.tenant, &key);
    // The reader has checked every rule by its field already.
    let order = Order::place(order_id, client.tenant.clone(), draft)
        .map_err(|rule| invalid(vec![Violation::at("", rule.to_string())]))?;
    Ok(Placement { order, key, mode: mode(headers) })
}

fn invalid(violations: Vec<Violation>) -> Problem {
    Problem::new(Kind::InvalidOrder).errors(violations)
}

/// A body without a declared type is taken for what it has to be; another type is not JSON.
fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Problem::new(Kind::UnsupportedMediaType))
    }
}

fn body(request: &ApiGatewayProxyRequest) -> Result<String, Problem> {
    let text = request.body.as_deref().unwrap_or_default();
    if !request.is_base64_encoded {
        check_size(text.len(), MAX_BODY_BYTES)?;
        return Ok(text.to_owned());
    }
    // Base64 is a third longer than what it holds, and rounded up: what is far too much is not even
    // decoded, and what is a byte too much is known only then.
    check_size(text.len(), MAX_BODY_BYTES.div_ceil(3) * 4)?;
    let not_text = || Problem::new(Kind::MalformedBody).detail("the body is not UTF-8");
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| not_text())?;
    check_size(bytes.len(), MAX_BODY_BYTES)?;
    String::from_utf8(bytes).map_err(|_| not_text())
}

fn check_size(bytes: usize, limit_bytes: usize) -> Result<(), Problem> {
    if bytes <= limit_bytes {
        return Ok(());
    }
    Err(Problem::new(Kind::BodyTooLarge).detail(format!("at most {MAX_BODY_BYTES} bytes")))
}

/// The key in the header, as the draft writes it, a string in double quotes, or bare, as most
/// clients do. Both forms are the same key.
fn key_in_header(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Violation> {
    let rule = |rule: &str| Violation::in_header("Idempotency-Key", rule);
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(rule("must be sent once"));
    }
    let text = value.to_str().map_err(|_| rule(&IdempotencyKey::RULE.to_string()))?.trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    bare.parse().map(Some).map_err(|broken: order::id::TextRule| rule(&broken.to_string()))
}

fn mode(headers: &HeaderMap) -> Mode {
    let asks_for_async = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        // A preference may have parameters. This one has none that mean anything to us.
        .filter_map(|preference| preference.split(';').next())
        .any(|preference| preference.trim().eq_ignore_ascii_case("respond-async"));
    if asks_for_async { Mode::RespondAsync } else { Mode::Wait }
}
