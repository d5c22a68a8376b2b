//! The `manage-accounts` Lambda function.

use clock::WallClock;
use declarations::table_variable;
use journal::{Journal, absent_key};
use manage_accounts::ManageAccounts;
use saga::aws;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init(env!("CARGO_PKG_NAME"));
    let table = aws::setting(&table_variable(journal::table::TABLE))?;
    let client = aws::dynamodb(&aws::config().await, &table, absent_key()).await;
    api::serve(env!("CARGO_PKG_NAME"), ManageAccounts::new(Journal::new(client, table), WallClock::System)).await
}
