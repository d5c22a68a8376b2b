//! Requests of operations for stock, accounts and the journal, in few words.

use api::Caller;
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use local_stack::Stack;
use local_stack::gateway::{self, PathParameters};
use serde_json::Value;

use crate::orders::{REQUEST_ID, Reply};

/// A request of operations.
#[derive(Debug, Clone)]
pub struct Ask {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: String,
    client: Caller,
}

/// `GET path`.
pub fn get(path: &str) -> Ask {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    Ask { method: Method::GET, path: path.to_owned(), headers, body: String::new(), client: Caller::of_an_open_api() }
}

/// `PUT path` with a body.
pub fn put(path: &str, body: &Value) -> Ask {
    Ask { method: Method::PUT, body: body.to_string(), ..get(path) }
}

/// `POST path` with a body.
pub fn post(path: &str, body: &Value) -> Ask {
    Ask { method: Method::POST, ..put(path, body) }
}

impl Ask {
    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_str(value).expect("tests send valid headers"));
        self
    }

    /// With this idempotency key.
    #[must_use]
    pub fn under(self, key: &str) -> Self {
        self.with(api::idempotency::IDEMPOTENCY_KEY, key)
    }

    /// For this version (`If-Match`).
    #[must_use]
    pub fn if_match(self, etag: &str) -> Self {
        self.with(header::IF_MATCH, etag)
    }

    /// Only if nothing exists yet (`If-None-Match: *`).
    #[must_use]
    pub fn if_absent(self) -> Self {
        self.with(header::IF_NONE_MATCH, "*")
    }

    /// With any body.
    #[must_use]
    pub fn saying(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }

    /// With a body of this content type.
    #[must_use]
    pub fn of_type(mut self, media_type: &'static str) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        self
    }

    /// As this client.
    #[must_use]
    pub fn by(self, client: &Caller) -> Self {
        Self { client: client.clone(), ..self }
    }

    /// The method and the resource, as routes name them.
    pub fn operation(&self) -> String {
        format!("{} {}", self.method, self.route().0)
    }

    /// Sends it to the function that answers it.
    pub async fn answer(self, stack: &Stack) -> api::Answer {
        self.answer_as(stack, REQUEST_ID).await
    }

    /// Sends it as the request with this id.
    pub async fn answer_as(self, stack: &Stack, request_id: &str) -> api::Answer {
        let (event, client) = (self.event(), &self.client);
        stack.answer(event, client, request_id).await
    }

    /// Sends it, and waits for the answer.
    pub async fn send(self, stack: &Stack) -> Reply {
        self.answer(stack).await.into()
    }

    fn route(&self) -> (&'static str, PathParameters) {
        let path = self.path.split('?').next().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let (resource, values): (_, Vec<(&str, &str)>) = match *segments.as_slice() {
            ["stores", store, "stock"] => ("/stores/{storeId}/stock", vec![("storeId", store)]),
            ["stores", store, "stock", sku] => {
                ("/stores/{storeId}/stock/{sku}", vec![("storeId", store), ("sku", sku)])
            }
            ["stores", store, "stock", sku, "adjustments"] => {
                ("/stores/{storeId}/stock/{sku}/adjustments", vec![("storeId", store), ("sku", sku)])
            }
            ["stores", store, "stock", sku, "spread"] => {
                ("/stores/{storeId}/stock/{sku}/spread", vec![("storeId", store), ("sku", sku)])
            }
            ["stores", store, "prices", sku] => {
                ("/stores/{storeId}/prices/{sku}", vec![("storeId", store), ("sku", sku)])
            }
            ["orders", order_id] => ("/orders/{orderId}", vec![("orderId", order_id)]),
            ["orders", order_id, "cancel"] => ("/orders/{orderId}/cancel", vec![("orderId", order_id)]),
            ["orders", order_id, "fulfil"] => ("/orders/{orderId}/fulfil", vec![("orderId", order_id)]),
            ["orders", order_id, "payment"] => ("/orders/{orderId}/payment", vec![("orderId", order_id)]),
            ["accounts", customer] => ("/accounts/{customerId}", vec![("customerId", customer)]),
            ["accounts", customer, "terms"] => ("/accounts/{customerId}/terms", vec![("customerId", customer)]),
            ["accounts", customer, "terms", "history"] => {
                ("/accounts/{customerId}/terms/history", vec![("customerId", customer)])
            }
            ["orders", order, "journal"] => ("/orders/{orderId}/journal", vec![("orderId", order)]),
            _ => panic!("{path} is not a path of operations"),
        };
        (resource, values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn event(&self) -> ApiGatewayProxyRequest {
        let (resource, path) = self.route();
        let mut event = gateway::event(self.method.clone(), resource, self.headers.clone(), path, self.body.as_bytes());
        gateway::set_query(&mut event, self.path.split_once('?').map_or("", |(_, query)| query));
        event
    }
}
