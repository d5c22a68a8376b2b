//! The largest valid order, and its largest record.

use order::{
    Actor, Draft, Effect, MAX_AMOUNT_MINOR, MAX_LINES, MAX_QUANTITY, Order, OrderLine, OrderRecord, PaymentTerms,
    Reason, Receipt, Receipts, Shortage, Status, StepReceipts,
};
use orders::table::MAX_DETAIL_CHARS;

/// The longest identifier of a customer, store, county or article.
const MAX_ID_CHARS: usize = 64;

/// The longest id of a payment.
const MAX_PAYMENT_CHARS: usize = 64;

/// The longest payment reference.
const MAX_REFERENCE_CHARS: usize = 140;

/// The order on these terms with the longest JSON text, except for a few digits of its prices.
pub fn largest_order(payment_terms: PaymentTerms) -> Order {
    // The total limits the digits of quantity and price together.
    let price_minor = MAX_AMOUNT_MINOR / (i64::from(MAX_QUANTITY) * largest_count());
    let line = |number: usize| OrderLine {
        sku: parsed(&format!("{number:0>MAX_ID_CHARS$}")),
        quantity: MAX_QUANTITY,
        price_minor,
    };
    let id = "x".repeat(MAX_ID_CHARS);
    let draft = Draft {
        customer_id: parsed(&id),
        store_id: parsed(&id),
        county_id: Some(parsed(&id)),
        payment_terms,
        payment_reference: Some(match payment_terms {
            PaymentTerms::Authorized => parsed(&"x".repeat(MAX_PAYMENT_CHARS)),
            // A quotation mark takes two bytes as JSON.
            PaymentTerms::Prepaid | PaymentTerms::Invoice => parsed(&"\"".repeat(MAX_REFERENCE_CHARS)),
        }),
        currency: parsed("USD"),
        lines: (0..MAX_LINES).map(line).collect(),
        total_minor: price_minor * i64::from(MAX_QUANTITY) * largest_count(),
    };
    let order = Order::place(parsed(&"0".repeat(32)), parsed(&id), draft);
    order.expect("every line and the total are within their bounds").correlated(parsed(&id))
}

/// The largest record of an order on these terms in this status, with every field that a record can have, even those that no
/// order in this status has.
pub fn largest_record(status: Status, payment_terms: PaymentTerms) -> OrderRecord {
    let refused = declarations::refusals().map(|(_, refusal)| Reason::Refused(refusal.reason.clone()));
    let reason = refused.chain(Reason::OWN).max_by_key(|reason| reason.as_str().len());
    OrderRecord {
        order: largest_order(payment_terms),
        status,
        reason,
        // A control character takes six bytes as JSON.
        detail: Some("\u{1f}".repeat(MAX_DETAIL_CHARS)),
        shortages: largest_order(payment_terms)
            .lines
            .iter()
            .map(|line| Shortage { sku: line.sku.clone(), available: MAX_AMOUNT_MINOR })
            .collect(),
        payment_replacement: largest_order(PaymentTerms::Authorized).payment_reference.clone(),
        payment_replaced_by: Some(actor()),
        payment_replaced_ms: Some(LAST_MS),
        receipts: Receipts { applied: receipts(), undone: receipts(), consumed: receipts() },
        attempts: u32::MAX,
        created_ms: LAST_MS,
        updated_ms: LAST_MS,
        confirmed_ms: Some(LAST_MS),
        cancelling_ms: Some(LAST_MS),
        cancelled_by: Some(actor()),
        cancelled_ms: Some(LAST_MS),
        fulfilling_ms: Some(LAST_MS),
        fulfilled_by: Some(actor()),
        fulfilled_ms: Some(LAST_MS),
        parked_by: Some(actor()),
        taken_up_by: Some(actor()),
        taken_up_ms: Some(LAST_MS),
    }
}

/// The longest actor as JSON.
fn actor() -> Actor {
    let text = "\u{1f}".repeat(Actor::MAX_BYTES);
    Actor::new(&text, &text)
}

fn receipts() -> StepReceipts {
    declarations::steps().iter().map(|(function, _)| (function.name.clone(), receipt())).collect()
}

/// The longest receipt.
pub(super) fn receipt() -> Receipt {
    Receipt { at_ms: LAST_MS, effect: Effect::Consumed, lapses_ms: Some(LAST_MS) }
}

/// A time with as many digits as JSONata carries.
const LAST_MS: order::EpochMs = MAX_AMOUNT_MINOR;

fn largest_count() -> i64 {
    i64::try_from(MAX_LINES).expect("an order has few lines")
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("the text is as long as its kind allows, and of its alphabet")
}

#[cfg(test)]
mod tests {
    use order::{CustomerId, PaymentReference};

    use super::*;

    #[test]
    fn no_identifier_can_be_longer() {
        assert!("x".repeat(MAX_ID_CHARS + 1).parse::<CustomerId>().is_err());
        assert!("x".repeat(MAX_REFERENCE_CHARS + 1).parse::<PaymentReference>().is_err());
        let draft = |chars| Draft { payment_reference: Some(parsed(&"x".repeat(chars))), ..authorised() };
        let place = |draft| Order::place(parsed(&"0".repeat(32)), parsed("shop"), draft);
        assert!(place(draft(MAX_PAYMENT_CHARS)).is_ok() && place(draft(MAX_PAYMENT_CHARS + 1)).is_err());
    }

    fn authorised() -> Draft {
        Draft::clone(&largest_order(PaymentTerms::Authorized))
    }

    /// The total bounds the digits of quantities and prices.
    #[test]
    fn the_prices_are_nearly_as_long_as_they_can_be() {
        let order = largest_order(PaymentTerms::default());
        assert_eq!(order.lines.len(), MAX_LINES);
        let digits = |line: &OrderLine| line.quantity.to_string().len() + line.price_minor.to_string().len();
        // A product of 15 digits has factors of at most 16.
        assert!(order.lines.iter().all(|line| digits(line) == 16));
    }
}
