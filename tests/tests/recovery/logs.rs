//! One order's log lines, of all functions, are found by its correlation id alone, and say nothing of what was ordered.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::Caller;
use local_aws::{Api, WireError};
use local_stack::schedule::poll_overflow;
use serde_json::{Value, json};
use system_tests::faults::{Calls, Fault, Faults};
use system_tests::operations::{post, put};
use system_tests::orders::{OrderBuilder, order, order_id};
use system_tests::shops::shop;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;

use crate::{recover_for, settle};

const NAME: &str = "basket-7";

/// What must be in no log line.
const PERSONAL: [&str; 4] = ["jane.doe", "purchase-order-4711", "elm-street-county", "clerk.joan"];

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    /// Writes this thread's log lines from now on.
    fn capture(&self) -> DefaultGuard {
        self.capture_from(LevelFilter::DEBUG)
    }

    fn capture_from(&self, level: LevelFilter) -> DefaultGuard {
        let writer = self.clone();
        let lines = logging::json(None, move || writer.clone()).with_filter(logging::levels(level));
        tracing::subscriber::set_default(tracing_subscriber::registry().with(lines))
    }

    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        for personal in PERSONAL {
            assert!(!text.contains(personal), "{personal} is in {text}");
        }
        // The SDK complains about the connector of this process, which has no connections.
        let ours = text.lines().filter(|line| !line.contains("unable to mark the connection for closure"));
        ours.map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn personal_order() -> OrderBuilder {
    let order = order("k1").of("LAPTOP001", 1).by(PERSONAL[0]).with("paymentReference", PERSONAL[1]);
    order.with("countyId", PERSONAL[2]).with_header("x-correlation-id", NAME)
}

fn services(lines: &[Value]) -> BTreeSet<&str> {
    lines.iter().filter_map(|line| line["service"].as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_order_s_lines_have_its_correlation_id() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let written = Written::default();
    let _guard = written.capture();
    faults.strike(Calls::to(Api::DynamoDb).table("inventory"), Fault::Refuse(WireError::internal(Api::DynamoDb)));
    let reply = personal_order().place_order(&shop).await;
    assert_eq!(reply.headers["x-correlation-id"], NAME);
    assert_eq!(shop.record(&order_id("k1")).order.correlation_id().unwrap().as_str(), NAME);
    faults.heal();
    recover_for(&shop, Duration::from_mins(10)).await;

    let lines = written.lines();
    let strange: Vec<&Value> = lines.iter().filter(|line| line["correlation_id"] != NAME).collect();
    assert!(strange.is_empty(), "{strange:#?}");
    assert!(lines.iter().all(|line| line["order_id"] == order_id("k1").as_str()), "{lines:#?}");
    let all = ["intake", "persist-order", "post-accounting", "reserve-inventory"];
    assert_eq!(services(&lines), BTreeSet::from(all));
    // A task's line says where in the workflow it ran.
    let failed = lines.iter().find(|line| line["level"] == "WARN" && line["service"] == "reserve-inventory").unwrap();
    assert_eq!((failed["state"].as_str(), failed["attempt"].as_u64()), (Some("ReserveInventory"), Some(0)));
    assert!(failed["execution"].is_string() && failed["error"] == "Unavailable", "{failed}");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_rolled_back_keeps_its_correlation_id() {
    let shop = shop().with_stock("LAPTOP001", 0).open().await;
    let written = Written::default();
    let _guard = written.capture();
    assert_eq!(personal_order().place_order(&shop).await.outcome(), (409, "CANCELLED", "OUT_OF_STOCK"));
    let lines = written.lines();
    assert!(lines.iter().all(|line| line["correlation_id"] == NAME), "{lines:#?}");
    let actions: BTreeSet<&str> = lines.iter().filter_map(|line| line["action"].as_str()).collect();
    assert_eq!(actions, BTreeSet::from(["cancel", "close", "persist", "release", "reserve", "reverse"]));
}

/// The record keeps who it was; the log has only the request's id.
#[tokio::test(start_paused = true)]
async fn no_line_has_the_name_of_who_made_a_change() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let clerk = Caller { subject: PERSONAL[3].to_owned(), ..Caller::of_an_open_api() };
    order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    let written = Written::default();
    let _guard = written.capture();
    let path = format!("/orders/{}/fulfil", order_id("k1"));
    let adjustment = json!({ "difference": 1, "reason": "COUNTED" });
    let terms = json!({ "creditLimit": 1, "onHold": false });
    for is_down in [true, false] {
        if is_down {
            faults.strike(Calls::to(Api::DynamoDb), Fault::Refuse(WireError::internal(Api::DynamoDb)));
        }
        for ask in [
            post(&path, &json!({})),
            post("/stores/main/stock/LAPTOP001/adjustments", &adjustment).under("a1"),
            put("/stores/main/stock/LAPTOP001", &json!({ "onHand": 5 })).if_match("*"),
            put("/accounts/acme/terms", &terms).if_match("*"),
        ] {
            assert_eq!(ask.by(&clerk).send(&shop).await.http_status >= 500, is_down);
        }
        faults.heal();
    }
    let command = json!({ "action": "take_up", "order_id": order_id("k1"), "by": PERSONAL[3] });
    shop.recover_orders.handle(serde_json::from_value(command).unwrap(), "r1").await;
    assert_eq!(shop.record(&order_id("k1")).fulfilled_by.unwrap().subject(), PERSONAL[3]);
    assert!(!written.lines().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_queued_order_keeps_its_correlation_id() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let written = Written::default();
    let _guard = written.capture();
    faults.strike(Calls::to(Api::DynamoDb), Fault::Refuse(WireError::internal(Api::DynamoDb)));
    assert_eq!(personal_order().place_order(&shop).await.outcome(), (202, "PENDING", ""));
    faults.heal();
    poll_overflow(&shop, Duration::ZERO).await.unwrap().unwrap();
    settle(&shop).await;
    assert_eq!(shop.record(&order_id("k1")).order.correlation_id().unwrap().as_str(), NAME);
    let lines = written.lines();
    assert!(lines.iter().all(|line| line["correlation_id"] == NAME), "{lines:#?}");
}

/// The README states what function logs cost.
#[tokio::test(start_paused = true)]
async fn an_order_that_succeeds_writes_no_line_unless_somebody_looks() {
    let kilobytes = async |level| {
        let shop = shop().open().await;
        let written = Written::default();
        let _guard = written.capture_from(level);
        assert_eq!(personal_order().place_order(&shop).await.outcome(), (201, "CONFIRMED", ""));
        let lines = written.lines();
        let bytes: usize = lines.iter().map(|line| line.to_string().len()).sum();
        (lines.len(), format!("{}.{} KB", bytes / 1000, bytes % 1000 / 100))
    };
    assert_eq!(kilobytes(LevelFilter::INFO).await.0, 0);
    let (_, debug) = kilobytes(LevelFilter::DEBUG).await;
    let readme = include_str!("../../../README.md");
    assert!(readme.contains(&format!("`DEBUG` adds {debug}")), "the README must say that DEBUG adds {debug}");
}
