//! The `recover-orders` Lambda function.

use intake::queue::Queue;
use intake::workflow::{STATE_MACHINE_VARIABLE, Workflow};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use persist_order::{Orders, orders::TABLE_VARIABLE};
use recover_orders::{Event, Output, PARKED_VARIABLE, RecoverOrders, metrics};
use saga::{Clock, aws};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let config = aws::config().await;
    let table = aws::setting(TABLE_VARIABLE)?;
    let workflow = Workflow::new(&config, aws::setting(STATE_MACHINE_VARIABLE)?);
    let parked = Queue::new(aws_sdk_sqs::Client::new(&config), aws::setting(PARKED_VARIABLE)?);
    let client = aws::dynamodb(&config, &table, Orders::absent_key()).await;
    let recovery = &RecoverOrders::new(Orders::new(client, table), workflow, parked, Clock::System);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| async move {
        let output: Output = recovery.handle(event.payload).await;
        metrics::emit(&output, Clock::System.now_ms());
        Ok::<_, Diagnostic>(output)
    }))
    .await
}
