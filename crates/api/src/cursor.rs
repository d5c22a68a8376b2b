//! Cursors: a place in a list, as a text that clients send back unchanged.
//!
//! A cursor ends in a digest of the place and its list. So a cursor that was cut off, changed, or used
//! for another list, filter or tenant is rejected instead of giving a wrong page. It is not a secret and
//! grants nothing: anyone who computes one gets a page of a list that the request may read anyway.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The length of the digest: a cursor damaged by accident passes once in 2⁹⁶.
pub const DIGEST_BYTES: usize = 12;

/// A text that is not a cursor of this list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a nextCursor of this list with the same filters")]
pub struct NotACursor;

/// The cursor for `place`, whose first byte is the version of its layout. `list` identifies its list in full.
pub fn encode(mut place: Vec<u8>, list: &str) -> String {
    let digest = digest(&place, list);
    place.extend(digest);
    BASE64_URL_SAFE_NO_PAD.encode(place)
}

/// The place of a cursor. Each place has exactly one cursor: any other text is rejected.
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
    // The place's length is hashed first, so no two pairs feed the hash the same bytes.
    let hash = Sha256::new()
        .chain_update(b"list-cursor/1\0")
        .chain_update((place.len() as u64).to_be_bytes())
        .chain_update(place)
        .chain_update(list)
        .finalize();
    *hash.first_chunk().expect("a SHA-256 is longer than its part")
}
