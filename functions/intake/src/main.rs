//! The `intake` Lambda function.

use api::{Clients, access::CLIENTS_VARIABLE};
use intake::queue::{OVERFLOW_VARIABLE, Queue};
use intake::{Intake, workflow, workflow::Workflow};
use persist_order::{Orders, orders};
use saga::{Clock, aws};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let clients: Clients = aws::setting(CLIENTS_VARIABLE)?.parse()?;
    let config = aws::config().await;
    let table = aws::setting(orders::TABLE_VARIABLE)?;
    let workflow = Workflow::new(&config, aws::setting(workflow::STATE_MACHINE_VARIABLE)?);
    let queue = Queue::new(aws_sdk_sqs::Client::new(&config), aws::setting(OVERFLOW_VARIABLE)?);
    let (client, ()) = tokio::join!(aws::dynamodb(&config, &table, Orders::absent_key()), workflow.warm_up());
    api::serve(Intake::new(Orders::new(client, table), workflow, queue, Clock::System), clients).await
}
