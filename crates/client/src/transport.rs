//! One request and its answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, USER_AGENT};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Connections;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::answer::Answer;
use crate::error::{Error, Lost};

/// The largest answer: what API Gateway passes on at most.
const MAX_ANSWER_BYTES: usize = 10 * 1024 * 1024;

/// How long a connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(30);

const PRODUCT: HeaderValue = HeaderValue::from_static(concat!("order-client/", env!("CARGO_PKG_VERSION")));

/// A request, ready to be sent as often as it takes.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub method: Method,
    /// Its path from the host's root, and its query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The way to one API. Clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    connections: Connections<HttpsConnector<HttpConnector>, Full<Bytes>>,
    origin: Uri,
    /// What stands before the API's own paths: the stage at AWS's address.
    base_path: String,
    headers: HeaderMap,
}

impl Transport {
    pub fn new(base_url: &str) -> Result<Self, Error> {
        let bad = || Error::BadUrl { url: base_url.to_owned() };
        let url: Uri = base_url.parse().map_err(|_| bad())?;
        let known = url.scheme().is_some_and(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme));
        if !known || url.host().is_none_or(str::is_empty) || url.query().is_some() {
            return Err(bad());
        }
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(Error::Certificates)?
            .https_or_http()
            .enable_http1()
            .build();
        let connections = Connections::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        let base_path = url.path().trim_end_matches('/').to_owned();
        Ok(Self { connections, origin: url, base_path, headers: HeaderMap::from_iter([(USER_AGENT, PRODUCT)]) })
    }

    /// One more header on every request.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let bad = || Error::BadHeader { name: name.to_owned() };
        let header = HeaderName::try_from(name).map_err(|_| bad())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| bad())?;
        // It may be a key, and a client may be printed.
        value.set_sensitive(true);
        self.headers.insert(header, value);
        Ok(self)
    }

    /// The API's own `path`, from the host's root.
    pub fn target(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }

    /// What `location` leads to, from the host's root; nothing, if that is another host, which is none
    /// of this client's business and must not see its key.
    pub fn resolve(&self, location: &str) -> Option<String> {
        let url: Uri = location.parse().ok()?;
        let same = url.authority().is_none()
            || (url.scheme(), url.authority()) == (self.origin.scheme(), self.origin.authority());
        (same && url.path().starts_with('/')).then(|| url.path_and_query().map(ToString::to_string)).flatten()
    }

    /// Sends a request, and reads the answer to its end.
    pub async fn send(&self, request: &Request, timeout: Duration) -> Result<Answer, Lost> {
        let exchange = async {
            let (parts, body) = self.connections.request(self.request(request)?).await.map_err(lost)?.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(Lost::Connection)?.to_bytes();
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(Lost::TimedOut))
    }

    fn request(&self, request: &Request) -> Result<http::Request<Full<Bytes>>, Lost> {
        let mut parts = self.origin.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(request.target.as_str()).map_err(lost)?);
        let mut whole = http::Request::new(Full::new(request.body.clone()));
        *whole.method_mut() = request.method.clone();
        *whole.uri_mut() = Uri::from_parts(parts).map_err(lost)?;
        whole.headers_mut().extend(self.headers.clone());
        whole.headers_mut().extend(request.headers.clone());
        Ok(whole)
    }
}

fn lost(error: impl std::error::Error + Send + Sync + 'static) -> Lost {
    Lost::Connection(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_has_a_scheme_a_host_and_perhaps_a_path() {
        for url in ["https://api.example.com", "http://127.0.0.1:8080/", "https://api.example.com/v1/"] {
            assert!(Transport::new(url).is_ok(), "{url}");
        }
        for url in
            ["", "api.example.com", "/v1", "ftp://api.example.com", "https://", "https://x.example/?a=1", "https://a b"]
        {
            assert!(matches!(Transport::new(url), Err(Error::BadUrl { .. })), "{url}");
        }
    }

    #[test]
    fn a_path_stands_behind_the_stage_and_a_location_at_the_root_of_the_same_host() {
        let transport = Transport::new("https://api.example.com/v1/").unwrap();
        assert_eq!(transport.target("/orders"), "/v1/orders");
        let resolve = |location| transport.resolve(location);
        assert_eq!(resolve("/v1/orders/1").as_deref(), Some("/v1/orders/1"));
        assert_eq!(resolve("https://api.example.com/v1/orders/1").as_deref(), Some("/v1/orders/1"));
        for elsewhere in ["https://other.example.com/v1/orders/1", "http://api.example.com/v1/orders/1", "", "orders/1"]
        {
            assert_eq!(resolve(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        let transport =
            Transport::new("https://api.example.com").unwrap().with_header("x-api-key", "secret-1").unwrap();
        assert!(!format!("{transport:?}").contains("secret-1"));
        assert!(matches!(transport.with_header("x-api-key", "two\nlines"), Err(Error::BadHeader { .. })));
    }
}
