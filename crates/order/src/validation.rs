//! The fields of a JSON object, read one by one: every broken rule is found in one pass, numbers are
//! read from their own digits, and a field that nobody knows or that stands twice is refused.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::money::{Currency, exact};
use crate::violation::{Violation, pointer_token};

/// The most fields that are looked at in one object: several times what any has. Past them each field
/// would only be compared with all the others.
pub const MAX_FIELDS: usize = 100;

/// Whether a field has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has.
    Required,
    /// It may be missing.
    Optional,
}

/// The fields of one JSON object that are still unread, and where to note what is wrong with them.
///
/// Each reader answers `None` for a field that is missing or wrong, and has noted a violation then,
/// unless a field is missing that may be.
#[derive(Debug)]
pub struct Fields<'a, 'v> {
    pointer: String,
    unread: Vec<(String, &'a RawValue)>,
    /// What is wrong so far.
    pub violations: &'v mut Vec<Violation>,
}

impl<'a, 'v> Fields<'a, 'v> {
    /// The fields of the object at this JSON pointer; `None` if it is none.
    pub fn read(raw: &'a RawValue, pointer: &str, violations: &'v mut Vec<Violation>) -> Option<Self> {
        let Ok(Members(members)) = serde_json::from_str(raw.get()) else {
            violations.push(Violation::at(pointer, "must be a JSON object"));
            return None;
        };
        if members.len() > MAX_FIELDS {
            violations.push(Violation::at(pointer, format!("must have at most {MAX_FIELDS} fields")));
            return None;
        }
        let mut fields = Self { pointer: pointer.to_owned(), unread: Vec::with_capacity(members.len()), violations };
        for (name, value) in members {
            if fields.unread.iter().any(|(known, _)| *known == name) {
                fields.refuse(&name, "must not stand twice");
            } else {
                fields.unread.push((name, value));
            }
        }
        Some(fields)
    }

    /// Notes that a field breaks a rule.
    pub fn refuse(&mut self, name: &str, detail: &str) {
        let pointer = format!("{}/{}", self.pointer, pointer_token(name));
        self.violations.push(Violation::at(&pointer, detail));
    }

    /// Refuses what nobody has asked for: it is no field of `whole`.
    pub fn refuse_unknown(&mut self, whole: &str) {
        for (name, _) in std::mem::take(&mut self.unread) {
            self.refuse(&name, &format!("is not a field of {whole}"));
        }
    }

    /// A field's JSON.
    pub fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let position = self.unread.iter().position(|(known, _)| known == name)?;
        Some(self.unread.swap_remove(position).1)
    }

    /// The JSON of a field that has to be there.
    pub fn take_required(&mut self, name: &str) -> Option<&'a RawValue> {
        let value = self.take(name);
        if value.is_none() {
            self.refuse(name, "is required");
        }
        value
    }

    /// A string of some kind.
    pub fn text<T>(&mut self, name: &str, presence: Presence) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let raw = self.taken(name, presence)?;
        self.parse_string(name, raw)
    }

    fn taken(&mut self, name: &str, presence: Presence) -> Option<&'a RawValue> {
        if presence == Presence::Required { self.take_required(name) } else { self.take(name) }
    }

    /// One of a few strings; `rule` says which.
    pub fn choice<T: FromStr>(&mut self, name: &str, presence: Presence, rule: &str) -> Option<T> {
        let raw = self.taken(name, presence)?;
        let value = serde_json::from_str::<String>(raw.get()).ok().and_then(|text| text.parse().ok());
        if value.is_none() {
            self.refuse(name, rule);
        }
        value
    }

    /// The string of some kind that a field's JSON is.
    pub fn parse_string<T>(&mut self, name: &str, raw: &RawValue) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let Ok(text) = serde_json::from_str::<String>(raw.get()) else {
            self.refuse(name, "must be a string");
            return None;
        };
        text.parse().map_err(|rule: T::Err| self.refuse(name, &rule.to_string())).ok()
    }

    /// The minor units of the amount that a field's JSON is.
    pub fn amount(&mut self, name: &str, raw: &RawValue, currency: Currency) -> Option<i64> {
        let number = self.number(name, raw)?;
        currency.minor_units(number).map_err(|rule| self.refuse(name, &rule.to_string())).ok()
    }

    /// A whole number from `range`, in any of its spellings: `2.0` is the whole number 2, also to JSON
    /// Schema.
    pub fn whole(&mut self, name: &str, raw: &RawValue, range: RangeInclusive<i64>) -> Option<i64> {
        let number = self.number(name, raw)?;
        let whole = exact(number).ok().filter(Decimal::is_integer).and_then(|number| number.to_i64());
        let whole = whole.filter(|whole| range.contains(whole));
        if whole.is_none() {
            self.refuse(name, &format!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        whole
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str, raw: &RawValue) -> Option<bool> {
        let flag = serde_json::from_str(raw.get()).ok();
        if flag.is_none() {
            self.refuse(name, "must be true or false");
        }
        flag
    }

    /// The number's own digits: a float would have rounded them.
    pub fn number<'n>(&mut self, name: &str, raw: &'n RawValue) -> Option<&'n str> {
        let text = raw.get();
        let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        if !is_number {
            self.refuse(name, "must be a number");
        }
        is_number.then_some(text)
    }
}

/// The members of an object as they stand there, a name that stands twice included, which every
/// map type would hide.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    // One too many tells that there are too many.
                    if members.len() <= MAX_FIELDS {
                        members.push(member);
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}
