//! Who made a change by hand.

use serde::{Deserialize, Serialize};

/// Who made a change, and in which request. It is kept in the same write as the change, so that no change is without it.
///
/// The request's id leads to its log lines. The subject is not in them: it may be a person's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Parts")]
pub struct Actor {
    subject: String,
    request_id: String,
}

/// An actor as stored, of any length.
#[derive(Deserialize)]
struct Parts {
    subject: String,
    request_id: String,
}

impl Actor {
    /// The most bytes of each part: items are charged by their size, and an issuer may use names of any length.
    pub const MAX_BYTES: usize = 64;

    /// The subject of a token or the name of a client, and the request's id. Of each, the first [`Self::MAX_BYTES`] bytes are
    /// kept, or fewer if a character would be cut in two.
    pub fn new(subject: &str, request_id: &str) -> Self {
        Self { subject: bounded(subject), request_id: bounded(request_id) }
    }

    /// The subject of the token, or the name of the client with the key.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The id of the request, as in its log lines.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }
}

impl From<Parts> for Actor {
    fn from(Parts { subject, request_id }: Parts) -> Self {
        Self::new(&subject, &request_id)
    }
}

fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(Actor::MAX_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_at_most_64_bytes_and_whole_characters() {
        let long = "x".repeat(65);
        let actor = Actor::new(&long, &long);
        assert_eq!((actor.subject(), actor.request_id()), (&long[..64], &long[..64]));
        // The 64th byte is the first of two.
        let odd = format!("x{}", "ü".repeat(40));
        assert_eq!(Actor::new(&odd, "").subject(), &odd[..63]);
        assert_eq!(Actor::new("alice", "r1").subject(), "alice");
    }

    #[test]
    fn one_that_is_read_has_the_same_bounds() {
        let long = "x".repeat(65);
        let read: Actor = serde_json::from_value(serde_json::json!({ "subject": long, "request_id": "r1" })).unwrap();
        assert_eq!(read, Actor::new(&long, "r1"));
    }
}
