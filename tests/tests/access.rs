//! Who may do what: on every route, an API key gives access only to its tenant's orders and by its scopes.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use std::io::Write as _;

use api::Scope;
use http::{HeaderName, Method, StatusCode};
use serde_json::{Value, json};
use strum::VariantArray;
use system_tests::client::{Client, order_of};
use system_tests::openapi::description;
use system_tests::process::Serve;
use tempfile::NamedTempFile;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// An API with a client for each scope, a second tenant, and a client of one customer.
struct Api {
    anybody: Client,
    _clients: NamedTempFile,
    _serve: Serve,
}

impl Api {
    async fn open() -> Self {
        let mut clients = json!({
            "shop": { "tenant": "shop", "scopes": ["submit", "read"] },
            "shop-renewed": { "tenant": "shop", "scopes": ["submit", "read"] },
            "other": { "tenant": "other", "scopes": ["submit", "read"] },
            "acme": { "tenant": "shop", "scopes": ["submit", "read"], "customer_id": "acme" },
        });
        for scope in Scope::VARIANTS {
            clients[scope.to_string()] = json!({ "tenant": "shop", "scopes": [scope.to_string()] });
        }
        let mut file = NamedTempFile::new().unwrap();
        write!(file, "{clients}").unwrap();
        let serve = Serve::start(["--clients".as_ref(), file.path()]).await;
        Self { anybody: serve.client(), _clients: file, _serve: serve }
    }

    /// The caller with this key.
    fn client(&self, key: &str) -> Client {
        self.anybody.clone().with_header(API_KEY, key)
    }
}

async fn status(client: &Client, method: Method, path: &str) -> StatusCode {
    let request = client.request(method, path).header("content-type", "application/json");
    client.send(request, "{}").await.unwrap().status
}

async fn listed(client: &Client, path: &str) -> usize {
    client.get(path).await.json()["orders"].as_array().unwrap().len()
}

/// The scopes that allow a request, by the description.
fn scopes(operation: &Value) -> Vec<&str> {
    let alternatives = operation["security"].as_array().unwrap().iter();
    alternatives.filter_map(|scheme| scheme["bearer"].as_array()?.first()?.as_str()).collect()
}

#[tokio::test]
async fn each_route_takes_the_scopes_that_the_description_names_and_no_other() {
    let api = Api::open().await;
    let description = description().unwrap();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let scopes = scopes(operation);
            assert!(!scopes.is_empty(), "{method} {path} has no scope");
            // Not a valid id: a request that gets this far is refused for that, or for its empty body.
            let path = path.replace(['{', '}'], "-");
            let method: Method = method.to_uppercase().parse().unwrap();
            for scope in Scope::VARIANTS {
                let found = status(&api.client(scope.into()), method.clone(), &path).await;
                let may = scopes.contains(&scope.into());
                assert_eq!(found != StatusCode::FORBIDDEN, may, "{method} {path} with {scope}: {found}");
            }
            assert_ne!(status(&api.anybody, method.clone(), &path).await, StatusCode::FORBIDDEN);
            assert_eq!(status(&api.client("nobody"), method, &path).await, StatusCode::UNAUTHORIZED);
        }
    }
}

#[tokio::test]
async fn for_another_tenant_an_order_does_not_exist() {
    let api = Api::open().await;
    let (shop, other, operations) = (api.client("shop"), api.client("other"), api.client("operations"));
    let placed = shop.place("key", order_of("MOUSE001", 1)).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
    let location = placed.header("location").to_owned();
    let order_id = placed.json()["orderId"].as_str().unwrap().to_owned();

    let hidden = other.get(&location).await;
    let absent = other.get("/orders/00000000000000000000000000000000").await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
    let mut told = hidden.json();
    told["orderId"] = absent.json()["orderId"].clone();
    assert_eq!(told, absent.json(), "the answer is the same as for an order that nobody placed");

    assert_eq!(other.cancel(&location).await.status, StatusCode::NOT_FOUND);
    assert_eq!(shop.get(&location).await.json()["status"], "CONFIRMED", "it is not cancelled either");
    assert_eq!(listed(&other, "/customers/demo123/orders").await, 0);
    assert_eq!(listed(&shop, "/customers/demo123/orders").await, 1);

    // The store hands over every order that it picked, whatever the tenant.
    assert_eq!(operations.get(&location).await.status, StatusCode::OK);
    assert_eq!(listed(&operations, "/stores/main/orders").await, 1);

    // The same key in their tenant is another order, which says nothing about ours.
    let theirs = other.place("key", order_of("MONITOR001", 1)).await;
    assert_eq!(theirs.status, StatusCode::CREATED, "{theirs:?}");
    assert_ne!(theirs.json()["orderId"], order_id);

    assert_eq!(operations.cancel(&location).await.json()["status"], "CANCELLED");
}

#[tokio::test]
async fn a_new_key_of_a_tenant_stands_for_the_same_orders() {
    let api = Api::open().await;
    let placed = api.client("shop").place("key", order_of("MOUSE001", 1)).await;
    let replayed = api.client("shop-renewed").place("key", order_of("MOUSE001", 1)).await;
    assert_eq!(replayed.json()["orderId"], placed.json()["orderId"]);
    assert_eq!(replayed.header("idempotent-replayed"), "true");
    assert_eq!(api.client("shop-renewed").cancel(placed.header("location")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_of_one_customer_acts_for_no_other() {
    let api = Api::open().await;
    let (shop, acme) = (api.client("shop"), api.client("acme"));
    let others = shop.place("theirs", order_of("MOUSE001", 1)).await;
    let location = others.header("location").to_owned();
    assert_eq!(acme.get(&location).await.status, StatusCode::NOT_FOUND);
    assert_eq!(acme.cancel(&location).await.status, StatusCode::NOT_FOUND);
    assert_eq!(shop.get(&location).await.json()["status"], "CONFIRMED");
    assert_eq!(acme.get("/customers/demo123/orders").await.status, StatusCode::FORBIDDEN);

    let refused = acme.place("ours", order_of("MOUSE001", 1)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
    assert_eq!(refused.problem()["type"], "urn:order-saga:problem:forbidden");
    assert_eq!(listed(&api.anybody, "/stores/main/orders").await, 1, "a refused order is not written");

    let mut order = order_of("MOUSE001", 1);
    order["customerId"] = "acme".into();
    let ours = acme.place("ours", order).await;
    assert_eq!(ours.status, StatusCode::CREATED, "{ours:?}");
    assert_eq!(acme.get(ours.header("location")).await.status, StatusCode::OK);
    assert_eq!(listed(&acme, "/customers/acme/orders").await, 1);
    assert_eq!(acme.cancel(ours.header("location")).await.json()["status"], "CANCELLED");
}
