//! The `capture-payment` Lambda function.

use std::sync::Arc;

use aws_types::SdkConfig;
use capture_payment::CapturePayment;
use declarations::table_variable;
use metrics::Metric;
use order::EpochMs;
use payments::{Stripe, settings};
use saga::aws;
use saga::external::Observed;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    saga::serve_external_step(env!("CARGO_PKG_NAME"), step, count).await
}

async fn step(config: SdkConfig) -> Result<CapturePayment, lambda_runtime::Error> {
    let (capture, journal) = (settings::required_capture()?, aws::setting(&table_variable(journal::table::TABLE))?);
    let stripe = Stripe::from_environment(&config)?;
    stripe.warm_up().await;
    Ok(CapturePayment::new(Arc::new(stripe), capture, journal))
}

/// The metrics that alarms watch.
fn count(observed: Observed, now_ms: EpochMs) {
    let metric = match observed {
        Observed::Undone => Metric::PaymentsReturned,
        Observed::UndoRefused => Metric::PaymentUndoRefused,
        Observed::ConsumptionRefused => Metric::PaymentRefused,
    };
    metrics::emit(&[(metric, 1)], now_ms);
}
