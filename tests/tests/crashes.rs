//! A server that is killed repeatedly under load.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::collections::BTreeMap;
use std::time::Duration;

use order_client::{Decimal, Decision, Error, Lost, NewOrder, Placed, Reason, Retries, Status};
use serde_json::Value;
use system_tests::client::Client;
use system_tests::process::{Serve, Signal, run, stderr, stdout};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

const CLIENTS: usize = 32;

const KILLS: usize = 10;

/// How many answers there are between two kills, so that each kill hits a server that is fully at work.
const ANSWERS_BETWEEN_KILLS: usize = 100;

const STOCK: &str = r#"{"stock":[{"storeId":"main","sku":"LAPTOP001","onHand":1000000},{"storeId":"main","sku":"SOLDOUT","onHand":0}]}"#;

/// How long the server may take to end every order once it is left alone.
const QUIET: Duration = Duration::from_mins(1);

/// The last thing a client was told about the order under this key.
#[derive(Debug)]
struct Told {
    key: String,
    placed: Placed,
}

/// A client for a server that may vanish: it retries for a moment only, and looks often.
fn hasty(client: &Client) -> order_client::Client {
    client.typed().with_retries(Retries {
        attempts: 3,
        first_delay: Duration::from_millis(10),
        max_delay: Duration::from_millis(200),
        ..Retries::default()
    })
}

/// Sends one order after the other to the server that is up. An unanswered order is sent again, as clients are told
/// to.
async fn buy(
    client: usize,
    mut server: watch::Receiver<Option<order_client::Client>>,
    told: mpsc::UnboundedSender<Told>,
) {
    for number in 0.. {
        let key = format!("client-{client}-order-{number}");
        // A third of the orders are for a sold-out article, and are rolled back.
        let sku = if number % 3 == 2 { "SOLDOUT" } else { "LAPTOP001" };
        let order = NewOrder::by("demo123").item(sku, 1, Decimal::TEN).with_key(&key);
        let placed = loop {
            let Some(api) = server.borrow_and_update().clone() else { return };
            let placed = if number % 5 == 4 { api.submit(&order).await } else { api.place(&order).await };
            match placed {
                Ok(placed) => break placed,
                // The task that kills the server also starts the next one.
                Err(Error::GaveUp { last: Lost::Connection(_), .. }) => server.changed().await.unwrap(),
                Err(Error::GaveUp { .. }) => {}
                Err(error) => panic!("{key}: {error:?}"),
            }
        };
        if told.send(Told { key, placed }).is_err() {
            return;
        }
    }
}

/// The server's own report of its tables.
async fn report(api: &Client) -> Value {
    api.get("/_local/audit").await.json()
}

fn open_orders(report: &Value) -> u64 {
    ["PENDING", "CANCELLING"].iter().filter_map(|status| report["orders"][status].as_u64()).sum()
}

#[tokio::test]
async fn a_server_that_is_killed_ten_times_under_load_ends_every_order_by_itself() {
    let data = TempDir::new().unwrap();
    let stock = data.path().join("stock.json");
    std::fs::write(&stock, STOCK).unwrap();
    let store = data.path().join("data");
    let arguments = ["--data".as_ref(), store.as_os_str(), "--stock".as_ref(), stock.as_os_str()];

    let mut serve = Serve::start(arguments).await;
    let (server, current) = watch::channel(Some(hasty(&serve.client())));
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(buy(client, current.clone(), tell.clone()));
    }
    drop(tell);

    let mut answers = BTreeMap::new();
    let mut cut_off = 0;
    for _ in 0..KILLS {
        for _ in 0..ANSWERS_BETWEEN_KILLS {
            let Told { key, placed } = told.recv().await.unwrap();
            answers.insert(key, placed);
        }
        serve.signal(Signal::KILL);
        let (status, log) = serve.ended().await;
        assert_eq!(status.code(), None, "it was killed: {log}");
        serve = Serve::start(arguments).await;
        let api = serve.client();
        cut_off += open_orders(&report(&api).await);
        server.send_replace(Some(hasty(&api)));
    }
    assert!(cut_off > 0, "no kill hit an order in progress");
    server.send_replace(None);
    while let Some(Told { key, placed }) = told.recv().await {
        answers.insert(key, placed);
    }
    clients.join_all().await;

    let api = serve.client();
    let until = Instant::now() + QUIET;
    // An audit delays everything else while it reads, so it may not be requested continuously.
    let mut looks = interval(Duration::from_secs(5));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let report = loop {
        looks.tick().await;
        let report = report(&api).await;
        if open_orders(&report) == 0 && report["waiting"] == 0 {
            break report;
        }
        assert!(Instant::now() < until, "after a minute of quiet: {report}");
    };
    assert_eq!(report["holds"], true, "{report}");

    let client = api.typed();
    for (key, placed) in answers {
        let order = client.read(&placed.order_id).await.unwrap().order;
        let expected: &[_] = match placed.decision {
            Decision::Confirmed(_) => &[Status::Confirmed],
            Decision::Cancelled { .. } => &[Status::Cancelled],
            Decision::Undecided => &[Status::Confirmed, Status::Cancelled],
        };
        assert!(expected.contains(&order.status), "{key} was told {:?} and is {order:?}", placed.decision);
        assert_ne!(order.reason, Some(Reason::Unavailable), "{key}: there was no long outage");
    }

    serve.signal(Signal::INT);
    let (status, log) = serve.ended().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let audit = run(["audit".as_ref(), "--data".as_ref(), store.as_os_str()]).await;
    assert_eq!(audit.status.code(), Some(0), "{}{}", stdout(&audit), stderr(&audit));
}
