//! What an expression refers to. It is found once at loading, so that only those names are bound later.

use std::collections::BTreeSet;

use jsonata_core::ast::{AstNode, PathStep, Stage};

/// The members of `$states` that an expression reads.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct StatesUse {
    pub(crate) input: bool,
    pub(crate) result: bool,
    pub(crate) error_output: bool,
    pub(crate) context: bool,
    /// `$states` itself: any member may be read.
    pub(crate) whole: bool,
}

/// Everything that an expression refers to.
#[derive(Debug, Default)]
pub(crate) struct References {
    pub(crate) states: StatesUse,
    /// Variables of the workflow, and those local to the expression: extra names do no harm.
    pub(crate) variables: BTreeSet<String>,
    /// Functions by name, called or passed as values.
    pub(crate) functions: BTreeSet<String>,
    /// References to the context item, in the order found: `$`, `$$` and plain names.
    pub(crate) top_level: Vec<String>,
}

impl References {
    pub(crate) fn of(expression: &AstNode) -> Self {
        let mut found = Self::default();
        found.walk(expression);
        found.walk_top_level(expression);
        found
    }

    fn walk(&mut self, node: &AstNode) {
        match node {
            AstNode::Variable(name) => self.variable(name),
            AstNode::Path { steps } => self.walk_path(steps),
            AstNode::Function { name, args, .. } => {
                self.functions.insert(name.clone());
                self.walk_each(args);
            }
            _ => each_child(node, &mut |child| self.walk(child)),
        }
    }

    fn variable(&mut self, name: &str) {
        if name == "states" {
            self.states.whole = true;
        } else if !name.is_empty() && name != "$" {
            self.variables.insert(name.to_owned());
            self.functions.insert(name.to_owned());
        }
    }

    fn walk_path(&mut self, steps: &[PathStep]) {
        let mut rest = steps;
        if let [first, second, ..] = steps
            && let (AstNode::Variable(variable), AstNode::Name(member)) = (&first.node, &second.node)
            && variable == "states"
            && first.stages.is_empty()
        {
            match member.as_str() {
                "input" => self.states.input = true,
                "result" => self.states.result = true,
                "errorOutput" => self.states.error_output = true,
                "context" => self.states.context = true,
                _ => {}
            }
            rest = &steps[1..];
        }
        for step in rest {
            self.walk(&step.node);
            for stage in &step.stages {
                if let Stage::Filter(predicate) = stage {
                    self.walk(predicate);
                }
            }
        }
    }

    fn walk_each(&mut self, nodes: &[AstNode]) {
        for node in nodes {
            self.walk(node);
        }
    }

    /// Finds what is read from the context item. In a path, only the first step reads it: every later
    /// step, predicate, sort term and grouping has the value before it as its context. A lambda's body
    /// keeps the context of the place where it is written.
    fn walk_top_level(&mut self, node: &AstNode) {
        match node {
            AstNode::Name(name) => self.top_level.push(name.clone()),
            AstNode::Variable(name) if name.is_empty() => self.top_level.push("$".to_owned()),
            AstNode::Variable(name) if name == "$" => self.top_level.push("$$".to_owned()),
            AstNode::ParentVariable(_) => self.top_level.push("$$".to_owned()),
            AstNode::Path { steps } => {
                if let Some(first) = steps.first() {
                    self.walk_top_level(&first.node);
                }
            }
            AstNode::Function { name, args, is_builtin } => {
                if !is_builtin {
                    self.top_level.push(name.clone());
                }
                for argument in args {
                    self.walk_top_level(argument);
                }
            }
            AstNode::ObjectTransform { input, .. } | AstNode::Sort { input, .. } => {
                self.walk_top_level(input);
            }
            AstNode::Transform { .. } => {}
            _ => each_child(node, &mut |child| self.walk_top_level(child)),
        }
    }
}

/// Calls `visit` with each direct child of `node`.
pub(crate) fn each_child(node: &AstNode, visit: &mut dyn FnMut(&AstNode)) {
    match node {
        AstNode::String(_)
        | AstNode::Name(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Wildcard
        | AstNode::Descendant
        | AstNode::Parent(_) => {}
        AstNode::Path { steps } => steps.iter().for_each(|step| visit(&step.node)),
        AstNode::Binary { lhs, rhs, .. } => {
            visit(lhs);
            visit(rhs);
        }
        AstNode::Unary { operand, .. } => visit(operand),
        AstNode::Function { args, .. } => args.iter().for_each(visit),
        AstNode::Call { procedure, args } => {
            visit(procedure);
            args.iter().for_each(visit);
        }
        AstNode::Lambda { body, .. } => visit(body),
        AstNode::Array(items) | AstNode::Block(items) | AstNode::ArrayGroup(items) => {
            items.iter().for_each(visit);
        }
        AstNode::Object(members) => members.iter().for_each(|(name, value)| {
            visit(name);
            visit(value);
        }),
        AstNode::ObjectTransform { input, pattern } => {
            visit(input);
            for (name, value) in pattern {
                visit(name);
                visit(value);
            }
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            visit(condition);
            visit(then_branch);
            if let Some(otherwise) = else_branch {
                visit(otherwise);
            }
        }
        AstNode::FunctionApplication(inner) => visit(inner),
        AstNode::Sort { input, terms } => {
            visit(input);
            for (term, _) in terms {
                visit(term);
            }
        }
        AstNode::Transform { location, update, delete } => {
            visit(location);
            visit(update);
            if let Some(delete) = delete {
                visit(delete);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(source: &str) -> References {
        References::of(&jsonata_core::parser::parse(source).expect("the test parses"))
    }

    #[test]
    fn the_members_of_states_are_told_apart() {
        let found = references("$states.input.a & $string($states.context.State.Name[$states.result])");
        assert!(found.states.input && found.states.context && found.states.result);
        assert!(!found.states.error_output && !found.states.whole);
        assert!(references("$lookup($states, 'input')").states.whole);
    }

    #[test]
    fn variables_and_functions_are_found_inside_lambdas_predicates_and_sorts() {
        let found = references("$map($items[$limit > x]^($rank(y)), function($v) { $v & $suffix })");
        for name in ["items", "limit", "suffix"] {
            assert!(found.variables.contains(name), "{name}");
        }
        assert!(found.functions.contains("rank") && found.functions.contains("map"));
    }

    /// Measured against AWS by the floci project: only the first step of a path has the context item.
    #[test]
    fn only_what_reads_the_context_item_is_top_level() {
        assert_eq!(references("phone").top_level, ["phone"]);
        assert_eq!(references("$").top_level, ["$"]);
        assert_eq!(references("$$.a").top_level, ["$$"]);
        assert_eq!(references("{aaa: 1}").top_level, ["aaa"]);
        assert_eq!(references("$map($states.input.a, function($x) { b })").top_level, ["b"]);
        for fine in [
            "$states.input.items[price > 1].name",
            "$order.lines^(sku)",
            "$order.lines{sku: $sum(quantity)}",
            "$states.input.(a & b)",
            "$sort($x, function($l, $r) { $l.a > $r.a })",
            "{'undone': true, 'receipt': $states.result.Payload}",
            "$states.input ~> |lines|{'a': b}|",
        ] {
            assert_eq!(references(fine).top_level, Vec::<String>::new(), "{fine}");
        }
    }
}
