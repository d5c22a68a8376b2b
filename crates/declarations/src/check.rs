//! Contradictions between declarations.

use std::collections::BTreeMap;

use crate::schema::{Function, Kind};
use crate::{functions, queues, routes, steps, tables};

/// All contradictions between the declarations. Each names the file and what is wrong there.
pub fn problems() -> Vec<String> {
    let mut problems = Vec::new();
    for function in functions() {
        check_kind(function, &mut problems);
        check_uses(function, &mut problems);
        check_step(function, &mut problems);
        check_queues(function, &mut problems);
    }
    check_tables(&mut problems);
    check_unique(&mut problems);
    problems
}

fn file(function: &Function) -> String {
    format!("functions/{}/function.json", function.name)
}

fn check_kind(function: &Function, problems: &mut Vec<String>) {
    let mut expect = |has: bool, kind: Kind, what: &str| {
        if has != (function.kind == kind) {
            let verb = if has { "has" } else { "lacks" };
            problems.push(format!("{}: is of kind {:?} and {verb} {what}", file(function), function.kind));
        }
    };
    expect(function.record.is_some(), Kind::Record, "record");
    expect(function.step.is_some(), Kind::Step, "step");
    expect(!function.routes.is_empty(), Kind::Api, "routes");
}

fn check_uses(function: &Function, problems: &mut Vec<String>) {
    for (name, used) in &function.uses.tables {
        let Some(table) = tables().get(name) else {
            problems.push(format!("{}: uses the table {name}, which no table.json declares", file(function)));
            continue;
        };
        for index in used.indexes.keys().filter(|index| !table.indexes.contains_key(*index)) {
            problems.push(format!("{}: uses the index {index}, which {name} does not have", file(function)));
        }
    }
    for name in function.uses.queues.keys().chain(function.receives.keys()) {
        if !queues().any(|queue| queue.name == *name) {
            problems.push(format!("{}: uses the queue {name}, which nothing declares", file(function)));
        }
    }
}

fn check_step(function: &Function, problems: &mut Vec<String>) {
    let Some(step) = &function.step else { return };
    let at = file(function);
    match tables().get(&step.fence.table) {
        None => problems.push(format!("{at}: the fence is in the table {}, which nothing declares", step.fence.table)),
        Some(table) => {
            let expected: Vec<&String> = [&table.key.partition].into_iter().chain(&table.key.sort).collect();
            let mut found: Vec<&String> = step.fence.key.keys().collect();
            found.sort_by_key(|name| expected.iter().position(|key| key == name));
            if found != expected {
                problems.push(format!("{at}: the fence's key has {found:?}, and the table's has {expected:?}"));
            }
        }
    }
    if !step.fence.key.values().any(|value| value.contains("{order_id}")) {
        problems.push(format!("{at}: the fence's key lacks {{order_id}}, so all orders would share one fence"));
    }
    if !function.uses.tables.contains_key(&step.fence.table) {
        problems.push(format!("{at}: uses.tables lacks {}, where its fence is", step.fence.table));
    }
    let names: Vec<&str> = step.actions().map(|action| action.name.as_str()).collect();
    if names.iter().enumerate().any(|(index, name)| names[..index].contains(name)) {
        problems.push(format!("{at}: two of its actions have one name: {names:?}"));
    }
}

fn check_queues(function: &Function, problems: &mut Vec<String>) {
    let at = file(function);
    for queue in function.queues.values() {
        if let Some(redrive) = &queue.redrive
            && !queues().any(|other| other.name == redrive.to)
        {
            problems.push(format!("{at}: the queue {} ends in {}, which nothing declares", queue.name, redrive.to));
        }
    }
    if let Some(schedule) = &function.schedule
        && !queues().any(|queue| queue.name == schedule.failures)
    {
        problems.push(format!("{at}: the schedule's failures go to {}, which nothing declares", schedule.failures));
    }
    for name in function.receives.keys() {
        let Some(queue) = queues().find(|queue| queue.name == *name) else { continue };
        // https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        if queue.visibility_seconds < 6 * function.timeout.seconds {
            problems.push(format!("{at}: a message of {name} must stay hidden for six times the function's timeout"));
        }
    }
}

fn check_tables(problems: &mut Vec<String>) {
    for table in tables().values() {
        let own = [Some(&table.key.partition), table.key.sort.as_ref()].into_iter().flatten();
        let of_indexes = table.indexes.values().flat_map(|index| [&index.partition, &index.sort]);
        let keys: std::collections::BTreeSet<&String> = own.chain(of_indexes).collect();
        let declared: std::collections::BTreeSet<&String> = table.attributes.keys().collect();
        if keys != declared {
            problems.push(format!("the table {}: its keys are {keys:?}, and its attributes {declared:?}", table.name));
        }
    }
}

/// What only one function may declare.
fn check_unique(problems: &mut Vec<String>) {
    let mut owners: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut own = |what: String, function: &'static Function| owners.entry(what).or_default().push(&function.name);
    for (function, name, _) in routes() {
        own(format!("the route {name}"), function);
    }
    for function in functions() {
        function.queues.keys().for_each(|name| own(format!("the queue {name}"), function));
    }
    for (function, step) in steps() {
        own(format!("the position {}", step.position), function);
        for action in step.actions() {
            own(format!("the timeline's {}", action.timeline), function);
        }
        for (error, refusal) in &step.refusals {
            own(format!("the error {error}"), function);
            own(format!("the reason {}", refusal.reason), function);
            own(format!("the problem {}", refusal.problem), function);
        }
    }
    for (what, functions) in owners.into_iter().filter(|(_, functions)| functions.len() > 1) {
        problems.push(format!("{what} is declared by {}", functions.join(" and ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declarations_fit_together() {
        assert_eq!(problems(), Vec::<String>::new());
    }
}
