//! The `reserve-inventory` Lambda function.

use reserve_inventory::ReserveInventory;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    saga::serve_step(env!("CARGO_PKG_NAME"), |_client, table| ReserveInventory::new(table)).await
}
