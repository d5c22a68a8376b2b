//! `openapi.yaml` against API Gateway's routes, what they pass on, and what it answers by itself, as
//! `terraform` has them.

use std::collections::{BTreeMap, BTreeSet};

use local_http::docs::{description, resolve};

use crate::{Described, array, described_by, operation, operations};

const LOCALS: &str = include_str!("../../../terraform/locals.tf");

/// What API Gateway answers by itself to a request of any operation; the rest of its answers is about
/// what is no operation, or is refused by a rule that no operation has.
const OF_GATEWAY: [&str; 7] = [
    "INVALID_API_KEY",
    "ACCESS_DENIED",
    "WAF_FILTERED",
    "THROTTLED",
    "QUOTA_EXCEEDED",
    "INTEGRATION_TIMEOUT",
    "INTEGRATION_FAILURE",
];

/// API Gateway's routes, each with the parameters that it knows, as `locals.tf` has them.
fn routes() -> impl Iterator<Item = (&'static str, &'static str)> {
    let (_, routes) = LOCALS.split_once("\n  routes = {\n").unwrap();
    let (routes, _) = routes.split_once("\n  }\n").unwrap();
    routes.split("\n    }").filter(|route| !route.trim().is_empty()).map(|route| {
        let (name, fields) = route.split_once("\" = {\n").unwrap();
        let (_, parameters) = fields.split_once(" parameters = ").unwrap();
        (name.rsplit('"').next().unwrap(), parameters)
    })
}

/// The parameters that an expression of `locals.tf` stands for, each with whether API Gateway refuses
/// requests without it.
fn evaluate(expression: &str) -> BTreeMap<String, bool> {
    let mut parameters = BTreeMap::new();
    for piece in expression.split(['(', ')', '{', '}', ',']).map(str::trim) {
        if let Some(name) = piece.strip_prefix("local.") {
            let lines = LOCALS.lines().filter_map(|line| line.trim().strip_prefix(name)?.trim().strip_prefix("= "));
            let definitions: Vec<&str> = lines.collect();
            assert_eq!(definitions.len(), 1, "{piece} is defined in one line");
            parameters.extend(evaluate(definitions[0]));
        } else if let Some((name, must_be_sent)) = piece.split_once(" = ") {
            parameters.insert(name.trim_matches('"').to_owned(), must_be_sent.parse().unwrap());
        } else {
            assert!(["", "merge"].contains(&piece), "{piece} is not understood here: {expression}");
        }
    }
    parameters
}

#[test]
fn api_gateway_has_every_route_of_the_description_and_no_other() {
    let operations: BTreeSet<String> = operations(&description().unwrap()).collect();
    assert_eq!(routes().map(|(route, _)| route.to_owned()).collect::<BTreeSet<_>>(), operations);
}

#[test]
fn api_gateway_knows_every_parameter_of_an_operation_and_no_other() {
    let api = description().unwrap();
    for (route, parameters) in routes() {
        let of_gateway = evaluate(parameters);
        let described: BTreeMap<String, bool> = array(&operation(&api, route)["parameters"])
            .map(|parameter| resolve(&api, parameter))
            .filter_map(|parameter| {
                let place = match parameter["in"].as_str().unwrap() {
                    "query" => "querystring",
                    "path" => return None,
                    other => other,
                };
                Some((format!("{place}.{}", parameter["name"].as_str().unwrap()), parameter["required"] == true))
            })
            .collect();
        let names = |parameters: &BTreeMap<String, bool>| parameters.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&of_gateway), names(&described), "{route}");
        // It may leave it to the function to refuse what is missing, and not the other way round.
        for (name, must_be_sent) in of_gateway {
            assert!(!must_be_sent || described[&name], "{route}: {name} may be missing");
        }
    }
}

/// API Gateway's own answers, by their names in `api.tf`: the status, if it is a fixed one, and the
/// problem's name.
pub fn gateway_problems() -> BTreeMap<&'static str, (Option<u16>, String)> {
    let api = include_str!("../../../terraform/api.tf");
    let (_, table) = api.split_once("\n  gateway_problems = {\n").unwrap();
    let (table, _) = table.split_once("\n  }\n").unwrap();
    let field = |row: &str, name: &str| {
        let (_, rest) = row.split_once(&format!("{name} = ")).unwrap();
        rest.split(',').next().unwrap().trim_matches('"').to_owned()
    };
    let rows = table.lines().filter_map(|line| line.split_once(" = { "));
    rows.map(|(name, row)| (name.trim(), (field(row, "status").parse().ok(), field(row, "type")))).collect()
}

#[test]
fn what_api_gateway_answers_by_itself_is_described_for_every_operation() {
    let api = description().unwrap();
    let problems = gateway_problems();
    let answers: BTreeSet<_> =
        OF_GATEWAY.map(|name| (problems[name].0.unwrap(), problems[name].1.clone())).into_iter().collect();
    let of_gateway: BTreeSet<Described> =
        described_by(&api, "x-gateway-problem-types").into_iter().filter(|(.., kind)| !kind.is_empty()).collect();
    for operation in operations(&api) {
        let own = of_gateway.iter().filter(|(of, ..)| *of == operation);
        assert_eq!(
            own.map(|(_, status, kind)| (*status, kind.clone())).collect::<BTreeSet<_>>(),
            answers,
            "{operation}"
        );
    }
}
