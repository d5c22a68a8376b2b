//! The request body, and every rule it can break.
//!
//! ```json
//! {"customerId":"demo123",
//!  "items":[{"productId":"LAPTOP001","quantity":1,"price":1299.99}],
//!  "totalAmount":1299.99}
//! ```
//!
//! Optional: `currency` (`USD`), `storeId` (`main`), `countyId`, `paymentTerms` (`PREPAID`),
//! `paymentReference`, `clientRequestId`. Numbers are read from their own digits and never become
//! floats. Every broken rule is found in one pass. Unknown and duplicate fields are rejected, because
//! the client meant something by them.

use serde_json::value::RawValue;

use crate::id::{IdempotencyKey, PaymentReference, Sku, StoreId};
use crate::money::Currency;
use crate::placed::{Draft, MAX_LINES, MAX_QUANTITY, OrderLine, PAYMENT_IDS, PaymentTerms, is_payment, sum_minor};
use crate::validation::{Fields, Presence};
use crate::violation::Violation;

/// The store of a request without one.
pub const DEFAULT_STORE: &str = "main";

/// A request body that satisfies every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    /// The order's content.
    pub draft: Draft,
    /// `clientRequestId`, the body's form of the `Idempotency-Key` header.
    pub client_request_id: Option<IdempotencyKey>,
}

/// Why a body is not an order.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It is not JSON at all.
    #[error("read the request body as JSON")]
    NotJson(#[source] serde_json::Error),
    /// It breaks these rules; the list is never empty.
    #[error("the request body breaks {} of the order's rules", .0.len())]
    Invalid(Vec<Violation>),
}

/// Reads a request body.
///
/// # Errors
/// [`RequestError`], with every rule that the body breaks.
pub fn parse(body: &str) -> Result<OrderRequest, RequestError> {
    let raw: &RawValue = serde_json::from_str(body).map_err(RequestError::NotJson)?;
    let mut violations = Vec::new();
    let request = Fields::read(raw, "", &mut violations).and_then(read_order);
    match request {
        Some(request) if violations.is_empty() => Ok(request),
        _ => Err(RequestError::Invalid(violations)),
    }
}

/// `None` only after at least one violation was noted.
fn read_order(mut fields: Fields<'_, '_>) -> Option<OrderRequest> {
    let customer_id = fields.text("customerId", Presence::Required);
    let store_id = fields.text::<StoreId>("storeId", Presence::Optional);
    let county_id = fields.text("countyId", Presence::Optional);
    let payment_terms =
        fields.choice::<PaymentTerms>("paymentTerms", Presence::Optional, "must be PREPAID, INVOICE or AUTHORIZED");
    let payment_reference = read_payment(&mut fields, payment_terms == Some(PaymentTerms::Authorized));
    let client_request_id = fields.text("clientRequestId", Presence::Optional);
    let currency = match fields.take("currency") {
        None => Currency::DEFAULT_CODE.parse().ok(),
        Some(raw) => fields.parse_string("currency", raw),
    };
    let items = fields.take_required("items");
    let total = fields.take_required("totalAmount");
    let lines = items.and_then(|raw| read_lines(raw, currency, &mut fields));
    let total_minor = total.zip(currency).and_then(|(raw, currency)| fields.amount("totalAmount", raw, currency));
    if let (Some(lines), Some(total_minor), Some(currency)) = (&lines, total_minor, currency) {
        match sum_minor(lines) {
            None => fields.refuse("items", "must add up to an amount below 2^53 minor units"),
            Some(sum) if sum != total_minor => fields.refuse(
                "totalAmount",
                &format!("must be the sum of quantity × price, which is {}", currency.decimal(sum)),
            ),
            Some(0) if payment_terms == Some(PaymentTerms::Authorized) => {
                fields.refuse("totalAmount", "must be more than 0 if the payment is authorised");
            }
            Some(_) => {}
        }
    }
    fields.refuse_unknown("an order");
    Some(OrderRequest {
        draft: Draft {
            customer_id: customer_id?,
            store_id: store_id.or_else(|| DEFAULT_STORE.parse().ok())?,
            county_id,
            payment_terms: payment_terms.unwrap_or_default(),
            payment_reference,
            currency: currency?,
            lines: lines?,
            total_minor: total_minor?,
        },
        client_request_id,
    })
}

/// The payment's reference. An authorised payment needs one that can be the payment's id.
fn read_payment(fields: &mut Fields<'_, '_>, is_authorised: bool) -> Option<PaymentReference> {
    if is_authorised {
        return payment_id(fields, Presence::Required);
    }
    fields.text("paymentReference", Presence::Optional)
}

/// The field `paymentReference`, if it can be a payment's id at the payment provider.
pub fn payment_id(fields: &mut Fields<'_, '_>, presence: Presence) -> Option<PaymentReference> {
    let reference = fields.text("paymentReference", presence)?;
    if !is_payment(&reference) {
        fields.refuse("paymentReference", &format!("must be the id of the payment: {PAYMENT_IDS}"));
    }
    Some(reference)
}

/// The lines, if every one is valid. Without a known currency, the prices are not read.
fn read_lines(raw: &RawValue, currency: Option<Currency>, fields: &mut Fields<'_, '_>) -> Option<Vec<OrderLine>> {
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
        fields.refuse("items", "must be an array");
        return None;
    };
    if items.is_empty() || items.len() > MAX_LINES {
        fields.refuse("items", &format!("must have 1 to {MAX_LINES} items"));
        return None;
    }
    let mut lines: Vec<OrderLine> = Vec::with_capacity(items.len());
    let mut skus: Vec<Sku> = Vec::with_capacity(items.len());
    for (index, raw) in items.iter().enumerate() {
        let pointer = format!("/items/{index}");
        let Some(mut item) = Fields::read(raw, &pointer, fields.violations) else { continue };
        let sku = item.text::<Sku>("productId", Presence::Required);
        let quantity =
            item.take_required("quantity").and_then(|raw| item.whole("quantity", raw, 1..=i64::from(MAX_QUANTITY)));
        let quantity = quantity.and_then(|quantity| u32::try_from(quantity).ok());
        let price =
            item.take_required("price").zip(currency).and_then(|(raw, currency)| item.amount("price", raw, currency));
        if let Some(sku) = &sku {
            if skus.contains(sku) {
                item.refuse("productId", "must be unique; combine the quantities into one item");
            }
            skus.push(sku.clone());
        }
        item.refuse_unknown("an order");
        if let (Some(sku), Some(quantity), Some(price_minor)) = (sku, quantity, price) {
            lines.push(OrderLine { sku, quantity, price_minor });
        }
    }
    (lines.len() == items.len()).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::violation::Place;

    const SAMPLE: &str = r#"{"customerId":"demo123","items":[{"productId":"LAPTOP001","quantity":1,"price":1299.99}],"totalAmount":1299.99}"#;

    fn violations(body: &str) -> Vec<(String, String)> {
        match parse(body) {
            Err(RequestError::Invalid(violations)) => violations
                .into_iter()
                .map(|violation| match violation.place {
                    Place::Pointer(pointer) => (pointer, violation.detail),
                    Place::Header(name) | Place::Parameter(name) => panic!("a body has no {name}"),
                })
                .collect(),
            other => panic!("expected violations of {body}, got {other:?}"),
        }
    }

    fn pointers(body: &str) -> Vec<String> {
        violations(body).into_iter().map(|(pointer, _)| pointer).collect()
    }

    #[test]
    fn the_body_of_existing_clients_is_an_order_with_the_defaults() {
        let OrderRequest { draft, client_request_id } = parse(SAMPLE).unwrap();
        assert_eq!(draft.customer_id.as_str(), "demo123");
        assert_eq!(draft.store_id.as_str(), "main");
        assert_eq!(draft.currency.code(), "USD");
        assert_eq!(draft.payment_terms, PaymentTerms::Prepaid);
        assert_eq!((draft.total_minor, draft.lines[0].price_minor, draft.lines[0].quantity), (129_999, 129_999, 1));
        assert_eq!(client_request_id, None);
    }

    #[test]
    fn every_field_is_read() {
        let body = r#"{"customerId":"acme","storeId":"west","countyId":"kings","paymentTerms":"INVOICE",
            "paymentReference":"PO 7","clientRequestId":"r-1","currency":"JPY",
            "items":[{"productId":"A","quantity":3,"price":200}],"totalAmount":6e2}"#;
        let OrderRequest { draft, client_request_id } = parse(body).unwrap();
        assert_eq!(draft.payment_terms, PaymentTerms::Invoice);
        assert_eq!(draft.county_id.unwrap().as_str(), "kings");
        assert_eq!(draft.payment_reference.unwrap().as_str(), "PO 7");
        assert_eq!(client_request_id.unwrap().as_str(), "r-1");
        assert_eq!(draft.total_minor, 600);
    }

    #[test]
    fn every_broken_rule_is_named_at_once() {
        let body = r#"{"customerId":"","items":[{"productId":"A","quantity":0,"price":0.001},
            {"quantity":1.5,"price":"1"},7],"totalAmount":-1,"storeId":3,"currencyCode":"USD"}"#;
        assert_eq!(
            pointers(body),
            [
                "#/customerId",
                "#/storeId",
                "#/items/0/quantity",
                "#/items/0/price",
                "#/items/1/productId",
                "#/items/1/quantity",
                "#/items/1/price",
                "#/items/2",
                "#/totalAmount",
                "#/currencyCode",
            ]
        );
        assert_eq!(pointers("{}"), ["#/customerId", "#/items", "#/totalAmount"]);
        assert_eq!(pointers("[]"), ["#"]);
        assert_eq!(pointers("null"), ["#"]);
    }

    #[test]
    fn an_authorised_payment_names_the_payment_and_pays_something() {
        let body = |fields: &str| SAMPLE.replacen('{', &format!(r#"{{"paymentTerms":"AUTHORIZED",{fields}"#), 1);
        let order = parse(&body(r#""paymentReference":"pi_3Nx","#)).unwrap().draft;
        assert_eq!(order.payment_terms, PaymentTerms::Authorized);
        assert_eq!(pointers(&body("")), ["#/paymentReference"]);
        for wrong in ["PO 7", "pi/../x", "pi?", &"p".repeat(65)] {
            assert_eq!(
                pointers(&body(&format!(r#""paymentReference":"{wrong}","#))),
                ["#/paymentReference"],
                "{wrong}"
            );
        }
        let free = body(r#""paymentReference":"pi_3Nx","#).replace("1299.99", "0");
        assert_eq!(pointers(&free), ["#/totalAmount"]);
    }

    #[test]
    fn a_duplicate_field_is_rejected_also_inside_an_item() {
        let body = SAMPLE.replace(r#""quantity":1"#, r#""quantity":1,"quantity":2"#);
        assert_eq!(pointers(&body), ["#/items/0/quantity"]);
        let body = SAMPLE.replacen('{', r#"{"customerId":"other","#, 1);
        assert_eq!(pointers(&body), ["#/customerId"]);
    }

    #[test]
    fn unknown_names_are_escaped_as_json_pointers_are() {
        let body = SAMPLE.replacen('{', r#"{"a/b~c":1,"#, 1);
        assert_eq!(pointers(&body), ["#/a~1b~0c"]);
        let body = SAMPLE.replacen('{', r#"{"a b%\"é#?":1,"#, 1);
        assert_eq!(pointers(&body), ["#/a%20b%25%22%C3%A9%23?"], "a pointer is a URI fragment");
    }

    #[test]
    fn an_object_with_very_many_fields_is_rejected_as_a_whole() {
        let body = |count: usize| {
            let fields: Vec<_> = (0..count).map(|i| format!(r#""f{i}":0"#)).collect();
            format!("{{{}}}", fields.join(","))
        };
        assert_eq!(pointers(&body(101)), ["#"]);
        assert_eq!(pointers(&body(100)).len(), 100 + 3, "each unknown one, and each required one");
        let item = format!(r#"{{"customerId":"c","items":[{}],"totalAmount":0}}"#, body(101));
        assert_eq!(pointers(&item), ["#/items/0"]);
    }

    #[test]
    fn nesting_is_rejected_where_it_begins_at_any_depth() {
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        assert_eq!(pointers(&deep), ["#"]);
        let body = |field: &str| SAMPLE.replacen('{', &format!(r#"{{"{field}":{deep},"#), 1);
        assert_eq!(pointers(&body("storeId")), ["#/storeId"]);
        assert_eq!(pointers(&body("unknown")), ["#/unknown"]);
        let items = format!(r#"{{"customerId":"c","items":{deep},"totalAmount":0}}"#);
        assert_eq!(pointers(&items), ["#/items/0"]);
    }

    #[test]
    fn the_total_is_the_exact_sum() {
        let body = SAMPLE.replace(r#""totalAmount":1299.99"#, r#""totalAmount":1299.98"#);
        assert_eq!(violations(&body)[0].1, "must be the sum of quantity × price, which is 1299.99");
        let tenths = r#"{"customerId":"c","items":[{"productId":"A","quantity":3,"price":0.1}],"totalAmount":0.3}"#;
        assert_eq!(parse(tenths).unwrap().draft.total_minor, 30);
    }

    #[test]
    fn one_to_fifty_distinct_lines_are_an_order() {
        let body = |count: usize| {
            let items: Vec<_> =
                (0..count).map(|i| format!(r#"{{"productId":"P{i}","quantity":1,"price":1}}"#)).collect();
            format!(r#"{{"customerId":"c","items":[{}],"totalAmount":{count}}}"#, items.join(","))
        };
        assert_eq!(parse(&body(50)).unwrap().draft.lines.len(), 50);
        assert_eq!(pointers(&body(51)), ["#/items"]);
        assert_eq!(pointers(&body(0)), ["#/items"]);
        let twice = SAMPLE
            .replace(r#""price":1299.99}"#, r#""price":1299.99},{"productId":"LAPTOP001","quantity":1,"price":0}"#);
        assert_eq!(pointers(&twice), ["#/items/1/productId"]);
    }

    #[test]
    fn a_quantity_is_a_whole_number_in_any_spelling() {
        let body = |quantity: &str| SAMPLE.replace(r#""quantity":1"#, &format!(r#""quantity":{quantity}"#));
        for one in ["1", "1.0", "1e0", "10E-1", "0.1e1"] {
            assert_eq!(parse(&body(one)).unwrap().draft.lines[0].quantity, 1, "{one}");
        }
        for other in ["0", "-1", "1.5", "1e-1", "1000001", "1e99", "0.00000000000000000000000000001e29"] {
            assert_eq!(pointers(&body(other)), ["#/items/0/quantity"], "{other}");
        }
    }

    #[test]
    fn an_amount_in_an_unknown_currency_is_not_guessed() {
        assert_eq!(pointers(&SAMPLE.replacen('{', r#"{"currency":"XAU","#, 1)), ["#/currency"]);
        assert_eq!(pointers(&SAMPLE.replacen('{', r#"{"currency":"JPY","#, 1)), ["#/items/0/price", "#/totalAmount"]);
    }

    #[test]
    fn a_body_that_is_not_json_is_an_error_of_its_own() {
        for body in ["", "{", "not json", "{\"a\":1}}", "{\"customerId\":\"\u{1}\"}"] {
            assert!(matches!(parse(body), Err(RequestError::NotJson(_))), "{body:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body in "[\\[\\]{}\":,0-9a-zA-Z.eE+\\- ]{0,80}") {
            let _ = parse(&body);
        }
    }
}
