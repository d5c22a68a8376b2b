//! Fills the placeholders of a definition, as Terraform's `templatefile` does.

use thiserror::Error;

/// A placeholder that has no value, or does not end.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MissingPlaceholder {
    /// There is no value for this name.
    #[error("the definition has a placeholder ${{{0}}}, but there is no value for it")]
    NoValue(String),
    /// A `${` without its `}`.
    #[error("the definition has a placeholder at byte {0} that does not end")]
    Unclosed(usize),
}

/// Replaces each `${name}` in `definition` with its value; `$${` stands for a literal `${`.
///
/// Like Terraform, it inserts the values unchanged. So a value inside a JSON string must not contain
/// characters that JSON has to escape. Function ARNs never do.
///
/// See <https://developer.hashicorp.com/terraform/language/expressions/strings#string-templates>.
///
/// # Errors
/// [`MissingPlaceholder`] for the first placeholder that has no value or does not end.
pub fn fill(definition: &str, values: impl Fn(&str) -> Option<String>) -> Result<String, MissingPlaceholder> {
    let mut filled = String::with_capacity(definition.len());
    let mut rest = definition;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            filled.push_str(&rest[..at - 1]);
            filled.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        filled.push_str(&rest[..at]);
        let Some(length) = rest[at + 2..].find('}') else {
            return Err(MissingPlaceholder::Unclosed(definition.len() - rest.len() + at));
        };
        let name = rest[at + 2..at + 2 + length].trim();
        let value = values(name).ok_or_else(|| MissingPlaceholder::NoValue(name.to_owned()))?;
        filled.push_str(&value);
        rest = &rest[at + 2 + length + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(name: &str) -> Option<String> {
        (name == "FunctionArn").then(|| "arn:aws:lambda".to_owned())
    }

    #[test]
    fn a_placeholder_is_replaced_wherever_it_stands() {
        let filled = fill(r#"{"a":"${FunctionArn}","b":"${ FunctionArn }:1"}"#, arn);
        assert_eq!(filled, Ok(r#"{"a":"arn:aws:lambda","b":"arn:aws:lambda:1"}"#.to_owned()));
    }

    #[test]
    fn a_doubled_dollar_stands_for_itself() {
        assert_eq!(fill("$${FunctionArn} costs $5", arn), Ok("${FunctionArn} costs $5".to_owned()));
    }

    #[test]
    fn a_placeholder_without_a_value_is_named() {
        assert_eq!(fill("${Other}", arn), Err(MissingPlaceholder::NoValue("Other".to_owned())));
    }

    #[test]
    fn a_placeholder_without_an_end_is_refused() {
        assert_eq!(fill("ab${Other", arn), Err(MissingPlaceholder::Unclosed(2)));
    }
}
