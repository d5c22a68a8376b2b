//! Compares `openapi.yaml` with the routes that the functions declare, and with API Gateway's own answers, as
//! configured in `terraform`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use system_tests::openapi::{description, resolve};

use crate::{Described, array, described_by, operation, operations, texts};

/// API Gateway's own answers to a request for any operation. Its other answers are for requests that match no
/// operation, or break a rule that no operation has.
const OF_GATEWAY: [&str; 10] = [
    "UNAUTHORIZED",
    "AUTHORIZER_FAILURE",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "INVALID_API_KEY",
    "ACCESS_DENIED",
    "WAF_FILTERED",
    "THROTTLED",
    "QUOTA_EXCEEDED",
    "INTEGRATION_TIMEOUT",
    "INTEGRATION_FAILURE",
];

/// The parameters of an operation in a place, by the description.
fn parameters(api: &Value, of: &str, place: &str) -> BTreeSet<String> {
    array(&operation(api, of)["parameters"])
        .map(|parameter| resolve(api, parameter))
        .filter(|parameter| parameter["in"] == place)
        .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
        .collect()
}

/// The scopes that the description names for an operation; any one of them is enough.
fn scopes(api: &Value, of: &str) -> BTreeSet<String> {
    let alternatives: Vec<&Value> = array(&operation(api, of)["security"]).collect();
    assert!(alternatives.contains(&&json!({})), "{of}: the local stack takes requests without a credential");
    let of_scheme = |scheme: &str| -> BTreeSet<String> {
        let all = alternatives.iter().filter(|alternative| alternative.get(scheme).is_some());
        let scopes = all.map(|alternative| {
            let scopes = texts(&alternative[scheme]);
            assert_eq!(
                (alternative.as_object().unwrap().len(), scopes.len()),
                (1, 1),
                "{of}: {alternative} is one scope"
            );
            scopes
        });
        scopes.flatten().collect()
    };
    let (by_token, by_key) = (of_scheme("bearer"), of_scheme("apiKey"));
    assert_eq!(by_token, by_key, "{of}: tokens and keys have the same scopes");
    assert_eq!(alternatives.len(), 1 + by_token.len() + by_key.len(), "{of} has another scheme");
    by_token
}

#[test]
fn the_functions_declare_every_route_of_the_description_and_no_other() {
    let operations: BTreeSet<String> = operations(&description().unwrap()).collect();
    assert_eq!(declarations::routes().map(|(_, route, _)| route.to_owned()).collect::<BTreeSet<_>>(), operations);
}

#[test]
fn a_route_knows_every_parameter_of_its_operation_and_no_other() {
    let api = description().unwrap();
    for (_, name, route) in declarations::routes() {
        assert_eq!(route.headers, parameters(&api, name, "header"), "{name}");
        assert_eq!(route.query, parameters(&api, name, "query"), "{name}");
        let placeholders = name.split('{').skip(1).map(|rest| rest.split('}').next().unwrap().to_owned());
        assert_eq!(placeholders.collect::<BTreeSet<_>>(), parameters(&api, name, "path"), "{name}");
        let places = ["header", "query", "path"].map(|place| parameters(&api, name, place).len());
        let all = array(&operation(&api, name)["parameters"]).count();
        assert_eq!(places.iter().sum::<usize>(), all, "{name} has parameters in another place");
    }
}

#[test]
fn a_route_takes_the_scopes_of_its_operation_and_no_other() {
    let api = description().unwrap();
    for (_, name, route) in declarations::routes() {
        assert_eq!(route.scopes, scopes(&api, name), "{name}");
    }
}

/// API Gateway's own answers, by their names in `api.tf`: the status, if it is a fixed one, and the problem's name.
pub fn gateway_problems() -> BTreeMap<String, (Option<u16>, String)> {
    let api: Value = hcl::from_str(include_str!("../../../terraform/api.tf")).unwrap();
    let table = api["locals"]["gateway_problems"].as_object().unwrap();
    let problem = |answer: &Value| {
        let status = answer["status"].as_u64().map(|status| status.try_into().unwrap());
        (status, answer["type"].as_str().unwrap().to_owned())
    };
    table.iter().map(|(name, answer)| (name.clone(), problem(answer))).collect()
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
