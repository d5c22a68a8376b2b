//! The fields of a JSON object, read one by one. Every broken rule is found in one pass, numbers are
//! read from their own digits, and unknown and duplicate fields are rejected.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::money::{Currency, exact};
use crate::violation::{Violation, pointer_token};

/// The most fields of one object, several times what any needs. The limit bounds the work of finding
/// duplicates, which compares each field with all the others.
pub const MAX_FIELDS: usize = 100;

/// Whether a field has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It must be there.
    Required,
    /// It may be missing.
    Optional,
}

/// The unread fields of one JSON object, and the violations found so far.
///
/// Each reader returns `None` for a missing or invalid field, and notes a violation unless the field is
/// missing and optional.
#[derive(Debug)]
pub struct Fields<'a, 'v> {
    pointer: String,
    unread: Vec<(String, &'a RawValue)>,
    /// The violations so far.
    pub violations: &'v mut Vec<Violation>,
}

impl<'a, 'v> Fields<'a, 'v> {
    /// The fields of the object at this JSON pointer; `None` if it is not an object, or has too many.
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
                fields.refuse(&name, "must not appear twice");
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

    /// Rejects the fields that were not read: they are not fields of `whole`.
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

    /// The JSON of a required field.
    pub fn take_required(&mut self, name: &str) -> Option<&'a RawValue> {
        let value = self.take(name);
        if value.is_none() {
            self.refuse(name, "is required");
        }
        value
    }

    /// A string, parsed as a `T`.
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

    /// One of several strings; `rule` says which.
    pub fn choice<T: FromStr>(&mut self, name: &str, presence: Presence, rule: &str) -> Option<T> {
        let raw = self.taken(name, presence)?;
        let value = serde_json::from_str::<String>(raw.get()).ok().and_then(|text| text.parse().ok());
        if value.is_none() {
            self.refuse(name, rule);
        }
        value
    }

    /// A field's JSON as a string, parsed as a `T`.
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

    /// A field's JSON as an amount, in minor units.
    pub fn amount(&mut self, name: &str, raw: &RawValue, currency: Currency) -> Option<i64> {
        let number = self.number(name, raw)?;
        currency.minor_units(number).map_err(|rule| self.refuse(name, &rule.to_string())).ok()
    }

    /// A whole number from `range`, in any spelling: `2.0` is the whole number 2, as in JSON Schema.
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

    /// The number's own digits: a float would round them.
    pub fn number<'n>(&mut self, name: &str, raw: &'n RawValue) -> Option<&'n str> {
        let text = raw.get();
        let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        if !is_number {
            self.refuse(name, "must be a number");
        }
        is_number.then_some(text)
    }
}

/// All members of an object in their order, duplicate names included: a map type would hide those.
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
                    // One more than the limit shows that there are too many.
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
