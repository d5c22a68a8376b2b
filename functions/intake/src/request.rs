//! From an API Gateway event to an order with an id.

use api::idempotency::key_in_header;
use api::{Kind, Problem, Request, body};
use http::HeaderMap;
use order::request::{OrderRequest, RequestError, parse};
use order::{IdempotencyKey, Order, OrderId, Violation};

/// A request to place an order.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The order.
    pub order: Order,
    /// The same order under the id that it would have had before customers had ids of their own, if it may have one.
    pub former: Option<Order>,
    /// The key that its id follows from: the client's, or a generated one.
    pub key: IdempotencyKey,
    /// When the client wants its answer.
    pub mode: Mode,
}

/// When the client wants its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// After the decision, if it comes in time.
    Wait,
    /// At once ([`Prefer: respond-async`](https://www.rfc-editor.org/rfc/rfc7240#section-4.1)).
    RespondAsync,
}

/// Reads a request. If the client sends no key, the request's id becomes its key: it is unique.
///
/// # Errors
/// The problem to answer with.
pub fn read(request: &Request) -> Result<Placement, Problem> {
    let Request { event, caller, id: request_id, correlation_id, .. } = request;
    let headers = request.headers();
    let body = body::text(event, headers)?;
    let header_key = key_in_header(headers);
    let (OrderRequest { draft, client_request_id }, header_key) = match (parse(&body), header_key) {
        (Ok(order_request), Ok(key)) => (order_request, key),
        (Err(RequestError::NotJson(error)), _) => return Err(body::malformed(&error)),
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
    let own_key = header_key.or(client_request_id);
    // Nobody has sent a key before that is generated now.
    let may_be_former = own_key.is_some() && caller.customer_id.is_some();
    let key = match own_key {
        Some(key) => key,
        None => request_id.parse().map_err(|_| Problem::new(Kind::Unavailable))?,
    };
    caller.require_customer(draft.customer_id.as_str())?;
    // `parse` has already checked every rule, field by field.
    let place = |order_id, draft| {
        let placed = Order::place(order_id, caller.tenant.clone(), draft)
            .map_err(|rule| invalid(vec![Violation::at("", rule.to_string())]))?;
        Ok(match correlation_id {
            Some(correlation_id) => placed.correlated(correlation_id.clone()),
            None => placed,
        })
    };
    let in_tenant = OrderId::derive(&caller.tenant, &key);
    let (order_id, former) = match &caller.customer_id {
        None => (in_tenant, None),
        Some(customer_id) => {
            let former = may_be_former.then(|| place(in_tenant, draft.clone())).transpose()?;
            (OrderId::derive_for_customer(&caller.tenant, customer_id, &key), former)
        }
    };
    let order = place(order_id, draft)?;
    Ok(Placement { order, former, key, mode: mode(headers) })
}

/// The problem of an order with an authorised payment at a shop without a payment provider.
pub fn no_payments() -> Problem {
    let rule = "must not be AUTHORIZED: no payment provider is configured here, so nobody could capture the payment";
    invalid(vec![Violation::at("/paymentTerms", rule)])
}

/// The problem of an order that breaks rules.
pub(crate) fn invalid(violations: Vec<Violation>) -> Problem {
    Problem::new(Kind::InvalidOrder).errors(violations)
}

fn mode(headers: &HeaderMap) -> Mode {
    let asks_for_async = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        // A preference may have parameters. Those of this one have no effect.
        .filter_map(|preference| preference.split(';').next())
        .any(|preference| preference.trim().eq_ignore_ascii_case("respond-async"));
    if asks_for_async { Mode::RespondAsync } else { Mode::Wait }
}
