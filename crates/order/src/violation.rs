//! A broken rule, and where it is broken.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// Where in a request a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A JSON pointer into the body, in the URI fragment form that RFC 9457 uses: `#/items/0/price`.
    Pointer(String),
    /// The name of a request header.
    Header(String),
    /// The name of a parameter in the path or the query.
    Parameter(String),
}

/// One rule that a request breaks. A problem document lists them all, so the client can fix them at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Where the rule is broken.
    #[serde(flatten)]
    pub place: Place,
    /// The rule, as a sentence that completes "this value …".
    pub detail: String,
}

impl Violation {
    /// A violation in the body. `pointer` is a JSON pointer, `""` for the whole body.
    pub fn at(pointer: &str, detail: impl Into<String>) -> Self {
        Self { place: Place::Pointer(format!("#{pointer}")), detail: detail.into() }
    }

    /// A violation in a header.
    pub fn in_header(name: &str, detail: impl Into<String>) -> Self {
        Self { place: Place::Header(name.to_owned()), detail: detail.into() }
    }

    /// A violation in a parameter of the path or the query.
    pub fn in_parameter(name: &str, detail: impl Into<String>) -> Self {
        Self { place: Place::Parameter(name.to_owned()), detail: detail.into() }
    }
}

/// `name` as one token of a JSON pointer in a URI fragment: escaped first as a pointer token, then as
/// a fragment ([RFC 6901, sections 3 and 6](https://www.rfc-editor.org/rfc/rfc6901#section-6)).
pub(crate) fn pointer_token(name: &str) -> String {
    utf8_percent_encode(&name.replace('~', "~0").replace('/', "~1"), OUTSIDE_FRAGMENTS).to_string()
}

/// The characters that a fragment must escape: <https://www.rfc-editor.org/rfc/rfc3986#section-3.5>.
const OUTSIDE_FRAGMENTS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'?');
