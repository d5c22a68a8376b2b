//! The `post-accounting` Lambda function.

use post_accounting::PostAccounting;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    saga::serve_step(env!("CARGO_PKG_NAME"), PostAccounting::new).await
}
