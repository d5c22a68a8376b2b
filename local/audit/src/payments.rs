//! I8: the payments, as the provider has them, match the orders and the journal.

use local_payments::{Intent, IntentStatus};
use order::{OrderId, OrderRecord, PaymentReference, PaymentTerms, Status};
use payments::{Capture, PaymentEffect};
use saga::fence::FenceState;

use super::books::{Books, PaymentFence};
use super::report::{Invariant, Report};

/// The payment of one order.
pub(super) fn check_order(at: &str, record: &OrderRecord, books: &Books, report: &mut Report) {
    let order_id = record.order.order_id();
    let fence = books.payments.get(order_id);
    check_settlement(at, fence, record, books, report);
    // An operator may have claimed another payment in place of a lost one.
    let replacement = fence.and_then(|fence| fence.terms.as_ref()?.replacement.as_ref());
    let Some(reference) = replacement.or(record.order.payment_reference.as_ref()) else { return };
    if record.order.payment_terms != PaymentTerms::Authorized {
        return;
    }
    let is_claimed = books.claims.get(reference).is_some_and(|claim| claim.claimed_by == *order_id);
    let must_be_claimed = matches!(record.status, Status::Confirmed | Status::Fulfilling | Status::Fulfilled);
    if must_be_claimed && !is_claimed {
        report.find(Invariant::I8, at, format!("is {}, but has not claimed {reference}", record.status));
    }
    if !is_claimed {
        return;
    }
    // A stack may use another payment provider, whose payments are not here.
    let Some(intent) = books.intents.get(reference) else { return };
    let is_at_hand_over =
        fence.and_then(|fence| fence.terms.as_ref()).is_some_and(|terms| terms.capture == Capture::Fulfilment);
    let total_minor = record.order.total_minor;
    let is_right = match record.status {
        Status::Confirmed | Status::Fulfilling if is_at_hand_over => intent.captured_minor <= total_minor,
        Status::Confirmed | Status::Fulfilling | Status::Fulfilled => is_captured(intent, total_minor),
        Status::Cancelled => is_returned(intent),
        Status::Pending | Status::Cancelling => true,
    };
    if !is_right {
        report.find(Invariant::I8, at, format!("is {}, but its payment {}", record.status, words(intent)));
    }
}

/// Exactly the total, once.
fn is_captured(intent: &Intent, total_minor: i64) -> bool {
    intent.status == IntentStatus::Succeeded && intent.captured_minor == total_minor && intent.refunded_minor == 0
}

/// Never captured, or refunded in full, and no later capture can succeed.
fn is_returned(intent: &Intent) -> bool {
    intent.status != IntentStatus::RequiresCapture && intent.captured_minor == intent.refunded_minor
}

fn words(intent: &Intent) -> String {
    let status: &str = intent.status.into();
    format!("{} is {status}, {} captured and {} refunded", intent.id, intent.captured_minor, intent.refunded_minor)
}

/// The journal has the settlement of a capture that the fence says is done, and its reversal once it is returned.
fn check_settlement(at: &str, fence: Option<&PaymentFence>, record: &OrderRecord, books: &Books, report: &mut Report) {
    let order_id = record.order.order_id();
    let settled = books.settlements.get(order_id).map(|settlement| &settlement.effect);
    let reversed = books.settlement_reversals.get(order_id).map(|settlement| &settlement.effect);
    let entry = |effect: &PaymentEffect| journal::Entry::of_capture(effect.currency, effect.amount_minor);
    // A fence that has expired leaves the settlement and its reversal.
    let Some(fence) = fence else {
        if settled.map(journal::Entry::reversed).as_ref() != reversed && record.status == Status::Cancelled {
            report.find(Invariant::I8, at, "has a settlement that is not reversed");
        }
        return;
    };
    let at_hand_over = fence.terms.as_ref().is_some_and(|terms| terms.capture == Capture::Fulfilment);
    let must_be_settled = if at_hand_over { fence.consumed_ms.is_some() } else { fence.applied_ms.is_some() };
    let expected = fence.effect.as_ref().filter(|_| must_be_settled).map(entry);
    if settled != expected.as_ref() {
        report.find(Invariant::I8, at, "has a settlement that does not match its payment");
    }
    let expected = expected.filter(|_| fence.state == FenceState::Cancelled).map(|entry| entry.reversed());
    if reversed != expected.as_ref() {
        report.find(Invariant::I8, at, "has a reversal of its settlement that does not match its payment");
    }
}

/// Whether an operator has claimed another payment in place of this one.
fn is_replaced(reference: &PaymentReference, claimed_by: &OrderId, books: &Books) -> bool {
    let terms = books.payments.get(claimed_by).and_then(|fence| fence.terms.as_ref());
    terms.and_then(|terms| terms.replacement.as_ref()).is_some_and(|replacement| replacement != reference)
}

/// I8 from the other side: nobody touches a payment that no order has claimed, none is captured twice, and one that was
/// replaced is returned.
pub(super) fn check_unclaimed(books: &Books, report: &mut Report) {
    for (reference, intent) in &books.intents {
        let at = format!("payment {reference}");
        match books.claims.get(reference) {
            None if !intent.is_untouched() => {
                report.find(Invariant::I8, &at, format!("belongs to no order, but {}", words(intent)));
            }
            Some(claim) if !books.orders.contains_key(&claim.claimed_by) => {
                report.find(Invariant::I8, &at, format!("is claimed by {}, which has no record", claim.claimed_by));
            }
            Some(claim) if is_replaced(reference, &claim.claimed_by, books) && !is_returned(intent) => {
                report.find(Invariant::I8, &at, format!("is replaced by another one, but {}", words(intent)));
            }
            _ if intent.captured_minor > intent.amount_minor || intent.refunded_minor > intent.captured_minor => {
                report.find(Invariant::I8, &at, words(intent));
            }
            _ => {}
        }
    }
}
