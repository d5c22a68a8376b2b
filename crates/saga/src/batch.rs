//! Reading many items by their keys, without leaving any out.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;

use crate::step::Item;
use crate::unavailable::Unavailable;

/// The most items that one `BatchGetItem`
/// [takes](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html).
pub const MAX_ITEMS: usize = 100;

/// The maximum number of reads, including retries of unprocessed keys.
const MAX_READS: usize = 5;

/// The delay before the first retry, doubled each time: DynamoDB leaves keys unprocessed when it
/// throttles. All delays together are below a second.
const FIRST_DELAY: Duration = Duration::from_millis(50);

/// The items of a table with these keys, at most [`MAX_ITEMS`], in no particular order, each read
/// strongly consistent.
///
/// # Cost
/// One read unit per 4 KiB of each item.
///
/// # Errors
/// [`Unavailable`], also if DynamoDB keeps leaving keys unprocessed: the caller would take the missing
/// items for ones that do not exist.
pub async fn read_all(
    client: &Client,
    table: &str,
    mut keys: Vec<Item>,
    attempted: &'static str,
) -> Result<Vec<Item>, Unavailable> {
    let mut items = Vec::with_capacity(keys.len());
    let mut delay = FIRST_DELAY;
    for read in 0..MAX_READS {
        if keys.is_empty() {
            return Ok(items);
        }
        if read > 0 {
            tokio::time::sleep(delay).await;
            delay *= 2;
        }
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let wanted = wanted.expect("the keys are set");
        let batch = client.batch_get_item().request_items(table, wanted);
        let answer = batch.send().await.map_err(|error| Unavailable::call(attempted, error))?;
        items.extend(answer.responses.and_then(|mut tables| tables.remove(table)).unwrap_or_default());
        let unread = answer.unprocessed_keys.and_then(|mut tables| tables.remove(table));
        keys = unread.map(|unread| unread.keys).unwrap_or_default();
    }
    if keys.is_empty() { Ok(items) } else { Err(Unavailable::Incomplete { attempted }) }
}
