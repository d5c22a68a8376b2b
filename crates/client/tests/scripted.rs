//! The client against a server that follows each test's script, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use order_client::{Client, Decision, Error, List, Lost, NewOrder, ProblemKind, Reason, Retries, Status, Token};
use server::{Server, Step, answer, order, page, problem};

const ID: &str = "0123456789abcdef0123456789abcdef";

/// Hardly any delays, and few attempts.
fn hasty() -> Retries {
    Retries {
        attempts: 6,
        attempt_timeout: Duration::from_secs(20),
        first_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(5),
        total: Duration::from_mins(1),
    }
}

fn client(server: &Server) -> Client {
    Client::new(&format!("{}/v1/", server.url)).unwrap().with_api_key("key-1").unwrap().with_retries(hasty())
}

fn laptop() -> NewOrder {
    NewOrder::by("demo123").item("LAPTOP001", 1, "1299.99".parse().unwrap())
}

#[tokio::test]
async fn every_try_of_an_order_goes_out_under_one_key() {
    let server = Server::start([
        answer(429, "retry-after: 0", &problem("too-many-requests")),
        answer(503, "", &problem("unavailable")),
        Step::Drop,
        Step::Half,
        answer(502, "", "<html>a proxy's own words</html>"),
        answer(201, "idempotent-replayed: true", &order("CONFIRMED")),
    ])
    .await;
    let order = laptop();
    let placed = client(&server).place(&order).await.unwrap();
    assert_eq!((placed.attempts, placed.replayed, placed.order_id.as_str()), (6, true, ID));
    assert!(matches!(placed.decision, Decision::Confirmed(order) if order.status == Status::Confirmed));
    let seen = server.seen();
    assert_eq!(seen.len(), 6);
    for request in &seen {
        assert_eq!((request.line.as_str(), &request.body), ("POST /v1/orders HTTP/1.1", &seen[0].body));
        assert_eq!(request.header("idempotency-key"), order.key());
        assert_eq!((request.header("x-api-key"), request.header("content-type")), ("key-1", "application/json"));
    }
    assert!(seen[0].body.contains(r#""totalAmount":1299.99"#), "{seen:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_waited_for_no_longer_than_it_may_take() {
    let server = Server::start([Step::Silence, answer(200, "etag: \"1\"", &order("CONFIRMED"))]).await;
    let client = client(&server).with_retries(Retries { attempt_timeout: Duration::from_millis(500), ..hasty() });
    let read = client.read(ID).await.unwrap();
    assert_eq!((read.order.status, read.etag.as_str()), (Status::Confirmed, "\"1\""));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn nothing_is_tried_again_before_retry_after() {
    for after in ["retry-after: 1", "date: Sun, 06 Nov 1994 08:49:36 GMT\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT"]
    {
        let busy = answer(429, after, &problem("too-many-requests"));
        let server = Server::start([busy, answer(201, "", &order("CONFIRMED"))]).await;
        let started = Instant::now();
        assert_eq!(client(&server).place(&laptop()).await.unwrap().attempts, 2);
        assert!(started.elapsed() >= Duration::from_secs(1), "{after}");
    }
}

#[tokio::test]
async fn what_is_refused_is_not_tried_again() {
    for (status, kind) in [
        (400, ProblemKind::MalformedBody),
        (401, ProblemKind::Unauthorized),
        (403, ProblemKind::Forbidden),
        (404, ProblemKind::RouteNotFound),
        (413, ProblemKind::BodyTooLarge),
        (415, ProblemKind::UnsupportedMediaType),
        (422, ProblemKind::IdempotencyConflict),
    ] {
        let server = Server::start([answer(status, "", &problem(kind.name()))]).await;
        let refused = client(&server).place(&laptop()).await.unwrap_err();
        let Error::Refused { status: refused_with, problem } = &refused else { panic!("{refused:?}") };
        assert_eq!((*refused_with, &problem.kind), (status, &kind));
        assert_eq!(server.seen().len(), 1);
    }
    let server = Server::start([answer(301, "location: /", "")]).await;
    assert!(matches!(client(&server).place(&laptop()).await, Err(Error::Unexpected { status: 301, .. })));
}

#[tokio::test]
async fn there_is_an_end_to_the_attempts_and_the_last_failure_is_told() {
    let server = Server::start(std::iter::repeat_n(answer(503, "", &problem("unavailable")), 9)).await;
    let gave_up = client(&server).place(&laptop()).await.unwrap_err();
    let Error::GaveUp { attempts: 6, last: Lost::Status { status: 503, problem } } = &gave_up else {
        panic!("{gave_up:?}")
    };
    assert_eq!(problem.as_ref().unwrap().kind, ProblemKind::Unavailable);
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn nobody_waits_for_a_retry_after_that_is_longer_than_there_is_time() {
    let server = Server::start([answer(429, "retry-after: 3600", &problem("too-many-requests"))]).await;
    let started = Instant::now();
    let gave_up = client(&server).place(&laptop()).await.unwrap_err();
    assert!(matches!(gave_up, Error::GaveUp { attempts: 1, .. }), "{gave_up:?}");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_and_given_up() {
    let server = Server::start([]).await;
    let client = client(&server);
    drop(server);
    let gave_up = client.read(ID).await.unwrap_err();
    assert!(matches!(gave_up, Error::GaveUp { attempts: 6, last: Lost::Connection(_) }), "{gave_up:?}");
}

#[tokio::test]
async fn an_accepted_order_is_read_at_its_location_until_it_is_decided() {
    let server = Server::start([
        answer(202, "location: /v1/orders/there\r\netag: \"1\"", &order("PENDING")),
        answer(304, "etag: \"1\"", ""),
        answer(404, "", &problem("order-not-found")),
        answer(200, "etag: \"2\"", &order("CANCELLING")),
        answer(500, "", ""),
        answer(200, "etag: \"3\"", &order("CANCELLED")),
    ])
    .await;
    let placed = client(&server).place(&laptop()).await.unwrap();
    assert!(
        matches!(placed.decision, Decision::Cancelled { order, problem: None } if order.status == Status::Cancelled)
    );
    assert_eq!(placed.attempts, 1, "reads are none");
    let seen = server.seen();
    let reads: Vec<_> = seen[1..].iter().map(|read| (read.line.as_str(), read.header("if-none-match"))).collect();
    let read = "GET /v1/orders/there HTTP/1.1";
    assert_eq!(reads, [(read, "\"1\""), (read, "\"1\""), (read, "\"1\""), (read, "\"2\""), (read, "\"2\"")]);
}

#[tokio::test]
async fn a_status_that_is_not_known_is_no_decision_and_an_order_that_is_handed_over_was_confirmed() {
    let server = Server::start([
        answer(202, "location: /v1/orders/there\r\netag: \"1\"", &order("PENDING")),
        answer(200, "etag: \"2\"", &order("ON_ITS_WAY")),
        answer(200, "etag: \"3\"", &order("FULFILLED")),
    ])
    .await;
    let placed = client(&server).place(&laptop()).await.unwrap();
    assert!(matches!(placed.decision, Decision::Confirmed(order) if order.status == Status::Fulfilled));
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn an_order_that_is_not_decided_in_time_is_taken_all_the_same() {
    let queued = format!(r#"{{"orderId":"{ID}","status":"PENDING"}}"#);
    let accepted = answer(202, "location: https://elsewhere.example/orders/1", &queued);
    let reads = std::iter::repeat_n(answer(404, "", &problem("order-not-found")), 1_000);
    let server = Server::start(std::iter::once(accepted).chain(reads)).await;
    let retries = Retries { total: Duration::from_millis(200), ..hasty() };
    let placed = client(&server).with_retries(retries).place(&laptop()).await.unwrap();
    assert_eq!((placed.order_id.as_str(), placed.decision), (ID, Decision::Undecided));
    let seen = server.seen();
    assert_eq!(
        seen[1].line,
        format!("GET /v1/orders/{ID} HTTP/1.1"),
        "another host gets neither a request nor the key"
    );
}

#[tokio::test]
async fn whoever_does_not_wait_is_told_at_once() {
    let server = Server::start([answer(202, "location: /v1/orders/1\r\netag: \"1\"", &order("PENDING"))]).await;
    assert_eq!(client(&server).submit(&laptop()).await.unwrap().decision, Decision::Undecided);
    let seen = server.seen();
    assert_eq!((seen.len(), seen[0].header("prefer")), (1, "respond-async"));
}

#[tokio::test]
async fn a_cancelled_order_comes_with_its_problem() {
    let cancelled = order("CANCELLED").replacen('{', r#"{"reason":"OUT_OF_STOCK","#, 1);
    let body = format!(
        r#"{{"type":"urn:order-saga:problem:out-of-stock","title":"Too little","orderId":"{ID}","status":"CANCELLED",
            "reason":"OUT_OF_STOCK","order":{cancelled}}}"#
    );
    let server = Server::start([answer(409, "location: /v1/orders/1", &body)]).await;
    let placed = client(&server).place(&laptop()).await.unwrap();
    let Decision::Cancelled { order, problem: Some(problem) } = placed.decision else { panic!("{placed:?}") };
    assert_eq!(
        (order.reason.clone(), problem.reason, problem.kind),
        (
            Some(Reason::Refused("OUT_OF_STOCK".to_owned())),
            order.reason.clone(),
            ProblemKind::Other("urn:order-saga:problem:out-of-stock".to_owned())
        )
    );
}

#[tokio::test]
async fn a_cancellation_is_waited_for() {
    let server = Server::start([
        answer(202, "location: /v1/orders/1\r\netag: \"1\"", &order("CANCELLING")),
        answer(304, "", ""),
        answer(200, "etag: \"2\"", &order("CANCELLED")),
    ])
    .await;
    assert_eq!(client(&server).cancel(ID).await.unwrap().status, Status::Cancelled);
    assert_eq!(server.seen()[0].line, format!("POST /v1/orders/{ID}/cancel HTTP/1.1"));
}

#[tokio::test]
async fn a_hand_over_is_waited_for() {
    let server = Server::start([
        answer(202, "location: /v1/orders/1\r\netag: \"1\"", &order("FULFILLING")),
        answer(200, "etag: \"1\"", &order("FULFILLING")),
        answer(200, "etag: \"2\"", &order("FULFILLED")),
    ])
    .await;
    assert_eq!(client(&server).fulfil(ID).await.unwrap().status, Status::Fulfilled);
    assert_eq!(server.seen()[0].line, format!("POST /v1/orders/{ID}/fulfil HTTP/1.1"));
}

#[tokio::test]
async fn a_version_that_is_known_is_not_read_again() {
    let server = Server::start([answer(304, "", ""), answer(200, "etag: \"2\"", &order("CONFIRMED"))]).await;
    let client = client(&server);
    assert_eq!(client.read_unless(ID, "\"1\"").await.unwrap(), None);
    assert_eq!(client.read_unless(ID, "\"1\"").await.unwrap().unwrap().etag, "\"2\"");
    assert_eq!(server.seen()[0].header("if-none-match"), "\"1\"");
}

#[tokio::test]
async fn a_walk_goes_from_page_to_page_and_on_after_a_failure() {
    let server = Server::start([
        answer(200, "", &page(2, Some("c-1"))),
        answer(200, "", &page(0, Some("c 2"))),
        answer(400, "", &problem("invalid-parameters")),
        answer(200, "", &page(1, None)),
    ])
    .await;
    let mut walk = client(&server).list(&List::of_customer("a b").page_size(2));
    assert!(walk.next().await.unwrap().is_some());
    assert_eq!(walk.next_page().await.unwrap().unwrap().len(), 1, "what is left of the page");
    assert!(walk.next().await.is_err());
    assert!(walk.next().await.unwrap().is_some());
    assert!(walk.next().await.unwrap().is_none() && walk.next_page().await.unwrap().is_none());
    let lines: Vec<_> = server.seen().into_iter().map(|request| request.line).collect();
    let get = |query: &str| format!("GET /v1/customers/a%20b/orders?limit=2{query} HTTP/1.1");
    assert_eq!(lines, [get(""), get("&cursor=c-1"), get("&cursor=c+2"), get("&cursor=c+2")]);
}

/// A client with tokens that are numbered and valid for this long.
fn with_numbered_tokens(server: &Server, expires_in: Duration) -> (Client, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let client = client(server).with_tokens(move || {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        async move { Ok(Token { text: format!("token-{number}"), expires_in }) }
    });
    (client, asked)
}

fn authorizations(server: &Server) -> Vec<String> {
    server.seen().iter().map(|request| request.header("authorization").to_owned()).collect()
}

#[tokio::test]
async fn a_token_is_kept_until_it_is_about_to_expire() {
    let read = || answer(200, "etag: \"1\"", &order("CONFIRMED"));
    let server = Server::start([read(), read(), read()]).await;
    let (client, asked) = with_numbered_tokens(&server, Duration::from_mins(10));
    for _ in 0..2 {
        client.clone().read(ID).await.unwrap();
    }
    assert_eq!(authorizations(&server), ["Bearer token-1", "Bearer token-1"]);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "clones share the token");

    let server = Server::start([read(), read()]).await;
    let (client, _) = with_numbered_tokens(&server, Duration::ZERO);
    for _ in 0..2 {
        client.read(ID).await.unwrap();
    }
    assert_eq!(authorizations(&server), ["Bearer token-1", "Bearer token-2"]);
    assert!(!format!("{client:?}").contains("token-"));
}

#[tokio::test]
async fn after_a_401_there_is_one_new_token_and_no_more() {
    let expired = || answer(401, "www-authenticate: Bearer", &problem("unauthorized"));
    let server = Server::start([expired(), answer(201, "", &order("CONFIRMED"))]).await;
    let (client, _) = with_numbered_tokens(&server, Duration::from_mins(10));
    assert_eq!(client.place(&laptop()).await.unwrap().attempts, 1);
    assert_eq!(authorizations(&server), ["Bearer token-1", "Bearer token-2"]);
    let keys: Vec<String> = server.seen().iter().map(|request| request.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys[0], keys[1]);

    let server = Server::start([expired(), expired()]).await;
    let (client, asked) = with_numbered_tokens(&server, Duration::from_mins(10));
    let refused = client.read(ID).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { status: 401, .. }), "{refused:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_source_that_fails_is_asked_again() {
    let server = Server::start([answer(201, "", &order("CONFIRMED"))]).await;
    let asked = AtomicU32::new(0);
    let client = client(&server).with_tokens(move || {
        let is_down = asked.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if is_down {
                return Err("the issuer is down".into());
            }
            Ok(Token { text: "token".to_owned(), expires_in: Duration::from_mins(10) })
        }
    });
    assert_eq!(client.place(&laptop()).await.unwrap().attempts, 2);
    let nobody = client.with_tokens(async || Err("the issuer is down".into()));
    let gave_up = nobody.read(ID).await.unwrap_err();
    assert!(matches!(gave_up, Error::GaveUp { last: Lost::Token(_), .. }), "{gave_up:?}");
}
