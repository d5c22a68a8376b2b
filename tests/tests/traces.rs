//! The traces of a running stack, as a collector gets them; and what no trace and no page may show.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use http::header::AUTHORIZATION;
use http::{HeaderName, Method, StatusCode};
use serde_json::{Value, json};
use system_tests::client::{Client, IDEMPOTENCY_KEY, LAPTOP};
use system_tests::collector::{Collector, Span, tree};
use system_tests::process::{Serve, run, stdout};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

async fn serve_traced() -> (Serve, Client, Collector) {
    let collector = Collector::start().await;
    let serve = Serve::start(["--otlp", collector.url.as_str()]).await;
    let client = serve.client();
    (serve, client, collector)
}

async fn choose(client: &Client, state: &str, fault: &str) {
    let body = json!({ "state": state, "fault": fault }).to_string();
    let chosen = client.send(client.request(Method::POST, "/_local/faults"), body).await.unwrap();
    assert_eq!(chosen.status, StatusCode::OK, "{chosen:?}");
}

fn find<'a>(spans: &'a [Span], name: &str, above: Option<&Span>) -> &'a Span {
    let found = spans.iter().find(|span| span.name == name && above.is_none_or(|above| span.parent == above.id));
    found.unwrap_or_else(|| panic!("there is no {name} in\n{}", tree(spans)))
}

#[tokio::test]
async fn a_request_is_one_tree_down_to_the_calls_of_aws() {
    let (_serve, client, collector) = serve_traced().await;
    choose(&client, "PostAccounting", "answer-lost").await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let request = client.placing().header(IDEMPOTENCY_KEY, "traced");
    let request = request.header(TRACEPARENT, format!("00-{trace}-b7ad6b7169203331-01"));
    let placed = client.send(request, LAPTOP).await.unwrap();
    assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
    assert_eq!(placed.header(X_AMZN_TRACE_ID), "Root=1-0af76519-16cd43dd8448eb211c80319c;Sampled=1");

    let spans = collector.trace(trace, |span| span.name == "POST /orders").await;
    let root = find(&spans, "POST /orders", None);
    assert_eq!(root.parent, "b7ad6b7169203331", "it is below its sender's span");
    let expected = "\
POST /orders http.response.status_code=201
  Step Functions.StartSyncExecution
    execution ended_in=OrderConfirmed started_with=the order
      PersistOrder attempts=1 retries=0
        attempt 1 attempt=1 state=PersistOrder
          persist-order order.status=PENDING action=persist attempt=1
            DynamoDB.PutItem
      JoinSaga
      ReserveInventory attempts=1 retries=0
        attempt 1 attempt=1 state=ReserveInventory
          reserve-inventory action=reserve attempt=1 fence=APPLIED
            DynamoDB.TransactWriteItems
      PostAccounting attempts=2 retries=1
        attempt 1 error.type=Lambda.ClientExecutionTimeoutException attempt=1 state=PostAccounting
          post-accounting error.type=Lambda.ClientExecutionTimeoutException action=post attempt=1
            DynamoDB.PutItem
        attempt 2 attempt=2 state=PostAccounting
          post-accounting action=post attempt=2 fence=APPLIED repeated=true
            DynamoDB.PutItem error.type=ConditionalCheckFailedException
      CheckPayment
      ConfirmOrder attempts=1 retries=0
        attempt 1 attempt=1 state=ConfirmOrder
          persist-order order.status=CONFIRMED action=confirm attempt=1
            DynamoDB.UpdateItem
      FollowDecision
      OrderConfirmed
";
    assert_eq!(tree(&spans), expected);

    for span in &spans {
        let above = spans.iter().find(|above| above.id == span.parent);
        assert!(above.is_none_or(|above| above.time.0 <= span.time.0 && span.time.1 <= above.time.1), "{span:?}");
    }
    let order_id = placed.json()["orderId"].as_str().unwrap().to_owned();
    let execution = find(&spans, "execution", None);
    assert_eq!(execution.attributes["order.id"], order_id);
    assert!(execution.attributes["aws.step_functions.execution.arn"].contains(&order_id));
    let met = find(&spans, "DynamoDB.PutItem", spans.iter().find(|span| span.attributes.contains_key("saga.repeated")));
    assert_eq!(met.attributes["aws.dynamodb.table_names"], "journal");
}

#[tokio::test]
async fn a_dead_execution_ends_its_spans_and_recovery_is_a_trace_of_its_own() {
    let (_serve, client, collector) = serve_traced().await;
    choose(&client, "PostAccounting", "execution-dies").await;
    let request =
        client.placing().header(X_AMZN_TRACE_ID, "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8");
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { client.send(request, LAPTOP).await })
    };
    let trace = "5759e988bd862e3fe1be46a994272793";
    let spans = collector.trace(trace, |span| span.name == "execution").await;
    let execution = find(&spans, "execution", None);
    assert_eq!(execution.attributes["error.type"], "Aborted");
    assert_eq!(execution.attributes["saga.ended_in"], "PostAccounting");
    waiting.abort();

    let order_id = &execution.attributes["order.id"];
    let recovered =
        client.send(client.request(Method::POST, &format!("/_local/recover/{order_id}")), "").await.unwrap();
    assert_eq!(recovered.status, StatusCode::OK);
    let is_recovered =
        |span: &Span| span.name == "execution" && span.attributes["order.id"] == *order_id && !span.is_failed;
    let started = std::time::Instant::now();
    let recovery = loop {
        let spans = collector.spans();
        if let Some(execution) = spans.iter().find(|span| is_recovered(span)) {
            break spans.iter().filter(|span| span.trace == execution.trace).cloned().collect::<Vec<_>>();
        }
        assert!(started.elapsed().as_secs() < 30, "{}", tree(&spans));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_ne!(recovery[0].trace, trace);
    let execution = find(&recovery, "execution", None);
    assert_eq!(execution.attributes["saga.started_with"], "the order's id");
    assert_eq!(execution.attributes["saga.ended_in"], "OrderConfirmed");
    let function = find(&recovery, "reserve-inventory", None);
    assert_eq!(function.attributes["saga.repeated"], "true", "the fence has the first receipt");
    let met = find(&recovery, "DynamoDB.TransactWriteItems", Some(function));
    assert_eq!(met.attributes["aws.dynamodb.table_names"], "inventory");
    let reasons = &met.attributes["aws.dynamodb.cancellation_reasons"];
    assert!(reasons.starts_with("ConditionalCheckFailed,"), "the fence's condition comes first: {reasons}");
}

#[tokio::test]
async fn an_unsampled_request_leaves_no_span() {
    let (serve, client, collector) = serve_traced().await;
    let request = client.placing().header(TRACEPARENT, "00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203331-00");
    let placed = client.send(request, LAPTOP).await.unwrap();
    assert_eq!(placed.status, StatusCode::CREATED);
    // The last spans are sent before it ends.
    serve.ended_by(system_tests::process::Signal::TERM).await;
    let spans = collector.spans();
    assert!(!spans.iter().any(|span| span.trace.ends_with("19d") || span.name == "execution"), "{}", tree(&spans));
}

#[tokio::test]
async fn a_collector_that_is_away_is_reported_once_and_disturbs_no_order() {
    let serve = Serve::start(["--otlp", "http://127.0.0.1:9"]).await;
    let client = serve.client();
    for key in ["one", "two"] {
        assert_eq!(client.place(key, LAPTOP).await.status, StatusCode::CREATED);
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    }
    let (_, log) = serve.ended_by(system_tests::process::Signal::TERM).await;
    assert_eq!(log.matches("spans could not be sent").count(), 1, "{log}");
}

/// Marks that no one else uses, each in a place of a request.
mod marks {
    pub const CUSTOMER: &str = "mark-customer-7f3a";
    pub const KEY_OF_REQUEST: &str = "mark-idempotency-7f3b";
    pub const API_KEY: &str = "mark-apikey-7f3c";
    pub const CORRELATION: &str = "mark-correlation-7f3d";
    pub const COUNTY: &str = "mark-county-7f3e";
    pub const AMOUNT: &str = "1307.77";
}

/// What belongs to the order itself, and so may stand on the pages of this machine that show the order: its own customer
/// and content. No other mark may stand anywhere.
const OF_THE_ORDER: [&str; 3] = [marks::CUSTOMER, marks::COUNTY, marks::AMOUNT];

#[tokio::test]
async fn no_trace_has_an_orders_content_and_no_page_a_secret() {
    let clients = tempfile::NamedTempFile::new().unwrap();
    let scopes = json!(["submit", "read"]);
    std::fs::write(clients.path(), json!({ marks::API_KEY: { "tenant": "shop", "scopes": scopes } }).to_string())
        .unwrap();
    let collector = Collector::start().await;
    let clients = clients.path().to_str().unwrap();
    let serve = Serve::start(["--otlp", &collector.url, "--clients", clients]).await;
    let client = serve.client();

    let asked = json!({ "customerId": marks::CUSTOMER, "tenant": "shop", "scopes": scopes }).to_string();
    let token = client.send(client.request(Method::POST, "/_local/token"), asked).await.unwrap().json();
    let token = token["token"].as_str().unwrap();
    let signature = token.rsplit('.').next().unwrap();
    let order = json!({
        "customerId": marks::CUSTOMER, "countyId": marks::COUNTY, "totalAmount": 1307.77,
        "items": [{ "productId": "LAPTOP001", "quantity": 1, "price": 1307.77 }],
    });
    // One order fails at a step, so that its error is shown, and one is cancelled.
    choose(&client, "PostAccounting", "crashed-twice").await;
    let mut ids = Vec::new();
    for (key, (name, credential)) in [
        (marks::KEY_OF_REQUEST.to_owned(), (API_KEY, marks::API_KEY.to_owned())),
        (format!("{}-2", marks::KEY_OF_REQUEST), (AUTHORIZATION, format!("Bearer {token}"))),
    ] {
        let request = client.placing().header(IDEMPOTENCY_KEY, key).header(CORRELATION_ID, marks::CORRELATION);
        let placed = client.send(request.header(name, credential), order.to_string()).await.unwrap().json();
        ids.push(placed["orderId"].as_str().unwrap_or_else(|| panic!("{placed}")).to_owned());
    }
    client.cancel(&format!("/orders/{}", ids[1])).await;

    let mut own = Vec::new();
    let listed = client.get("/_local/executions").await.json();
    let executions: Vec<&str> =
        listed["executions"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert!(executions.len() >= 3, "{listed}");
    own.extend(executions.iter().map(|id| format!("/_local/executions/{id}")));
    own.extend(ids.iter().flat_map(|id| [format!("/_local/orders/{id}"), format!("/_local/orders/{id}/trace")]));
    // The list has each order's customer, by whom it is searched.
    let list = ["/_local/executions".to_owned()];
    let others = [
        "/_local/audit",
        "/_local/parked",
        "/_local/faults",
        "/_local/definition",
        "/_local/samples",
        "/_local/deployment",
    ];
    let everything = own.iter().chain(&list).cloned().chain(others.map(str::to_owned));
    let secrets = [marks::KEY_OF_REQUEST, marks::API_KEY, signature];
    for path in everything {
        let page = client.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let text = String::from_utf8(page.body.to_vec()).unwrap();
        for secret in secrets {
            assert!(!text.contains(secret), "{path} shows {secret}: {text}");
        }
        let may_show = if own.contains(&path) {
            &OF_THE_ORDER[..]
        } else if list.contains(&path) {
            &OF_THE_ORDER[..1]
        } else {
            &[]
        };
        for mark in OF_THE_ORDER.iter().filter(|mark| !may_show.contains(mark)) {
            assert!(!text.contains(mark), "{path} shows {mark}: {text}");
        }
    }
    let command = run(["trace", &ids[0], "--url", &serve.url]).await;
    assert!(stdout(&command).contains(&ids[0]));
    for secret in secrets.iter().chain(&[marks::COUNTY]) {
        assert!(!stdout(&command).contains(secret), "{}", stdout(&command));
    }

    // The last spans are sent before it ends.
    let (_, log) = serve.ended_by(system_tests::process::Signal::TERM).await;
    let spans = collector.spans();
    assert!(
        ids.iter().all(|id| spans.iter().any(|span| span.attributes.get("order.id") == Some(id))),
        "{}",
        tree(&spans)
    );
    let marks = [&secrets[..], &OF_THE_ORDER, &[marks::CORRELATION]].concat();
    for mark in marks {
        let is_in = |body: &[u8]| body.windows(mark.len()).any(|window| window == mark.as_bytes());
        assert!(!collector.bodies().iter().any(|body| is_in(body)), "a span has {mark}: {}", tree(&spans));
        assert!(mark == marks::CORRELATION || !log.contains(mark), "the log has {mark}: {log}");
    }
}

/// CloudWatch Logs as the command meets it: it answers one request with an empty page, and then with all lines.
async fn serve_log(group: &'static str, order_id: String, lines: Vec<Value>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = async move |headers: http::HeaderMap, body: axum::body::Bytes| {
        let asked: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(headers["x-amz-target"], "Logs_20140328.FilterLogEvents");
        let authorization = headers[AUTHORIZATION].to_str().unwrap();
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{authorization}");
        assert!(authorization.contains("/eu-west-1/logs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "), "{authorization}");
        assert_eq!(asked["logGroupName"], group);
        assert_eq!(asked["filterPattern"], format!(r#"{{ $.execution_arn = "*:{order_id}:*" }}"#));
        assert!(asked["startTime"].as_u64().unwrap() > 1_600_000_000_000);
        let page = match asked["nextToken"].as_str() {
            None => json!({ "events": [], "searchedLogStreams": [], "nextToken": "more" }),
            Some("more") => {
                let events: Vec<Value> = lines
                    .iter()
                    .map(|line| json!({ "logStreamName": "states/1", "timestamp": 1, "message": line.to_string(), "ingestionTime": 2, "eventId": "3" }))
                    .collect();
                json!({ "events": events, "searchedLogStreams": [] })
            }
            Some(other) => panic!("{other}"),
        };
        ([(http::header::CONTENT_TYPE, "application/x-amz-json-1.1")], page.to_string())
    };
    let router = axum::Router::new().route("/", axum::routing::post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn a_deployments_log_shows_the_same_paths_as_the_stack() {
    let serve = Serve::start([""; 0]).await;
    let client = serve.client();
    choose(&client, "PostAccounting", "crashed-twice").await;
    let placed = client.place("logged", LAPTOP).await.json();
    let order_id = placed["orderId"].as_str().unwrap();
    // The second execution finds the outcome.
    client.place("logged", LAPTOP).await;
    let story = client.get(&format!("/_local/orders/{order_id}")).await.json();
    let mut lines = Vec::new();
    for execution in story["executions"].as_array().unwrap() {
        let execution = client.get(&format!("/_local/executions/{}", execution["id"].as_str().unwrap())).await.json();
        for event in execution["events"].as_array().unwrap() {
            let mut line = event.clone();
            // A line in the log does not say it.
            line.as_object_mut().unwrap().remove("state");
            line["execution_arn"] = execution["arn"].clone();
            lines.push(line);
        }
    }
    // Lines come from several streams, in no order, and some of them twice.
    lines.reverse();
    lines.push(lines[0].clone());
    let group = "/aws/vendedlogs/states/order-saga-test";
    let url = serve_log(group, order_id.to_owned(), lines).await;

    let mut command = system_tests::process::order_saga(["trace", order_id, "--aws", group]);
    for (name, value) in [
        ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", url.as_str()),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "session"),
    ] {
        command.env(name, value);
    }
    let logged = command.output().await.unwrap();
    assert!(logged.status.success(), "{logged:?}");
    let kept = run(["trace", order_id, "--url", &serve.url]).await;
    let paths = |text: &str| -> Vec<String> {
        text.split("\nexecution ")
            .skip(1)
            .map(|execution| execution.split_once('\n').unwrap().1.trim_end().to_owned())
            .collect()
    };
    let (logged, kept) = (stdout(&logged), stdout(&kept));
    assert_eq!(paths(logged), paths(kept), "{logged}\n{kept}");
    assert_eq!(paths(logged).len(), 2);
    assert!(paths(logged)[0].contains("Lambda.Unknown  retry: ✗ Lambda.Unknown"), "{logged}");
    assert!(logged.starts_with(&format!("order {order_id}: 2 executions in {group}\n")), "{logged}");
}
