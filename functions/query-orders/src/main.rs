//! The `query-orders` Lambda function.

use declarations::table_variable;
use orders::Orders;
use query_orders::QueryOrders;
use saga::aws;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init(env!("CARGO_PKG_NAME"));
    let table = aws::setting(&table_variable(orders::table::TABLE))?;
    let client = aws::dynamodb(&aws::config().await, &table, Orders::absent_key()).await;
    api::serve(env!("CARGO_PKG_NAME"), QueryOrders::new(Orders::new(client, table))).await
}
