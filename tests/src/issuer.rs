//! An issuer's document on loopback, as an authorizer reads it.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;

/// A server that publishes a document of keys, or fails.
#[derive(Debug, Clone)]
pub struct KeyServer {
    /// The document's address.
    pub url: String,
    published: Arc<Mutex<Option<Value>>>,
}

impl KeyServer {
    /// A server that publishes this document.
    pub async fn start(document: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let url = format!("http://{}/jwks.json", listener.local_addr().expect("a listener has an address"));
        let server = Self { url, published: Arc::new(Mutex::new(Some(document))) };
        let state = server.clone();
        let router = Router::new().fallback(async move || state.answer());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("a listener on loopback does not fail") });
        server
    }

    /// Publishes another document; `None` makes it fail.
    pub fn publish(&self, document: Option<Value>) {
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = document;
    }

    fn answer(&self) -> Response {
        match &*self.published.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(document) => document.to_string().into_response(),
            None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }
}
