//! The `reserve-inventory` Lambda function.

use reserve_inventory::{Inventory, ReserveInventory, stock::TABLE_VARIABLE};
use saga::{Clock, aws, task};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let table = aws::setting(TABLE_VARIABLE)?;
    let client = aws::dynamodb(&aws::config().await, &table, Inventory::absent_key()).await;
    task::serve(ReserveInventory::new(client, &table, Clock::System)).await
}
