//! The `capture-payment` Lambda function.

use std::sync::Arc;

use capture_payment::CapturePayment;
use declarations::table_variable;
use payments::{Stripe, settings};
use saga::aws;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    saga::serve_external_step(env!("CARGO_PKG_NAME"), async |config| {
        let capture = settings::capture()?.ok_or("no payment provider is configured")?;
        let stripe = Stripe::from_environment(&config)?;
        stripe.warm_up().await;
        Ok(CapturePayment::new(Arc::new(stripe), capture, aws::setting(&table_variable(journal::table::TABLE))?))
    })
    .await
}
