//! Reading many items by their keys, all of them.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;

use crate::step::Item;
use crate::unavailable::Unavailable;

/// The most items that one `BatchGetItem`
/// [takes](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html).
pub const MAX_ITEMS: usize = 100;

/// How often what a `BatchGetItem` left unread is asked for at most.
const MAX_READS: usize = 5;

/// How long it is left alone before it is asked for again, doubled each time: DynamoDB leaves keys
/// unread when it is throttled. All delays together are below a second.
const FIRST_DELAY: Duration = Duration::from_millis(50);

/// The items of a table that have these keys, at most [`MAX_ITEMS`] of them, in no order and each
/// strongly consistent.
///
/// # Cost
/// One read unit per 4 KiB of each item.
///
/// # Errors
/// [`Unavailable`], also if DynamoDB keeps leaving some of them unread: what is missing here would
/// be taken for what does not exist.
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
