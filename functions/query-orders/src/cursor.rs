//! The cursor of a list of orders: the last order's key, as [`api::cursor`] encodes it.

use api::cursor::{self, NotACursor};
use order::{EpochMs, OrderId};
use orders::Position;

/// The version of the layout, the first byte of a cursor. A release with another layout refuses older cursors.
const VERSION: u8 = 1;

/// Version, sort time, partition, order id.
const PLACE_BYTES: usize = 1 + 8 + 1 + ORDER_ID_BYTES;

const ORDER_ID_BYTES: usize = 16;

/// The cursor that continues after `position`. `list` describes the whole list.
pub fn encode(position: &Position, list: &str) -> String {
    let mut bytes = Vec::with_capacity(PLACE_BYTES);
    bytes.push(VERSION);
    bytes.extend(position.sort_ms.to_be_bytes());
    bytes.push(position.partition);
    bytes.extend(id_bytes(&position.order_id));
    cursor::encode(bytes, list)
}

/// The position that a cursor stands for. Each position has exactly one cursor; any other text is refused.
///
/// # Errors
/// [`NotACursor`].
pub fn decode(text: &str, list: &str) -> Result<Position, NotACursor> {
    let bytes: [u8; PLACE_BYTES] = cursor::decode(text, list)?.try_into().map_err(|_| NotACursor)?;
    if bytes[0] != VERSION {
        return Err(NotACursor);
    }
    let (sort_ms, rest) = bytes[1..].split_first_chunk().ok_or(NotACursor)?;
    let (partition, order_id) = rest.split_first().ok_or(NotACursor)?;
    let order_id: [u8; ORDER_ID_BYTES] = order_id.try_into().map_err(|_| NotACursor)?;
    Ok(Position {
        sort_ms: EpochMs::from_be_bytes(*sort_ms),
        partition: *partition,
        order_id: format!("{:032x}", u128::from_be_bytes(order_id)).parse().map_err(|_| NotACursor)?,
    })
}

fn id_bytes(order_id: &OrderId) -> [u8; ORDER_ID_BYTES] {
    let value = u128::from_str_radix(order_id.as_str(), 16).expect("an order id is 32 hexadecimal digits");
    value.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position() -> Position {
        Position {
            sort_ms: 1_800_000_000_123,
            partition: 7,
            order_id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
        }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let text = encode(&position(), "list");
        assert_eq!(decode(&text, "list"), Ok(position()));
        // As in openapi.yaml.
        assert_eq!(text.len(), 51, "{text}");
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        assert_eq!(decode(&encode(&position(), "list"), "other"), Err(NotACursor));
    }

    #[test]
    fn a_cursor_with_any_letter_changed_cut_off_or_added_is_refused() {
        let text = encode(&position(), "list");
        for at in 0..text.len() {
            for letter in "Aa0-_=".chars().filter(|letter| !text[at..].starts_with(*letter)) {
                let mut changed = text.clone();
                changed.replace_range(at..=at, &letter.to_string());
                assert_eq!(decode(&changed, "list"), Err(NotACursor), "{changed}");
            }
            assert_eq!(decode(&text[..at], "list"), Err(NotACursor));
        }
        assert_eq!(decode(&format!("{text}A"), "list"), Err(NotACursor));
        assert_eq!(decode(&format!("{text}="), "list"), Err(NotACursor));
    }

    proptest! {
        #[test]
        fn no_text_makes_decoding_panic(text in any::<String>()) {
            prop_assert_eq!(decode(&text, "list"), Err(NotACursor));
        }

        #[test]
        fn every_position_survives_the_way_to_the_client_and_back(
            sort_ms in any::<i64>(), partition in any::<u8>(), id in any::<u128>(), list in any::<String>(),
        ) {
            let order_id = format!("{id:032x}").parse().unwrap();
            let position = Position { sort_ms, partition, order_id };
            prop_assert_eq!(decode(&encode(&position, &list), &list), Ok(position));
        }
    }
}
