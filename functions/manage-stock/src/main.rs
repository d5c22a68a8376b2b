//! The `manage-stock` Lambda function.

use api::{Clients, access::CLIENTS_VARIABLE};
use manage_stock::ManageStock;
use reserve_inventory::{Inventory, Stocks, stock::TABLE_VARIABLE};
use saga::{Clock, aws};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let clients: Clients = aws::setting(CLIENTS_VARIABLE)?.parse()?;
    let table = aws::setting(TABLE_VARIABLE)?;
    let client = aws::dynamodb(&aws::config().await, &table, Inventory::absent_key()).await;
    api::serve(ManageStock::new(Stocks::new(client, table), Clock::System), clients).await
}
