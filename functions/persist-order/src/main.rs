//! The `persist-order` Lambda function.

use clock::WallClock;
use declarations::table_variable;
use orders::Orders;
use persist_order::PersistOrder;
use saga::{aws, task};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init(env!("CARGO_PKG_NAME"));
    let table = aws::setting(&table_variable(orders::table::TABLE))?;
    let client = aws::dynamodb(&aws::config().await, &table, Orders::absent_key()).await;
    task::serve(PersistOrder::new(Orders::new(client, table), WallClock::System)).await
}
