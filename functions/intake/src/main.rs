//! The `intake` Lambda function.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;
use clock::WallClock;
use declarations::{WORKFLOW_VARIABLE, queue_variable, table_variable};
use intake::Intake;
use orders::Orders;
use payments::{Desk, Stripe, settings};
use prices::Prices;
use queue::Queue;
use saga::aws;
use workflow::Workflow;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init(env!("CARGO_PKG_NAME"));
    let config = aws::config().await;
    let table = aws::setting(&table_variable(orders::table::TABLE))?;
    let workflow = Workflow::new(&config, aws::setting(WORKFLOW_VARIABLE)?);
    let overflow = Queue::new(aws_sdk_sqs::Client::new(&config), aws::setting(&queue_variable("overflow"))?);
    let (client, ()) = tokio::join!(aws::dynamodb(&config, &table, Orders::absent_key()), workflow.warm_up());
    let payments = desk(&config, &client)?;
    let prices = prices(&client)?;
    let intake = Intake::new(Orders::new(client, table), workflow, overflow, payments, prices, WallClock::System);
    api::serve(env!("CARGO_PKG_NAME"), intake).await
}

/// The payments, if there is a payment provider. Only a hand-over asks it, so its connection is opened then.
fn desk(config: &SdkConfig, client: &Client) -> Result<Option<Desk>, lambda_runtime::Error> {
    if settings::capture()?.is_none() {
        return Ok(None);
    }
    let stripe = Stripe::from_environment(config)?;
    let table = aws::setting(&table_variable(payments::table::TABLE))?;
    Ok(Some(Desk::new(client.clone(), table, Arc::new(stripe))))
}

/// The price list, if orders are compared with it.
fn prices(client: &Client) -> Result<Option<Prices>, lambda_runtime::Error> {
    if !prices::settings::is_enforced()? {
        return Ok(None);
    }
    Ok(Some(Prices::new(client.clone(), aws::setting(&table_variable(prices::table::TABLE))?)))
}
