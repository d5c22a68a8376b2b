//! The line of each part of a definition, and members that an object has twice.
//!
//! `serde_json` decides what is JSON. This parser only finds places, so a text that it rejects loses
//! its line numbers and nothing else.

use jsonc_parser::ast::{Object, ObjectPropName, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions};

/// A member that an object has more than once: the path of the object, the name, and the line.
pub(super) struct Repeated {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

/// A definition's text, with the place of each part.
pub(super) struct Lines<'a> {
    text: &'a str,
    root: Option<Value<'a>>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let parsed = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
        Self { text, root: parsed.ok().and_then(|parsed| parsed.value) }
    }

    /// The line, counted from 1, of the part at `path`. If that is missing, the line of the innermost part
    /// on the path that exists.
    pub(super) fn line(&self, path: &[String]) -> usize {
        let Some(mut at) = self.root.as_ref() else { return 1 };
        let mut position = at.start();
        for step in path {
            let next = match at {
                Value::Object(object) => member(object, step).map(|member| (member.start(), &member.value)),
                Value::Array(array) => {
                    let item = step.parse::<usize>().ok().and_then(|index| array.elements.get(index));
                    item.map(|item| (item.start(), item))
                }
                _ => None,
            };
            let Some((start, value)) = next else { break };
            (position, at) = (start, value);
        }
        self.line_at(position)
    }

    /// Every member that its object already has.
    pub(super) fn repeated(&self) -> Vec<Repeated> {
        let mut found = Vec::new();
        if let Some(root) = &self.root {
            self.collect_repeated(root, &mut Vec::new(), &mut found);
        }
        found
    }

    fn collect_repeated(&self, value: &Value<'a>, path: &mut Vec<String>, found: &mut Vec<Repeated>) {
        match value {
            Value::Object(object) => {
                for (index, property) in object.properties.iter().enumerate() {
                    let name = text_of(&property.name);
                    path.push(name.to_owned());
                    if object.properties[..index].iter().any(|before| text_of(&before.name) == name) {
                        found.push(Repeated { path: path.clone(), line: self.line_at(property.start()) });
                    }
                    self.collect_repeated(&property.value, path, found);
                    path.pop();
                }
            }
            Value::Array(array) => {
                for (index, item) in array.elements.iter().enumerate() {
                    path.push(index.to_string());
                    self.collect_repeated(item, path, found);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    fn line_at(&self, position: usize) -> usize {
        self.text.get(..position).unwrap_or(self.text).matches('\n').count() + 1
    }
}

/// If members have the same name, the last one counts, as in `serde_json`.
fn member<'o, 'a>(object: &'o Object<'a>, name: &str) -> Option<&'o jsonc_parser::ast::ObjectProp<'a>> {
    object.properties.iter().rev().find(|property| text_of(&property.name) == name)
}

fn text_of<'o>(name: &'o ObjectPropName<'_>) -> &'o str {
    name.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\n  \"a\": [\n    1,\n    {\"b\": 2,\n     \"b\": 3}\n  ]\n}";

    fn line(path: &[&str]) -> usize {
        Lines::of(TEXT).line(&path.iter().map(|step| (*step).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_part_has_the_line_on_which_it_begins() {
        assert_eq!([line(&[]), line(&["a"]), line(&["a", "0"]), line(&["a", "1"])], [1, 2, 3, 4]);
        assert_eq!(line(&["a", "1", "b"]), 5);
    }

    #[test]
    fn what_is_missing_has_the_line_of_what_it_is_missing_in() {
        assert_eq!([line(&["a", "1", "c"]), line(&["x", "y"])], [4, 1]);
    }

    #[test]
    fn a_member_that_is_there_twice_is_found() {
        let found = Lines::of(TEXT).repeated();
        assert_eq!((found.len(), found[0].line, &*found[0].path), (1, 5, &["a", "1", "b"].map(str::to_owned)[..]));
    }
}
