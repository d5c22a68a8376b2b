//! The `recover-orders` Lambda function.

use clock::WallClock;
use declarations::{WORKFLOW_VARIABLE, queue_variable, table_variable};
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use orders::Orders;
use payments::{Lapsing, settings};
use queue::Queue;
use recover_orders::{Event, Output, RecoverOrders, metrics};
use saga::aws;
use tracing::Instrument;
use workflow::Workflow;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init(env!("CARGO_PKG_NAME"));
    let config = aws::config().await;
    let table = aws::setting(&table_variable(orders::table::TABLE))?;
    let workflow = Workflow::new(&config, aws::setting(WORKFLOW_VARIABLE)?);
    let parked = Queue::new(aws_sdk_sqs::Client::new(&config), aws::setting(&queue_variable("parked"))?);
    let client = aws::dynamodb(&config, &table, Orders::absent_key()).await;
    let payments = match settings::capture()? {
        Some(_) => Some(Lapsing::new(client.clone(), aws::setting(&table_variable(payments::table::TABLE))?)),
        None => None,
    };
    let recovery = &RecoverOrders::new(Orders::new(client, table), workflow, parked, payments, WallClock::System);
    ::metrics::emit(&[(::metrics::Metric::ColdStarts, 1)], WallClock::System.now_ms());
    let serving = service_fn(move |event: LambdaEvent<Event>| {
        let invocation = logging::invocation(&event.context);
        let request_id = event.context.request_id;
        let recovered = async move {
            let output: Output = recovery.handle(event.payload, &request_id).await;
            metrics::emit(&output, WallClock::System.now_ms());
            Ok::<_, Diagnostic>(output)
        };
        recovered.instrument(invocation)
    });
    Runtime::new(serving).run().await
}
