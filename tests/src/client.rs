//! An HTTP client of the order API that hides nothing: statuses, headers and bodies as they arrive, and requests that
//! no client should send. [`Client::typed`] is the client that developers use.

use std::time::Duration;

use axum::body::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Method, Request, StatusCode};
use reqwest::redirect;
use serde_json::{Value, json};

/// Longer than intake ever takes: 20 s for the saga, and then the time to read the record.
const PATIENCE: Duration = Duration::from_mins(1);

/// The body that clients have sent since before there was a saga.
pub const LAPTOP: &str = r#"{"customerId":"demo123","items":[{"productId":"LAPTOP001","quantity":1,"price":1299.99}],"totalAmount":1299.99}"#;

/// The header that makes two requests one order.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header that marks an answer about an order that already existed.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A prepaid order of one article, at 10 dollars each.
pub fn order_of(sku: &str, quantity: u32) -> Value {
    json!({
        "customerId": "demo123",
        "items": [{ "productId": sku, "quantity": quantity, "price": 10 }],
        "totalAmount": 10 * quantity,
    })
}

/// A client of one API. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Scheme, host and port.
    origin: String,
    /// The path prefix of the API.
    base_path: String,
    /// Headers for every request.
    headers: HeaderMap,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// There was no answer, or only half of one: the server is gone.
#[derive(Debug)]
pub struct NoAnswer(pub String);

impl Client {
    /// A client of the API at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        // It speaks plain HTTP, so it reads no certificates.
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().tls_certs_only([]).build();
        let http = http.expect("none of these settings can fail");
        Self { http, origin: url.into(), base_path: String::new(), headers: HeaderMap::new() }
    }

    /// The API under a path prefix.
    #[must_use]
    pub fn under(self, base_path: &str) -> Self {
        Self { base_path: base_path.to_owned(), ..self }
    }

    /// The API's scheme, host and port.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Adds a header to every request.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.insert(name, value.parse().expect("a test's headers are valid"));
        self
    }

    /// The client crate, for the same API.
    pub fn typed(&self) -> order_client::Client {
        let client = order_client::Client::new(&format!("{}{}", self.origin, self.base_path));
        self.headers.iter().fold(client.expect("a test's URL is valid"), |client, (name, value)| {
            let value = value.to_str().expect("a test's headers are text");
            client.with_header(name.as_str(), value).expect("it was a header before")
        })
    }

    /// A request to `path`, sent with [`Client::send`].
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        self.request_at(method, &format!("{}{path}", self.base_path))
    }

    fn request_at(&self, method: Method, path: &str) -> http::request::Builder {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.origin));
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// Sends a request.
    ///
    /// # Errors
    /// [`NoAnswer`], also if the answer is cut off.
    pub async fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Result<Response, NoAnswer> {
        let request = request.body(body.into()).expect("a test's request is well formed");
        let request = request.try_into().expect("a test's URL is one");
        let sent = tokio::time::timeout(PATIENCE, async {
            let response = self.http.execute(request).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok::<_, reqwest::Error>(Response { status, headers, body: response.bytes().await? })
        });
        sent.await.expect("an answer comes in time").map_err(|error| NoAnswer(error.to_string()))
    }

    /// Reads `path`.
    pub async fn get(&self, path: &str) -> Response {
        self.send(self.request(Method::GET, path), "").await.expect("a server that runs answers")
    }

    /// Reads the resource that an answer's `Location` names, as a browser does: from the root of the host.
    pub async fn follow(&self, location: &str) -> Response {
        self.send(self.request_at(Method::GET, location), "").await.expect("a server that runs answers")
    }

    /// A request to place an order, to which headers can be added.
    pub fn placing(&self) -> http::request::Builder {
        self.request(Method::POST, "/orders").header(CONTENT_TYPE, "application/json")
    }

    /// Cancels the order that an answer's `Location` names.
    pub async fn cancel(&self, location: &str) -> Response {
        let request = self.request_at(Method::POST, &format!("{location}/cancel"));
        self.send(request, "").await.expect("a server that runs answers")
    }

    /// Hands over the order that an answer's `Location` names.
    pub async fn fulfil(&self, location: &str) -> Response {
        let request = self.request_at(Method::POST, &format!("{location}/fulfil"));
        self.send(request, "").await.expect("a server that runs answers")
    }

    /// Places an order under a key.
    pub async fn place(&self, key: &str, body: impl ToString) -> Response {
        self.send(self.placing().header(IDEMPOTENCY_KEY, key), body.to_string())
            .await
            .expect("a server that runs answers")
    }
}

impl Response {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in the body of {self:?}"))
    }

    /// A header's text; empty if it is missing.
    pub fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("the API's headers are ASCII"))
    }

    /// The problem document, after checking what every problem document must have.
    pub fn problem(&self) -> Value {
        assert_eq!(self.header(CONTENT_TYPE), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert!(problem["type"].as_str().is_some_and(|uri| uri.starts_with("urn:order-saga:problem:")), "{problem}");
        assert!(problem["title"].is_string(), "{problem}");
        problem
    }
}
