//! Conditional requests: whether a client has this version of a resource already
//! ([RFC 9110, section 13.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2)).

use http::{HeaderMap, header};

/// Whether `If-None-Match` names this version, so that the answer is 304.
///
/// Entity tags are compared weakly, as the RFC demands for this header: `W/"a"` names `"a"`. `*`
/// names every version. A header that is malformed names none: the client then gets the whole
/// answer, which is never wrong.
pub fn has_version(headers: &HeaderMap, etag: &str) -> bool {
    let mut lines = headers.get_all(header::IF_NONE_MATCH).iter();
    lines.any(|line| names(line.as_bytes(), opaque(etag.as_bytes())))
}

fn names(line: &[u8], tag: &[u8]) -> bool {
    line.trim_ascii() == b"*" || entity_tags(line).is_some_and(|tags| tags.contains(&tag))
}

/// The tags of a list, without their weakness; `None` if it is no list of tags. A tag may hold
/// commas, so the list cannot be split at them.
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
        let opaque_tag = &opaque(rest)[..end + 2];
        tags.push(opaque_tag);
        rest = inner[end + 1..].trim_ascii_start();
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
    use http::HeaderValue;

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
}
