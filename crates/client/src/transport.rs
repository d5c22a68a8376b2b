//! Sends one request and reads its answer.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::{BodyExt, Limited};
use reqwest::{Request, Url, redirect};

use crate::answer::Answer;
use crate::error::{Error, Lost};

/// Maximum size of an answer. It is API Gateway's own limit.
const MAX_ANSWER_BYTES: usize = 10 * 1024 * 1024;

/// How long a connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(30);

const PRODUCT: &str = concat!("order-client/", env!("CARGO_PKG_VERSION"));

/// The connections to one API. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    /// On AWS its path is the stage.
    base: Url,
    headers: HeaderMap,
}

impl Transport {
    pub fn new(base_url: &str) -> Result<Self, Error> {
        let bad = || Error::BadUrl { url: base_url.to_owned() };
        let base: Url = base_url.parse().map_err(|_| bad())?;
        if !["http", "https"].contains(&base.scheme()) || base.query().is_some() {
            return Err(bad());
        }
        // A redirect would take the key to another host, and no answer of the API is one. Proxies are
        // ignored, so a variable in the environment cannot send the key elsewhere either.
        let http = reqwest::Client::builder()
            .user_agent(PRODUCT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|error| Error::Certificates(Box::new(error)))?;
        Ok(Self { http, base, headers: HeaderMap::new() })
    }

    /// Adds a header to every request.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let bad = || Error::BadHeader { name: name.to_owned() };
        let header = HeaderName::try_from(name).map_err(|_| bad())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| bad())?;
        // It may be a key, and a client may be printed.
        value.set_sensitive(true);
        self.headers.insert(header, value);
        Ok(self)
    }

    /// The address of the API's own `path`.
    ///
    /// # Errors
    /// [`Error::BadId`] if an id in it is `.` or `..`. An address cannot contain these: they are resolved, however they
    /// are escaped, and the request would reach another route.
    /// <https://url.spec.whatwg.org/#double-dot-path-segment>
    pub fn url(&self, path: &str) -> Result<Url, Error> {
        if let Some(id) = path.split('/').find(|segment| matches!(*segment, "." | "..")) {
            return Err(Error::BadId { id: id.to_owned() });
        }
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        Ok(url)
    }

    /// The address that `location` leads to; `None` if it is on another host, which must not see the key.
    pub fn resolve(&self, location: &str) -> Option<Url> {
        let from_root = location.starts_with('/');
        let url = if from_root { self.base.join(location) } else { location.parse() }.ok()?;
        (url.origin() == self.base.origin()).then_some(url)
    }

    /// A request with the headers that every request has.
    pub fn request(&self, method: Method, url: Url) -> Request {
        let mut request = Request::new(method, url);
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Sends a request, and reads the answer to its end.
    pub async fn send(&self, request: &Request, timeout: Duration) -> Result<Answer, Lost> {
        let request = request.try_clone().expect("a body in memory can be sent again");
        let exchange = async {
            // The address may hold a customer's id, and errors are logged.
            let lost = |error: reqwest::Error| Lost::Connection(Box::new(error.without_url()));
            let answer: http::Response<_> = self.http.execute(request).await.map_err(lost)?.into();
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(Lost::Connection)?.to_bytes();
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(Lost::TimedOut))
    }
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
        assert_eq!(transport.url("/orders/a%2Fb").unwrap().as_str(), "https://api.example.com/v1/orders/a%2Fb");
        let resolve = |location| transport.resolve(location).map(String::from);
        let there = Some("https://api.example.com/v1/orders/1".to_owned());
        assert_eq!(resolve("/v1/orders/1"), there);
        assert_eq!(resolve("https://api.example.com/v1/orders/1"), there);
        for elsewhere in [
            "https://other.example.com/v1/orders/1",
            "//other.example.com/v1/orders/1",
            "http://api.example.com/v1/orders/1",
            "",
            "orders/1",
        ] {
            assert_eq!(resolve(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn an_id_that_an_address_cannot_contain_is_refused() {
        let transport = Transport::new("https://api.example.com/v1/").unwrap();
        for path in ["/orders/..", "/orders/./cancel", "/customers/../orders"] {
            assert!(matches!(transport.url(path), Err(Error::BadId { .. })), "{path}");
        }
        for id in ["a.b", "...", ".a"] {
            let url = transport.url(&format!("/orders/{id}")).unwrap();
            assert_eq!(url.path(), format!("/v1/orders/{id}"));
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
