//! The `book-delivery` Lambda function.

use book_delivery::BookDelivery;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    saga::serve_step(env!("CARGO_PKG_NAME"), |_client, table| BookDelivery::new(table)).await
}
