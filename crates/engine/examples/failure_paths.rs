//! Tests a definition's failure path: `cargo run -p engine --example failure_paths`.

use engine::mock::{Mocks, Response};
use engine::{StateMachine, fill};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let definition = fill(include_str!("../../../statemachine/order-saga.asl.json"), |name| {
        Some(format!("arn:aws:lambda:::{name}"))
    })?;
    let machine = StateMachine::load(&definition)?;
    let order = |status| json!({"order_id": "o-1", "payment_terms": "AUTHORIZED", "status": status});
    // The inventory is busy twice, and then the bank declines the payment for good.
    let execution = Mocks::new()
        .on("PersistOrder", [Response::payload(order("PENDING"))])
        .on("ReserveInventory", [Response::throw("Unavailable", "busy").times(2), Response::payload(json!({}))])
        .on("PostAccounting", [Response::payload(json!({}))])
        .on("CapturePayment", [Response::throw("PaymentDeclined", "by the card's bank")])
        .on("CancelOrder", [Response::payload(order("CANCELLING"))])
        .on("ReverseAccounting", [Response::payload(json!({}))])
        .on("ReleaseInventory", [Response::payload(json!({}))])
        .on("RefundPayment", [Response::payload(json!({}))])
        .on("CloseOrder", [Response::payload(order("CANCELLED"))])
        .execute(&machine, json!({"order_id": "o-1", "order": {}, "fingerprint": "v1"}))?;
    assert_eq!(execution.output().map(|output| &output["status"]), Some(&json!("CANCELLED")));
    assert_eq!((execution.attempts("ReserveInventory"), execution.attempts("ReleaseInventory")), (3, 1));
    assert_eq!((execution.attempts("CapturePayment"), execution.attempts("RefundPayment")), (1, 1));
    println!("{} in {:?}: {}", execution.status().as_str(), execution.elapsed(), execution.path().join(" → "));
    Ok(())
}
