//! Cursors: a place in a list, as a text that clients hand back as they got it.
//!
//! A place is sealed with a digest over it and the list that it belongs to. So a cursor that was cut
//! off, changed, or moved to another list, filter or tenant is refused instead of answering with a
//! page that belongs nowhere. It is no secret and grants nothing: whoever computes one gets a page of
//! a list that the request may read anyway.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// How much of the digest is kept: what is damaged by accident passes once in 2⁹⁶.
pub const DIGEST_BYTES: usize = 12;

/// A text that is no cursor of this list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a nextCursor of this very list, with the same filters")]
pub struct NotACursor;

/// The cursor of `place`, whose first byte tells its layout. `list` says which list it is in, in full.
pub fn encode(mut place: Vec<u8>, list: &str) -> String {
    let digest = digest(&place, list);
    place.extend(digest);
    BASE64_URL_SAFE_NO_PAD.encode(place)
}

/// The place that a cursor stands for. Each place has one cursor only: every other text is refused.
///
/// # Errors
/// [`NotACursor`].
pub fn decode(text: &str, list: &str) -> Result<Vec<u8>, NotACursor> {
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| NotACursor)?;
    let (place, stated) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or(NotACursor)?;
    if *stated != digest(place, list) {
        return Err(NotACursor);
    }
    bytes.truncate(bytes.len() - DIGEST_BYTES);
    Ok(bytes)
}

fn digest(place: &[u8], list: &str) -> [u8; DIGEST_BYTES] {
    // The place's length goes in front, so that no two pairs feed the hash the same bytes.
    let hash = Sha256::new()
        .chain_update(b"list-cursor/1\0")
        .chain_update((place.len() as u64).to_be_bytes())
        .chain_update(place)
        .chain_update(list)
        .finalize();
    *hash.first_chunk().expect("a SHA-256 is longer than its part")
}
