//! The `manage-accounts` Lambda function.

use api::{Clients, access::CLIENTS_VARIABLE};
use manage_accounts::ManageAccounts;
use post_accounting::{Journal, journal::TABLE_VARIABLE};
use saga::aws;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let clients: Clients = aws::setting(CLIENTS_VARIABLE)?.parse()?;
    let table = aws::setting(TABLE_VARIABLE)?;
    let client = aws::dynamodb(&aws::config().await, &table, Journal::absent_key()).await;
    api::serve(ManageAccounts::new(Journal::new(client, table)), clients).await
}
