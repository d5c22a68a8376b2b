//! Expressions that cannot fail, as far as their syntax shows.
//!
//! An expression fails if it throws or if its value is undefined. Literals, whole variables and whole
//! members of `$states` do neither. A path into them may be undefined, which is harmless in comparisons
//! and as a member of an object.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep};

/// Whether it always has a value.
pub(super) fn is_total(node: &AstNode) -> bool {
    match node {
        AstNode::String(_) | AstNode::Number(_) | AstNode::Boolean(_) | AstNode::Null => true,
        AstNode::Variable(name) => !name.is_empty() && name != "$",
        AstNode::Path { steps } => is_member_of_states(steps),
        AstNode::Array(items) => items.iter().all(is_quiet),
        AstNode::Object(members) => {
            members.iter().all(|(name, value)| matches!(name, AstNode::String(_)) && is_quiet(value))
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            is_quiet(condition) && is_total(then_branch) && else_branch.as_deref().is_some_and(is_total)
        }
        AstNode::Block(items) => matches!(&**items, [only] if is_total(only)),
        _ => is_boolean(node),
    }
}

/// Whether it is always true or false.
pub(super) fn is_boolean(node: &AstNode) -> bool {
    match node {
        AstNode::Boolean(_) => true,
        AstNode::Binary { op, lhs, rhs } => {
            let never_throws =
                matches!(op, BinaryOp::Equal | BinaryOp::NotEqual | BinaryOp::And | BinaryOp::Or | BinaryOp::In);
            never_throws && is_quiet(lhs) && is_quiet(rhs)
        }
        AstNode::Function { name, args, is_builtin: true } => {
            name == "exists" && matches!(&**args, [only] if is_quiet(only))
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            is_quiet(condition) && is_boolean(then_branch) && else_branch.as_deref().is_some_and(is_boolean)
        }
        AstNode::Block(items) => matches!(&**items, [only] if is_boolean(only)),
        _ => false,
    }
}

/// Whether it never throws. Its value may be undefined.
fn is_quiet(node: &AstNode) -> bool {
    match node {
        AstNode::Path { steps } => {
            let root =
                steps.first().is_some_and(|first| matches!(&first.node, AstNode::Variable(name) if !name.is_empty()));
            root && steps.iter().all(is_plain) && steps[1..].iter().all(|step| matches!(step.node, AstNode::Name(_)))
        }
        AstNode::Undefined => true,
        _ => is_total(node),
    }
}

fn is_member_of_states(steps: &[PathStep]) -> bool {
    let [states, member] = steps else { return false };
    let is_states = matches!(&states.node, AstNode::Variable(name) if name == "states");
    is_states && matches!(member.node, AstNode::Name(_)) && is_plain(states) && is_plain(member)
}

fn is_plain(step: &PathStep) -> bool {
    step.stages.is_empty() && step.focus.is_none() && step.index_var.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(source: &str) -> AstNode {
        jsonata_core::parser::parse(source).expect("the test parses")
    }

    #[test]
    fn an_expression_that_always_has_a_value_is_total() {
        for total in [
            "{'undone': false, 'failure': $states.errorOutput}",
            "{'cause': $states.errorOutput.Cause}",
            "$status",
            "$states.input",
            "$exists($states.input.order) ? $states.input : null",
            "($status = 'CANCELLED' and $order.a.b != 1)",
        ] {
            assert!(is_total(&parse(total)), "{total}");
        }
    }

    #[test]
    fn what_can_be_undefined_or_throw_is_not_total() {
        for partial in [
            "$states.errorOutput.Cause",
            "$parse($states.errorOutput.Cause)",
            "{'attempts': $attempts + 1}",
            "$status = 'A' ? 'B'",
            "$order.lines[0]",
            "{$status: 1}",
            "$a < $b",
        ] {
            assert!(!is_total(&parse(partial)), "{partial}");
        }
    }

    #[test]
    fn a_condition_has_to_be_true_or_false() {
        assert!(is_boolean(&parse("$status = 'CANCELLED'")));
        assert!(!is_boolean(&parse("$undone")));
    }
}
