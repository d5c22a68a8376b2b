//! How each answer of Stripe's is understood, against a server on loopback that answers with it.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Config, Credentials, Region};
use order::PaymentReference;
use payments::{Gateway, GatewayError, PaymentStatus, Secret, Stripe};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that gives each request the next answer, and the last one to all further ones.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: &[(u16, Value)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answers) = (Arc::clone(&requests), answers.to_vec());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = seen.lock().unwrap().len().min(answers.len() - 1);
                answer(stream, &answers[number], &seen).await;
            }
        });
        Self { url, requests }
    }

    /// A header's value in each request.
    fn sent(&self, header: &str) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let value = |request: &String| {
            let line = request.lines().find(|line| line.to_lowercase().starts_with(&format!("{header}: ")))?;
            Some(line.split_once(": ")?.1.to_owned())
        };
        requests.iter().filter_map(value).collect()
    }
}

async fn answer(mut stream: TcpStream, (status, body): &(u16, Value), seen: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_complete(&request) {
        let read = stream.read(&mut buffer).await.unwrap();
        request.extend_from_slice(&buffer[..read]);
    }
    seen.lock().unwrap().push(String::from_utf8(request).unwrap());
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\nconnection: close");
    let text = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).await.unwrap();
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.parse().unwrap())
}

fn stripe(url: &str) -> Stripe {
    Stripe::new(url, Secret::given("sk_test".to_owned())).unwrap()
}

fn payment() -> PaymentReference {
    "pi_1".parse().unwrap()
}

fn error(kind: &str, code: &str) -> Value {
    json!({ "error": { "type": kind, "code": code, "message": "Secret text about the customer" } })
}

#[tokio::test]
async fn only_an_answer_about_the_payment_is_final() {
    let declined: fn(&GatewayError) -> bool = |error| matches!(error, GatewayError::Declined(_));
    let rejected: fn(&GatewayError) -> bool = |error| matches!(error, GatewayError::Rejected(_));
    let failed: fn(&GatewayError) -> bool = |error| matches!(error, GatewayError::Failed(_));
    let unanswered: fn(&GatewayError) -> bool = |error| matches!(error, GatewayError::Unanswered(_));
    let not_begun: fn(&GatewayError) -> bool = |error| matches!(error, GatewayError::NotBegun(_));
    for (status, kind, code, is_right) in [
        (402, "card_error", "card_declined", declined),
        (400, "invalid_request_error", "payment_intent_unexpected_state", rejected),
        (400, "invalid_request_error", "charge_expired_for_capture", rejected),
        (400, "invalid_request_error", "charge_already_refunded", rejected),
        // The key was used for a call with other parameters.
        (400, "idempotency_error", "", failed),
        (500, "api_error", "", failed),
        (503, "api_error", "", failed),
        (409, "invalid_request_error", "idempotency_key_in_use", unanswered),
        // Our own fault, or one of the moment: the order must survive these.
        (400, "invalid_request_error", "parameter_invalid_integer", not_begun),
        (401, "invalid_request_error", "api_key_expired", not_begun),
        (403, "invalid_request_error", "more_permissions_required", not_begun),
        (429, "invalid_request_error", "lock_timeout", not_begun),
        (429, "rate_limit_error", "rate_limit", not_begun),
    ] {
        let server = Server::start(&[(status, error(kind, code))]).await;
        let failure = stripe(&server.url).capture(&payment(), 1_200, "USD", "key-1").await.unwrap_err();
        assert!(is_right(&failure), "{status} {kind} {code}: {failure:?}");
        assert!(failure.to_string().contains(&status.to_string()), "{failure}");
        assert!(!failure.to_string().contains("Secret"), "{failure}");
        assert_eq!(server.sent("idempotency-key"), ["key-1"]);
    }
}

#[tokio::test]
async fn a_payment_that_is_not_there_is_read_as_none_and_cannot_be_refunded() {
    let server = Server::start(&[(404, error("invalid_request_error", "resource_missing"))]).await;
    assert_eq!(stripe(&server.url).payment(&payment()).await, Ok(None));
    let refused = stripe(&server.url).refund(&payment(), "key-1").await;
    assert!(matches!(refused, Err(GatewayError::Rejected(_))), "{refused:?}");
}

#[tokio::test]
async fn a_reference_that_cannot_be_a_payment_intents_is_never_sent() {
    let server = Server::start(&[(200, json!({}))]).await;
    assert_eq!(stripe(&server.url).payment(&"search".parse().unwrap()).await, Ok(None));
    assert_eq!(server.requests.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn an_answer_that_does_not_come_or_cannot_be_read_is_unknown() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let started = Instant::now();
    let failure = stripe(&url).capture(&payment(), 1_200, "USD", "key-1").await.unwrap_err();
    assert!(matches!(failure, GatewayError::Unanswered(_)), "{failure:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "a task has five seconds for everything");
    assert!(!failure.to_string().contains("pi_1"), "{failure}");

    drop(silent);
    let failure = stripe(&url).cancel(&payment(), "key-1").await.unwrap_err();
    assert!(matches!(failure, GatewayError::Unanswered(_)), "{failure:?}");

    let server = Server::start(&[(200, json!("not a payment"))]).await;
    let failure = stripe(&server.url).capture(&payment(), 1_200, "USD", "key-1").await.unwrap_err();
    assert!(matches!(failure, GatewayError::Unanswered(_)), "{failure:?}");
}

#[tokio::test]
async fn after_an_authentication_error_the_secret_is_read_again() {
    let intent = json!({ "id": "pi_1", "status": "requires_capture", "amount": 1_200, "currency": "usd" });
    let api = Server::start(&[(401, error("invalid_request_error", "api_key_expired")), (200, intent)]).await;
    let secret = |key: &str| (200, json!({ "ARN": "arn", "Name": "secret", "SecretString": key }));
    let manager = Server::start(&[secret("sk_before"), secret("sk_rotated")]).await;
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("id", "key", None, None, "test"))
        .endpoint_url(&manager.url)
        .build();
    let secret = Secret::new(Client::from_conf(config), "arn".to_owned());
    let stripe = Stripe::new(&api.url, secret).unwrap();

    let failure = stripe.payment(&payment()).await.unwrap_err();
    assert!(matches!(failure, GatewayError::NotBegun(_)), "{failure:?}");
    for _ in 0..2 {
        let read = stripe.payment(&payment()).await.unwrap().unwrap();
        assert_eq!(read.status, PaymentStatus::RequiresCapture);
    }
    assert_eq!(api.sent("authorization"), ["Bearer sk_before", "Bearer sk_rotated", "Bearer sk_rotated"]);
    assert_eq!(manager.requests.lock().unwrap().len(), 2, "the secret is kept between calls");
}
