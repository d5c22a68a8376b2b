//! The `persist-order` Lambda function.

use persist_order::{Orders, PersistOrder, orders::TABLE_VARIABLE};
use saga::{Clock, aws, task};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let table = aws::setting(TABLE_VARIABLE)?;
    let client = aws::dynamodb(&aws::config().await, &table, Orders::absent_key()).await;
    task::serve(PersistOrder::new(Orders::new(client, table), Clock::System)).await
}
