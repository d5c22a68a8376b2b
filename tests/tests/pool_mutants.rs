//! Each rule of pools is needed: without it, by rewriting requests and answers, something in the middle of an order
//! breaks an invariant.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::sync::{Arc, Mutex};

use inventory::Stocks;
use local_aws::{BoxFuture, Call, Layer, Next, Outcome, ServiceAnswer};
use local_stack::functions::tasks;
use local_stack::lambda::Functions;
use saga::fence::FenceState;
use serde_json::{Value, json};
use system_tests::operations::{post, put};
use system_tests::orders::{OrderBuilder, cancel_order, clerk, order, order_id};
use system_tests::shops::{Shop, shop};

const LAPTOP: &str = "/stores/main/stock/LAPTOP001";

/// The shipped system, or a mutant of it.
type Mutant = Option<Arc<dyn Layer>>;

/// Does something once, just before the first call of a kind.
struct Before {
    kind: fn(&Call) -> bool,
    act: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl std::fmt::Debug for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Before").finish_non_exhaustive()
    }
}

impl Before {
    fn new(kind: fn(&Call) -> bool) -> Arc<Self> {
        Arc::new(Self { kind, act: Mutex::default() })
    }

    fn does(&self, act: impl Future<Output = ()> + Send + 'static) {
        *self.act.lock().unwrap() = Some(Box::pin(act));
    }
}

impl Layer for Before {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let act = if (self.kind)(&call) { self.act.lock().unwrap().take() } else { None };
            if let Some(act) = act {
                act.await;
            }
            next.apply(&call).await
        })
    }
}

/// A layer that is there or not.
#[derive(Debug)]
struct Maybe(Mutant);

impl Layer for Maybe {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        match &self.0 {
            Some(mutant) => mutant.around(call, next),
            None => next.apply(&call),
        }
    }
}

/// Changes each request before it is applied.
#[derive(Debug)]
struct Rewrites(fn(&mut Call));

impl Layer for Rewrites {
    fn around<'a>(&'a self, mut call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        (self.0)(&mut call);
        next.apply(&call)
    }
}

fn updates(call: &mut Call) -> impl Iterator<Item = &mut Value> {
    let writes = call.body["TransactItems"].as_array_mut().into_iter().flatten();
    writes.filter_map(|write| write.get_mut("Update"))
}

/// Drops a part of a condition, and the values that it alone used.
fn weaken(update: &mut Value, part: &str, values: &[&str]) {
    let Some(condition) = update["ConditionExpression"].as_str().filter(|condition| condition.contains(part)) else {
        return;
    };
    update["ConditionExpression"] = condition.replace(part, "").into();
    for name in values {
        update["ExpressionAttributeValues"].as_object_mut().unwrap().remove(*name);
    }
}

/// A shop whose ten laptops are spread over four shards: three, three, two and two.
async fn spread_shop(mutant: &Mutant, before: &Arc<Before>) -> Shop {
    let shop = shop().behind(&Arc::new(Maybe(mutant.clone()))).behind(before).open().await;
    spread(&shop, 4).await;
    shop
}

async fn spread(shop: &Shop, shards: u16) {
    let reply = put(&format!("{LAPTOP}/spread"), &json!({ "shards": shards })).send(shop).await;
    assert_eq!(reply.http_status, 200, "{reply:?}");
}

/// An operator's merge, which no layer changes.
async fn merge(stocks: Stocks) {
    stocks.merged(&"main".parse().unwrap(), &"LAPTOP001".parse().unwrap(), "operator").await.unwrap();
}

fn stocks(shop: &Shop) -> Stocks {
    Stocks::new(shop.client.clone(), inventory::table::TABLE)
}

fn laptops(key: &str, quantity: u32) -> OrderBuilder {
    order(key).of("LAPTOP001", quantity)
}

/// What is broken: what the audit finds, and that an order was not confirmed for which there is stock.
async fn broken(shop: &Shop, order: OrderBuilder) -> Vec<String> {
    let reply = order.place_order(shop).await;
    let report = local_audit::check(&shop.books());
    let mut broken: Vec<String> = report.findings.iter().map(|found| format!("{} {}", found.at, found.what)).collect();
    if reply.status() != "CONFIRMED" {
        broken.push(format!("the order is {} {}", reply.status(), reply.reason()));
    }
    broken
}

/// The scenario breaks nothing on the shipped system, and something on the mutant.
async fn assert_needed<F: Future<Output = Vec<String>>>(mutant: impl Layer + 'static, scenario: impl Fn(Mutant) -> F) {
    assert_eq!(scenario(None).await, Vec::<String>::new());
    let broken = scenario(Some(Arc::new(mutant))).await;
    println!("{broken:#?}");
    assert_ne!(broken, Vec::<String>::new(), "the mutant breaks nothing");
}

/// Whether a call reads shards.
fn reads_shards(call: &Call) -> bool {
    call.operation == "BatchGetItem" && call.body.to_string().contains("SHARD#")
}

/// Refuses an order when the numbers that it read of the root and of the shards are too small together: the merge
/// changes nothing, and its result is what was read before.
#[derive(Debug, Default)]
struct RefusesOnASum(Mutex<Sum>);

#[derive(Debug, Default)]
struct Sum {
    root: i64,
    all: Option<i64>,
}

impl RefusesOnASum {
    fn answered(&self, call: &Call, answer: ServiceAnswer) -> ServiceAnswer {
        let mut body = answer.json();
        let number = |item: &Value| item["available"]["N"].as_str().map_or(0, |text| text.parse::<i64>().unwrap());
        let mut sum = self.0.lock().unwrap();
        let item = match call.operation.as_str() {
            "BatchGetItem" => {
                let items = body["Responses"]["inventory"].as_array().unwrap();
                sum.all = Some(sum.root + items.iter().map(number).sum::<i64>());
                return answer;
            }
            "TransactGetItems" => &mut body["Responses"][1]["Item"],
            _ => &mut body["Item"],
        };
        match sum.all {
            None => sum.root = number(item),
            Some(all) => {
                item.as_object_mut().unwrap().remove("phase");
                item["available"]["N"] = all.to_string().into();
            }
        }
        ServiceAnswer { body: body.to_string().into_bytes(), ..answer }
    }
}

impl Layer for RefusesOnASum {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let values = &call.body["ExpressionAttributeValues"];
            let is_of_merge =
                call.operation == "UpdateItem" && (values[":closing"].is_object() || values[":shut"].is_object());
            if is_of_merge {
                let merged = json!({ "era": { "N": "1" }, "phase": { "S": "MERGED" }, "available": { "N": "0" },
                    "reserved": { "N": "0" } });
                return Ok(ServiceAnswer::ok(&json!({ "Attributes": merged })));
            }
            let reads_root = call.operation == "GetItem" && call.body.to_string().contains("STOCK#");
            let answer = next.apply(&call).await?;
            let is_read = reads_root || reads_shards(&call) || call.operation == "TransactGetItems";
            Ok(if is_read { self.answered(&call, answer) } else { answer })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn refusing_only_on_a_whole_root_is_needed() {
    // The shards are merged after the root was read: it had nothing, and now it has everything.
    assert_needed(RefusesOnASum::default(), async |mutant| {
        let before = Before::new(reads_shards);
        let shop = spread_shop(&mutant, &before).await;
        before.does(merge(stocks(&shop)));
        broken(&shop, laptops("k1", 4)).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn growing_a_shard_only_together_with_an_open_root_is_needed() {
    let grows = Rewrites(|call| {
        for update in updates(call) {
            if update["ExpressionAttributeValues"][":taken"].is_object() {
                weaken(update, " AND phase = :open AND era = :era", &[":open", ":era"]);
            } else if update["UpdateExpression"].as_str().is_some_and(|text| text.contains("if_not_exists(available")) {
                update.as_object_mut().unwrap().remove("ConditionExpression");
            }
        }
    });
    // The shards are merged after the order decided to refill one.
    assert_needed(grows, async |mutant| {
        let refills =
            |call: &Call| call.body.to_string().contains(":taken") && !call.body.to_string().contains(":next");
        let before = Before::new(refills);
        let stocked = shop().with_stock("LAPTOP001", 0);
        let shop = stocked.behind(&Arc::new(Maybe(mutant))).behind(&before).open().await;
        spread(&shop, 4).await;
        let received = json!({ "difference": 10, "reason": "RECEIVED" });
        post(&format!("{LAPTOP}/adjustments"), &received).under("a1").send(&shop).await;
        before.does(merge(stocks(&shop)));
        broken(&shop, laptops("k1", 2)).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_era_for_each_spread_is_needed() {
    let reuses = Rewrites(|call| {
        for update in updates(call) {
            let values = &mut update["ExpressionAttributeValues"];
            if values[":next"].is_object() && values[":era"].is_object() {
                values[":next"] = values[":era"].clone();
            }
        }
    });
    assert_needed(reuses, async |mutant| {
        let shop = spread_shop(&mutant, &Before::new(|_| false)).await;
        spread(&shop, 1).await;
        let reply = put(&format!("{LAPTOP}/spread"), &json!({ "shards": 4 })).send(&shop).await;
        assert_eq!(reply.http_status, 200, "{reply:?}");
        broken(&shop, laptops("k1", 1)).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn not_believing_a_pool_that_was_seen_before_is_needed() {
    let believes = Rewrites(|call| {
        for update in updates(call) {
            if !update["ExpressionAttributeValues"][":taken"].is_object() {
                weaken(update, " AND era = :era AND phase = :open", &[":era", ":open"]);
            }
        }
    });
    // The shards are merged and spread again by somebody else: in the next era they belong to another pool.
    assert_needed(believes, async |mutant| {
        let shop = spread_shop(&mutant, &Before::new(|_| false)).await;
        assert_eq!(broken(&shop, laptops("k1", 1)).await, Vec::<String>::new());
        spread(&shop, 1).await;
        spread(&shop, 4).await;
        broken(&shop, laptops("k2", 1)).await
    })
    .await;
}

/// Reads first the fence and then the root.
#[derive(Debug)]
struct ReadsOneAfterTheOther;

impl Layer for ReadsOneAfterTheOther {
    fn around<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            if call.operation != "TransactGetItems" {
                return next.apply(&call).await;
            }
            let mut responses = Vec::new();
            for get in call.body["TransactItems"].as_array().unwrap() {
                let mut single = call.clone();
                "GetItem".clone_into(&mut single.operation);
                single.body = get["Get"].clone();
                single.body["ConsistentRead"] = true.into();
                let read = next.apply(&single).await?.json();
                responses.push(if read["Item"].is_null() { json!({}) } else { json!({ "Item": read["Item"] }) });
            }
            Ok(ServiceAnswer::ok(&json!({ "Responses": responses })))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn reading_the_root_together_with_the_fence_is_needed() {
    let reads_stock = |call: &Call| {
        call.operation.ends_with("GetItems") || call.operation == "GetItem" && call.body.to_string().contains("STOCK#")
    };
    // The order's twin takes the last pieces after the fence was read.
    assert_needed(ReadsOneAfterTheOther, async |mutant| {
        let before = Before::new(reads_stock);
        let shop = shop().behind(&Arc::new(Maybe(mutant))).behind(&before).open().await;
        assert_eq!(laptops("k1", 11).place_order(&shop).await.reason(), "OUT_OF_STOCK");
        let received = json!({ "difference": 1, "reason": "RECEIVED" });
        post(&format!("{LAPTOP}/adjustments"), &received).under("a1").send(&shop).await;
        let twin = laptops("k2", 11).placed();
        let undisturbed = local_aws::Services::new().with(local_aws::Api::DynamoDb, Arc::new(shop.store.clone()));
        let functions = Functions::new(tasks(&local_stack::config(&undisturbed), &shop.provider, shop.clock));
        before.does(async move {
            functions.invoke("reserve-inventory", json!({ "action": "reserve", "order": twin })).await.unwrap();
        });
        broken(&shop, laptops("k2", 11)).await
    })
    .await;
}

/// The names of fifty articles.
fn fifty() -> Vec<String> {
    (0..50).map(|number| format!("S{number}")).collect()
}

#[tokio::test(start_paused = true)]
async fn giving_back_with_one_write_for_each_place_is_needed() {
    // Gives back on the shard, and looks at the root as well: two of a hundred actions for each line, and the fence.
    let writes_both = Rewrites(|call| {
        let Some(writes) = call.body["TransactItems"].as_array_mut() else { return };
        let key = |write: &Value| write["Update"]["Key"]["pk"]["S"].as_str().map(str::to_owned);
        let is_release = |write: &Value| {
            write["Update"]["UpdateExpression"].as_str().is_some_and(|text| text.contains("available = available + :q"))
        };
        let roots = writes.iter().filter(|write| is_release(write)).filter_map(key).filter_map(|key| {
            let article = key.strip_prefix("SHARD#")?.split_once('#')?.1;
            Some(json!({ "ConditionCheck": { "TableName": "inventory",
                "Key": { "pk": { "S": format!("STOCK#{article}") } },
                "ConditionExpression": "attribute_exists(available)" } }))
        });
        let roots: Vec<Value> = roots.collect();
        writes.extend(roots);
    });
    assert_needed(writes_both, async |mutant| {
        let shop = shop().behind(&Arc::new(Maybe(mutant))).open().await;
        let (main, skus) = ("main".parse().unwrap(), fifty());
        for sku in &skus {
            stocks(&shop).create(&main, &sku.parse().unwrap(), 4, &clerk(), shop.now_ms()).await.unwrap();
            let set = stocks(&shop).set_shards(&main, &sku.parse().unwrap(), 4, &clerk(), shop.now_ms()).await;
            assert!(set.unwrap());
        }
        let order = skus.iter().fold(order("k1"), |order, sku| order.of(sku, 1).at(1));
        let mut broken = broken(&shop, order).await;
        cancel_order(&shop, order_id("k1").as_str()).await;
        let state = shop.books().reservations[&order_id("k1")].state;
        if state != FenceState::Cancelled {
            broken.push(format!("the reservation is {state:?} after its order was cancelled"));
        }
        broken
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn giving_back_to_the_root_what_was_merged_is_needed() {
    let gives_back_anywhere = Rewrites(|call| {
        for update in updates(call) {
            weaken(update, "reserved >= :quantity AND era = :era AND phase <> :merged", &[":era", ":merged"]);
            if update["ConditionExpression"] == "" {
                update.as_object_mut().unwrap().remove("ConditionExpression");
            }
        }
    });
    assert_needed(gives_back_anywhere, async |mutant| {
        let shop = spread_shop(&mutant, &Before::new(|_| false)).await;
        assert_eq!(broken(&shop, laptops("k1", 1)).await, Vec::<String>::new());
        spread(&shop, 1).await;
        cancel_order(&shop, order_id("k1").as_str()).await;
        broken(&shop, laptops("k2", 1)).await
    })
    .await;
}
