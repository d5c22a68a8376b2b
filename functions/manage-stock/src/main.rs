//! The `manage-stock` Lambda function.

use clock::WallClock;
use declarations::table_variable;
use inventory::{Stocks, absent_key};
use manage_stock::ManageStock;
use prices::Prices;
use saga::aws;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init(env!("CARGO_PKG_NAME"));
    let table = aws::setting(&table_variable(inventory::table::TABLE))?;
    let client = aws::dynamodb(&aws::config().await, &table, absent_key()).await;
    let prices = Prices::new(client.clone(), aws::setting(&table_variable(prices::table::TABLE))?);
    let stock = ManageStock::new(Stocks::new(client, table), prices, WallClock::System);
    api::serve(env!("CARGO_PKG_NAME"), stock).await
}
