//! The claims that hold for every step, each tested for each step.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local_aws::{Api, CancellationReason, WireError};
use local_stack::functions::Invoked;
use order::Order;
use serde_json::{Value, json};
use system_tests::faults::{Calls, Fault, Faults, Turns, permutations};
use system_tests::shops::{OPENED_MS, Shop, shop};
use tokio::task::JoinSet;
use tokio::time::advance;

use crate::errors::errors_that_decide_nothing;
use crate::step::Standing::{Done, Tombstone, Undone, Untouched};
use crate::step::{SECOND, Step, error_of, instances, receipt, with_invoiced_orders};

/// A test of each claim for every declared step, with a prepaid order and with one on invoice.
macro_rules! each_step {
    ($($claim:ident)*) => {
        each_step! { mod prepaid of with_prepaid_orders: $($claim)* }
        each_step! { mod invoice of with_invoiced_orders: $($claim)* }
    };
    (mod $name:ident of $steps:ident: $($claim:ident)*) => {
        mod $name {
            $(
                #[tokio::test(start_paused = true)]
                async fn $claim() {
                    for step in crate::step::$steps() {
                        // Shown if the test fails.
                        println!("{}", step.function);
                        super::$claim(step).await;
                    }
                }
            )*
        }
    };
}

each_step! {
    an_action_takes_effect
    an_action_done_twice_takes_effect_once_and_answers_with_the_first_receipt
    a_compensation_takes_back_exactly_the_effect
    a_compensation_done_twice_answers_with_the_first_receipt
    an_action_after_its_compensation_is_refused
    a_compensation_before_its_action_leaves_a_tombstone
    only_what_nothing_depends_on_expires
    eight_actions_at_once_take_effect_once
    eight_compensations_at_once_undo_once
    an_action_and_eight_compensations_at_once_leave_nothing
    an_action_between_the_compensations_look_and_its_write_is_undone
    a_compensation_before_the_actions_write_wins
    at_every_interleaving_two_actions_and_a_compensation_leave_nothing
    at_every_interleaving_an_action_and_two_compensations_leave_nothing
    an_action_that_arrives_late_loses_to_the_compensation
    a_compensation_that_arrives_twice_undoes_once
    other_content_under_the_same_order_is_refused
    every_error_of_dynamodb_is_unavailable_and_the_next_try_succeeds
    an_action_whose_answer_is_lost_is_recognised_on_the_next_try
    a_compensation_whose_answer_is_lost_is_recognised_on_the_next_try
    a_store_that_hangs_is_unavailable_before_the_function_times_out
    the_fence_is_read_before_any_other_reason
}

async fn an_action_takes_effect(step: Step) {
    let shop = shop().open().await;
    let order = step.order(&shop, "k1").await;
    assert_eq!(step.standing(&shop, &order), Untouched);
    assert_eq!(step.run(&shop, &order).await.unwrap(), receipt(OPENED_MS, "APPLIED"));
    assert_eq!(step.standing(&shop, &order), Done);
}

async fn an_action_done_twice_takes_effect_once_and_answers_with_the_first_receipt(step: Step) {
    let shop = shop().open().await;
    let order = step.order(&shop, "k1").await;
    let first = step.run(&shop, &order).await.unwrap();
    advance(SECOND).await;
    assert_eq!(step.run(&shop, &order).await.unwrap(), first);
    assert_eq!(step.standing(&shop, &order), Done);
}

async fn a_compensation_takes_back_exactly_the_effect(step: Step) {
    let shop = shop().open().await;
    let other = step.order(&shop, "another order").await;
    step.run(&shop, &other).await.unwrap();
    let order = step.order(&shop, "k1").await;
    step.run(&shop, &order).await.unwrap();
    advance(SECOND).await;
    assert_eq!(step.undo(&shop, &order).await.unwrap(), receipt(OPENED_MS + 1000, "UNDONE"));
    assert_eq!(step.standing(&shop, &order), Undone);
    assert_eq!(step.standing(&shop, &other), Done);
}

async fn a_compensation_done_twice_answers_with_the_first_receipt(step: Step) {
    let shop = shop().open().await;
    let (done, not_done) = (step.order(&shop, "done").await, step.order(&shop, "not done").await);
    step.run(&shop, &done).await.unwrap();
    for order in [done, not_done] {
        let first = step.undo(&shop, &order).await.unwrap();
        let standing = step.standing(&shop, &order);
        advance(SECOND).await;
        assert_eq!(step.undo(&shop, &order).await.unwrap(), first);
        assert_eq!(step.standing(&shop, &order), standing);
    }
}

async fn an_action_after_its_compensation_is_refused(step: Step) {
    let shop = shop().open().await;
    let order = step.order(&shop, "k1").await;
    step.run(&shop, &order).await.unwrap();
    step.undo(&shop, &order).await.unwrap();
    assert_eq!(error_of(step.run(&shop, &order).await), "SagaCancelled");
    assert_eq!(step.standing(&shop, &order), Undone);
}

async fn a_compensation_before_its_action_leaves_a_tombstone(step: Step) {
    let shop = shop().open().await;
    let order = step.order(&shop, "k1").await;
    assert_eq!(step.undo(&shop, &order).await.unwrap(), receipt(OPENED_MS, "NOTHING"));
    assert_eq!(step.standing(&shop, &order), Tombstone);
    assert_eq!(error_of(step.run(&shop, &order).await), "SagaCancelled");
    assert_eq!(step.standing(&shop, &order), Tombstone);
}

async fn only_what_nothing_depends_on_expires(step: Step) {
    // Longer than any message about the order can take to arrive. The longest retention of a queue is 14 days, and a
    // redrive from a dead-letter queue starts it again.
    let longest_message_s = 4 * 14 * 24 * 60 * 60;
    let shop = shop().open().await;
    let expiry = |order: &Order| {
        let expires_at = step.fence(&shop, order).remove("expires_at")?;
        Some(expires_at.as_n().unwrap().parse::<i64>().unwrap())
    };
    let tombstone = step.order(&shop, "never done").await;
    step.undo(&shop, &tombstone).await.unwrap();
    let expires_s = expiry(&tombstone).expect("a tombstone expires");
    assert!(expires_s >= OPENED_MS / 1000 + longest_message_s, "{expires_s} are seconds, and far ahead");
    assert!(expires_s < OPENED_MS / 100, "{expires_s} are not milliseconds");

    let undone = step.order(&shop, "done").await;
    step.run(&shop, &undone).await.unwrap();
    assert_eq!(expiry(&undone), None, "an effect that stands is kept");
    step.undo(&shop, &undone).await.unwrap();
    if let Some(expires) = step.undone_expires() {
        assert_eq!(expiry(&undone).is_some(), expires);
    }
}

async fn eight_actions_at_once_take_effect_once(step: Step) {
    let shop = shop().open().await;
    let order = step.order(&shop, "k1").await;
    let mut callers = JoinSet::new();
    for functions in instances(&shop, 8) {
        let order = order.clone();
        callers.spawn(async move { step.run_on(&functions, &order).await });
    }
    for invoked in callers.join_all().await {
        assert_eq!(invoked.unwrap(), receipt(OPENED_MS, "APPLIED"));
    }
    assert_eq!(step.standing(&shop, &order), Done);
}

async fn eight_compensations_at_once_undo_once(step: Step) {
    let shop = shop().open().await;
    let order = step.order(&shop, "k1").await;
    step.run(&shop, &order).await.unwrap();
    let mut callers = JoinSet::new();
    for functions in instances(&shop, 8) {
        let order = order.clone();
        callers.spawn(async move { step.undo_on(&functions, &order).await });
    }
    for invoked in callers.join_all().await {
        assert_eq!(invoked.unwrap(), receipt(OPENED_MS, "UNDONE"));
    }
    assert_eq!(step.standing(&shop, &order), Undone);
}

async fn an_action_and_eight_compensations_at_once_leave_nothing(step: Step) {
    let shop = shop().open().await;
    let order = step.order(&shop, "k1").await;
    let mut callers = JoinSet::new();
    for (number, functions) in instances(&shop, 9).into_iter().enumerate() {
        let order = order.clone();
        callers.spawn(async move {
            if number == 4 {
                step.run_on(&functions, &order).await.ok();
            } else {
                step.undo_on(&functions, &order).await.unwrap();
            }
        });
    }
    callers.join_all().await;
    assert!(matches!(step.standing(&shop, &order), Undone | Tombstone));
}

async fn an_action_between_the_compensations_look_and_its_write_is_undone(step: Step) {
    let turns = Turns::free();
    let shop = shop().behind(&turns).open().await;
    let order = step.order(&shop, "k1").await;
    // C reads and finds nothing; A makes all its requests; C's tombstone loses, and C reads again.
    turns.play(&format!("C{}CCCC", "A".repeat(step.requests().await)));
    let (done, undone) = tokio::join!(turns.of('A', step.run(&shop, &order)), turns.of('C', step.undo(&shop, &order)));
    assert_eq!(done.unwrap()["effect"], "APPLIED");
    assert_eq!(undone.unwrap()["effect"], "UNDONE");
    assert_eq!(step.standing(&shop, &order), Undone);
}

async fn a_compensation_before_the_actions_write_wins(step: Step) {
    let turns = Turns::free();
    let shop = shop().behind(&turns).open().await;
    let order = step.order(&shop, "k1").await;
    // By then the action has done everything except its write: for an invoice it has read the account.
    turns.play(&format!("{}CCA", "A".repeat(step.requests().await - 1)));
    let (done, undone) = tokio::join!(turns.of('A', step.run(&shop, &order)), turns.of('C', step.undo(&shop, &order)));
    assert_eq!(error_of(done), "SagaCancelled");
    assert_eq!(undone.unwrap()["effect"], "NOTHING");
    assert_eq!(step.standing(&shop, &order), Tombstone);
}

/// Plays every script that the letters allow, each on a new order.
async fn at_every_interleaving(letters: &str, play: impl AsyncFn(&Turns, &Shop, String)) {
    // A shop's audit reads all of its orders, so a shop does not get too many.
    for scripts in permutations(letters).chunks(16) {
        let turns = Turns::free();
        let shop = shop().with_stock("LAPTOP001", 100).behind(&turns).open().await;
        for script in scripts {
            play(&turns, &shop, script.clone()).await;
        }
    }
}

async fn at_every_interleaving_two_actions_and_a_compensation_leave_nothing(step: Step) {
    let letters = match step.requests().await {
        1 => "ABCCCC".to_owned(),
        requests => format!("{}{}CCC", "A".repeat(requests), "B".repeat(requests)),
    };
    at_every_interleaving(&letters, async |turns, shop, script| {
        let order = step.order(shop, &script).await;
        turns.play(&script);
        let (one, other, undone) = tokio::join!(
            turns.of('A', step.run(shop, &order)),
            turns.of('B', step.run(shop, &order)),
            turns.of('C', step.undo(shop, &order)),
        );
        let (expected, effect) = if one.is_ok() || other.is_ok() { (Undone, "UNDONE") } else { (Tombstone, "NOTHING") };
        assert_eq!(step.standing(shop, &order), expected, "{script}");
        assert_eq!(undone.unwrap()["effect"], effect, "{script}");
        for refused in [one, other].into_iter().filter_map(Result::err) {
            assert_eq!(refused.error, "SagaCancelled", "{script}");
        }
    })
    .await;
}

async fn at_every_interleaving_an_action_and_two_compensations_leave_nothing(step: Step) {
    let letters = match step.requests().await {
        1 => "ACCCDDD".to_owned(),
        requests => format!("{}CCCDD", "A".repeat(requests)),
    };
    at_every_interleaving(&letters, async |turns, shop, script| {
        let order = step.order(shop, &script).await;
        turns.play(&script);
        let (done, one, other) = tokio::join!(
            turns.of('A', step.run(shop, &order)),
            turns.of('C', step.undo(shop, &order)),
            turns.of('D', step.undo(shop, &order)),
        );
        let expected = if done.is_ok() { Undone } else { Tombstone };
        assert_eq!(step.standing(shop, &order), expected, "{script}");
        assert_eq!(one.unwrap(), other.unwrap(), "{script}");
    })
    .await;
}

/// Every write, with any operation.
fn writes() -> [Calls; 3] {
    ["PutItem", "UpdateItem", "TransactWriteItems"].map(|operation| Calls::to(Api::DynamoDb).operation(operation))
}

fn strand_writes(faults: &Faults) {
    writes().into_iter().for_each(|calls| faults.strike(calls, Fault::Strand));
}

async fn an_action_that_arrives_late_loses_to_the_compensation(step: Step) {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let order = step.order(&shop, "k1").await;
    strand_writes(&faults);
    assert_eq!(error_of(step.run(&shop, &order).await), "Unavailable");
    faults.heal();
    assert_eq!(step.undo(&shop, &order).await.unwrap()["effect"], "NOTHING");
    let answers = faults.deliver(&shop.services).await;
    assert!(!answers.is_empty() && answers.iter().all(|answer| answer.get("__type").is_some()), "{answers:?}");
    assert_eq!(step.standing(&shop, &order), Tombstone);
}

async fn a_compensation_that_arrives_twice_undoes_once(step: Step) {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let order = step.order(&shop, "k1").await;
    step.run(&shop, &order).await.unwrap();
    strand_writes(&faults);
    assert_eq!(error_of(step.undo(&shop, &order).await), "Unavailable");
    faults.heal();
    assert_eq!(step.undo(&shop, &order).await.unwrap()["effect"], "UNDONE");
    faults.deliver(&shop.services).await;
    assert_eq!(step.standing(&shop, &order), Undone);
}

async fn other_content_under_the_same_order_is_refused(step: Step) {
    let shop = shop().open().await;
    let order = step.order(&shop, "k1").await;
    step.run(&shop, &order).await.unwrap();
    let before = shop.items();
    let other = (step.order)("k1").of("MOUSE001", 1).placed();
    assert_eq!(other.order_id(), order.order_id());
    assert_eq!(error_of(step.run(&shop, &other).await), "OtherContent");
    assert_eq!(shop.items(), before);
}

async fn every_error_of_dynamodb_is_unavailable_and_the_next_try_succeeds(step: Step) {
    let mut seen = 0;
    for error in errors_that_decide_nothing() {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        for operation in ["GetItem", "PutItem", "TransactWriteItems"] {
            let calls = Calls::to(Api::DynamoDb).operation(operation);
            let strike = || faults.strike(calls, Fault::Refuse(error.clone()));
            let mut check = |invoked: Invoked| {
                faults.heal();
                match faults.struck() {
                    0 => assert!(invoked.is_ok(), "{operation} is not used: {invoked:?}"),
                    struck => {
                        seen += struck;
                        assert_eq!(error_of(invoked), "Unavailable", "{operation} is answered with {error:?}");
                    }
                }
            };
            let done = step.order(&shop, &format!("done {operation}")).await;
            strike();
            check(step.run(&shop, &done).await);
            step.run(&shop, &done).await.unwrap();
            assert_eq!(step.standing(&shop, &done), Done);

            strike();
            check(step.undo(&shop, &done).await);
            step.undo(&shop, &done).await.unwrap();
            assert_eq!(step.standing(&shop, &done), Undone);

            let not_done = step.order(&shop, &format!("not done {operation}")).await;
            strike();
            check(step.undo(&shop, &not_done).await);
            step.undo(&shop, &not_done).await.unwrap();
            assert_eq!(step.standing(&shop, &not_done), Tombstone);
        }
    }
    assert!(seen >= 5 * 19, "the faults struck {seen} times");
}

async fn an_action_whose_answer_is_lost_is_recognised_on_the_next_try(step: Step) {
    // After one lost answer the client itself retries; after two the workflow does.
    for losses in [1, 2] {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        let order = step.order(&shop, "k1").await;
        writes().into_iter().for_each(|calls| faults.strike_times(losses, calls, Fault::LoseAnswer));
        let first = step.run(&shop, &order).await;
        assert_eq!(faults.struck(), losses);
        match losses {
            1 => assert_eq!(first.unwrap(), receipt(OPENED_MS, "APPLIED")),
            _ => assert_eq!(error_of(first), "Unavailable"),
        }
        assert_eq!(step.standing(&shop, &order), Done);
        advance(SECOND).await;
        assert_eq!(step.run(&shop, &order).await.unwrap(), receipt(OPENED_MS, "APPLIED"));
        assert_eq!(step.standing(&shop, &order), Done);
    }
}

async fn a_compensation_whose_answer_is_lost_is_recognised_on_the_next_try(step: Step) {
    for losses in [1, 2] {
        let faults = Faults::none();
        let shop = shop().behind(&faults).open().await;
        let order = step.order(&shop, "k1").await;
        step.run(&shop, &order).await.unwrap();
        writes().into_iter().for_each(|calls| faults.strike_times(losses, calls, Fault::LoseAnswer));
        let first = step.undo(&shop, &order).await;
        match losses {
            1 => assert_eq!(first.unwrap(), receipt(OPENED_MS, "UNDONE")),
            _ => assert_eq!(error_of(first), "Unavailable"),
        }
        assert_eq!(step.standing(&shop, &order), Undone);
        advance(SECOND).await;
        assert_eq!(step.undo(&shop, &order).await.unwrap(), receipt(OPENED_MS, "UNDONE"));
    }
}

async fn a_store_that_hangs_is_unavailable_before_the_function_times_out(step: Step) {
    let faults = Faults::none();
    let shop = shop().behind(&faults).open().await;
    let order = step.order(&shop, "k1").await;
    faults.strike(Calls::to(Api::DynamoDb), Fault::Hang);
    assert_eq!(error_of(step.run(&shop, &order).await), "Unavailable");
    assert_eq!(error_of(step.undo(&shop, &order).await), "Unavailable");
    faults.heal();
    // Slow but not hanging: each request is answered just within the client's timeout.
    let slow = Fault::DelayAnswer(Duration::from_millis(900));
    faults.strike(Calls::to(Api::DynamoDb), slow);
    step.run(&shop, &order).await.unwrap();
    assert_eq!(step.standing(&shop, &order), Done);
}

async fn the_fence_is_read_before_any_other_reason(step: Step) {
    let faults = Faults::none();
    let shop = shop().with_stock("LAPTOP001", 2).behind(&faults).open().await;
    let order = step.order(&shop, "k1").await;
    step.run(&shop, &order).await.unwrap();
    // The order holds all the stock there is, and the customer's debt is at the limit. That is no reason to refuse
    // this order.
    shop.set_terms("acme", "credit_limit_minor", AttributeValue::N("2000".to_owned())).await;
    assert_eq!(step.run(&shop, &order).await.unwrap()["effect"], "APPLIED");

    // If the fence's own condition failed, a conflict on another item is no reason to retry, in either direction.
    let fence = fence_item(&shop, step, &order);
    let reasons =
        [CancellationReason::conditional_check_failed(Some(fence)), CancellationReason::transaction_conflict()];
    let transactions = Calls::to(Api::DynamoDb).operation("TransactWriteItems");
    faults.strike_times(1, transactions, Fault::Refuse(WireError::transaction_canceled(&reasons)));
    assert_eq!(step.run(&shop, &order).await.unwrap()["effect"], "APPLIED");
    faults.heal();
    let reasons = [CancellationReason::conditional_check_failed(None), CancellationReason::transaction_conflict()];
    faults.strike_times(1, transactions, Fault::Refuse(WireError::transaction_canceled(&reasons)));
    assert_eq!(step.undo(&shop, &order).await.unwrap()["effect"], "UNDONE");
    assert_eq!(step.standing(&shop, &order), Undone);
}

/// The order's fence in DynamoDB's JSON.
fn fence_item(shop: &Shop, step: Step, order: &Order) -> Value {
    step.fence(shop, order).into_iter().map(|(name, value)| (name, wire(&value))).collect()
}

fn wire(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::L(list) => json!({"L": list.iter().map(wire).collect::<Vec<_>>()}),
        AttributeValue::M(map) => {
            let members: serde_json::Map<_, _> = map.iter().map(|(name, value)| (name.clone(), wire(value))).collect();
            json!({"M": members})
        }
        other => panic!("a fence has no {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_steps_of_one_order_know_nothing_of_each_other() {
    let shop = shop().open().await;
    for undone in with_invoiced_orders() {
        let order = undone.order(&shop, undone.function).await;
        for step in with_invoiced_orders() {
            step.run(&shop, &order).await.unwrap();
        }
        undone.undo(&shop, &order).await.unwrap();
        for step in with_invoiced_orders() {
            let expected = if step.function == undone.function { Undone } else { Done };
            assert_eq!(
                step.standing(&shop, &order),
                expected,
                "{} is undone, seen by {}",
                undone.function,
                step.function
            );
        }
    }
}
