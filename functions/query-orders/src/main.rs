//! The `query-orders` Lambda function.

use api::{Clients, access::CLIENTS_VARIABLE};
use persist_order::{Orders, orders::TABLE_VARIABLE};
use query_orders::QueryOrders;
use saga::aws;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let clients: Clients = aws::setting(CLIENTS_VARIABLE)?.parse()?;
    let table = aws::setting(TABLE_VARIABLE)?;
    let client = aws::dynamodb(&aws::config().await, &table, Orders::absent_key()).await;
    api::serve(QueryOrders::new(Orders::new(client, table)), clients).await
}
