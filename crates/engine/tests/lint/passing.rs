//! The definition as it ships.

use engine::lint::{Part, Report, Work};

use crate::saga::{Saga, policy};

async fn report() -> Report {
    Saga::shipped().check(&policy()).await
}

#[tokio::test]
async fn the_shipped_definition_passes() {
    let report = report().await;
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert!(report.passes(), "{}", findings.join("\n"));
}

/// Six states of four attempts, 8 s each, and delays of 1, 2 and 4 s.
#[tokio::test]
async fn the_longest_way_is_a_roll_back_after_every_retry() {
    let report = report().await;
    let worst = &report.ways[0];
    assert_eq!((worst.end.as_str(), worst.total_s), ("OrderCancelled", 6.0 * 39.0));
    let path: Vec<&str> = worst.legs.iter().map(|leg| leg.state.as_str()).collect();
    assert_eq!(path[..3], ["PersistOrder", "JoinSaga", "ReserveInventory"]);
    assert_eq!(path[path.len() - 4..], ["RollBack", "CheckRollBack", "CloseOrder", "OrderCancelled"]);
    assert_eq!(worst.legs[0].work, Work::Attempts { attempts: 4, timeout_s: 8, delays_s: 7.0 });
    let ends: Vec<&str> = report.ways.iter().map(|way| way.end.as_str()).collect();
    assert_eq!(ends, ["OrderCancelled", "OrderFulfilled", "OrderUnfinished", "OrderConfirmed", "OrderRefused"]);
}

/// The failures of both compensations, each with the longest cause that there is.
#[tokio::test]
async fn the_largest_payload_is_that_of_a_roll_back_that_failed_twice() {
    let largest = report().await.largest_payload.unwrap();
    assert_eq!((largest.state.as_str(), largest.part), ("RollBack", Part::Output));
    assert!((2 * 3 * 32_768..256 * 1024).contains(&largest.bytes), "{}", largest.bytes);
}
