//! The content of all tables, sorted by subject.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use inventory::pool::{Root, SHARD, Shard};
use inventory::{AdjustmentRecord, Reservation, Stock};
use journal::table::RECEIVABLES;
use journal::{Account, Entry, Reversal, Settlement, TermsChange};
use local_aws::MESSAGES_TABLE;
use local_payments::Intent;
use local_stack::seed::seeded_mark;
use local_stack::{DEAD_LETTER_QUEUE, OVERFLOW_QUEUE};
use order::{CustomerId, EpochMs, OrderId, OrderRecord, PaymentReference, Sku, StoreId};
use payments::{PaymentEffect, PaymentTerms};
use saga::Item;
use saga::external::fence::{Claim, ExternalFence};
use saga::fence::{Fence, FenceState};
use serde::de::DeserializeOwned;

/// An order as the orders table holds it.
#[derive(Debug)]
pub struct StoredOrder {
    /// The record.
    pub record: OrderRecord,
    /// The partition of the work index that it is in.
    pub work: Option<String>,
    /// When it is due there.
    pub due_ms: Option<EpochMs>,
    /// Whether it is parked.
    pub is_parked: bool,
}

/// A fence, whatever the effect of its step.
pub type StoredFence = Fence<serde_json::Value>;

/// A payment step's fence.
pub type PaymentFence = ExternalFence<PaymentEffect, PaymentTerms>;

/// The content of all tables.
#[derive(Debug, Default)]
pub struct Books {
    /// The order records.
    pub orders: BTreeMap<OrderId, StoredOrder>,
    /// Every step's fences by the step's name, with the state of each.
    pub fences: BTreeMap<String, BTreeMap<OrderId, StoredFence>>,
    /// The inventory step's fences.
    pub reservations: BTreeMap<OrderId, Fence<Reservation>>,
    /// The stock of each article, that of its shards included.
    pub stock: BTreeMap<(StoreId, Sku), Stock>,
    /// The articles' stock items.
    pub roots: BTreeMap<(StoreId, Sku), Root>,
    /// The shards of the articles that are or were spread, by number.
    pub shards: BTreeMap<(StoreId, Sku), BTreeMap<u16, Shard>>,
    /// The adjustments of the stock, by key.
    pub adjustments: BTreeMap<String, AdjustmentRecord>,
    /// The accounting step's fences.
    pub postings: BTreeMap<OrderId, Fence<Entry>>,
    /// The reversals.
    pub reversals: BTreeMap<OrderId, Reversal>,
    /// The settlements of captured payments.
    pub settlements: BTreeMap<OrderId, Settlement>,
    /// The reversals of settlements.
    pub settlement_reversals: BTreeMap<OrderId, Settlement>,
    /// The payment step's fences.
    pub payments: BTreeMap<OrderId, PaymentFence>,
    /// The orders that have claimed payments.
    pub claims: BTreeMap<PaymentReference, Claim>,
    /// The payments as the local payment provider has them.
    pub intents: BTreeMap<PaymentReference, Intent>,
    /// The customers' accounts.
    pub accounts: BTreeMap<CustomerId, Account>,
    /// The changes of their terms, by number.
    pub terms_changes: BTreeMap<CustomerId, BTreeMap<u32, TermsChange>>,
    /// How many orders are in the overflow queue.
    pub waiting: usize,
    /// How many messages are in the dead-letter queue.
    pub dead_letters: usize,
    /// The keys of items that no part of the system writes.
    pub unreadable: Vec<String>,
}

impl Books {
    /// Adds an item of a table.
    pub fn add(&mut self, table: &str, item: Item) {
        self.add_fence(table, &item);
        match table {
            MESSAGES_TABLE => self.add_message(&item),
            orders::table::TABLE => self.add_order(item),
            inventory::table::TABLE => self.add_inventory(item),
            journal::table::TABLE => self.add_journal(item),
            payments::table::TABLE => self.add_payment(item),
            local_payments::TABLE => self.add_intent(&item),
            _ => {}
        }
    }

    /// Adds an item of the orders table.
    pub fn add_order(&mut self, item: Item) {
        let name = text(&item, "order_id");
        let work = item.get("work").and_then(|value| value.as_s().ok()).cloned();
        let due_ms = item.get("due_ms").and_then(|value| value.as_n().ok()?.parse().ok());
        let is_parked = item.contains_key("parked_at_ms");
        match read::<OrderRecord>(item) {
            Some(record) => {
                let stored = StoredOrder { record, work, due_ms, is_parked };
                self.orders.insert(stored.record.order.order_id().clone(), stored);
            }
            None => self.unreadable.push(format!("orders item {name}")),
        }
    }

    /// Adds an item if it is a step's fence, found where the step declares it.
    pub fn add_fence(&mut self, table: &str, item: &Item) {
        for (function, step) in declarations::steps().iter().filter(|(_, step)| step.fence.table == table) {
            let ids = step.fence.key.iter().map(|(name, pattern)| placeholder(pattern, &text(item, name)));
            let Some(ids) = ids.collect::<Option<Vec<_>>>() else { continue };
            let Some(order_id) = ids.iter().find_map(|id| id.parse().ok()) else { continue };
            match read::<StoredFence>(item.clone()) {
                Some(fence) => _ = self.fences.entry(function.name.clone()).or_default().insert(order_id, fence),
                None => {
                    self.unreadable.push(format!("{table} item of the order {order_id}, a fence of {}", function.name));
                }
            }
        }
    }

    /// The state of an order's fence of a step.
    pub fn fence(&self, step: &str, order_id: &OrderId) -> Option<&StoredFence> {
        self.fences.get(step)?.get(order_id)
    }

    /// Adds an item of the inventory table.
    pub fn add_inventory(&mut self, item: Item) {
        let pk = text(&item, "pk");
        let read = match pk.split_once('#') {
            Some(("ORDER", order_id)) => insert(&mut self.reservations, order_id.parse().ok(), item),
            Some(("STOCK", _)) => read::<Root>(item).map(|root| {
                let article = (root.store_id.clone(), root.sku.clone());
                self.add_stock(&article, root.available, root.reserved);
                self.roots.insert(article, root);
            }),
            Some((SHARD, place)) => shard(place).zip(read::<Shard>(item)).map(|((number, article), shard)| {
                self.add_stock(&article, shard.available, shard.reserved);
                self.shards.entry(article).or_default().insert(number, shard);
            }),
            Some(("ADJUSTMENT", id)) => insert(&mut self.adjustments, Some(id.to_owned()), item),
            _ if seeded_mark().get("pk").is_some_and(|mark| mark.as_s().ok() == Some(&pk)) => Some(()),
            _ => None,
        };
        if read.is_none() {
            self.unreadable.push(format!("inventory item {pk}"));
        }
    }

    fn add_stock(&mut self, article: &(StoreId, Sku), available: i64, reserved: i64) {
        let (store_id, sku) = article.clone();
        let none = Stock::new(store_id, sku, 0, 0);
        let stock = self.stock.entry(article.clone()).or_insert(none);
        stock.available += available;
        stock.reserved += reserved;
    }

    /// Adds a message of a queue.
    pub fn add_message(&mut self, item: &Item) {
        match text(item, "queue").as_str() {
            OVERFLOW_QUEUE => self.waiting += 1,
            DEAD_LETTER_QUEUE => self.dead_letters += 1,
            _ => {}
        }
    }

    /// Adds an item of the journal table.
    pub fn add_journal(&mut self, item: Item) {
        let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
        let read = match (pk.split_once('#'), sk.as_str()) {
            (Some(("ORDER", order_id)), "POSTING") => insert(&mut self.postings, order_id.parse().ok(), item),
            (Some(("ORDER", order_id)), "REVERSAL") => insert(&mut self.reversals, order_id.parse().ok(), item),
            (Some(("ORDER", order_id)), "SETTLEMENT") => insert(&mut self.settlements, order_id.parse().ok(), item),
            (Some(("ORDER", order_id)), "SETTLEMENT_REVERSAL") => {
                insert(&mut self.settlement_reversals, order_id.parse().ok(), item)
            }
            (Some(("ACCOUNT", customer_id)), "TERMS") => insert(&mut self.accounts, customer_id.parse().ok(), item),
            (Some(("ACCOUNT", customer_id)), number) if number.starts_with("TERMS#") => {
                customer_id.parse().ok().zip(read::<TermsChange>(item)).map(|(customer_id, change)| {
                    self.terms_changes.entry(customer_id).or_default().insert(change.number, change);
                })
            }
            _ => None,
        };
        if read.is_none() {
            self.unreadable.push(format!("journal item {pk} {sk}"));
        }
    }

    /// Adds an item of the payments table.
    pub fn add_payment(&mut self, item: Item) {
        let pk = text(&item, "pk");
        let read = match pk.split_once('#') {
            Some(("ORDER", order_id)) => insert(&mut self.payments, order_id.parse().ok(), item),
            Some(("PAYMENT", payment)) => insert(&mut self.claims, payment.parse().ok(), item),
            _ => None,
        };
        if read.is_none() {
            self.unreadable.push(format!("payments item {pk}"));
        }
    }

    /// Adds a payment of the local payment provider.
    pub fn add_intent(&mut self, item: &Item) {
        match Intent::of_item(item) {
            Some(intent) => _ = self.intents.insert(intent.id.clone(), intent),
            None => self.unreadable.push(format!("payment {} of the local payment provider", text(item, "id"))),
        }
    }

    /// Every journal entry, with its order.
    pub fn entries(&self) -> impl Iterator<Item = (&OrderId, &Entry)> {
        let posted = self.postings.iter().filter_map(|(id, fence)| Some((id, fence.effect.as_ref()?)));
        let reversed = self.reversals.iter().map(|(id, reversal)| (id, &reversal.effect));
        let settled = self.settlements.iter().chain(&self.settlement_reversals);
        posted.chain(reversed).chain(settled.map(|(id, settlement)| (id, &settlement.effect)))
    }

    /// The sum of an order's entries in each ledger account; all zero once it is reversed.
    pub fn net_minor(&self, order_id: &OrderId) -> BTreeMap<&str, i64> {
        let posted = self.postings.get(order_id).and_then(|fence| fence.effect.as_ref());
        let reversed = self.reversals.get(order_id).map(|reversal| &reversal.effect);
        let settled = [&self.settlements, &self.settlement_reversals].into_iter().filter_map(|all| all.get(order_id));
        let mut net = BTreeMap::new();
        let entries = posted.into_iter().chain(reversed).chain(settled.map(|settlement| &settlement.effect));
        for line in entries.flat_map(|entry| &entry.lines) {
            *net.entry(line.account.as_str()).or_default() += line.amount_minor;
        }
        net
    }

    /// How much stock open reservations hold, by article, and there by shard; `None` is the root. What was taken from a
    /// shard is on the root once the shard was merged in that era.
    pub fn held(&self) -> BTreeMap<(StoreId, Sku), BTreeMap<Option<u16>, i64>> {
        let mut held: BTreeMap<_, BTreeMap<Option<u16>, i64>> = BTreeMap::new();
        let open = self.reservations.values().filter(|fence| fence.state == FenceState::Applied);
        for reservation in open.filter_map(|fence| fence.effect.as_ref()) {
            for (at, line) in reservation.lines.iter().enumerate() {
                let article = (reservation.store_id.clone(), line.sku.clone());
                let shards = self.shards.get(&article);
                let held = held.entry(article).or_default();
                *held.entry(None).or_default() += i64::from(reservation.on_root(at));
                for place in reservation.places_of(at) {
                    let shard = shards.and_then(|shards| shards.get(&place.shard));
                    let is_on_root = shard.is_some_and(|shard| shard.is_merged(place.era));
                    let place_now = (!is_on_root).then_some(place.shard);
                    *held.entry(place_now).or_default() += i64::from(place.quantity);
                }
            }
        }
        held
    }

    /// What customers owe according to the journal.
    pub fn owed(&self) -> BTreeMap<CustomerId, i64> {
        let mut owed: BTreeMap<CustomerId, i64> = BTreeMap::new();
        for (_, entry) in self.entries() {
            let Some(customer_id) = &entry.invoiced else { continue };
            let raised = entry.lines.iter().filter(|line| line.account == RECEIVABLES).map(|line| line.amount_minor);
            *owed.entry(customer_id.clone()).or_default() += raised.sum::<i64>();
        }
        owed
    }

    /// The sum of all entries, by currency.
    pub fn trial_balance(&self) -> BTreeMap<&'static str, i64> {
        let mut balance = BTreeMap::new();
        for (_, entry) in self.entries() {
            let sum: i64 = entry.lines.iter().map(|line| line.amount_minor).sum();
            *balance.entry(entry.currency.code()).or_default() += sum;
        }
        balance
    }
}

fn insert<K: Ord, T: DeserializeOwned>(map: &mut BTreeMap<K, T>, key: Option<K>, item: Item) -> Option<()> {
    map.insert(key?, read(item)?);
    Some(())
}

/// The number and the article in a shard's key, without its first part.
fn shard(place: &str) -> Option<(u16, (StoreId, Sku))> {
    let (number, article) = place.split_once('#')?;
    let (store_id, sku) = article.split_once('#')?;
    Some((number.parse().ok()?, (store_id.parse().ok()?, sku.parse().ok()?)))
}

fn read<T: DeserializeOwned>(item: Item) -> Option<T> {
    serde_dynamo::from_item(item).ok()
}

/// The part of `text` that is in the place of `{order_id}` in `pattern`; empty if the pattern has no such
/// place, and `None` if the text does not match the pattern.
fn placeholder(pattern: &str, text: &str) -> Option<String> {
    match pattern.split_once("{order_id}") {
        Some((before, after)) => text.strip_prefix(before)?.strip_suffix(after).map(str::to_owned),
        None => (pattern == text).then(String::new),
    }
}

fn text(item: &Item, name: &str) -> String {
    item.get(name).and_then(|value: &AttributeValue| value.as_s().ok()).cloned().unwrap_or_default()
}
