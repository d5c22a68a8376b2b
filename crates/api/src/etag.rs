//! Conditional requests: whether a client already has this version of a resource, and whether it means to
//! change this version
//! ([RFC 9110, section 13.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.1)).

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::problem::{Kind, Problem};

/// The condition under which a client sets a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// The resource does not exist (`If-None-Match: *`).
    Absent,
    /// The resource has one of the versions that `If-Match` names.
    Present(HeaderMap),
}

impl Precondition {
    /// The condition in a request's headers. `If-Match` takes precedence, as the RFC requires.
    ///
    /// # Errors
    /// The problem of a request without a condition: setting what was not read would overwrite others'
    /// changes.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        if headers.contains_key(header::IF_MATCH) {
            return Ok(Self::Present(headers.clone()));
        }
        let mut lines = headers.get_all(header::IF_NONE_MATCH).iter();
        if lines.any(|line| line.as_bytes().trim_ascii() == b"*") {
            return Ok(Self::Absent);
        }
        Err(Problem::new(Kind::PreconditionRequired))
    }

    /// Whether it holds for a resource of this version; `None` for one that does not exist.
    ///
    /// Entity tags are compared strongly, as the RFC requires for `If-Match`: a weak tag names no version.
    /// Neither does a malformed header.
    pub fn holds(&self, etag: Option<&str>) -> bool {
        match (self, etag) {
            (Self::Absent, None) => true,
            (Self::Present(headers), Some(etag)) => names(headers, &header::IF_MATCH, etag.as_bytes(), |tag| tag),
            (Self::Absent, Some(_)) | (Self::Present(_), None) => false,
        }
    }
}

/// Whether `If-None-Match` names this version, so that the answer is 304.
///
/// Entity tags are compared weakly, as the RFC requires for this header: `W/"a"` names `"a"`. `*` names
/// every version. A malformed header names none: the client then gets the whole answer, which is never
/// wrong.
pub fn has_version(headers: &HeaderMap, etag: &str) -> bool {
    names(headers, &header::IF_NONE_MATCH, opaque(etag.as_bytes()), opaque)
}

/// Whether a header names the tag. `seen` turns each of the header's tags into the form to compare. `*`
/// names every version.
fn names(headers: &HeaderMap, name: &HeaderName, tag: &[u8], seen: impl Fn(&[u8]) -> &[u8]) -> bool {
    headers.get_all(name).iter().map(HeaderValue::as_bytes).any(|line| {
        line.trim_ascii() == b"*" || entity_tags(line).is_some_and(|tags| tags.into_iter().any(|own| seen(own) == tag))
    })
}

/// The tags of a list; `None` if it is malformed. A tag may contain commas, so the list cannot be split
/// at them.
fn entity_tags(mut rest: &[u8]) -> Option<Vec<&[u8]>> {
    let mut tags = Vec::new();
    loop {
        // A list may have empty elements: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1.2
        rest = rest.trim_ascii_start();
        while let Some(after) = rest.strip_prefix(b",") {
            rest = after.trim_ascii_start();
        }
        if rest.is_empty() {
            return Some(tags);
        }
        let inner = opaque(rest).strip_prefix(b"\"")?;
        let end = inner.iter().position(|byte| *byte == b'"')?;
        if !inner[..end].iter().copied().all(is_tag_byte) {
            return None;
        }
        let (tag, behind) = rest.split_at(rest.len() - inner.len() + end + 1);
        tags.push(tag);
        rest = behind.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
    }
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// `etagc` of the RFC's grammar.
fn is_tag_byte(byte: u8) -> bool {
    byte == 0x21 || (0x23..=0x7e).contains(&byte) || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(lines: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_str(line).unwrap());
        }
        has_version(&headers, "\"a,b\"")
    }

    #[test]
    fn a_tag_is_found_wherever_it_stands_and_however_strong_it_is() {
        for line in ["\"a,b\"", "W/\"a,b\"", "*", " * ", "\"x\", \"a,b\"", "\"x\",W/\"a,b\" ,", ", ,\"a,b\""] {
            assert!(has(&[line]), "{line}");
        }
        assert!(has(&["\"x\"", "\"a,b\""]), "the lines of a header are one list");
    }

    #[test]
    fn another_tag_or_a_malformed_one_names_nothing() {
        for line in
            ["\"a\"", "\"b\"", "a,b", "\"a,b", "w/\"a,b\"", "\"x\" \"a,b\"", "\"a,b\" x", "\"a b\", \"a,b\"", ""]
        {
            assert!(!has(&[line]), "{line}");
        }
        assert!(!has(&[]));
    }

    fn precondition(name: HeaderName, line: &str) -> Result<Precondition, Problem> {
        Precondition::of(&HeaderMap::from_iter([(name, HeaderValue::from_str(line).unwrap())]))
    }

    #[test]
    fn a_version_is_meant_by_its_strong_tag_only() {
        for (line, holds) in [
            ("\"a,b\"", true),
            ("\"x\", \"a,b\"", true),
            ("*", true),
            ("W/\"a,b\"", false),
            ("\"x\"", false),
            ("a,b", false),
        ] {
            let precondition = precondition(header::IF_MATCH, line).unwrap();
            assert_eq!(precondition.holds(Some("\"a,b\"")), holds, "{line}");
            assert!(!precondition.holds(None), "{line}: there is no version");
        }
    }

    #[test]
    fn absence_is_meant_by_a_star_only_and_silence_means_nothing() {
        let absent = precondition(header::IF_NONE_MATCH, "*").unwrap();
        assert!(absent.holds(None) && !absent.holds(Some("\"a\"")));
        assert!(precondition(header::IF_NONE_MATCH, "\"a\"").is_err());
        assert!(Precondition::of(&HeaderMap::new()).is_err());
        let mut both = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static("*"))]);
        both.insert(header::IF_MATCH, HeaderValue::from_static("\"a\""));
        assert!(Precondition::of(&both).unwrap().holds(Some("\"a\"")));
    }
}
