//! What a function's container remembers about pools, to save reads.
//!
//! Nothing relies on it: every write is conditional on the era, and a refusal is read anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use order::{Sku, StoreId};
use tokio::time::Instant;

use super::Pool;

/// How long something is remembered. What is out of date costs a write that fails.
const KEEP: Duration = Duration::from_mins(1);

/// The most articles that are remembered. More are forgotten together: few articles are hot at a time.
const MAX_ARTICLES: usize = 1000;

/// What a container has seen.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<HashMap<(StoreId, Sku), Sight>>>);

#[derive(Debug)]
struct Sight {
    at: Instant,
    what: What,
}

#[derive(Debug)]
enum What {
    /// An open pool, and the shards that may have stock.
    Pool(Pool, Vec<u16>),
    /// A whole root with this much.
    Short(i64),
}

impl Seen {
    /// The article's pool as it was, and the shards that may have stock.
    pub fn pool(&self, store_id: &StoreId, sku: &Sku) -> Option<(Pool, Vec<u16>)> {
        match &self.fresh().get(&(store_id.clone(), sku.clone()))?.what {
            What::Pool(pool, shards) => Some((*pool, shards.clone())),
            What::Short(_) => None,
        }
    }

    /// Whether the article had less than this, and was whole.
    pub fn is_short(&self, store_id: &StoreId, sku: &Sku, quantity: u32) -> bool {
        let seen = self.fresh();
        let sight = seen.get(&(store_id.clone(), sku.clone()));
        matches!(sight, Some(Sight { what: What::Short(available), .. }) if *available < i64::from(quantity))
    }

    /// An open pool was seen. Shards that were empty in it stay so.
    pub fn opened(&self, store_id: &StoreId, sku: &Sku, pool: Pool) {
        let mut seen = self.fresh();
        let known = seen.get(&(store_id.clone(), sku.clone()));
        if !matches!(known, Some(Sight { what: What::Pool(known, _), .. }) if *known == pool) {
            insert(&mut seen, store_id, sku, What::Pool(pool, (0..pool.shards).collect()));
        }
    }

    /// These shards of a pool have stock.
    pub fn stocked(&self, store_id: &StoreId, sku: &Sku, pool: Pool, shards: Vec<u16>) {
        insert(&mut self.fresh(), store_id, sku, What::Pool(pool, shards));
    }

    /// A shard of a pool was refilled.
    pub fn refilled(&self, store_id: &StoreId, sku: &Sku, pool: Pool, shard: u16) {
        self.change(store_id, sku, pool, |shards| {
            if !shards.contains(&shard) {
                shards.push(shard);
            }
        });
    }

    /// A shard of a pool was short.
    pub fn drained(&self, store_id: &StoreId, sku: &Sku, pool: Pool, shard: u16) {
        self.change(store_id, sku, pool, |shards| shards.retain(|other| *other != shard));
    }

    /// A whole root was seen with too little.
    pub fn short(&self, store_id: &StoreId, sku: &Sku, available: i64) {
        insert(&mut self.fresh(), store_id, sku, What::Short(available));
    }

    /// What was remembered is wrong.
    pub fn forget(&self, store_id: &StoreId, sku: &Sku) {
        self.fresh().remove(&(store_id.clone(), sku.clone()));
    }

    fn change(&self, store_id: &StoreId, sku: &Sku, pool: Pool, change: impl FnOnce(&mut Vec<u16>)) {
        if let Some(Sight { what: What::Pool(known, shards), .. }) =
            self.fresh().get_mut(&(store_id.clone(), sku.clone()))
            && *known == pool
        {
            change(shards);
        }
    }

    fn fresh(&self) -> MutexGuard<'_, HashMap<(StoreId, Sku), Sight>> {
        // Nothing is left half done under the lock, so a poisoned one is still usable.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, sight| sight.at.elapsed() < KEEP);
        seen
    }
}

fn insert(seen: &mut HashMap<(StoreId, Sku), Sight>, store_id: &StoreId, sku: &Sku, what: What) {
    if seen.len() >= MAX_ARTICLES {
        seen.clear();
    }
    seen.insert((store_id.clone(), sku.clone()), Sight { at: Instant::now(), what });
}
