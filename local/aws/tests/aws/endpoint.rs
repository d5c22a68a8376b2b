//! The services over loopback, on real time: what a compiled Lambda binary meets.

use std::sync::Arc;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use clock::WallClock;
use local_aws::{
    Api, BoxFuture, Call, Layer, Next, Outcome, Services, Sqs, Unanswered, declared_queues, endpoint, queue_url,
};

use crate::stack::{FENCE, Stack, impatient, put_fence, text};

async fn listen(services: Services) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, endpoint(services)).into_future());
    url
}

fn credentials() -> Credentials {
    Credentials::new("any", "any", None, None, "test")
}

fn dynamodb(url: &str) -> aws_sdk_dynamodb::Client {
    let config =
        impatient().endpoint_url(url).region(Region::from_static("us-east-1")).credentials_provider(credentials());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

#[tokio::test]
async fn a_client_with_an_endpoint_url_reaches_the_services() {
    let stack = Stack::in_memory();
    let queues = Sqs::open(stack.store.clone(), WallClock::System, declared_queues()).unwrap();
    let services = stack.services.clone().with(Api::Sqs, Arc::new(queues));
    let url = listen(services).await;

    let client = dynamodb(&url);
    let transaction = client.transact_write_items();
    let transaction = transaction.transact_items(put_fence(FENCE));
    transaction.send().await.unwrap();
    let put = client.put_item().table_name("inventory");
    let put = put.item("pk", text(FENCE));
    let put = put.condition_expression("attribute_not_exists(pk)");
    let refused = put.send().await.unwrap_err().into_service_error();
    assert!(refused.is_conditional_check_failed_exception());

    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&url)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(credentials());
    let sqs = aws_sdk_sqs::Client::from_conf(config.build());
    let send = sqs.send_message().queue_url(queue_url("orders-parked"));
    send.message_body("parked").send().await.unwrap();
    let receive = sqs.receive_message().queue_url(queue_url("orders-parked"));
    let received = receive.send().await.unwrap();
    assert_eq!(received.messages()[0].body(), Some("parked"));
}

#[tokio::test]
async fn an_unanswered_call_has_an_unknown_outcome_for_a_client_over_http() {
    #[derive(Debug)]
    struct Lose;
    impl Layer for Lose {
        fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
            Box::pin(async move {
                next.apply(&call).await?;
                Err(Unanswered::ConnectionLost)
            })
        }
    }
    let stack = Stack::in_memory();
    let url = listen(stack.services.clone().with_layer(Arc::new(Lose))).await;
    let put = dynamodb(&url).put_item().table_name("inventory");
    let error = put.item("pk", text(FENCE)).send().await.unwrap_err();
    assert!(matches!(&error, SdkError::ServiceError(e) if e.raw().status().as_u16() == 504), "{error:?}");
    assert_eq!(error.code(), None);
    assert!(stack.get(FENCE).await.is_some());
}
