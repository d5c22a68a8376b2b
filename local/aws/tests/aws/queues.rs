use std::time::Duration;

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use clock::WallClock;
use local_aws::{Api, DynamoDb, InProcess, QueueSpec, Redrive, Services, Sqs, queue_url};
use tokio::time::Instant;

const HIDDEN: Duration = Duration::from_secs(30);
const QUEUE: &str = "order-overflow";
const DEAD: &str = "order-overflow-dead";

fn queues() -> Vec<QueueSpec> {
    let plain = |name: &str| QueueSpec { name: name.to_owned(), visibility_timeout: HIDDEN, redrive: None };
    let redrive = Redrive { to: DEAD.to_owned(), max_receive_count: 2 };
    vec![QueueSpec { redrive: Some(redrive), ..plain(QUEUE) }, plain(DEAD)]
}

fn open(store: &DynamoDb) -> (Sqs, aws_sdk_sqs::Client) {
    let clock = WallClock::starting_at(1_700_000_000_000);
    let sqs = Sqs::open(store.clone(), clock, queues()).unwrap();
    let services = Services::new().with(Api::Sqs, std::sync::Arc::new(sqs.clone()));
    (sqs, InProcess::new(services).sqs())
}

fn in_memory() -> (Sqs, aws_sdk_sqs::Client) {
    open(&DynamoDb::in_memory().unwrap())
}

async fn send(client: &aws_sdk_sqs::Client, body: &str) {
    let send = client.send_message().queue_url(queue_url(QUEUE));
    send.message_body(body).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_goes_through_the_sdk_and_back() {
    let (_, client) = in_memory();
    let url = client.get_queue_url().queue_name(QUEUE).send().await;
    let url = url.unwrap().queue_url.unwrap();
    let hello = client.send_message().queue_url(&url).message_body("hello");
    let sent = hello.send().await.unwrap();
    let md5 = Some("5d41402abc4b2a76b9719d911017c592");
    assert_eq!(sent.md5_of_message_body(), md5);

    let receive = client.receive_message().queue_url(&url);
    let receive = receive.message_system_attribute_names(MessageSystemAttributeName::All);
    let received = receive.send().await.unwrap();
    let message = &received.messages()[0];
    assert_eq!(message.body(), Some("hello"));
    assert_eq!(message.md5_of_body(), md5);
    assert_eq!(message.message_id(), sent.message_id());
    let attributes = message.attributes().unwrap();
    let count = &attributes[&MessageSystemAttributeName::ApproximateReceiveCount];
    assert_eq!(count, "1");
    let sent_at = &attributes[&MessageSystemAttributeName::SentTimestamp];
    assert_eq!(sent_at, "1700000000000");

    let delete = client.delete_message().queue_url(&url);
    let delete = delete.receipt_handle(message.receipt_handle().unwrap());
    delete.clone().send().await.unwrap();
    delete.send().await.unwrap();
    tokio::time::advance(HIDDEN).await;
    let again = client.receive_message().queue_url(&url).send().await;
    assert!(again.unwrap().messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_deletes_comes_back_and_then_goes_to_the_dead_letter_queue() {
    let (sqs, client) = in_memory();
    send(&client, "poison").await;
    for receipt in 1..=2 {
        let received = sqs.receive(QUEUE, 10, Duration::ZERO).await.unwrap();
        assert_eq!(received[0].receive_count, receipt);
        let hidden = sqs.receive(QUEUE, 10, Duration::ZERO).await.unwrap();
        assert!(hidden.is_empty());
        tokio::time::advance(HIDDEN).await;
    }
    let gone = sqs.receive(QUEUE, 10, Duration::ZERO).await.unwrap();
    assert!(gone.is_empty());
    assert_eq!(sqs.len(QUEUE).await.unwrap(), 0);
    let dead = sqs.receive(DEAD, 10, Duration::ZERO).await.unwrap();
    assert_eq!(dead[0].body, "poison");
}

#[tokio::test(start_paused = true)]
async fn an_old_receipt_does_not_delete_a_message_that_someone_else_now_holds() {
    let (sqs, client) = in_memory();
    send(&client, "slow").await;
    let first = sqs.receive(QUEUE, 1, Duration::ZERO).await.unwrap();
    tokio::time::advance(HIDDEN).await;
    sqs.receive(QUEUE, 1, Duration::ZERO).await.unwrap();
    sqs.delete(QUEUE, &first[0].receipt_handle).await.unwrap();
    assert_eq!(sqs.len(QUEUE).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receiver_gets_a_message_the_moment_it_is_sent() {
    let (sqs, client) = in_memory();
    let started = Instant::now();
    let later = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        send(&client, "late").await;
    };
    let wait = sqs.receive(QUEUE, 1, Duration::from_secs(20));
    let (received, ()) = tokio::join!(wait, later);
    assert_eq!(received.unwrap()[0].body, "late");
    assert_eq!(started.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receiver_gets_a_message_the_moment_it_comes_back_or_gives_up() {
    let (sqs, client) = in_memory();
    send(&client, "again").await;
    sqs.receive(QUEUE, 1, Duration::ZERO).await.unwrap();
    let started = Instant::now();
    let nothing = sqs.receive(QUEUE, 1, Duration::from_secs(20)).await;
    assert!(nothing.unwrap().is_empty());
    assert_eq!(started.elapsed().as_secs(), 20);
    let back = sqs.receive(QUEUE, 1, Duration::from_secs(20)).await;
    assert_eq!(back.unwrap()[0].receive_count, 2);
    assert_eq!(started.elapsed().as_secs(), HIDDEN.as_secs());
}

#[tokio::test(start_paused = true)]
async fn messages_come_oldest_first_and_no_more_than_asked_for() {
    let (sqs, client) = in_memory();
    for place in 0..12 {
        send(&client, &place.to_string()).await;
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let received = sqs.receive(QUEUE, 10, Duration::ZERO).await.unwrap();
    let bodies: Vec<_> = received.into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_counts_its_messages_as_sqs_does() {
    let (sqs, client) = in_memory();
    send(&client, "one").await;
    send(&client, "two").await;
    let delayed = client.send_message().queue_url(queue_url(QUEUE));
    let delayed = delayed.message_body("three").delay_seconds(60);
    delayed.send().await.unwrap();
    sqs.receive(QUEUE, 1, Duration::ZERO).await.unwrap();
    let attributes = client
        .get_queue_attributes()
        .queue_url(queue_url(QUEUE))
        .attribute_names(QueueAttributeName::All)
        .send()
        .await
        .unwrap();
    let attributes = attributes.attributes().unwrap();
    for name in [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ] {
        assert_eq!(attributes[&name], "1", "{name:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_refusal_of_sqs_arrives_as_its_variant() {
    let (_, client) = in_memory();
    let send = client.send_message().queue_url(queue_url("no-such-queue"));
    let error = send.message_body("x").send().await.unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());

    let delete = client.delete_message().queue_url(queue_url(QUEUE));
    let error = delete.receipt_handle("nonsense").send().await.unwrap_err();
    assert!(error.into_service_error().is_receipt_handle_is_invalid());

    let send = client.send_message().queue_url(queue_url(QUEUE));
    let error = send.message_body("").send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn messages_on_disk_survive_reopening() {
    let dir = tempfile::tempdir().unwrap();
    {
        let (_, client) = open(&DynamoDb::open(dir.path()).unwrap());
        send(&client, "kept").await;
    }
    let (sqs, _) = open(&DynamoDb::open_existing(dir.path()).unwrap());
    // The second clock starts where the first one started, a little before the message was sent.
    let received = sqs.receive(QUEUE, 1, HIDDEN).await.unwrap();
    assert_eq!(received[0].body, "kept");
}
