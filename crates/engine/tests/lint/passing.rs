//! The definition as it ships.

use engine::lint::{Part, Report, Work};

use crate::saga::{Saga, policy, policy_on_terms};

async fn report() -> Report {
    Saga::shipped().check(&policy()).await
}

#[tokio::test]
async fn the_shipped_definition_passes() {
    let report = report().await;
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert!(report.passes(), "{}", findings.join("\n"));
}

/// Every step of it is rehearsed, and so is what a service refuses for good.
#[tokio::test]
async fn the_shipped_definition_passes_with_orders_that_need_the_conditional_step() {
    let report = Saga::shipped().check(&policy_on_terms("AUTHORIZED")).await;
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert!(report.passes(), "{}", findings.join("\n"));
}

/// Attempts take 8 s each. Going forward there are four in each state, with delays of 1, 2 and 1 s; to
/// decide, undo and close there are three, with delays of 1 and 2 s.
#[tokio::test]
async fn the_longest_way_is_a_roll_back_after_every_retry() {
    let report = report().await;
    let worst = &report.ways[0];
    assert_eq!((worst.end.as_str(), worst.total_s), ("OrderCancelled", 4.0 * 36.0 + 3.0 * 27.0));
    assert!(worst.total_s <= 240.0, "{}", worst.total_s);
    let path: Vec<&str> = worst.legs.iter().map(|leg| leg.state.as_str()).collect();
    assert_eq!(path[..3], ["PersistOrder", "JoinSaga", "ReserveInventory"]);
    assert_eq!(path[path.len() - 4..], ["RollBack", "CheckRollBack", "CloseOrder", "OrderCancelled"]);
    assert_eq!(worst.legs[0].work, Work::Attempts { attempts: 4, timeout_s: 8, delays_s: 4.0 });
    assert_eq!(worst.legs[10].work, Work::Attempts { attempts: 3, timeout_s: 8, delays_s: 3.0 });
    let ends: Vec<&str> = report.ways.iter().map(|way| way.end.as_str()).collect();
    assert_eq!(ends, ["OrderCancelled", "OrderFulfilled", "OrderUnfinished", "OrderConfirmed", "OrderRefused"]);
}

/// The longest cause that there is. Nothing carries it further, and no other is carried at all.
#[tokio::test]
async fn the_largest_payload_is_the_failure_that_an_order_is_cancelled_for() {
    let largest = report().await.largest_payload.unwrap();
    assert_eq!((largest.state.as_str(), largest.part), ("CancelOrder", Part::Arguments));
    assert!((3 * 32_768..128 * 1024).contains(&largest.bytes), "{}", largest.bytes);
}

/// 225 s and 36 s are less than 270 s; another 36 s would be too much.
#[tokio::test]
async fn there_is_room_for_one_more_step() {
    let room = report().await.room.unwrap();
    assert_eq!((room.steps_in_time, room.step_s), (1, 36.0));
    // Two receipts of 31 bytes, under a step's name of 17, and a branch's output with one of them.
    let (receipt, name) = (r#"{"at_ms":1,"effect":"APPLIED"}"#.len(), "reserve-inventory".len());
    let branch = r#"{"step":"","receipt":},"#.len() + name + receipt;
    assert_eq!(room.step_bytes, 2 * (r#""":,"#.len() + name + receipt) + branch);
    assert!(room.steps_in_bytes > 900, "{}", room.steps_in_bytes);
}
