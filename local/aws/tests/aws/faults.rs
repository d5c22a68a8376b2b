//! What a layer can do to a call, and that each error of AWS arrives as the SDK models it.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use local_aws::{
    Api, BoxFuture, Call, CancellationReason, InProcess, Layer, Next, Outcome, ServiceAnswer, Unanswered, WireError,
};
use serde_json::json;
use tokio::time::Instant;

use crate::stack::{FENCE, Stack, impatient, put_fence, take, text};

/// What happens to each `PutItem` and `TransactWriteItems`.
#[derive(Debug, Clone)]
enum Fault {
    Refuse(WireError),
    ApplyAndLose(Unanswered),
    HangUnapplied,
    HangApplied,
    ApplyTwice,
    StripCondition,
    Delay(Duration),
}

impl Layer for Fault {
    fn around<'a>(&'a self, mut call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        if !matches!(call.operation.as_str(), "PutItem" | "TransactWriteItems") {
            return next.apply(&call);
        }
        Box::pin(async move {
            match self {
                Self::Refuse(error) => Ok(error.clone().into()),
                Self::ApplyAndLose(unanswered) => {
                    next.apply(&call).await?;
                    Err(*unanswered)
                }
                Self::HangUnapplied => std::future::pending().await,
                Self::HangApplied => {
                    next.apply(&call).await?;
                    std::future::pending().await
                }
                Self::ApplyTwice => {
                    next.apply(&call).await?;
                    next.apply(&call).await
                }
                Self::StripCondition => {
                    let body = call.body.as_object_mut().unwrap();
                    body.remove("ConditionExpression");
                    next.apply(&call).await
                }
                Self::Delay(delay) => {
                    tokio::time::sleep(*delay).await;
                    next.apply(&call).await
                }
            }
        })
    }
}

async fn put_new(stack: &Stack) -> Result<(), SdkError<PutItemError, aws_sdk_dynamodb::config::http::HttpResponse>> {
    let put = stack.client.put_item().table_name("inventory");
    let put = put.item("pk", text(FENCE));
    let put = put.condition_expression("attribute_not_exists(pk)");
    put.send().await.map(|_| ())
}

async fn refused_put(error: WireError) -> PutItemError {
    let stack = Stack::with_layer(Fault::Refuse(error));
    let refused = put_new(&stack).await.unwrap_err().into_service_error();
    assert!(stack.get(FENCE).await.is_none(), "a refusal writes nothing");
    refused
}

async fn refused_transaction(error: WireError) -> TransactWriteItemsError {
    let stack = Stack::with_layer(Fault::Refuse(error));
    let transaction = stack.client.transact_write_items();
    let transaction = transaction.transact_items(put_fence(FENCE));
    let refused = transaction.send().await.unwrap_err();
    refused.into_service_error()
}

#[tokio::test(start_paused = true)]
async fn each_refusal_of_a_write_arrives_as_its_variant() {
    let error = refused_put(WireError::provisioned_throughput_exceeded()).await;
    assert!(error.is_provisioned_throughput_exceeded_exception());

    let error = refused_put(WireError::throttling(Api::DynamoDb)).await;
    assert!(error.is_throttling_exception());

    let error = refused_put(WireError::transaction_conflict()).await;
    assert!(error.is_transaction_conflict_exception());
    assert_eq!(error.message(), Some("Transaction is ongoing for the item"));

    let error = refused_put(WireError::internal(Api::DynamoDb)).await;
    assert!(error.is_internal_server_error());

    let item = json!({ "pk": { "S": FENCE } });
    let error = refused_put(WireError::conditional_check_failed(Some(item))).await;
    let PutItemError::ConditionalCheckFailedException(failed) = error else {
        panic!("{error:?}");
    };
    assert_eq!(failed.item.unwrap()["pk"], text(FENCE));
}

#[tokio::test(start_paused = true)]
async fn each_refusal_of_a_transaction_arrives_as_its_variant() {
    let error = refused_transaction(WireError::transaction_in_progress()).await;
    assert!(error.is_transaction_in_progress_exception());

    let error = refused_transaction(WireError::throttling(Api::DynamoDb)).await;
    assert!(error.is_throttling_exception());

    let reasons = [
        CancellationReason::conditional_check_failed(Some(json!({ "pk": { "S": FENCE } }))),
        CancellationReason::transaction_conflict(),
        CancellationReason::none(),
        CancellationReason::throttling_error(),
        CancellationReason::provisioned_throughput_exceeded(),
    ];
    let error = refused_transaction(WireError::transaction_canceled(&reasons)).await;
    assert_eq!(
        error.message(),
        Some(
            "Transaction cancelled, please refer cancellation reasons for specific reasons \
             [ConditionalCheckFailed, TransactionConflict, None, ThrottlingError, \
             ProvisionedThroughputExceeded]"
        )
    );
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        panic!("{error:?}");
    };
    let reasons = cancelled.cancellation_reasons();
    assert_eq!(reasons.len(), 5);
    assert_eq!(reasons[0].item().unwrap()["pk"], text(FENCE));
    assert_eq!(reasons[2].message(), None);
}

#[tokio::test(start_paused = true)]
async fn our_wire_form_of_a_failed_condition_is_the_stores_own() {
    let stack = Stack::in_memory();
    let put = json!({
        "TableName": "inventory",
        "Item": { "pk": { "S": FENCE } },
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    let call = async |operation: &str, body: &serde_json::Value| {
        let target = format!("DynamoDB_20120810.{operation}");
        let body = body.to_string();
        stack.services.call(&target, body.as_bytes()).await.unwrap()
    };
    assert!(call("PutItem", &put).await.is_success());
    let item = put["Item"].clone();
    let ours = ServiceAnswer::from(WireError::conditional_check_failed(Some(item.clone())));
    let theirs = call("PutItem", &put).await;
    assert_eq!((ours.status, ours.json()), (theirs.status, theirs.json()));

    let transaction = json!({ "TransactItems": [{ "Put": put }] });
    let reasons = [CancellationReason::conditional_check_failed(Some(item))];
    let ours = ServiceAnswer::from(WireError::transaction_canceled(&reasons));
    let theirs = call("TransactWriteItems", &transaction).await;
    assert_eq!((ours.status, ours.json()), (theirs.status, theirs.json()));
}

#[tokio::test(start_paused = true)]
async fn throttled_queues_and_executions_arrive_under_the_codes_that_the_sdk_retries() {
    let refuse = std::sync::Arc::new(RefuseAll);
    let services = Stack::in_memory().services.with_layer(refuse);
    let store = local_aws::DynamoDb::in_memory().unwrap();
    let clock = clock::WallClock::System;
    let queues = local_aws::declared_queues();
    let sqs = local_aws::Sqs::open(store.clone(), clock, queues).unwrap();
    let services =
        services.with(Api::Sqs, std::sync::Arc::new(sqs)).with(Api::StepFunctions, std::sync::Arc::new(store));
    let client = InProcess::new(services.clone());
    let send = client.sqs().send_message().queue_url("q").message_body("b");
    let error = send.send().await.unwrap_err().into_service_error();
    assert!(error.is_request_throttled(), "{error:?}");
    let start = client.step_functions().start_sync_execution();
    let error = start.state_machine_arn("arn").send().await.unwrap_err();
    assert_eq!(error.code(), Some("ThrottlingException"));
    // Three attempts each, which is the SDK's default: both were recognised as throttling.
    assert_eq!(services.calls(), 6);
}

#[derive(Debug)]
struct RefuseAll;

impl Layer for RefuseAll {
    fn around<'a>(&'a self, call: Call, _next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { Ok(WireError::throttling(call.api).into()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_answer_is_lost_is_applied_and_fails_with_an_unknown_outcome() {
    for unanswered in [Unanswered::ConnectionLost, Unanswered::TimedOut] {
        let stack = Stack::with_layer(Fault::ApplyAndLose(unanswered));
        let error = put_new(&stack).await.unwrap_err();
        let SdkError::DispatchFailure(failure) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(failure.is_io(), unanswered == Unanswered::ConnectionLost);
        assert_eq!(failure.is_timeout(), unanswered == Unanswered::TimedOut);
        assert!(stack.get(FENCE).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_call_ends_by_the_clients_own_timeout() {
    for (fault, applied) in [(Fault::HangUnapplied, false), (Fault::HangApplied, true)] {
        let stack = Stack::with_layer(fault);
        let started = Instant::now();
        let error = put_new(&stack).await.unwrap_err();
        assert!(matches!(error, SdkError::TimeoutError(_)), "{error:?}");
        assert_eq!(started.elapsed().as_secs(), 3);
        assert_eq!(stack.get(FENCE).await.is_some(), applied);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_call_also_ends_by_the_read_timeout() {
    let stack = Stack::with_layer(Fault::HangUnapplied);
    let read_timeout =
        aws_sdk_dynamodb::config::timeout::TimeoutConfig::builder().read_timeout(Duration::from_secs(1)).build();
    let config = impatient().timeout_config(read_timeout);
    let client = InProcess::new(stack.services.clone()).dynamodb_with(config);
    let started = Instant::now();
    let put = client.put_item().table_name("inventory");
    let error = put.item("pk", text(FENCE)).send().await.unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(f) if f.is_timeout()));
    assert_eq!(started.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_can_be_delivered_twice() {
    let stack = Stack::with_layer(Fault::ApplyTwice);
    let error = put_new(&stack).await.unwrap_err().into_service_error();
    // The second delivery met the first one's item.
    assert!(error.is_conditional_check_failed_exception());
}

#[tokio::test(start_paused = true)]
async fn a_call_can_be_rewritten() {
    let stack = Stack::with_layer(Fault::StripCondition);
    put_new(&stack).await.unwrap();
    put_new(&stack).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_can_be_held_back() {
    let stack = Stack::with_layer(Fault::Delay(Duration::from_secs(2)));
    let started = Instant::now();
    put_new(&stack).await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn layers_see_calls_from_the_outside_in_with_their_numbers() {
    #[derive(Debug)]
    struct Note(&'static str, std::sync::Arc<std::sync::Mutex<Vec<String>>>);
    impl Layer for Note {
        fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
            let note = format!("{} {} {}", self.0, call.number, call.operation);
            self.1.lock().unwrap().push(note);
            next.apply(&call)
        }
    }
    let notes = std::sync::Arc::default();
    let services = Stack::in_memory().services;
    let services = ["outer", "inner"].into_iter().fold(services, |services, name| {
        services.with_layer(std::sync::Arc::new(Note(name, std::sync::Arc::clone(&notes))))
    });
    let client = InProcess::new(services).dynamodb();
    for _ in 0..2 {
        client.list_tables().send().await.unwrap();
    }
    let expected = ["outer 0 ListTables", "inner 0 ListTables", "outer 1 ListTables", "inner 1 ListTables"];
    assert_eq!(*notes.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_exist_is_named_in_the_error() {
    let client = InProcess::new(Stack::in_memory().services).step_functions();
    let start = client.start_sync_execution().state_machine_arn("arn");
    let error = start.send().await.unwrap_err();
    assert_eq!(error.code(), Some("UnknownOperationException"));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_of_a_healthy_stack_passes() {
    let stack = Stack::in_memory();
    stack.put("sku", 1).await;
    let transaction = stack.client.transact_write_items();
    let transaction = transaction.transact_items(put_fence(FENCE));
    let transaction = transaction.transact_items(take("sku", 1));
    transaction.send().await.unwrap();
}
