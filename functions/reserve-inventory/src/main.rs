//! The `reserve-inventory` Lambda function.

use reserve_inventory::ReserveInventory;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let spreading = inventory::settings::spreading()?;
    saga::serve_step(env!("CARGO_PKG_NAME"), |client, table| ReserveInventory::new(client, table, spreading)).await
}
