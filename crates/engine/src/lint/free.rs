//! The variables that an expression takes from the workflow, without those that it binds itself.

use std::collections::BTreeSet;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};

use crate::references::each_child;

/// The functions of `JSONata` and of Step Functions. A name stands for its function unless a variable has
/// the same name.
///
/// See <https://docs.jsonata.org/string-functions> and its sibling pages.
const FUNCTIONS: [&str; 69] = [
    "abs",
    "append",
    "assert",
    "average",
    "base64decode",
    "base64encode",
    "boolean",
    "ceil",
    "clone",
    "contains",
    "count",
    "decodeUrl",
    "decodeUrlComponent",
    "distinct",
    "each",
    "encodeUrl",
    "encodeUrlComponent",
    "error",
    "eval",
    "exists",
    "filter",
    "floor",
    "formatBase",
    "formatInteger",
    "formatNumber",
    "fromMillis",
    "hash",
    "join",
    "keys",
    "length",
    "lookup",
    "lowercase",
    "map",
    "match",
    "max",
    "merge",
    "millis",
    "min",
    "not",
    "now",
    "number",
    "pad",
    "parse",
    "parseInteger",
    "partition",
    "power",
    "random",
    "range",
    "reduce",
    "replace",
    "reverse",
    "round",
    "shuffle",
    "sift",
    "single",
    "sort",
    "split",
    "spread",
    "sqrt",
    "string",
    "substring",
    "substringAfter",
    "substringBefore",
    "sum",
    "toMillis",
    "trim",
    "type",
    "uppercase",
    "zip",
];

/// Their names, without `$`.
pub(super) fn variables(syntax: &AstNode) -> BTreeSet<String> {
    let mut walk = Walk::default();
    walk.node(syntax);
    walk.found
}

#[derive(Default)]
struct Walk {
    bound: Vec<String>,
    found: BTreeSet<String>,
}

impl Walk {
    fn node(&mut self, node: &AstNode) {
        match node {
            AstNode::Variable(name) => self.variable(name),
            AstNode::Lambda { params, body, .. } => self.inside(|walk| {
                walk.bound.extend(params.iter().cloned());
                walk.node(body);
            }),
            AstNode::Block(items) => self.inside(|walk| items.iter().for_each(|item| walk.node(item))),
            AstNode::Binary { op: BinaryOp::ColonEqual, lhs, rhs } => {
                self.node(rhs);
                if let AstNode::Variable(name) = &**lhs {
                    self.bound.push(name.clone());
                }
            }
            AstNode::Path { steps } => self.inside(|walk| steps.iter().for_each(|step| walk.step(step))),
            _ => each_child(node, &mut |child| self.node(child)),
        }
    }

    fn step(&mut self, step: &PathStep) {
        self.node(&step.node);
        self.bound.extend(step.focus.iter().chain(&step.index_var).cloned());
        for stage in &step.stages {
            match stage {
                Stage::Filter(predicate) => self.node(predicate),
                Stage::Index(name) => self.bound.push(name.clone()),
                Stage::KeepArray => {}
            }
        }
    }

    /// Names bound inside are unknown outside.
    fn inside(&mut self, walk: impl FnOnce(&mut Self)) {
        let outside = self.bound.len();
        walk(self);
        self.bound.truncate(outside);
    }

    fn variable(&mut self, name: &str) {
        let is_workflows = !matches!(name, "" | "$" | "states") && !FUNCTIONS.contains(&name);
        if is_workflows && !self.bound.iter().any(|bound| bound == name) {
            self.found.insert(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(source: &str) -> Vec<String> {
        variables(&jsonata_core::parser::parse(source).expect("the test parses")).into_iter().collect()
    }

    #[test]
    fn what_an_expression_binds_is_not_free() {
        assert_eq!(free("$map($order.lines, function($line, $i) { $line.price * $rate })"), ["order", "rate"]);
        assert_eq!(free("($sum := $a; $sum + $b)"), ["a", "b"]);
        assert_eq!(free("$order.lines#$i[$i < $limit]"), ["limit", "order"]);
        assert_eq!(free("$map($names, $uppercase) ~> $join"), ["names"]);
        assert_eq!(free("$states.input.a"), Vec::<String>::new());
    }

    #[test]
    fn what_a_block_binds_is_free_outside_of_it() {
        assert_eq!(free("[($x := 1; $x), $x]"), ["x"]);
    }
}
