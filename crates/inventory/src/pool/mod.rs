//! Pools: the stock of a hot article, spread over many items.
//!
//! DynamoDB cancels a transaction on an item that is part of another one. So one stock item serves about 80 orders a
//! second, no matter how many ask. A pool lets an article's orders take from *shards*, which are items of their own.
//!
//! ```text
//!            spread                     an order or an operator            all shards merged
//!   whole ───────────▶ OPEN, era e ──────────────────────────▶ CLOSING, era e ───────────────▶ whole
//!                        │  ▲ refill: stock moves from the root to a shard
//! ```
//!
//! The *root* is the article's stock item. While it is whole, it is all there is, and an order costs what it costs
//! without pools. These rules make a pool exact:
//!
//! - **Only a whole root says that an article is sold out.** Numbers of several items, read one after the other, are
//!   no proof: stock may have moved from one that is yet to be read to one that was read before.
//! - **A shard's stock grows only together with the root,** in one transaction on the condition that the pool is open
//!   in this era, or by the release of what the shard itself holds. So no stock is left on a shard after a merge.
//! - **An era is used once.** A shard is open, shut or merged in an era, and each of them is final against the one
//!   before. Whatever arrives late finds another era, or a later state.
//! - **A merge moves everything to the root,** what is available and what is reserved. Afterwards the article is as it
//!   was before the spread: reads, counts, releases and releases of software that know no pools need no shard.
//! - **Nothing relies on the order in which a transaction's items become visible.** A merge *writes* each shard before
//!   it believes what is on it, because a write, unlike a read, is rejected while a refill is under way.
//!
//! A reservation says in which shards of which era its stock is ([`Place`](crate::table::Place)). Once that era is
//! merged there, the stock is on the root.
//!
//! | module | knows |
//! |---|---|
//! | [`writes`] | the conditional writes of orders: hold, refill, release, consume |
//! | [`read`] | the root, the shards, and their sum |
//! | [`spread`] | opening a pool and filling its shards |
//! | [`merge`] | closing a pool |
//! | [`seen`] | what a function remembers about pools, and never relies on |

pub mod merge;
pub mod read;
pub mod seen;
pub mod spread;
pub mod writes;

use order::{Actor, EpochMs, Sku, StoreId};
use saga::Item;
use serde::Deserialize;

use crate::table::{Stock, key};

/// The most shards of a pool: a read of all of them takes three batches.
pub const MAX_SHARDS: u16 = 256;

/// An open or closing pool. How many shards it has never changes within an era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// How many shards it has.
    pub shards: u16,
    /// Its era: how many times the article was spread, this time included.
    pub era: u32,
}

/// What the root says about its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No pool: the root has all the stock.
    Whole,
    /// Orders take from its shards.
    Open(Pool),
    /// It is being merged. It opens again only in another era.
    Closing(Pool),
}

/// The attribute `phase` of a root that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum RootPhase {
    /// See [`State::Open`].
    Open,
    /// See [`State::Closing`].
    Closing,
}

/// An article's stock item, as stored without its key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Root {
    /// The store.
    pub store_id: StoreId,
    /// The article.
    pub sku: Sku,
    /// How many can still be reserved or moved to shards. Never negative.
    pub available: i64,
    /// How many open reservations hold here.
    pub reserved: i64,
    /// The phase of its pool, if it is not whole.
    #[serde(default)]
    pub phase: Option<RootPhase>,
    /// How many shards its pool has, if it is not whole.
    #[serde(default)]
    pub shards: Option<u16>,
    /// The era of its pool, or of its last one. It stays when the pool is merged, so that no era comes again.
    #[serde(default)]
    pub era: u32,
    /// When it was last spread.
    #[serde(default)]
    pub spread_ms: Option<EpochMs>,
    /// Who spread it then, if it was an operator.
    #[serde(default)]
    pub spread_by: Option<Actor>,
    /// Who last set or adjusted it.
    #[serde(default)]
    pub changed_by: Option<Actor>,
    /// When that was.
    #[serde(default)]
    pub changed_ms: Option<EpochMs>,
}

impl Root {
    /// Whether it is whole, and its pool otherwise.
    pub fn state(&self) -> State {
        let pool = Pool { shards: self.shards.unwrap_or_default(), era: self.era };
        match self.phase {
            None => State::Whole,
            Some(RootPhase::Open) => State::Open(pool),
            Some(RootPhase::Closing) => State::Closing(pool),
        }
    }

    /// Its stock alone, without that of its shards.
    pub fn stock(self) -> Stock {
        let Self { store_id, sku, available, reserved, changed_by, changed_ms, .. } = self;
        Stock { store_id, sku, available, reserved, changed_by, changed_ms }
    }
}

/// The attribute `phase` of a shard. Within an era it only moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum ShardPhase {
    /// Orders may take from it.
    Open,
    /// Orders may only give back to it.
    Shut,
    /// All that it had is on the root.
    Merged,
}

/// A shard, as stored without its key. It has no `store_id` and no `sku`, so it is not in the index of stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Shard {
    /// How many can still be reserved. Never negative.
    pub available: i64,
    /// How many open reservations hold here.
    pub reserved: i64,
    /// The era that `phase` is about.
    pub era: u32,
    /// Its phase in that era.
    pub phase: ShardPhase,
}

impl Shard {
    /// Whether orders may take from it in this era.
    pub fn is_open(&self, era: u32) -> bool {
        (self.era, self.phase) == (era, ShardPhase::Open)
    }

    /// Whether what an order took from it in this era has moved to the root. Once it has, it has for good.
    pub fn is_merged(&self, era: u32) -> bool {
        self.era > era || (self.era, self.phase) == (era, ShardPhase::Merged)
    }
}

/// The key of an article's shard.
pub fn shard_key(store_id: &StoreId, sku: &Sku, shard: u16) -> Item {
    key(format!("{SHARD}#{shard}#{store_id}#{sku}"))
}

/// The first part of the keys of shards.
pub const SHARD: &str = "SHARD";
