//! What happens to an order that is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use local_aws::{Api, BoxFuture};
use local_stack::PARKED_QUEUE;
use local_stack::functions::Invoked;
use local_stack::lambda::{Functions, Invocation, InvocationLayer};
use order::{Reason, Status};
use orders::table::RECOVER_AFTER_MS;
use recover_orders::{MAX_ATTEMPTS, RecoveryOutcome};
use system_tests::faults::{Calls, Fault, Faults, Mishap, Mishaps};
use system_tests::orders::{cancel_order, clerk, order, order_id};
use system_tests::shops::{Shop, recovery, shop};

use crate::{ALL_ATTEMPTS, pass, recover, recover_for, settle};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// No invocation is ever answered until it heals: a third of the executions hang before each of the steps.
#[derive(Debug, Default)]
struct Stuck(AtomicBool);

impl InvocationLayer for Stuck {
    fn around<'a>(&'a self, invocation: Invocation, functions: &'a Functions) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let Invocation { function, state, payload, execution, .. } = invocation;
            let stops_at = ["ReserveInventory", "PostAccounting", "ConfirmOrder"];
            let kind = execution.bytes().map(usize::from).sum::<usize>() % stops_at.len();
            if !self.0.load(Ordering::Relaxed) && *state == *stops_at[kind] {
                std::future::pending::<()>().await;
            }
            functions.invoke(&function, payload).await
        })
    }
}

fn kill_all(shop: &Shop) {
    shop.executions.all().iter().for_each(local_stack::step_functions::Execution::kill);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_orders_of_dead_executions_are_decided_within_two_runs() {
    const ORDERS: usize = 1000;
    const ON_HAND: i64 = 900;
    let stuck = Arc::new(Stuck::default());
    let shop = shop().with_stock("LAPTOP001", ON_HAND).invoked_through(&stuck).open().await;
    for number in 0..ORDERS {
        let reply = order(&format!("k{number}")).of("LAPTOP001", 1).respond_async().place_order(&shop).await;
        assert_eq!(reply.outcome(), (202, "PENDING", ""));
    }
    // Each execution hangs in its state; then all of them are gone at once.
    tokio::time::sleep(Duration::from_secs(1)).await;
    kill_all(&shop);
    stuck.0.store(true, Ordering::Relaxed);
    assert!(shop.books().orders.values().all(|order| order.record.status == Status::Pending));
    tokio::time::sleep(Duration::from_millis(RECOVER_AFTER_MS.unsigned_abs())).await;

    let runs = [recover(&shop).await, recover(&shop).await];
    let started: u64 = runs.iter().map(|run| run.count_of(RecoveryOutcome::Started)).sum();
    assert_eq!(started, ORDERS as u64, "{runs:?}");
    assert!(runs.iter().all(|run| run.left == 0 && run.failed_looks == 0), "{runs:?}");
    let books = shop.audit();
    assert_eq!(books.orders.len(), ORDERS);
    let confirmed = books.orders.values().filter(|order| order.record.status == Status::Confirmed).count();
    assert_eq!(confirmed, usize::try_from(ON_HAND).unwrap());
    let out_of_stock = Some(Reason::Refused("OUT_OF_STOCK".to_owned()));
    let refused = books.orders.values().filter(|order| order.record.reason == out_of_stock).count();
    assert_eq!(confirmed + refused, ORDERS);
}

/// An order that is accepted while its stock table is out, so that nothing moves it, and that is now due.
async fn open_order(faults: &Faults, shop: &Shop) {
    faults.strike(Calls::to(Api::DynamoDb).table("inventory"), refused());
    let reply = order("k1").of("LAPTOP001", 1).place_order(shop).await;
    assert_eq!(reply.outcome(), (202, "PENDING", ""));
    settle(shop).await;
    pass(shop, shop.due_ms(&order_id("k1")).unwrap()).await;
}

fn refused() -> Fault {
    Fault::Refuse(local_aws::WireError::internal(Api::DynamoDb))
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_not_due_is_left_alone() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    open_order(&faults, &shop).await;
    assert_eq!(recover(&shop).await.count_of(RecoveryOutcome::Started), 1);
    faults.heal();
    let due_ms = shop.due_ms(&order_id("k1")).unwrap();
    assert!(due_ms > shop.now_ms());
    assert!(recover(&shop).await.taken.is_empty());
    assert_eq!(shop.record(&order_id("k1")).status, Status::Pending);
}

#[tokio::test(start_paused = true)]
async fn each_delay_is_longer_than_the_one_before() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    open_order(&faults, &shop).await;
    let mut delays = Vec::new();
    for attempts in 1..=MAX_ATTEMPTS {
        pass(&shop, shop.due_ms(&order_id("k1")).unwrap()).await;
        let began_ms = shop.now_ms();
        let run = recover(&shop).await;
        assert_eq!(run.count_of(RecoveryOutcome::Started), 1, "{run:?}");
        assert_eq!(shop.record(&order_id("k1")).attempts, attempts);
        delays.push(shop.due_ms(&order_id("k1")).unwrap() - began_ms);
    }
    let hour_ms = 60 * 60 * 1000;
    assert!(delays.windows(2).all(|pair| pair[0] < pair[1] || pair[1] >= hour_ms), "{delays:?}");
    assert!(delays[0] >= RECOVER_AFTER_MS, "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_makes_no_progress_is_given_up_and_rolled_back() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    open_order(&faults, &shop).await;
    let runs = recover_for(&shop, ALL_ATTEMPTS).await;
    let given_up = runs.iter().position(|run| run.count_of(RecoveryOutcome::GivenUp) == 1).expect("it is given up");
    assert_eq!(given_up, MAX_ATTEMPTS as usize, "{runs:?}");
    let record = shop.record(&order_id("k1"));
    assert_eq!((record.status, record.reason), (Status::Cancelling, Some(Reason::Unavailable)));
    assert!(record.attempts < MAX_ATTEMPTS, "the attempts at the roll-back are counted from zero");
    faults.heal();
    recover_for(&shop, Duration::from_hours(2)).await;
    assert_eq!(shop.record(&order_id("k1")).status, Status::Cancelled);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn an_order_that_cannot_be_rolled_back_is_parked_after_its_message_is_sent() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    open_order(&faults, &shop).await;
    // Without the message nobody would know. So the order is not parked, however many times recovery tries.
    faults.strike(Calls::to(Api::Sqs), Fault::Refuse(local_aws::WireError::internal(Api::Sqs)));
    recover_for(&shop, 2 * ALL_ATTEMPTS).await;
    let record = shop.record(&order_id("k1"));
    assert_eq!((record.status, record.attempts), (Status::Cancelling, MAX_ATTEMPTS));
    assert_eq!(recover(&shop).await.parked, Some(0));

    faults.heal();
    faults.strike(Calls::to(Api::DynamoDb).table("inventory"), refused());
    let runs = recover_for(&shop, ALL_ATTEMPTS).await;
    assert_eq!(runs.iter().map(|run| run.count_of(RecoveryOutcome::Parked)).sum::<u64>(), 1, "{runs:?}");
    assert!(shop.queues.len(PARKED_QUEUE).await.unwrap() >= 1);
    // It is counted on every run, because its message may have expired from the queue.
    let run = recover(&shop).await;
    assert_eq!((run.parked, run.taken.len()), (Some(1), 0));
    assert_eq!(shop.record(&order_id("k1")).status, Status::Cancelling, "a parked order is not compensated");
    let parked = &shop.audit().orders[&order_id("k1")];
    assert!(parked.is_parked);

    // An operator starts its roll-back once the cause is fixed.
    faults.heal();
    assert_eq!(shop.recover_orders.take_up(&order_id("k1"), &clerk()).await, RecoveryOutcome::Started);
    settle(&shop).await;
    assert_eq!(shop.record(&order_id("k1")).status, Status::Cancelled);
    assert_eq!(recover(&shop).await.parked, Some(0));
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_parked_order_that_is_restarted_has_all_its_attempts_again() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    open_order(&faults, &shop).await;
    recover_for(&shop, 2 * ALL_ATTEMPTS).await;
    assert_eq!(recover(&shop).await.parked, Some(1));
    assert_eq!(shop.recover_orders.take_up(&order_id("k1"), &clerk()).await, RecoveryOutcome::Started);
    settle(&shop).await;
    assert_eq!(shop.record(&order_id("k1")).attempts, 0);
    let runs = recover_for(&shop, ALL_ATTEMPTS).await;
    assert_eq!(runs.iter().map(|run| run.count_of(RecoveryOutcome::Started)).sum::<u64>(), u64::from(MAX_ATTEMPTS));
    assert_eq!(recover(&shop).await.parked, Some(1), "and then it is parked again");
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_start_fails_is_retried() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(Calls::to(Api::StepFunctions), Fault::Refuse(local_aws::WireError::internal(Api::StepFunctions)));
    order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    pass(&shop, shop.due_ms(&order_id("k1")).unwrap()).await;
    let run = recover(&shop).await;
    assert_eq!(run.count_of(RecoveryOutcome::NotStarted), 1);
    faults.heal();
    recover_for(&shop, Duration::from_mins(10)).await;
    assert_eq!(shop.record(&order_id("k1")).status, Status::Confirmed);
    shop.audit();
}

/// An order that is on record, and whose starts Step Functions refuses.
async fn refused_order(faults: &Faults, shop: &Shop) {
    faults.strike(Calls::to(Api::StepFunctions), Fault::Refuse(local_aws::WireError::throttling(Api::StepFunctions)));
    order("k1").of("LAPTOP001", 1).place_order(shop).await;
    pass(shop, shop.due_ms(&order_id("k1")).unwrap()).await;
}

/// The same after a day.
async fn order_refused_for_a_day(faults: &Faults, shop: &Shop) {
    refused_order(faults, shop).await;
    recover(shop).await;
    pass(shop, shop.now_ms() + DAY_MS).await;
    assert_eq!(recover(shop).await.count_of(RecoveryOutcome::Parked), 1);
    assert_eq!(recover(shop).await.parked, Some(1));
    assert_eq!(shop.record(&order_id("k1")).parked_by, Some(recovery()));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_refused_is_no_attempt() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    refused_order(&faults, &shop).await;
    let runs = recover_for(&shop, Duration::from_hours(1)).await;
    let sum = |outcome| runs.iter().map(|run| run.count_of(outcome)).sum::<u64>();
    assert!(sum(RecoveryOutcome::NotStarted) > 2 * u64::from(MAX_ATTEMPTS), "it is tried every minute or so");
    assert_eq!((sum(RecoveryOutcome::GivenUp), sum(RecoveryOutcome::Parked)), (0, 0));
    let record = shop.record(&order_id("k1"));
    assert_eq!((record.status, record.attempts), (Status::Pending, 0));
    faults.heal();
    recover_for(&shop, Duration::from_mins(5)).await;
    assert_eq!(shop.record(&order_id("k1")).status, Status::Confirmed);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn an_order_that_could_not_be_started_for_a_day_is_parked_and_not_cancelled() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    order_refused_for_a_day(&faults, &shop).await;
    assert_eq!(shop.record(&order_id("k1")).status, Status::Pending);
    assert!(shop.audit().orders[&order_id("k1")].is_parked);
    assert_eq!(shop.queues.len(PARKED_QUEUE).await.unwrap(), 1);

    // An operator's retry is refused as well, and after another day the order is parked again.
    assert_eq!(shop.recover_orders.take_up(&order_id("k1"), &clerk()).await, RecoveryOutcome::NotStarted);
    // It has a day again: somebody has looked.
    let due_ms = shop.due_ms(&order_id("k1")).unwrap();
    pass(&shop, due_ms).await;
    assert_eq!(recover(&shop).await.count_of(RecoveryOutcome::NotStarted), 1);
    assert!(!shop.audit().orders[&order_id("k1")].is_parked);
    recover_for(&shop, Duration::from_hours(25)).await;
    assert_eq!(recover(&shop).await.parked, Some(1));
    faults.heal();
    assert_eq!(shop.recover_orders.take_up(&order_id("k1"), &clerk()).await, RecoveryOutcome::Started);
    settle(&shop).await;
    assert_eq!(shop.record(&order_id("k1")).status, Status::Confirmed);
    assert_eq!(recover(&shop).await.parked, Some(0));
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_parked_order_that_is_decided_after_all_is_parked_no_longer() {
    for cancels in [false, true] {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        order_refused_for_a_day(&faults, &shop).await;
        faults.heal();
        let end = if cancels {
            cancel_order(&shop, order_id("k1").as_str()).await;
            Status::Cancelled
        } else {
            order("k1").of("LAPTOP001", 1).place_order(&shop).await;
            Status::Confirmed
        };
        settle(&shop).await;
        assert_eq!(shop.record(&order_id("k1")).status, end);
        assert_eq!(recover(&shop).await.parked, Some(0));
        assert!(!shop.audit().orders[&order_id("k1")].is_parked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_without_an_answer_counts_as_an_attempt() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(Calls::to(Api::StepFunctions), Fault::Hang);
    order("k1").of("LAPTOP001", 1).place_order(&shop).await;
    pass(&shop, shop.due_ms(&order_id("k1")).unwrap()).await;
    assert_eq!(recover(&shop).await.count_of(RecoveryOutcome::NotStarted), 1);
    assert_eq!(shop.record(&order_id("k1")).attempts, 1);
    let runs = recover_for(&shop, ALL_ATTEMPTS).await;
    let given_up: u64 = runs.iter().map(|run| run.count_of(RecoveryOutcome::GivenUp)).sum();
    assert_eq!(given_up, 1, "also if its own start fails");
}

#[tokio::test(start_paused = true)]
async fn two_recoveries_at_once_start_an_order_only_once() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    open_order(&faults, &shop).await;
    faults.heal();
    let (first, second) = tokio::join!(recover(&shop), recover(&shop));
    assert_eq!(
        first.count_of(RecoveryOutcome::Started) + second.count_of(RecoveryOutcome::Started),
        1,
        "{first:?} {second:?}"
    );
    assert_eq!(shop.record(&order_id("k1")).status, Status::Confirmed);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_recovery_during_a_live_execution_does_no_harm() {
    let mishaps = Mishaps::none();
    let shop = shop().invoked_through(&mishaps).open().await;
    mishaps.strike_times(1, "PostAccounting", Mishap::Late(Duration::from_secs(4)));
    let order = order("k1").of("LAPTOP001", 2);
    let (reply, ()) = tokio::join!(order.place_order(&shop), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        shop.recover_orders.run(&recovery(), i64::MAX, recover_orders::RUN_TIME).await;
    });
    assert_eq!(reply.outcome(), (201, "CONFIRMED", ""));
    settle(&shop).await;
    assert_eq!(shop.available("LAPTOP001"), 8);
    shop.audit();
}

#[tokio::test(start_paused = true)]
async fn a_run_without_time_reports_what_it_left() {
    const ORDERS: u64 = 40;
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(Calls::to(Api::StepFunctions), Fault::Refuse(local_aws::WireError::internal(Api::StepFunctions)));
    for number in 0..ORDERS {
        order(&format!("k{number}")).of("MOUSE001", 1).respond_async().place_order(&shop).await;
    }
    tokio::time::sleep(Duration::from_millis(RECOVER_AFTER_MS.unsigned_abs())).await;
    let run = shop.recover_orders.run(&recovery(), shop.now_ms(), Duration::ZERO).await;
    assert_eq!((run.left, run.taken.len()), (ORDERS, 0));
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_before_its_functions_limit_however_slow_the_store_is() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    faults.strike(Calls::to(Api::StepFunctions), refused());
    for number in 0..400 {
        order(&format!("k{number}")).of("MOUSE001", 1).respond_async().place_order(&shop).await;
    }
    tokio::time::sleep(Duration::from_millis(RECOVER_AFTER_MS.unsigned_abs())).await;
    faults.heal();
    // Just below the time limit of a call.
    faults.strike(Calls::to(Api::DynamoDb), Fault::DelayAnswer(Duration::from_millis(900)));
    faults.strike(Calls::to(Api::StepFunctions), Fault::DelayAnswer(Duration::from_secs(2)));
    let began_ms = shop.now_ms();
    let run = shop.recover_orders.run(&recovery(), shop.now_ms(), recover_orders::RUN_TIME).await;
    let took_ms = shop.now_ms() - began_ms;
    let function = declarations::function("recover-orders").unwrap();
    assert!(took_ms < i64::from(function.timeout.seconds) * 1000, "{took_ms} ms: {run:?}");
    assert!(run.count_of(RecoveryOutcome::Started) > 0, "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_counted_is_not_reported_as_none() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    assert_eq!(recover(&shop).await.parked, Some(0));
    faults.strike(Calls::to(Api::DynamoDb).operation("Query"), refused());
    let run = recover(&shop).await;
    assert_eq!((run.parked, run.lapsing), (None, None), "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_query_is_counted_and_the_next_run_recovers_the_order() {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    open_order(&faults, &shop).await;
    faults.heal();
    // Each query is tried three times before it has failed.
    faults.strike_times(3, Calls::to(Api::DynamoDb).operation("Query"), refused());
    let run = recover(&shop).await;
    assert_eq!(run.failed_looks, 1, "{run:?}");
    recover(&shop).await;
    assert_eq!(shop.record(&order_id("k1")).status, Status::Confirmed);
}
