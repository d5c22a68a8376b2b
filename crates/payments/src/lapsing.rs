//! The payments that are captured at the hand-over, and lapse before long.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use order::EpochMs;
use saga::Unavailable;
use saga::external::fence::lapsing_shard;

/// The index of claimed payments by when they lapse. Only those that are captured at the hand-over are in it.
const INDEX: &str = "lapsing_by_time";

/// How long before it lapses a payment counts: a day, for a person to act.
pub const NOTICE_MS: EpochMs = 24 * 60 * 60 * 1000;

/// The claimed payments.
#[derive(Debug, Clone)]
pub struct Lapsing {
    client: Client,
    table: String,
}

impl Lapsing {
    /// The payments in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// How many payments of these shards lapse by then, of at most one page a shard: any number raises the alarm.
    ///
    /// # Cost
    /// Half a read unit a shard.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn count(&self, shards: &[&str], by_ms: EpochMs) -> Result<u64, Unavailable> {
        let mut count = 0;
        for shard in shards {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(INDEX)
                .select(Select::Count)
                .key_condition_expression("lapses = :shard AND lapses_ms <= :by")
                .expression_attribute_values(":shard", AttributeValue::S(lapsing_shard(shard)))
                .expression_attribute_values(":by", AttributeValue::N(by_ms.to_string()));
            let page = query.send().await.map_err(|error| Unavailable::call("count the lapsing payments", error))?;
            count += u64::from(page.count().unsigned_abs());
        }
        Ok(count)
    }
}
