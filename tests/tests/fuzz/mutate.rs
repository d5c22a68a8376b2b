//! Mutations of a real text.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

/// A change of some bytes.
#[derive(Debug, Clone)]
pub enum Edit {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, usize),
    Repeat(Index, usize),
}

/// Pieces that have made parsers fail.
const PIECES: [&[u8]; 18] = [
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"1e999",
    b"-",
    b"0",
    b"null",
    b"\xc3\xa9",
];

pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let at = any::<Index>;
    let edit = prop_oneof![
        (at(), 1_u8..).prop_map(|(at, mask)| Edit::Flip(at, mask)),
        (at(), select(&PIECES[..])).prop_map(|(at, piece)| Edit::Insert(at, piece.to_vec())),
        (at(), prop::collection::vec(any::<u8>(), 1..4)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (at(), 1_usize..20).prop_map(|(at, length)| Edit::Cut(at, length)),
        (at(), 1_usize..60).prop_map(|(at, length)| Edit::Repeat(at, length)),
    ];
    prop::collection::vec(edit, 0..4)
}

/// The bytes after the edits.
pub fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let places = bytes.len() + 1;
        match edit {
            Edit::Flip(at, mask) => {
                if let Some(byte) = bytes.get_mut(at.index(places)) {
                    *byte ^= mask;
                }
            }
            Edit::Insert(at, piece) => {
                let at = at.index(places);
                bytes.splice(at..at, piece.iter().copied());
            }
            Edit::Cut(at, length) => {
                let at = at.index(places);
                bytes.drain(at..bytes.len().min(at + length));
            }
            Edit::Repeat(at, length) => {
                let at = at.index(places);
                bytes.extend_from_within(at..bytes.len().min(at + length));
            }
        }
    }
    bytes
}

/// A JSON text as a tree in which a name may occur twice and a scalar may be anything.
#[derive(Debug, Clone)]
pub enum Tree {
    Scalar(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl From<&Value> for Tree {
    fn from(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Object(members.iter().map(|(name, value)| (name.clone(), value.into())).collect())
            }
            scalar => Self::Scalar(scalar.to_string()),
        }
    }
}

impl Tree {
    pub fn print(&self) -> String {
        match self {
            Self::Scalar(text) => text.clone(),
            Self::Array(items) => format!("[{}]", items.iter().map(Self::print).collect::<Vec<_>>().join(",")),
            Self::Object(members) => {
                let members = members.iter().map(|(name, value)| format!("{}:{}", Value::from(&**name), value.print()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }

    fn size(&self) -> usize {
        1 + match self {
            Self::Scalar(_) => 0,
            Self::Array(items) => items.iter().map(Self::size).sum(),
            Self::Object(members) => members.iter().map(|(_, value)| value.size()).sum(),
        }
    }

    /// The node with this number, counting from the top.
    fn node(&mut self, number: usize) -> &mut Self {
        if number == 0 {
            return self;
        }
        let mut left = number - 1;
        let children: Vec<&mut Self> = match self {
            Self::Scalar(_) => Vec::new(),
            Self::Array(items) => items.iter_mut().collect(),
            Self::Object(members) => members.iter_mut().map(|(_, value)| value).collect(),
        };
        for child in children {
            if left < child.size() {
                return child.node(left);
            }
            left -= child.size();
        }
        unreachable!("a tree has as many nodes as its size")
    }
}

/// A change of a tree's structure.
#[derive(Debug, Clone)]
pub enum Reform {
    Replace(Index, String),
    Remove(Index, Index),
    Double(Index, Index),
    Rename(Index, Index, String),
    Wrap(Index, usize),
    Turn(Index),
}

const NAMES: [&str; 13] = [
    "customerId",
    "items",
    "price",
    "quantity",
    "currency",
    "difference",
    "reason",
    "onHand",
    "creditLimit",
    "onHold",
    "",
    "a/b~c %\u{e9}\u{0}",
    "__proto__",
];

const SCALARS: [&str; 29] = [
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "1e0",
    "1E+2",
    "0.1",
    "1e-400",
    "1e400",
    "9007199254740993",
    "1.0000000000000001",
    "340282366920938463463374607431768211456",
    "\"\"",
    "\" \"",
    "\"1\"",
    "\"XAU\"",
    "\"JPY\"",
    "\"\\u0000\"",
    "\"\\ud83d\\ude00\"",
    "\"INVOICE\"",
    "\"RECEIVED\"",
    "\"LOST\"",
    "\"COUNTED\"",
    "1000000000000",
    "-1000000000001",
    "{}",
    "[]",
    "[[]]",
];

pub fn reforms() -> impl Strategy<Value = Vec<Reform>> {
    let at = any::<Index>;
    let scalar = prop_oneof![
        select(&SCALARS[..]).prop_map(str::to_owned),
        any::<f64>()
            .prop_filter("JSON has no other", |number| number.is_finite())
            .prop_map(|number| number.to_string()),
        "[a-zA-Z0-9._:@+#/ -]{0,70}".prop_map(|text| format!("\"{text}\"")),
    ];
    let reform = prop_oneof![
        3 => (at(), scalar).prop_map(|(at, scalar)| Reform::Replace(at, scalar)),
        1 => (at(), at()).prop_map(|(at, child)| Reform::Remove(at, child)),
        1 => (at(), at()).prop_map(|(at, child)| Reform::Double(at, child)),
        1 => (at(), at(), select(&NAMES[..])).prop_map(|(at, child, name)| Reform::Rename(at, child, name.to_owned())),
        1 => (at(), select(&[1, 2, 200, 5_000][..])).prop_map(|(at, depth)| Reform::Wrap(at, depth)),
        1 => at().prop_map(Reform::Turn),
    ];
    prop::collection::vec(reform, 0..4)
}

/// The tree after the changes.
pub fn reformed(mut tree: Tree, reforms: &[Reform]) -> Tree {
    for reform in reforms {
        let size = tree.size();
        match reform {
            Reform::Replace(at, text) => *tree.node(at.index(size)) = Tree::Scalar(text.clone()),
            Reform::Wrap(at, depth) => {
                let node = tree.node(at.index(size));
                *node = Tree::Scalar(format!("{}{}{}", "[".repeat(*depth), node.print(), "]".repeat(*depth)));
            }
            Reform::Remove(at, child) => match tree.node(at.index(size)) {
                Tree::Array(items) if !items.is_empty() => _ = items.remove(child.index(items.len())),
                Tree::Object(members) if !members.is_empty() => _ = members.remove(child.index(members.len())),
                _ => {}
            },
            Reform::Double(at, child) => match tree.node(at.index(size)) {
                Tree::Array(items) if !items.is_empty() => items.push(items[child.index(items.len())].clone()),
                Tree::Object(members) if !members.is_empty() => {
                    members.push(members[child.index(members.len())].clone());
                }
                _ => {}
            },
            Reform::Rename(at, child, name) => match tree.node(at.index(size)) {
                Tree::Object(members) if !members.is_empty() => {
                    let at = child.index(members.len());
                    members[at].0.clone_from(name);
                }
                _ => {}
            },
            Reform::Turn(at) => match tree.node(at.index(size)) {
                Tree::Array(items) => items.reverse(),
                Tree::Object(members) => members.reverse(),
                Tree::Scalar(_) => {}
            },
        }
    }
    tree
}

/// A body of a corpus after some changes: first of its structure, if it has one, then of its bytes.
pub fn body(corpus: impl AsRef<[Vec<u8>]> + Clone) -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![Just(Vec::new()), edits()];
    (any::<Index>(), reforms(), bytes).prop_map(move |(which, reforms, edits)| {
        let body = which.get(corpus.as_ref()).clone();
        let body = match serde_json::from_slice::<Value>(&body) {
            Ok(value) => reformed(Tree::from(&value), &reforms).print().into_bytes(),
            Err(_) => body,
        };
        edited(body, &edits)
    })
}
